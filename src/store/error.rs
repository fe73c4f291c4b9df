//! Why the database refuses. Messages name the statement, never a value that went into it.

/// Why the database refuses.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The change clashes with what is stored, or with another transaction.
    #[error("{statement}: {kind} conflict")]
    Conflict {
        /// What it clashes with.
        kind: ConflictKind,
        /// The statement's name.
        statement: &'static str,
    },
    /// A row holds what no version of the program writes.
    #[error("row {id} of {table} is corrupt")]
    Corrupt {
        /// Its table.
        table: &'static str,
        /// Its id.
        id: String,
    },
    /// A column is missing or of another kind than the code expects.
    #[error("column {index} of {statement} is not {expected}")]
    Column {
        /// The statement's name.
        statement: &'static str,
        /// Which column, counted from 0.
        index: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// Too much work is waiting already. Nothing was done.
    #[error("the database has too much to do")]
    Busy,
    /// The database cannot be reached, or cannot work: no space, locked by another program. What
    /// was asked for was not acknowledged; after a lost connection it may still have happened.
    #[error("the database is unavailable: {context}")]
    Unavailable {
        /// What went wrong.
        context: String,
    },
    /// A newer version of the program has changed the schema.
    #[error(
        "the database has schema version {found}, this program knows up to {known}: start a newer \
         version of the program"
    )]
    SchemaTooNew {
        /// The schema's version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The schema is older than this program needs, and the program was told to leave it alone.
    #[error(
        "the database has schema version {found}, this program needs {known}: run `openrsvp migrate`"
    )]
    SchemaTooOld {
        /// The schema's version.
        found: i64,
        /// The version that this program needs.
        known: i64,
    },
    /// The database belongs to another program, or to OpenRSVP before 1.0.
    #[error(
        "the database has tables, but not of this program; the file of an OpenRSVP before 1.0 is \
         read by `openrsvp import --from`, into a new database"
    )]
    NotOurs,
    /// The engine refused a statement for a reason that has no case of its own.
    #[error("{statement}: {source}")]
    Db {
        /// The statement's name.
        statement: &'static str,
        /// What the engine said.
        source: EngineError,
    },
    /// The transaction waited for something that is not the database. A programming error.
    #[error("a transaction waited for something outside the database")]
    WaitedOutside,
    /// An earlier statement of the transaction failed, so it can only be rolled back.
    #[error("the transaction has failed already, in {statement}")]
    Poisoned {
        /// The statement that failed.
        statement: &'static str,
    },
    /// A statement that writes was given to a transaction that reads. A programming error.
    #[error("{statement} writes, in a transaction that reads")]
    ReadOnly {
        /// The statement's name.
        statement: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may succeed later, with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Unavailable { .. }
                | Self::Conflict { kind: ConflictKind::Retry, .. }
        )
    }

    pub(super) fn unavailable(context: impl Into<String>) -> Self {
        Self::Unavailable { context: context.into() }
    }
}

/// What a change clashes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// A row that has the same key.
    Unique,
    /// A row that is referred to and missing, or refers to what would go.
    ForeignKey,
    /// A rule about the values.
    Check,
    /// A rule that there must be a value.
    NotNull,
    /// Another transaction at the same time: run the whole transaction again.
    Retry,
}

impl std::fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unique => "unique",
            Self::ForeignKey => "foreign key",
            Self::Check => "check",
            Self::NotNull => "not null",
            Self::Retry => "concurrency",
        })
    }
}

/// What an engine said: its message, and PostgreSQL's code, without details that hold values.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub(super) String);
