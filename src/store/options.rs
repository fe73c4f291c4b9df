//! Where the database is and how to use it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which database, and how to use it.
#[derive(Debug, Clone)]
pub enum StoreOptions {
    /// A SQLite file.
    Sqlite(SqliteOptions),
    /// A PostgreSQL server.
    Postgres(PostgresOptions),
}

/// How to use a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file; made when it does not exist, its directory is not.
    pub path: PathBuf,
    /// Threads that read, each with its own connection; at least 1.
    pub readers: usize,
    /// How long to wait while another program holds the file locked.
    pub busy_timeout: Duration,
    /// Memory for pages, in KiB, of the connection that writes. What the server does touches few
    /// pages, and the file is in the kernel's cache too; whoever fills a database wants more.
    pub writer_cache_kib: i64,
    /// Whether the log is left as it is, for somebody else who follows it and empties it.
    pub keeps_log: bool,
}

impl SqliteOptions {
    /// This file, 4 readers, 5 seconds, 4 MiB.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            writer_cache_kib: 4096,
            keeps_log: false,
        }
    }
}

/// How to use a PostgreSQL server. A zero time switches that limit off.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?sslmode=...&sslrootcert=...`.
    pub url: String,
    /// Certificates (PEM) of the authorities that may vouch for the server. With it, the server's
    /// certificate and name are checked whatever the address says (`sslmode=verify-full`).
    pub ca_file: Option<PathBuf>,
    /// Most connections of this process; at least 1.
    pub max_connections: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// How long a transaction may do nothing before the server ends it.
    pub idle_in_transaction_timeout: Duration,
}

impl PostgresOptions {
    /// This server, 10 connections; 5 seconds for a connection, 30 for a statement, 10 for a lock,
    /// 30 for an idle transaction.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_secs(30),
        }
    }
}

// By hand, because the URL can hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("idle_in_transaction_timeout", &self.idle_in_transaction_timeout)
            .finish_non_exhaustive()
    }
}
