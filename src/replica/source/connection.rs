//! Connections that follow a database beside those that use it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::SourceError;

/// How often to try, and how long to wait in between, until a writer ends. Where one comes after
/// the other there are moments in between, which longer waits would miss.
const TRIES: i32 = 20_000;
const PAUSE: Duration = Duration::from_micros(500);

/// A connection that leaves the log alone.
pub(super) fn connect(path: &Path) -> Result<Connection, SourceError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(|tries| {
        std::thread::sleep(PAUSE);
        tries < TRIES
    }))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Begins a read transaction.
pub(super) fn hold(connection: &Connection) -> Result<(), SourceError> {
    connection.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema;")?;
    Ok(())
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
