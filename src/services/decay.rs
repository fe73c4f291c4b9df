//! The steps of the decay cycle: each a batch in a transaction of its own, safe to repeat and to
//! run twice at once. What is due is looked up by index; the rule itself is asked again, of the
//! locked row, before anything goes.

use jiff::Timestamp;

use super::{Error, Site};
use crate::domain::decay::Fading;
use crate::store::db::Tx;
use crate::store::{Place, channels, events};

/// Rows in one batch.
pub const BATCH: usize = 200;
/// Answers and messages deleted in one transaction; the event that passes it is the last one.
const HEAVY: i64 = 10_000;

/// What a batch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Rows looked at.
    pub examined: i64,
    /// Rows closed or purged.
    pub changed: i64,
    /// Where the next batch begins; none after the last.
    pub next: Option<Place>,
}

impl Step {
    fn of(batch: &[Place], changed: i64) -> Self {
        Self {
            examined: i64::try_from(batch.len()).unwrap_or(i64::MAX),
            changed,
            next: batch.last().filter(|_| batch.len() == BATCH).cloned(),
        }
    }
}

/// The ids of a batch in the order in which everybody locks rows.
fn ids(batch: &[Place]) -> Vec<String> {
    let mut ids: Vec<String> = batch.iter().map(|place| place.id.clone()).collect();
    ids.sort();
    ids
}

const LIMIT: i64 = BATCH as i64;

/// Closes the answers of events whose closing time has come at `now`.
pub async fn close(site: &Site, now: Timestamp, after: Place) -> Result<Step, Error> {
    let batch = site
        .db
        .read(move |tx| {
            Box::pin(
                async move { Ok::<_, Error>(events::list_closable(tx, now, &after, LIMIT).await?) },
            )
        })
        .await?;
    let ids = ids(&batch);
    let closed = write(site, ids, move |tx, id| {
        Box::pin(async move { Ok(events::close_if_due(tx, id, now).await?) })
    })
    .await?;
    Ok(Step::of(&batch, closed))
}

/// Purges events, with all that is theirs, that may be purged at `now`. A batch ends early when it
/// has deleted much, for others wait to write; the next begins where it began.
pub async fn purge_events(site: &Site, now: Timestamp, after: Place) -> Result<Step, Error> {
    let begin = after.clone();
    let batch = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                Ok::<_, Error>(events::list_purgeable(tx, now, &after, LIMIT).await?)
            })
        })
        .await?;
    let (ids, fading) = (ids(&batch), site.rules.fading);
    if ids.is_empty() {
        return Ok(Step::of(&batch, 0));
    }
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let (mut step, mut weight) = (Step { examined: 0, changed: 0, next: None }, 0);
                for id in &ids {
                    if weight >= HEAVY {
                        return Ok(Step { next: Some(begin), ..step });
                    }
                    let below = purge_event(tx, id, fading, now).await?;
                    step.examined += 1;
                    step.changed += i64::from(below.is_some());
                    weight += below.unwrap_or_default();
                }
                Ok(Step::of(&batch, step.changed))
            })
        })
        .await
}

/// Purges an event, and says how many rows went with it; none when it stays.
async fn purge_event(
    tx: &mut Tx,
    id: &str,
    fading: Fading,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    let Some(event) = events::lock(tx, id).await? else { return Ok(None) };
    if fading.is_purgeable(&event, now) {
        let below = events::count_below(tx, id).await?;
        return Ok(events::delete(tx, id).await?.then_some(below));
    }
    // Written by a version that did not know the column, or by other settings.
    events::set_fades(tx, id, fading.fades(&event)).await?;
    Ok(None)
}

/// Purges channels without events that may be purged at `now`.
pub async fn purge_channels(site: &Site, now: Timestamp, after: Place) -> Result<Step, Error> {
    let batch = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                Ok::<_, Error>(channels::list_purgeable(tx, now, &after, LIMIT).await?)
            })
        })
        .await?;
    let (ids, fading) = (ids(&batch), site.rules.fading);
    let purged =
        write(site, ids, move |tx, id| Box::pin(purge_channel(tx, id, fading, now))).await?;
    Ok(Step::of(&batch, purged))
}

async fn purge_channel(
    tx: &mut Tx,
    id: &str,
    fading: Fading,
    now: Timestamp,
) -> Result<bool, Error> {
    let Some(channel) = channels::lock(tx, id).await? else { return Ok(false) };
    if fading.is_channel_purgeable(&channel, now) {
        // Asked after the lock: an event that came meanwhile is seen, and none can come now.
        let used = channels::has_event(tx, id).await?;
        return Ok(!used && channels::delete(tx, id).await?);
    }
    channels::set_purgeable_at(tx, id, fading.channel_purgeable_at(&channel)).await?;
    Ok(false)
}

/// Does `change` to each row in one transaction, and counts those it changed.
async fn write<F>(site: &Site, ids: Vec<String>, change: F) -> Result<i64, Error>
where
    F: for<'t> Fn(&'t mut Tx, &'t str) -> crate::store::db::BoxFuture<'t, Result<bool, Error>>
        + Send
        + Sync
        + 'static,
{
    if ids.is_empty() {
        return Ok(0);
    }
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let mut changed = 0;
                for id in &ids {
                    changed += i64::from(change(tx, id).await?);
                }
                Ok(changed)
            })
        })
        .await
}
