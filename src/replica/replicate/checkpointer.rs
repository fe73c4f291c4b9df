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
    /// How long the log was then, in bytes.
    length: u64,
    /// How fast it grows, in bytes a second.
    pace: f64,
}

impl Checkpointer {
    pub(super) fn new(replicas: Replicas) -> Self {
        Self { replicas, looked_at: Instant::now(), length: 0, pace: 0.0 }
    }

    /// Works until told to stop.
    pub(super) async fn work(mut self, mut stop: watch::Receiver<bool>) {
        let usual = self.replicas.0.options.sync_interval.min(LOOK);
        let (mut pause, mut is_well) = (usual, true);
        // A closed channel means the program is gone: stop as well.
        while tokio::time::timeout(pause, stop.changed()).await.is_err() {
            let looked = self.look().await;
            pause = looked.as_ref().map_or(usual, |due| usual.min(LOOK_SOON.max(*due)));
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
        // It may have begun anew.
        let grown = bytes.all.checked_sub(self.length).unwrap_or(bytes.all);
        self.length = bytes.all;
        // A moment of rest is no end of a storm.
        self.pace = (grown as f64 / since.as_secs_f64().max(1e-3)).max(self.pace / 2.0);
        let is_long = bytes.all >= LOG_BYTES;
        let limit = self.replicas.0.options.log_limit;
        let must = (bytes.all >= limit).then_some(limit);
        if is_long && bytes.unsealed > 0 && !self.replicas.shorten_log(must).await? {
            return Ok(LOOK);
        }
        // A long one has been moved. Where it does not begin anew, for somebody still reads it, it
        // is moved again before it grows much.
        let left = if is_long { LOG_BYTES / 2 } else { LOG_BYTES - bytes.all };
        Ok(Duration::try_from_secs_f64(left as f64 / self.pace).unwrap_or(LOOK))
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
