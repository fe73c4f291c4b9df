//! Moves the log into the database now and then, when and where nobody waits for it longer than
//! without replicas.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::Replicas;
use crate::replica::source::{Source, SourceError};

/// A log as long as this is moved, as SQLite itself would do it, only sooner: writers wait for less
/// at a time. It stays short, and lies on the disk where it lay before.
const LOG_BYTES: u64 = 1 << 20;
/// How often that is looked at, ...
const LOOK: Duration = Duration::from_millis(200);
/// ... and where it grows fast.
const LOOK_SOON: Duration = Duration::from_millis(5);

/// What keeps the log short.
pub(super) struct Checkpointer {
    replicas: Replicas,
    looked_at: Instant,
    pace: Pace,
}

/// How fast a log grows.
#[derive(Debug, Default)]
struct Pace {
    /// How long it was, in bytes.
    length: u64,
    bytes_per_second: f64,
}

impl Pace {
    /// So long is the log now, so much later.
    fn see(&mut self, length: u64, later: Duration) {
        // It may have begun anew.
        let grown = length.checked_sub(self.length).unwrap_or(length);
        let now = grown as f64 / later.as_secs_f64().max(1e-3);
        // A moment of rest is no end of a storm.
        (self.length, self.bytes_per_second) = (length, now.max(self.bytes_per_second / 2.0));
    }

    /// When to look again.
    fn next_look(&self) -> Duration {
        // One that is long has been moved. Where it does not begin anew, for somebody still reads
        // it, it is moved again before it grows much.
        let left = LOG_BYTES.checked_sub(self.length).filter(|left| *left > 0);
        let left = left.unwrap_or(LOG_BYTES / 2) as f64 / self.bytes_per_second;
        Duration::try_from_secs_f64(left).map_or(LOOK, |due| due.clamp(LOOK_SOON, LOOK))
    }
}

impl Checkpointer {
    pub(super) fn new(replicas: Replicas) -> Self {
        Self { replicas, looked_at: Instant::now(), pace: Pace::default() }
    }

    /// Works until told to stop.
    pub(super) async fn work(mut self, mut stop: watch::Receiver<bool>) {
        let usual = self.replicas.0.options.sync_interval.min(LOOK);
        let (mut pause, mut is_well) = (usual, true);
        // A closed channel means the program is gone: stop as well.
        while tokio::time::timeout(pause, stop.changed()).await.is_err() {
            let looked = self.look().await;
            pause = looked.as_ref().map_or(usual, |due| usual.min(*due));
            if let Err(error) = &looked
                && is_well
            {
                // Once, not with each try.
                tracing::warn!(%error, "the log could not be moved into the database");
            }
            is_well = looked.is_ok();
        }
    }

    /// Moves the log if that is due. Gives back when it will be due again, if it grows on as it
    /// does.
    async fn look(&mut self) -> Result<Duration, SourceError> {
        let since = self.looked_at.elapsed();
        self.looked_at = Instant::now();
        let look = |source: &mut Source| source.follow().map(|()| source.log_bytes());
        let bytes = self.replicas.with_source(look).await??;
        self.pace.see(bytes.all, since);
        let is_long = bytes.all >= LOG_BYTES;
        let limit = self.replicas.0.options.log_limit;
        let must = (bytes.all >= limit).then_some(limit);
        if is_long && bytes.unsealed > 0 && !self.replicas.shorten_log(must).await? {
            return Ok(LOOK);
        }
        Ok(self.pace.next_look())
    }
}

impl Replicas {
    /// Moves the log into the file, unless a replica needs it; `false` then.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn checkpoint(&self) -> Result<bool, SourceError> {
        self.shorten_log(None).await
    }

    /// The same; also if a replica needs it, where the log is as long as it may be (`most`).
    async fn shorten_log(&self, most: Option<u64>) -> Result<bool, SourceError> {
        if !self.with_source(move |source| source.approach(most)).await?? {
            return Ok(false);
        }
        let (done, moved) = oneshot::channel();
        let shared = self.0.clone();
        let run = move || {
            // Writers wait for the disk, but not for whoever follows the log just now.
            if let Ok(mut source) = shared.source.try_lock() {
                // Whoever does not wait for it any longer is told nothing.
                let _ = done.send(source.checkpoint(most.is_some()));
            }
        };
        match self.0.rest.get() {
            Some(rest) => rest(Box::new(run)),
            None => drop(run),
        }
        // Where it was dropped it is done beside those who write.
        match moved.await {
            Ok(moved) => moved?,
            Err(_) => {
                self.with_source(move |source| source.checkpoint(most.is_some())).await??;
            }
        }
        self.0.moved.send_replace(());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_looked_at_when_it_is_long_and_no_sooner() {
        let (mut pace, second) = (Pace::default(), Duration::from_secs(1));
        assert_eq!(pace.next_look(), LOOK, "nothing is known");
        pace.see(LOG_BYTES / 2, second);
        assert_eq!(pace.next_look(), LOOK, "it takes a second more");
        pace.see(LOG_BYTES / 2 + LOG_BYTES / 4, Duration::from_millis(10));
        assert_eq!(pace.next_look(), Duration::from_millis(10));
        pace.see(LOG_BYTES, Duration::from_millis(10));
        assert_eq!(pace.next_look(), Duration::from_millis(20), "it was moved");
        pace.see(1000, Duration::from_millis(1));
        assert!(pace.next_look() < LOOK / 2, "it began anew, and the storm goes on");
        pace.see(LOG_BYTES, Duration::ZERO);
        assert_eq!(pace.next_look(), LOOK_SOON);
        for _ in 0..40 {
            pace.see(LOG_BYTES, second);
        }
        assert_eq!(pace.next_look(), LOOK, "it is over");
    }
}
