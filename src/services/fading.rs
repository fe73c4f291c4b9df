//! Keeping what is derived from the fading settings true when an operator changes them.

use super::{Error, Site};
use crate::store::{channels, events, meta};

/// Events or channels rewritten in one transaction.
const BATCH: i64 = 500;

/// Computes anew when each event and channel fades, where the settings differ from those it
/// was last computed with. Safe to repeat, and to run twice at once.
pub async fn settle(site: &Site) -> Result<(), Error> {
    let settings = format!("{:?}", site.rules.fading);
    let known = site
        .db
        .read(|tx| Box::pin(async move { Ok::<_, Error>(meta::get(tx, meta::FADING).await?) }))
        .await?;
    if known.as_ref() == Some(&settings) {
        return Ok(());
    }
    // A new database has none to settle.
    let mut after = String::new();
    while let Some(last) = settle_events(site, after).await? {
        after = last;
    }
    let mut after = String::new();
    while let Some(last) = settle_channels(site, after).await? {
        after = last;
    }
    let now = site.clock.now();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                meta::set(tx, meta::FADING, &settings, now).await?;
                Ok(())
            })
        })
        .await
}

/// Settles the events after the id `after`; answers with the last id, or none when there was none.
async fn settle_events(site: &Site, after: String) -> Result<Option<String>, Error> {
    let fading = site.rules.fading;
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let batch = events::list_after(tx, &after, BATCH).await?;
                for event in &batch {
                    events::set_fades(tx, &event.id, fading.fades(event)).await?;
                }
                Ok(batch.last().map(|event| event.id.clone()))
            })
        })
        .await
}

/// Settles the channels after the id `after`; answers with the last id, or none when there was
/// none.
async fn settle_channels(site: &Site, after: String) -> Result<Option<String>, Error> {
    let fading = site.rules.fading;
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let batch = channels::list_after(tx, &after, BATCH).await?;
                for channel in &batch {
                    let at = fading.channel_purgeable_at(channel);
                    channels::set_purgeable_at(tx, &channel.id, at).await?;
                }
                Ok(batch.last().map(|channel| channel.id.clone()))
            })
        })
        .await
}
