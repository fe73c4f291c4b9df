//! The replicas that a process keeps: restored from where the database is not there, and followed
//! before anything is written.

use std::path::Path;

use super::StartError;
use crate::domain::clock::{Clock, Entropy};
use crate::replica::place::{PlaceError, Replica, without_query};
use crate::replica::plan::{self, File, PlanError, Target};
use crate::replica::replicate::{Replicas, ReplicateOptions};
use crate::replica::restore::{self, RestoreError};
use crate::replica::source::SourceError;

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
         that, or set backup.restore_on_start = \"never\" to begin with an empty one"
    )]
    Look {
        /// The replica.
        address: String,
        /// Why.
        source: PlaceError,
    },
    /// The database is not there, and cannot be restored.
    #[error("the database is not there, and cannot be restored from {address}: {reason}")]
    Restore {
        /// The replica.
        address: String,
        /// Why.
        reason: String,
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
    let mut newest: Option<(&str, Replica, Vec<File>)> = None;
    for address in &options.replicate.replicas {
        let looked = look(address).await;
        let address = without_query(address);
        let found =
            looked.map_err(|source| BackupError::Look { address: address.to_owned(), source })?;
        let Some((replica, files)) = found else { continue };
        let time = |files: &[File]| files.iter().map(|file| file.at).max();
        if newest.as_ref().is_none_or(|(_, _, others)| time(&files) > time(others)) {
            newest = Some((address, replica, files));
        }
    }
    let Some((address, replica, files)) = newest else {
        tracing::info!("no replica holds a database yet: beginning with an empty one");
        return Ok(());
    };
    tracing::info!(replica = address, "the database is not there: restoring it");
    match restore_latest(&replica, &files, to).await {
        Ok(restored) => {
            let (txid, at, bytes) = (restored.txid, restored.at, restored.bytes);
            tracing::info!(txid, %at, bytes, "the database is restored");
            Ok(())
        }
        Err(reason) => Err(BackupError::Restore { address: address.to_owned(), reason }),
    }
}

/// The files of a replica; `None` when it holds none.
async fn look(address: &str) -> Result<Option<(Replica, Vec<File>)>, PlaceError> {
    let replica = match Replica::at(address) {
        // Not made yet, so nothing was ever in it.
        Err(PlaceError::NoDirectory(dir)) if dir.parent().is_some_and(Path::is_dir) => {
            return Ok(None);
        }
        opened => opened?,
    };
    let files = replica.list().await?;
    let files = replica.timed(files).await?;
    Ok((!files.is_empty()).then_some((replica, files)))
}

async fn restore_latest(
    replica: &Replica,
    files: &[File],
    to: &Path,
) -> Result<restore::Restored, String> {
    let plan = plan::plan(files, Target::Latest).map_err(|error: PlanError| error.to_string())?;
    let restored = restore::restore(replica, &plan, to, false, |_| {}).await;
    restored.map_err(|error: RestoreError| error.to_string())
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
    let opened = tokio::task::spawn_blocking(move || Replicas::open(options, clock, &entropy));
    let opened = opened.await.map_err(|error| SourceError::Io(std::io::Error::other(error)));
    Ok(Some(opened.flatten().map_err(BackupError::from)?))
}
