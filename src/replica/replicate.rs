//! Keeps replicas of a live database: each has its courier, and none waits for another, nor does
//! the database wait for them.

mod courier;
mod keeper;
mod shelf;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::place::{PlaceError, without_query};
use super::plan::File;
use super::source::{Batch, COPY, Frozen, Source, SourceError};
use super::state::State;
use crate::domain::clock::{Clock, Entropy};
use crate::domain::id;
use courier::Courier;
use keeper::Keeper;

/// So many bytes of the log are moved into the file at once, ...
const MOVED_BYTES: u64 = 4 << 20;
/// ... with so many in it it is to begin anew, ...
const LOG_BYTES: u64 = 16 << 20;
/// ... and with fewer after this time.
const LOG_AGE: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What is replicated where, and how.
#[derive(Debug, Clone)]
pub struct ReplicateOptions {
    /// The database.
    pub database: PathBuf,
    /// The replicas' addresses: see [`super::place::Replica::at`].
    pub replicas: Vec<String>,
    /// How often commits are sent.
    pub sync_interval: Duration,
    /// How often the whole database is sent, if anything changed.
    pub snapshot_interval: SignedDuration,
    /// How far back every state can be reached.
    pub retention: SignedDuration,
    /// At which intervals files of a level are merged into one of the next.
    pub levels: Vec<SignedDuration>,
    /// Most bytes a second to each bucket; as fast as can be where not set.
    pub bytes_per_second: Option<u64>,
    /// The most that the log grows to for the sake of a replica that is away, in bytes.
    pub log_limit: u64,
    /// How long a replica that was written to just now is watched, lest another program be at it:
    /// longer than the sync interval of that one.
    pub watch: Duration,
}

/// How a replica is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Its address, without what may be secret.
    pub address: String,
    /// Its last txid; 0 when that is not known yet.
    pub txid: u64,
    /// Since when something waits for it; `None` when it has everything.
    pub behind_since: Option<Timestamp>,
    /// When it had everything last.
    pub current_at: Option<Timestamp>,
    /// Why commits do not get there; `None` when they do.
    pub fault: Option<String>,
    /// Why it is not kept small and quick to restore; `None` when it is.
    pub upkeep_fault: Option<String>,
    /// Whether it is given up until the next start.
    pub is_given_up: bool,
    /// Bytes sent since the start.
    pub bytes: u64,
    /// Files sent since the start.
    pub files: u64,
    /// Tries that failed since the start.
    pub failures: u64,
    /// Whether a second program is kept from writing over its files; `None` when not known yet.
    pub is_guarded: Option<bool>,
    /// How often the whole database was sent because the replica could not go on, since the start.
    pub whole_copies: u64,
}

impl ReplicaStatus {
    /// What is wrong with it; `None` when nothing is.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref().or(self.upkeep_fault.as_deref())
    }
}

/// Why replication does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplicateError {
    /// The database cannot be followed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The replica cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file of the replica is broken.
    #[error(
        "files of the replica, from {} to {}, cannot be merged: {source}",
        first.name(),
        last.name()
    )]
    Merge {
        /// The first of them.
        first: File,
        /// The last of them.
        last: File,
        /// Why.
        source: super::ltx::LtxError,
    },
    /// What is kept beside the database, for a while or to be remembered.
    #[error("a file beside the database cannot be written: {0}")]
    Beside(#[from] io::Error),
}

/// The replicas of a live database. Clones share it.
#[derive(Clone)]
pub struct Replicas(Arc<Shared>);

struct Shared {
    options: ReplicateOptions,
    clock: Clock,
    source: Mutex<Source>,
    state: State,
    dir: PathBuf,
    statuses: Mutex<Vec<ReplicaStatus>>,
    /// Rings when the log was moved into the file. What was taken over before is not in it any
    /// longer once it begins anew: until a replica has it, the program must not be killed, or that
    /// replica must begin with the whole database.
    moved: watch::Sender<()>,
}

impl Replicas {
    /// Follows the database from here on. Before anything else writes to it: then a replica goes on
    /// where it was.
    ///
    /// # Errors
    ///
    /// When the database cannot be followed.
    pub fn open(
        options: ReplicateOptions,
        clock: Clock,
        entropy: &Entropy,
    ) -> Result<Self, SourceError> {
        let mut dir = options.database.as_os_str().to_owned();
        dir.push("-replication");
        let dir = PathBuf::from(dir);
        let count = options.replicas.len();
        let mut source = Source::open(&options.database, &dir, count, clock.clone())?;
        let now = clock.now();
        let state = State::read(&dir, &id::row_id(now, entropy));
        for (number, address) in options.replicas.iter().enumerate() {
            // From now on, though it may not be reached for long.
            if let Some(at) = state.position(without_query(address)) {
                source.resume(number, at)?;
            }
        }
        let status = |address: &String| ReplicaStatus {
            address: without_query(address).to_owned(),
            txid: 0,
            behind_since: Some(now),
            current_at: None,
            fault: None,
            upkeep_fault: None,
            is_given_up: false,
            bytes: 0,
            files: 0,
            failures: 0,
            is_guarded: None,
            whole_copies: 0,
        };
        let statuses = Mutex::new(options.replicas.iter().map(status).collect());
        let (source, moved) = (Mutex::new(source), watch::Sender::new(()));
        Ok(Self(Arc::new(Shared { options, clock, source, state, dir, statuses, moved })))
    }

    /// How each replica is.
    #[must_use]
    pub fn statuses(&self) -> Vec<ReplicaStatus> {
        self.0.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address of each, as it was configured.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.0.options.replicas
    }

    /// Moves the log into the file, unless a replica needs it; `false` then.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    pub async fn checkpoint(&self) -> Result<bool, SourceError> {
        let moved = self.with_source(|source| source.checkpoint(None)).await??;
        if moved {
            self.0.moved.send_replace(());
        }
        Ok(moved)
    }

    /// Does something with the database, where waiting is allowed.
    async fn with_source<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Source) -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let shared = self.0.clone();
        let run = move || run(&mut shared.source.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(run).await.map_err(io::Error::other)?)
    }

    /// Makes a file of the whole database.
    async fn encode(&self, frozen: Frozen) -> Result<Batch, ReplicateError> {
        let dir = self.0.dir.clone();
        let encoded = tokio::task::spawn_blocking(move || frozen.encode(&dir)).await;
        Ok(encoded.map_err(io::Error::other)??)
    }

    /// A file for a while, for what is read from a replica.
    fn spool(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::with_prefix_in(COPY, &self.0.dir)
    }

    fn tell(&self, replica: usize, change: impl FnOnce(&mut ReplicaStatus)) {
        change(&mut self.0.statuses.lock().unwrap_or_else(PoisonError::into_inner)[replica]);
    }
}

/// What keeps the replicas up to date.
pub struct Replicator {
    stopping: watch::Sender<bool>,
    couriers: JoinSet<()>,
}

impl Replicator {
    /// Starts it.
    #[must_use]
    pub fn start(replicas: &Replicas) -> Self {
        let (stopping, stop) = watch::channel(false);
        let mut couriers = JoinSet::new();
        for replica in 0..replicas.addresses().len() {
            let (shelf, kept) = watch::channel(None);
            couriers.spawn(Courier::new(replicas.clone(), replica, shelf).work(stop.clone()));
            couriers.spawn(Keeper::new(replicas.clone(), replica, kept).work(stop.clone()));
        }
        couriers.spawn(keep_log_short(replicas.clone(), stop));
        Self { stopping, couriers }
    }

    /// Stops: sends what is there to be sent, for as long as `grace`. What does not get through is
    /// in the log, and is sent after the next start.
    pub async fn stop(mut self, grace: Duration) {
        // Receivers that are gone have stopped already.
        let _ = self.stopping.send(true);
        let ended = async { while self.couriers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!("a replica did not get everything in time; it goes on after the start");
            self.couriers.shutdown().await;
        }
    }
}

/// Moves the log into the file now and then.
async fn keep_log_short(replicas: Replicas, mut stop: watch::Receiver<bool>) {
    let limit = replicas.0.options.log_limit;
    let look = replicas.0.options.sync_interval.min(LOOK);
    let (mut moved_at, mut is_well) = (Instant::now(), true);
    // A closed channel means the program is gone: stop as well.
    while tokio::time::timeout(look, stop.changed()).await.is_err() {
        let is_old = moved_at.elapsed() >= LOG_AGE;
        let moved = replicas.with_source(move |source| {
            source.follow()?;
            let bytes = source.log_bytes();
            let is_due = is_old || bytes.unsealed >= LOG_BYTES.min(limit);
            if is_due && source.checkpoint((bytes.all >= limit).then_some(limit))? {
                return Ok(true);
            }
            if bytes.unmarked >= MOVED_BYTES {
                source.move_most()?;
            }
            Ok(false)
        });
        match moved.await.flatten() {
            Ok(is_moved) => {
                is_well = true;
                if is_moved {
                    moved_at = Instant::now();
                    replicas.0.moved.send_replace(());
                }
            }
            // Once, not with each try.
            Err(error) if is_well => {
                is_well = false;
                tracing::warn!(%error, "the log could not be moved into the database");
            }
            Err(_) => {}
        }
    }
}
