//! Touches: that a person looked at something or answered. Collected in memory and written in
//! batches, so that reading never writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Site};
use crate::domain::channel::Channel;
use crate::domain::event::Event;
use crate::store::db::Tx;
use crate::store::{channels, events};

/// Rows written in one transaction.
const BATCH: usize = 200;

/// A person looked at it.
pub const BOOST_VIEW: f64 = 1.0;
/// A guest answered.
pub const BOOST_ANSWER: f64 = 5.0;
/// An organizer edited it.
pub const BOOST_EDIT: f64 = 10.0;

/// What can be touched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    Event(String),
    Channel(String),
}

/// The touches not written yet: for each thing the strongest one. What is flushed at most once
/// a minute is therefore written at most once a minute, and reloading a page gains nothing.
#[derive(Debug, Clone, Default)]
pub struct Touches(Arc<Mutex<HashMap<Target, f64>>>);

impl Touches {
    /// An event was looked at or answered.
    pub fn event(&self, id: &str, boost: f64) {
        self.add(Target::Event(id.to_owned()), boost);
    }

    /// A channel was looked at or used.
    pub fn channel(&self, id: &str, boost: f64) {
        self.add(Target::Channel(id.to_owned()), boost);
    }

    fn add(&self, target: Target, boost: f64) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let strongest = pending.entry(target).or_insert(boost);
        *strongest = strongest.max(boost);
    }

    fn take(&self) -> Vec<(Target, f64)> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<_> = pending.drain().collect();
        // One order for everybody, events before channels: two that write the same rows must not
        // deadlock.
        taken.sort_by(|(a, _), (b, _)| a.key().cmp(&b.key()));
        taken
    }
}

impl Target {
    fn key(&self) -> (u8, &str) {
        match self {
            Self::Event(id) => (0, id),
            Self::Channel(id) => (1, id),
        }
    }
}

/// Writes the touches collected so far. Those of a batch that fails are lost: they are hints.
pub async fn flush(site: &Site) -> Result<(), Error> {
    let touches = site.touches.take();
    for batch in touches.chunks(BATCH) {
        let batch = batch.to_vec();
        let site_in = site.clone();
        site.db
            .write(move |tx| {
                Box::pin(async move {
                    for (target, boost) in &batch {
                        write(tx, &site_in, target, *boost).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await?;
    }
    Ok(())
}

async fn write(tx: &mut Tx, site: &Site, target: &Target, boost: f64) -> Result<(), Error> {
    let now = site.clock.now();
    let fading = &site.rules.fading;
    match target {
        Target::Event(id) => {
            // Locked, or an edit in between would be overwritten with what is derived from before.
            let event = events::lock(tx, id).await?;
            // What may be purged is as good as gone: else it would depend on when the job runs
            // whether a late visitor brings it back.
            if let Some(event) = event.filter(|event| !fading.is_purgeable(event, now)) {
                let score = fading.touch(event.score, event.scored_at, now, boost);
                let touched = Event { score, scored_at: now, ..event };
                events::touch(tx, id, score, now, fading.fades(&touched)).await?;
            }
        }
        Target::Channel(id) => {
            let Some(channel) = channels::by_id(tx, id).await? else { return Ok(()) };
            if fading.is_channel_purgeable(&channel, now)
                && !channels::has_lasting_event(tx, id, now).await?
            {
                return Ok(());
            }
            let score = fading.touch(channel.score, channel.scored_at, now, boost);
            let touched = Channel { score, scored_at: now, ..channel };
            let purgeable_at = fading.channel_purgeable_at(&touched);
            channels::touch(tx, id, score, now, purgeable_at).await?;
        }
    }
    Ok(())
}
