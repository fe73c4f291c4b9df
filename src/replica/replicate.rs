//! Keeps replicas of a live database: each has its courier, and none waits for another, nor does
//! the database wait for them.

mod aside;
mod checkpointer;
mod courier;
mod keeper;
mod shelf;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tempfile::NamedTempFile;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::log::Log;
use super::place::{PlaceError, without_query};
use super::plan::File;
use super::source::{Batch, COPY, Source, SourceError};
use super::state::State;
use crate::domain::clock::{Clock, Entropy};
use crate::domain::id;
use checkpointer::Checkpointer;
use courier::Courier;
use keeper::Keeper;

/// Something to be done.
pub type Job = Box<dyn FnOnce() + Send>;
/// Does something while this process does not write to the database, or drops it.
pub type Rest = Box<dyn Fn(Job) + Send + Sync>;

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
    rest: OnceLock<Rest>,
    /// Rings when the log was moved into the file: what a replica has not got is kept beside the
    /// database from then on, where it is not to grow.
    moved: watch::Sender<()>,
}

impl Replicas {
    /// Follows the database from here on. Before anything else writes to it: then it is certain that
    /// a replica can go on where it was.
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
        if let Err(error) = source.resumed() {
            tracing::warn!(%error, "replicas may get the whole database once something is committed");
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
        Ok(Self(Arc::new(Shared {
            options,
            clock,
            source: Mutex::new(source),
            state,
            dir,
            statuses,
            rest: OnceLock::new(),
            moved: watch::Sender::new(()),
        })))
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

    /// Does something with the database, where waiting is allowed.
    async fn with_source<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Source) -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let shared = self.0.clone();
        let run = move || run(&mut shared.source.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(tokio::task::spawn_blocking(run).await.map_err(io::Error::other)?)
    }

    /// Makes a file, where waiting is allowed.
    async fn encode(
        &self,
        encode: impl FnOnce(&Path) -> Result<Batch, SourceError> + Send + 'static,
    ) -> Result<Batch, ReplicateError> {
        let encoded = tokio::task::spawn_blocking(self.settled(encode)).await;
        Ok(encoded.map_err(io::Error::other)??)
    }

    /// Makes a file of what is on the disk: a replica must not have what a loss of power takes back.
    fn settled(
        &self,
        encode: impl FnOnce(&Path) -> Result<Batch, SourceError> + Send + 'static,
    ) -> impl FnOnce() -> Result<Batch, SourceError> + Send + 'static {
        let dir = self.0.dir.clone();
        let database = self.0.options.database.clone();
        move || {
            Log::open(&database)?.map_or(Ok(()), |log| log.settle())?;
            encode(&dir)
        }
    }

    /// A file for a while, for what is read from a replica.
    fn scratch(&self) -> io::Result<NamedTempFile> {
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
    /// Starts it. Where this process itself writes to the database, `rest` has it rest now and
    /// then.
    #[must_use]
    pub fn start(replicas: &Replicas, rest: Option<Rest>) -> Self {
        if let Some(rest) = rest {
            // It is the same each time.
            let _ = replicas.0.rest.set(rest);
        }
        let (stopping, stop) = watch::channel(false);
        let mut couriers = JoinSet::new();
        for replica in 0..replicas.addresses().len() {
            let (shelf, kept) = watch::channel(None);
            couriers.spawn(Courier::new(replicas.clone(), replica, shelf).work(stop.clone()));
            couriers.spawn(Keeper::new(replicas.clone(), replica, kept).work(stop.clone()));
        }
        couriers.spawn(Checkpointer::new(replicas.clone()).work(stop));
        Self { stopping, couriers }
    }

    /// Stops: sends what is there to be sent, for as long as `grace`. What does not get through is
    /// sent after the next start.
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
