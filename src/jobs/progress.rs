//! How far a job is, and whether it may go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::job::Counts;
use crate::services::Error;
use crate::store::db::StoreError;
use crate::store::lock::Lock;

/// How often a step is tried that failed for a passing reason.
const TRIES: u32 = 6;
/// The wait after the first failure; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Tells jobs to stop. Clones hear the same.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<bool>);

impl Cancel {
    /// One that is told by sending `true`; a sender that is gone has told it too.
    #[must_use]
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether it was told.
    #[must_use]
    pub fn is_told(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is told.
    pub async fn told(&self) {
        // An error is a sender that is gone.
        let _ = self.0.clone().wait_for(|told| *told).await;
    }
}

/// Why a job ends before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// It was told to.
    Stopped,
    /// It cannot go on.
    Failed(String),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// How far a job is. Clones share it.
#[derive(Clone)]
pub(super) struct Progress {
    cancel: Cancel,
    counts: Arc<Mutex<Counts>>,
    lock: Arc<tokio::sync::Mutex<Option<Lock>>>,
}

impl Progress {
    pub(super) fn new(cancel: Cancel, lock: Lock) -> Self {
        let lock = Arc::new(tokio::sync::Mutex::new(Some(lock)));
        Self { cancel, counts: Arc::default(), lock }
    }

    /// Asked between two steps: an error when the job was told to stop, or has lost its lock.
    pub(super) async fn go_on(&self) -> Result<(), Halt> {
        if self.cancel.is_told() {
            return Err(Halt::Stopped);
        }
        let held = match &mut *self.lock.lock().await {
            Some(lock) => lock.is_held().await,
            None => false,
        };
        if held {
            Ok(())
        } else {
            Err(Halt::Failed("the connection that holds the job's lock was lost".to_owned()))
        }
    }

    /// Waits until the job is told to stop.
    pub(super) async fn told(&self) {
        self.cancel.told().await;
    }

    /// Adds to a count.
    pub(super) fn add(&self, name: &str, more: i64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(name.to_owned()).or_default() += more;
    }

    /// What was counted so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up the lock.
    pub(super) async fn release(self) {
        if let Some(lock) = self.lock.lock().await.take() {
            lock.release().await;
        }
    }

    /// Takes a step, and again while it fails for a passing reason: a database that is busy, or
    /// two transactions that clash.
    pub(super) async fn step<T, F>(&self, mut step: impl FnMut() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            self.go_on().await?;
            match step().await {
                Err(Error::Busy(error)) => tracing::debug!(%error, "a job's step is tried again"),
                other => return other.map_err(Halt::from),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait *= 2,
                () = self.told() => {}
            }
        }
        self.go_on().await?;
        step().await.map_err(Halt::from)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::store::db::{Db, SqliteOptions, StoreOptions};

    async fn progress(dir: &std::path::Path) -> (watch::Sender<bool>, Progress) {
        let options = StoreOptions::Sqlite(SqliteOptions::new(dir.join("test.db")));
        let lock = Db::open(&options).await.unwrap().try_lock("test").await.unwrap().unwrap();
        let (sender, cancel) = Cancel::new();
        (sender, Progress::new(cancel, lock))
    }

    #[tokio::test]
    async fn a_step_is_tried_again_only_when_that_may_help() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, progress) = progress(dir.path()).await;
        let tries = Cell::new(0);
        let failing = |times: u32, error: fn() -> Error| {
            let tries = &tries;
            tries.set(0);
            move || async move {
                tries.set(tries.get() + 1);
                if tries.get() <= times { Err(error()) } else { Ok(tries.get()) }
            }
        };
        let busy = || Error::Busy(StoreError::Busy);
        assert!(matches!(progress.step(failing(2, busy)).await, Ok(3)));
        assert!(matches!(progress.step(failing(99, busy)).await, Err(Halt::Failed(_))));
        assert_eq!(tries.get(), TRIES);
        let broken = || Error::Internal(StoreError::Busy);
        assert!(matches!(progress.step(failing(1, broken)).await, Err(Halt::Failed(_))));
        assert_eq!(tries.get(), 1);
        sender.send(true).unwrap();
        assert!(matches!(progress.step(failing(0, busy)).await, Err(Halt::Stopped)));
        assert_eq!(tries.get(), 0);
    }

    #[tokio::test]
    async fn a_released_lock_ends_the_job() {
        let dir = tempfile::tempdir().unwrap();
        let (_sender, progress) = progress(dir.path()).await;
        assert!(progress.go_on().await.is_ok());
        progress.clone().release().await;
        assert!(matches!(progress.go_on().await, Err(Halt::Failed(_))));
    }
}
