//! Moving a site from one database to another, SQLite or PostgreSQL: every row with its id, times
//! and token hashes, bit by bit.
//!
//! The source is only read, and as it was at one moment: of a SQLite file a backup is made first
//! and read instead, of PostgreSQL one transaction sees one snapshot. The target notes in its own
//! `meta` what is under way, so that a run that was killed can be taken up again: rows are written
//! in the order of their keys, so the last key tells how far it came.

mod digest;
mod later;
mod report;
mod run;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use digest::Digest;
pub use report::{Later, LeftOut, Reference, Report, TableReport};

use crate::domain::clock::Clock;
use crate::store::error::StoreError;
use crate::store::options::StoreOptions;
use crate::store::transfer::{self, Source, TABLES, Target};

/// What to transfer, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The database that is read.
    pub from: StoreOptions,
    /// The database that is written.
    pub to: StoreOptions,
    /// Where the backup and the report are kept; it exists.
    pub dir: PathBuf,
    /// Whether what is in the target may be deleted.
    pub replace: bool,
    /// The lines that switch the configuration, for the report.
    pub switch: Vec<String>,
}

/// Why a transfer ends before it is done.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The source cannot be read.
    #[error("the source {label}: {error}")]
    Source {
        /// The source.
        label: String,
        /// Why.
        error: StoreError,
    },
    /// The target cannot be written.
    #[error("the target {label}: {error}")]
    Target {
        /// The target.
        label: String,
        /// Why.
        error: StoreError,
    },
    /// Both are one.
    #[error("source and target are the same database: {0}")]
    Same(String),
    /// The target is in use by another transfer.
    #[error("another transfer is writing to {0}; wait for it to end")]
    Taken(String),
    /// The target holds rows.
    #[error(
        "the target {label} is not empty: it holds {rows} rows{}; nothing was changed. To delete \
         them and begin anew, add --replace",
        earlier.as_ref().map(|at| format!(", transferred at {at}")).unwrap_or_default()
    )]
    NotEmpty {
        /// The target.
        label: String,
        /// Its rows.
        rows: u64,
        /// When an earlier transfer put them there.
        earlier: Option<String>,
    },
    /// The target holds part of a transfer that cannot be taken up again.
    #[error(
        "the target {label} holds an unfinished transfer from {from}, {reason}; nothing was \
         changed. To delete what is there and begin anew, add --replace"
    )]
    Unfinished {
        /// The target.
        label: String,
        /// Where that transfer came from.
        from: String,
        /// Why this run is not its continuation.
        reason: &'static str,
    },
    /// A text that PostgreSQL cannot hold. Nothing was written.
    #[error(
        "row {row} of {table}: {column} holds a NUL character, which PostgreSQL cannot keep; \
         nothing was written"
    )]
    Nul {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: String,
        /// The column.
        column: &'static str,
    },
    /// The report cannot be written.
    #[error("cannot write {path}: {reason}", path = path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Rows done, or pages of a file.
    pub done: u64,
    /// Rows in all.
    pub total: u64,
}

/// What the target notes about a transfer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    from: String,
    backup: Option<PathBuf>,
    started_at: String,
    ended_at: Option<String>,
}

impl State {
    fn text(&self) -> String {
        // A struct of texts always has a JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// How to begin.
enum Beginning {
    /// With an empty target.
    Afresh,
    /// Where an earlier run stopped.
    Again(State),
}

/// Transfers, telling `progress` now and then. Returns the report and where it was written.
pub async fn transfer(
    order: &Order,
    clock: &Clock,
    mut progress: impl FnMut(Progress),
) -> Result<(Report, PathBuf), TransferError> {
    let from = label(&order.from, Side::Source)?;
    let to = label(&order.to, Side::Target)?;
    if from == to {
        return Err(TransferError::Same(from));
    }
    let at_source = |error| TransferError::Source { label: from.clone(), error };
    let at_target = |error| TransferError::Target { label: to.clone(), error };
    // Both are looked at before anything is made.
    let source = Source::open(&order.from).await.map_err(at_source)?;
    let opened = Target::open(&order.to, clock.now()).await.map_err(at_target)?;
    let Some(mut target) = opened else { return Err(TransferError::Taken(to)) };
    let done = match beginning(order, &from, &to, &mut target).await {
        Ok(beginning) => {
            let mut run = run::Run { order, clock, from, to, progress: &mut progress };
            run.all(source, &mut target, beginning).await
        }
        Err(refused) => Err(refused),
    };
    target.close().await;
    let report = done?;
    let path = write(order, clock.now(), &report)?;
    Ok((report, path))
}

fn label(options: &StoreOptions, side: Side) -> Result<String, TransferError> {
    // An address that cannot be understood is not repeated: it may hold a password.
    let label = "address".to_owned();
    transfer::label(options).map_err(|error| match side {
        Side::Source => TransferError::Source { label, error },
        Side::Target => TransferError::Target { label, error },
    })
}

enum Side {
    Source,
    Target,
}

/// Looks at the target and decides how to begin.
async fn beginning(
    order: &Order,
    from: &str,
    to: &str,
    target: &mut Target,
) -> Result<Beginning, TransferError> {
    let failed = |error| TransferError::Target { label: to.to_owned(), error };
    let mut rows = 0;
    for table in TABLES.iter().filter(|table| table.is_content) {
        rows += target.count(table).await.map_err(failed)?;
    }
    let state = target.state().await.map_err(failed)?;
    let state: Option<State> = state.and_then(|text| serde_json::from_str(&text).ok());
    if order.replace {
        return Ok(Beginning::Afresh);
    }
    match state {
        Some(state) if state.ended_at.is_none() => {
            let reason = match &state.backup {
                _ if state.from != from => "which is another database",
                // Its snapshot ended with the run that was killed; all that is here is from it.
                None => return Ok(Beginning::Afresh),
                Some(backup) if backup.exists() => return Ok(Beginning::Again(state)),
                Some(_) => "whose backup is gone",
            };
            let (label, from) = (to.to_owned(), state.from);
            Err(TransferError::Unfinished { label, from, reason })
        }
        state if rows > 0 => {
            let earlier = state.and_then(|state| state.ended_at);
            Err(TransferError::NotEmpty { label: to.to_owned(), rows, earlier })
        }
        _ => Ok(Beginning::Afresh),
    }
}

fn write(order: &Order, now: Timestamp, report: &Report) -> Result<PathBuf, TransferError> {
    let path = order.dir.join(format!("report-{}.json", stamp(now)));
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    let mut private = std::fs::OpenOptions::new();
    let opened = private.write(true).create(true).truncate(true).mode(0o600).open(&path);
    let written = opened.and_then(|mut file| file.write_all((text + "\n").as_bytes()));
    written.map_err(|reason| TransferError::Report { path: path.clone(), reason })?;
    Ok(path)
}

/// A time in a file's name.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
