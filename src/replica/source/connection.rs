//! Connections that follow a database beside those that use it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::SourceError;

/// How long to wait for whoever has the database to themselves.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to try for the write lock, and how long to wait in between, until a writer ends. Where
/// one comes after the other there are moments in between, which longer pauses would miss.
pub(super) const TRIES: u32 = 20_000;
/// After so many tries the log is read meanwhile.
pub(super) const READ_TRIES: u32 = 8;
pub(super) const PAUSE: Duration = Duration::from_micros(500);

/// A connection that leaves the log alone.
pub(super) fn connect(path: &Path) -> Result<Connection, SourceError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Whether somebody else has the lock.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Begins a read transaction.
pub(super) fn hold(connection: &Connection) -> Result<(), SourceError> {
    connection.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema;")?;
    Ok(())
}

/// Frames of the log that SQLite goes by. What lies behind them was never committed, however whole
/// it is: its writer failed at the last moment.
pub(super) struct Frames {
    /// How many there are.
    pub(super) all: u64,
    /// How many of them are in the file.
    pub(super) moved: u64,
}

/// Asks SQLite for them.
pub(super) fn frames(connection: &Connection) -> Result<Frames, SourceError> {
    let mut ask = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
    let (all, moved): (i64, i64) = ask.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
    // -1 where there is no log.
    let count = |number| u64::try_from(number).unwrap_or(0);
    Ok(Frames { all: count(all), moved: count(moved) })
}

/// Moves the log into the file, as far as no reader needs the file as it is.
pub(super) fn move_log(connection: &Connection) -> Result<(), SourceError> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(())
}

pub(super) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
