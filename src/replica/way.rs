//! From a replica to a database, whichever Litestream wrote it.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::legacy::{self, Chain, ChainError};
use super::place::{PlaceError, Replica};
use super::plan::{self, File, PlanError, SNAPSHOTS, Target};
use super::restore::{self, RestoreError, Restored};

/// What leads to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Files of today's layout, in the order in which they are applied.
    Files(Vec<File>),
    /// A copy and logs that Litestream 0.3 wrote.
    Legacy(Chain),
}

/// Why nothing leads there.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// The replica cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Not by the files of today's layout.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Not by what Litestream 0.3 wrote.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It cannot be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// What came out cannot be read.
    #[error("the restored database cannot be read: {0}")]
    Read(#[from] rusqlite::Error),
}

/// A state that was restored for a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it was.
    pub restored: Restored,
    /// Tables in it.
    pub tables: usize,
    /// Rows in all of them.
    pub rows: i64,
}

/// Finds what leads to a state. Where both layouts do, the newer data counts: Litestream was
/// brought up to date there.
///
/// # Errors
///
/// When nothing does, or the replica cannot be read.
pub async fn find(replica: &Replica, target: Target) -> Result<Way, WayError> {
    let mut files = replica.list().await?;
    let before = match target {
        Target::Before(at) => {
            files = replica.timed(files).await?;
            Some(at)
        }
        Target::Latest | Target::Txid(_) => None,
    };
    let planned = plan::plan(&files, target).map(Way::Files);
    if matches!(target, Target::Txid(_)) {
        return Ok(planned?);
    }
    let generations = replica.list_legacy().await?;
    if generations.is_empty() {
        return Ok(planned?);
    }
    let chain = legacy::chain(&generations, before).map(Way::Legacy);
    match (planned, chain) {
        (Err(PlanError::Nothing), chain) => Ok(chain?),
        (planned, Err(ChainError::Nothing)) => Ok(planned?),
        (Ok(planned), Ok(chain)) if chain.age(target) > planned.age(target) => Ok(chain),
        (planned, _) => Ok(planned?),
    }
}

impl Way {
    /// What is compared between layouts: of the newest state its time, else that of the whole copy
    /// that it begins with.
    fn age(&self, target: Target) -> Option<Timestamp> {
        match (self, target) {
            (Self::Files(files), Target::Latest) => files.last().map(|file| file.at),
            (Self::Files(files), _) => {
                files.iter().find(|file| file.level == SNAPSHOTS || file.min == 1).map(|f| f.at)
            }
            (Self::Legacy(chain), Target::Latest) => Some(chain.at),
            (Self::Legacy(chain), _) => Some(chain.copy.at),
        }
    }

    /// The txid it leads to; Litestream 0.3 had none.
    #[must_use]
    pub fn txid(&self) -> Option<u64> {
        match self {
            Self::Files(files) => files.last().map(|file| file.max),
            Self::Legacy(_) => None,
        }
    }

    /// The paths below the replica that are read, and how many bytes they have.
    #[must_use]
    pub fn reads(&self) -> Vec<(String, u64)> {
        match self {
            Self::Files(files) => {
                let path = |file: &File| format!("{}/{}", file.level, file.name());
                files.iter().map(|file| (path(file), file.size)).collect()
            }
            Self::Legacy(chain) => std::iter::once(&chain.copy)
                .chain(chain.logs.iter().flatten())
                .map(|piece| (piece.path.clone(), piece.size))
                .collect(),
        }
    }

    /// How many bytes are read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.reads().iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Restores the newest state to a file in `dir`, has SQLite check it, and removes it.
///
/// # Errors
///
/// When it cannot be restored, or is not sound.
pub async fn verify(replica: &Replica, dir: &Path) -> Result<Verified, WayError> {
    let place = tempfile::Builder::new().prefix("verify-").tempdir_in(dir);
    let place = place.map_err(|source| RestoreError::Write { path: dir.to_owned(), source })?;
    let path = place.path().join("restored.db");
    let way = find(replica, Target::Latest).await?;
    let restored = restore::restore(replica, &way, &path, false, &Arc::default()).await?;
    let counted = tokio::task::spawn_blocking(move || {
        let counted = count(&path);
        // Its files go with it.
        drop(place);
        counted
    });
    let (tables, rows) = counted.await.unwrap_or(Err(rusqlite::Error::InvalidQuery))?;
    Ok(Verified { restored, tables, rows })
}

/// Tables, and rows in all of them.
fn count(path: &Path) -> rusqlite::Result<(usize, i64)> {
    let connection = Connection::open(path)?;
    let list = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(list)?;
    let names: Vec<String> =
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut rows = 0_i64;
    for name in &names {
        let quoted = name.replace('"', "\"\"");
        let count = format!("SELECT COUNT(*) FROM \"{quoted}\"");
        rows += connection.query_row(&count, [], |row| row.get::<_, i64>(0))?;
    }
    Ok((names.len(), rows))
}
