//! The replicas that a process keeps: restored from where the database is not there, and followed
//! before anything is written.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::StartError;
use crate::domain::clock::{Clock, Entropy};
use crate::replica::place::{PlaceError, Replica, without_query};
use crate::replica::plan::{PlanError, Target};
use crate::replica::replicate::{Job, Replicas, ReplicateOptions, Replicator};
use crate::replica::restore::{self, RestoreError};
use crate::replica::source::{self, SourceError};
use crate::replica::way::{self, Way, WayError};
use crate::services::Site;

/// How often a start says how far it is with restoring.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// Where the database is backed up to.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// What is replicated, and how.
    pub replicate: ReplicateOptions,
    /// Whether a database that is not there is restored first.
    pub restores: bool,
}

/// Why the backups keep the program from starting.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is not there, and it is not certain what was in it.
    #[error(
        "the database is not there, and whether {address} holds it is not known: {source}. Mend \
         that, or restore from another replica by `openrsvp restore --from`, or set \
         backup.restore_on_start = \"never\" to begin with an empty one"
    )]
    Look {
        /// The replica.
        address: String,
        /// Why.
        source: WayError,
    },
    /// The database is not there, and cannot be restored.
    #[error("the database is not there, and cannot be restored from {address}: {source}")]
    Restore {
        /// The replica.
        address: String,
        /// Why.
        source: RestoreError,
    },
    /// It cannot be followed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What must be done before the database is opened.
pub(super) async fn before_start(
    options: Option<&BackupOptions>,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Option<Replicas>, StartError> {
    if let Some(options) = options {
        restore_missing(options).await?;
    }
    follow(options, clock, entropy).await
}

/// Restores a database that is not there from the replica that has the newest state. One that was
/// never in a replica is begun anew.
async fn restore_missing(options: &BackupOptions) -> Result<(), BackupError> {
    let to = &options.replicate.database;
    if !options.restores || to.exists() {
        return Ok(());
    }
    let mut newest: Option<(&str, Replica, Way, Timestamp)> = None;
    for address in &options.replicate.replicas {
        let looked = look(address).await;
        let address = without_query(address);
        let found =
            looked.map_err(|source| BackupError::Look { address: address.to_owned(), source })?;
        let Some((replica, way, at)) = found else { continue };
        if newest.as_ref().is_none_or(|(_, _, _, other)| at > *other) {
            newest = Some((address, replica, way, at));
        }
    }
    let Some((address, replica, way, _)) = newest else {
        tracing::info!("no replica holds a database yet: beginning with an empty one");
        return Ok(());
    };
    tracing::info!(replica = address, "the database is not there: restoring it");
    let of = way.bytes();
    let tell = |read| {
        let what = if read < of { "restoring the database" } else { "checking the database" };
        tracing::info!(read, of, "{what}");
    };
    match restore::restore_telling(&replica, &way, to, false, TELL_INTERVAL, tell).await {
        Ok(restored) => {
            let (txid, at, bytes) = (restored.txid, restored.at, restored.bytes);
            tracing::info!(?txid, %at, bytes, "the database is restored");
            Ok(())
        }
        Err(source) => Err(BackupError::Restore { address: address.to_owned(), source }),
    }
}

/// What leads to the newest state of a replica, and its time; `None` when it holds none.
async fn look(address: &str) -> Result<Option<(Replica, Way, Timestamp)>, WayError> {
    let replica = match Replica::at(address) {
        // Not made yet, so nothing was ever in it.
        Err(PlaceError::NoDirectory(dir)) if dir.parent().is_some_and(Path::is_dir) => {
            return Ok(None);
        }
        opened => opened?,
    };
    let way = match way::find(&replica, Target::Latest).await {
        Err(WayError::Plan(PlanError::Nothing)) => return Ok(None),
        found => found?,
    };
    let at = match &way {
        Way::Files(files) => {
            let last = files.last().copied().into_iter().collect();
            replica.timed(last).await?.first().map(|file| file.at)
        }
        Way::Legacy(chain) => Some(chain.at),
    };
    Ok(Some((replica, way, at.unwrap_or(Timestamp::MIN))))
}

/// Follows the database, if it is backed up, and there already.
pub(super) async fn follow(
    options: Option<&BackupOptions>,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<Option<Replicas>, StartError> {
    let Some(options) = options.map(|options| options.replicate.clone()) else { return Ok(None) };
    if !options.database.exists() {
        return Ok(None);
    }
    let (clock, entropy) = (clock.clone(), entropy.clone());
    let opened = tokio::task::spawn_blocking(move || {
        // One that was put there by hand keeps none before the program has opened it.
        let is_followed = source::has_log(&options.database)?;
        is_followed.then(|| Replicas::open(options, clock, &entropy)).transpose()
    });
    let opened = opened.await.map_err(|error| SourceError::Io(std::io::Error::other(error)));
    Ok(opened.flatten().map_err(BackupError::from)?)
}

/// Starts to replicate; the site's own writer rests while the log is moved.
pub(super) fn replicate(site: &Site) -> Option<Replicator> {
    let db = site.db.clone();
    let rest = Box::new(move |run: Job| db.at_rest(run));
    site.replicas.as_ref().map(|replicas| Replicator::start(replicas, Some(rest)))
}
