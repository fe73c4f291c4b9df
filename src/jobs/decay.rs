//! The decay cycle: closes what is due to be closed, purges what has faded.

use super::progress::{Halt, Progress};
use crate::services::decay::{self, Step};
use crate::services::{Error, Site, touches};
use crate::store::Place;

pub(super) async fn run(site: &Site, progress: &Progress) -> Result<(), Halt> {
    // A visit that is not written yet counts. Touches are hints: a cycle does not fail by them.
    if let Err(error) = touches::flush(site).await {
        tracing::warn!(%error, "touches were not written");
    }
    // One moment for all batches, so that the cycle ends.
    let now = site.clock.now();
    for name in COUNTS {
        progress.add(name, 0);
    }
    let [closed, events, purged, channels, channels_purged] = COUNTS;
    batches(progress, [None, Some(closed)], |after| decay::close(site, now, after)).await?;
    let counts = [Some(events), Some(purged)];
    batches(progress, counts, |after| decay::purge_events(site, now, after)).await?;
    let counts = [Some(channels), Some(channels_purged)];
    batches(progress, counts, |after| decay::purge_channels(site, now, after)).await
}

/// What the cycle counts.
const COUNTS: [&str; 5] =
    ["rsvps_closed", "events_examined", "events_purged", "channels_examined", "channels_purged"];

/// One batch after another, counting what was examined and what was changed.
async fn batches<F>(
    progress: &Progress,
    [examined, changed]: [Option<&str>; 2],
    mut batch: impl FnMut(Place) -> F,
) -> Result<(), Halt>
where
    F: Future<Output = Result<Step, Error>>,
{
    let mut after = Some(Place::start());
    while let Some(place) = after {
        let step = progress.step(|| batch(place.clone())).await?;
        if let Some(name) = examined {
            progress.add(name, step.examined);
        }
        if let Some(name) = changed {
            progress.add(name, step.changed);
        }
        after = step.next;
    }
    Ok(())
}
