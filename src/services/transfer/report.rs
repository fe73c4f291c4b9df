//! What a transfer did.

use std::path::PathBuf;

use serde::Serialize;

use super::digest::Digest;

/// What a transfer did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of the program.
    pub program: &'static str,
    /// The database that was read.
    pub from: String,
    /// The database that was written.
    pub to: String,
    /// The version of both schemas.
    pub schema: i64,
    /// When it began; of one that was taken up again, when that was.
    pub started_at: String,
    /// When it ended.
    pub ended_at: String,
    /// Whether it went on where an earlier run had stopped.
    pub is_resumed: bool,
    /// The copy of the source that was read; `None` for PostgreSQL, which was read in one
    /// transaction.
    pub backup: Option<PathBuf>,
    /// Tables that were taken over.
    pub tables: Vec<TableReport>,
    /// References between tables that were looked at.
    pub references: Vec<Reference>,
    /// Tables that were not taken over.
    pub left_out: Vec<LeftOut>,
    /// What has changed in the source since it was copied; `None` when it could not be read again.
    pub later: Option<Vec<Later>>,
    /// The lines that switch the configuration.
    pub switch: Vec<String>,
}

/// A table on both sides.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: &'static str,
    /// Whether both sides hold the same.
    pub is_equal: bool,
    /// What the source holds.
    pub source: Digest,
    /// What the target holds.
    pub target: Digest,
}

/// A reference from one table to another.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    /// The column that refers.
    pub column: String,
    /// The table that it refers to.
    pub to: &'static str,
    /// Rows of the target that refer to nothing.
    pub orphans: u64,
}

/// A table that was not taken over.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub table: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// What has changed in a table of the source since it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Later {
    /// The table.
    pub table: &'static str,
    /// Rows that are new.
    pub added: u64,
    /// Rows that are other than they were.
    pub changed: u64,
    /// Rows that are gone.
    pub removed: u64,
}

impl Later {
    /// Rows that are not as they were.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.added + self.changed + self.removed
    }
}

impl Report {
    /// Whether the target holds what was read, no more and no less.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.is_equal)
            && self.references.iter().all(|reference| reference.orphans == 0)
    }
}
