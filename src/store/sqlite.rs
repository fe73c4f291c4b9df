//! SQLite: connections, statements, and the threads that own them.

mod threads;

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ToSql};

use super::dialect::Query;
use super::error::{ConflictKind, EngineError, StoreError};
use super::migrate;
use super::options::SqliteOptions;
use super::value::{Row, Value};

pub(super) use threads::{Answer, Threads};

/// More than the program has statements, so that each is parsed once for each connection.
const STATEMENTS: usize = 512;
/// Memory for the pages of a connection that reads, in KiB. The file is in the kernel's cache too.
const READER_CACHE_KIB: i64 = 4096;
/// The log is cut back to this after a checkpoint that found it longer.
const LOG_LIMIT: i64 = 64 << 20;

/// Opens the connection that writes, and makes the file when there is none.
pub(super) fn open_writer(options: &SqliteOptions) -> Result<Connection, StoreError> {
    create_private(&options.path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(&options.path, flags, options.busy_timeout, options.writer_cache_kib)?;
    // Refuses the file of another program before anything in it changes.
    migrate::sqlite_version(&connection)?;
    let settle = || -> rusqlite::Result<()> {
        // Lets the vacuum job give space back in small steps. Only an empty file takes it; asked of
        // another it would wait for whoever writes there, and with many of them for too long.
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if pages == 0 {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
            let mode = row.get::<_, String>(0)?;
            if mode == "wal" { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
        })?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_LIMIT, |_| Ok(()))?;
        if options.keeps_log {
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        }
        Ok(())
    };
    settle().map_err(|error| cannot_open(&options.path, &error))?;
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, busy_timeout, READER_CACHE_KIB)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|error| cannot_open(path, &error))?;
    Ok(connection)
}

fn open(
    path: &Path,
    flags: OpenFlags,
    busy_timeout: Duration,
    cache_kib: i64,
) -> Result<Connection, StoreError> {
    let prepare = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // One plan for each statement, whatever the values: else binding a value that a partial
        // index asks about makes SQLite parse the statement anew, each time.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        Ok(connection)
    };
    prepare().map_err(|error| cannot_open(path, &error))
}

/// Makes the file readable by its owner alone; SQLite gives the log the same permissions.
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(StoreError::unavailable(format!("cannot make {}: {error}", path.display())))
        }
    }
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::unavailable(format!("cannot open {}: {error}", path.display()))
}

/// Runs a statement and returns all its rows.
pub(super) fn all(
    connection: &Connection,
    query: &'static Query,
    values: &[Value],
) -> Result<Vec<Row>, StoreError> {
    let run = || -> rusqlite::Result<Vec<Row>> {
        let mut statement = bound(connection, query, values)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(read(query, row, width)?);
        }
        Ok(out)
    };
    run().map_err(|error| refused(query.name, error))
}

/// Runs a statement and returns its first row.
pub(super) fn one(
    connection: &Connection,
    query: &'static Query,
    values: &[Value],
) -> Result<Option<Row>, StoreError> {
    let run = || -> rusqlite::Result<Option<Row>> {
        let mut statement = bound(connection, query, values)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        rows.next()?.map(|row| read(query, row, width)).transpose()
    };
    run().map_err(|error| refused(query.name, error))
}

/// Runs a statement and returns how many rows it changed.
pub(super) fn execute(
    connection: &Connection,
    query: &'static Query,
    values: &[Value],
) -> Result<u64, StoreError> {
    let run = || bound(connection, query, values)?.raw_execute();
    run().map(|rows| rows as u64).map_err(|error| refused(query.name, error))
}

fn bound<'c>(
    connection: &'c Connection,
    query: &Query,
    values: &[Value],
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut statement = connection.prepare_cached(query.sqlite)?;
    let wanted = statement.parameter_count();
    if wanted != values.len() {
        // SQLite would take what is missing for null.
        return Err(rusqlite::Error::InvalidParameterCount(values.len(), wanted));
    }
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(statement)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(Some(value)) => ValueRef::Integer(*value),
            Self::Real(Some(value)) => ValueRef::Real(*value),
            Self::Text(Some(value)) => ValueRef::Text(value.as_bytes()),
            Self::Bool(Some(value)) => ValueRef::Integer(i64::from(*value)),
            Self::Blob(Some(value)) => ValueRef::Blob(value),
            _ => ValueRef::Null,
        }))
    }
}

fn read(query: &Query, row: &rusqlite::Row<'_>, width: usize) -> rusqlite::Result<Row> {
    let mut values = Vec::with_capacity(width);
    for index in 0..width {
        values.push(
            owned(row.get_ref(index)?).map_err(|error| rusqlite::Error::Utf8Error(index, error))?,
        );
    }
    Ok(Row::new(query.name, values))
}

/// A value of a result, owned. A null has no kind on SQLite; it comes as a text that is none.
pub(super) fn owned(value: ValueRef<'_>) -> Result<Value, std::str::Utf8Error> {
    Ok(match value {
        ValueRef::Null => Value::Text(None),
        ValueRef::Integer(value) => Value::Int(Some(value)),
        ValueRef::Real(value) => Value::Real(Some(value)),
        ValueRef::Text(bytes) => Value::Text(Some(std::str::from_utf8(bytes)?.to_owned())),
        ValueRef::Blob(bytes) => Value::Blob(Some(bytes.to_vec())),
    })
}

/// Translates what SQLite said about a statement.
pub(super) fn refused(statement: &'static str, error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = &error else {
        return StoreError::Db { statement, source: EngineError(error.to_string()) };
    };
    let kind = match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => ConflictKind::Unique,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConflictKind::ForeignKey,
        ffi::SQLITE_CONSTRAINT_CHECK => ConflictKind::Check,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ConflictKind::NotNull,
        _ => {
            return match failure.code {
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory => {
                    StoreError::unavailable(format!("{statement}: {error}"))
                }
                _ => StoreError::Db { statement, source: EngineError(error.to_string()) },
            };
        }
    };
    StoreError::Conflict { kind, statement }
}

/// Parses a statement, without running it.
pub(super) fn prepare(connection: &Connection, query: &Query) -> Result<(), StoreError> {
    connection.prepare(query.sqlite).map(drop).map_err(|error| refused(query.name, error))
}

/// The plan of a statement, a step a line.
pub(super) fn explain(connection: &Connection, query: &Query) -> Result<String, StoreError> {
    let run = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sqlite))?;
        statement.raw_query().mapped(|row| row.get::<_, String>(3)).collect()
    };
    run().map(|lines| lines.join("\n")).map_err(|error| refused(query.name, error))
}

/// What is wrong with the file; empty when nothing is.
pub(super) fn check_integrity(path: &Path, wait: Duration) -> Result<Vec<String>, StoreError> {
    let connection = open_reader(path, wait)?;
    let run = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA quick_check")?;
        statement.raw_query().mapped(|row| row.get::<_, String>(0)).collect()
    };
    let mut found = run().map_err(|error| refused("quick_check", error))?;
    found.retain(|line| line != "ok");
    Ok(found)
}
