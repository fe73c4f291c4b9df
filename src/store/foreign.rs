//! Reading the SQLite file of another program: nothing in it is trusted, and nothing changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::sqlite::owned;
use super::value::Value;

/// Why a foreign file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// It cannot be opened.
    #[error("cannot read {path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is no SQLite file.
    #[error("{path} is not a SQLite database", path = path.display())]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// SQLite finds faults in it.
    #[error("{path} is damaged: {finding}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first fault.
        finding: String,
    },
    /// A text is not UTF-8.
    #[error("column {column} of row {rowid} in table {table} is not valid UTF-8")]
    InvalidText {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// SQLite's number of the row.
        rowid: i64,
    },
    /// It has no such table or column.
    #[error("there is no {0}")]
    NoSuch(String),
}

/// A row of a foreign file.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignRow {
    /// SQLite's number of the row.
    pub rowid: i64,
    /// The columns asked for, as they are stored, whatever the table declares.
    pub values: Vec<Value>,
}

/// A foreign file, open to be read: one snapshot from beginning to end, so keep it no longer than
/// needed. Its calls block.
pub struct ForeignDb {
    path: PathBuf,
    connection: Mutex<Connection>,
    tables: BTreeMap<String, Vec<String>>,
}

impl ForeignDb {
    /// Opens the file and checks all of it.
    pub fn open(path: &Path) -> Result<Self, ForeignError> {
        let connection = connect(path)?;
        let explain = |error| unreadable(path, &error);
        let finding = begin(&connection).map_err(explain)?;
        if finding != "ok" {
            return Err(ForeignError::Damaged { path: path.to_owned(), finding });
        }
        let tables = tables(&connection).map_err(explain)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), tables })
    }

    /// Its tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// The columns of a table; none when there is no such table.
    pub fn columns(&self, table: &str) -> &[String] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> Result<i64, ForeignError> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.quoted(table, None)?);
        let connection = self.lock();
        connection
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| unreadable(&self.path, &error))
    }

    /// Up to `limit` rows by row number, after the row `after`; of each, these columns.
    pub fn page(
        &self,
        table: &str,
        columns: &[&str],
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<ForeignRow>, ForeignError> {
        let Some(first) = after.map_or(Some(i64::MIN), |rowid| rowid.checked_add(1)) else {
            return Ok(Vec::new());
        };
        let mut sql = "SELECT rowid".to_owned();
        for column in columns {
            sql.push_str(", ");
            sql.push_str(&self.quoted(table, Some(column))?);
        }
        let from = self.quoted(table, None)?;
        // Writing to a string cannot fail.
        let _ = write!(sql, " FROM {from} WHERE rowid >= ?1 ORDER BY rowid LIMIT ?2");
        let explain = |error| unreadable(&self.path, &error);
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(explain)?;
        let mut rows =
            statement.query((first, i64::try_from(limit).unwrap_or(i64::MAX))).map_err(explain)?;
        let mut page = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            let rowid = row.get::<_, i64>(0).map_err(explain)?;
            let mut values = Vec::with_capacity(columns.len());
            for (index, column) in columns.iter().enumerate() {
                let stored = row.get_ref(index + 1).map_err(explain)?;
                values.push(owned(stored).map_err(|_| ForeignError::InvalidText {
                    table: table.to_owned(),
                    column: (*column).to_owned(),
                    rowid,
                })?);
            }
            page.push(ForeignRow { rowid, values });
        }
        Ok(page)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name of the file for use in a statement. Names come from the file, so they are the one
    /// thing that cannot be a constant; one that the file does not have is refused.
    fn quoted(&self, table: &str, column: Option<&str>) -> Result<String, ForeignError> {
        let known = self.tables.get(table);
        let missing = || ForeignError::NoSuch(format!("table {table}"));
        let columns = known.ok_or_else(missing)?;
        let name = match column {
            None => table,
            Some(column) if columns.iter().any(|known| known == column) => column,
            Some(column) => {
                return Err(ForeignError::NoSuch(format!("column {column} in table {table}")));
            }
        };
        Ok(format!("\"{}\"", name.replace('"', "\"\"")))
    }
}

fn connect(path: &Path) -> Result<Connection, ForeignError> {
    let mut header = Vec::new();
    File::open(path).and_then(|file| file.take(20).read_to_end(&mut header)).map_err(|error| {
        ForeignError::Unreadable { path: path.to_owned(), reason: error.to_string() }
    })?;
    if header.len() < 20 || !header.starts_with(b"SQLite format 3\0") {
        return Err(ForeignError::NotSqlite { path: path.to_owned() });
    }
    // A file in WAL mode without a log is complete in itself, but SQLite would make a log beside
    // it to read it; told that nobody changes the file, it does not.
    let in_wal_mode = header[18] == 2;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let mode = if in_wal_mode && !has_log { "immutable=1" } else { "mode=ro" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(uri(path, mode), flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|error| unreadable(path, &error))
}

/// The address of a file, whatever its name holds.
pub(super) fn uri(path: &Path, mode: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    format!("{uri}?{mode}")
}

/// Begins the snapshot and returns the first fault, or "ok".
fn begin(connection: &Connection) -> rusqlite::Result<String> {
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.execute_batch("BEGIN")?;
    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}

/// Real tables with row numbers: no views, no virtual tables.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let list = "SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND wr = 0 AND substr(name, 1, 7) <> 'sqlite_'";
    let mut statement = connection.prepare(list)?;
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    names
        .into_iter()
        .map(|name| {
            let found = columns.query_map([&name], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok((name, found))
        })
        .collect()
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> ForeignError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ForeignError::NotSqlite { path },
        Some(ErrorCode::DatabaseCorrupt) => {
            ForeignError::Damaged { path, finding: error.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ForeignError::Unreadable {
            path,
            reason: "another program is writing to it; stop that program first".to_owned(),
        },
        _ => ForeignError::Unreadable { path, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(sql: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old site?#%41 ä.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        (directory, path)
    }

    const ROWS: &str = "CREATE TABLE \"a \"\"table\" (b, \"c d\");
        INSERT INTO \"a \"\"table\" VALUES (1, 'x'), (2.5, NULL), (X'00', 'ü');
        CREATE VIEW v AS SELECT 1;";

    #[test]
    fn rows_come_in_pages_as_they_are_stored() {
        let (_directory, path) = file(ROWS);
        let db = ForeignDb::open(&path).unwrap();
        assert_eq!(db.tables().collect::<Vec<_>>(), ["a \"table"]);
        assert_eq!(db.columns("a \"table"), ["b", "c d"]);
        assert_eq!(db.count("a \"table").unwrap(), 3);
        let page = db.page("a \"table", &["c d", "b"], None, 2).unwrap();
        assert_eq!(page[0].values, ["x".into(), Value::from(1_i64)]);
        assert_eq!(page[1].values, [Value::Text(None), 2.5.into()]);
        let page = db.page("a \"table", &["b", "c d"], Some(page[1].rowid), 2).unwrap();
        assert_eq!(page[0].values, [vec![0_u8].into(), Value::from("ü")]);
        assert!(db.page("a \"table", &["b"], Some(page[0].rowid), 2).unwrap().is_empty());
        assert!(matches!(db.page("a \"table", &["e"], None, 1), Err(ForeignError::NoSuch(_))));
        assert!(matches!(db.count("v"), Err(ForeignError::NoSuch(_))));
    }

    #[test]
    fn nothing_is_written_beside_the_file() {
        let (directory, path) = file(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
        let before = std::fs::read(&path).unwrap();
        let db = ForeignDb::open(&path).unwrap();
        assert_eq!(db.count("a \"table").unwrap(), 3);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        drop(db);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_only_in_the_log_is_read() {
        let (_directory, path) = file(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
        let running = Connection::open(&path).unwrap();
        running.execute_batch("INSERT INTO \"a \"\"table\" VALUES (7, 8)").unwrap();
        assert_eq!(ForeignDb::open(&path).unwrap().count("a \"table").unwrap(), 4);
    }

    #[test]
    fn text_that_is_not_utf8_is_named() {
        let (_directory, path) =
            file("CREATE TABLE t (a); INSERT INTO t VALUES ('a'), (CAST(X'FF' AS TEXT));");
        let error = ForeignDb::open(&path).unwrap().page("t", &["a"], None, 9).unwrap_err();
        assert_eq!(error.to_string(), "column a of row 2 in table t is not valid UTF-8");
    }

    #[test]
    fn other_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other");
        assert!(matches!(ForeignDb::open(&path), Err(ForeignError::Unreadable { .. })));
        assert!(ForeignDb::open(directory.path()).is_err());
        for content in [&b""[..], b"SQLite format 3\0", &[0x1f; 5000]] {
            std::fs::write(&path, content).unwrap();
            assert!(matches!(ForeignDb::open(&path), Err(ForeignError::NotSqlite { .. })));
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let rows = "INSERT INTO t SELECT zeroblob(900) FROM pragma_function_list LIMIT 60;";
        let (_directory, path) = file(&format!("CREATE TABLE t (a); {rows}"));
        let whole = std::fs::read(&path).unwrap();
        let mut broken = whole.clone();
        broken[8192..8300].fill(0xee);
        for content in [&broken, &whole[..whole.len() / 2]] {
            std::fs::write(&path, content).unwrap();
            let error = ForeignDb::open(&path).err().unwrap();
            assert!(matches!(error, ForeignError::Damaged { .. }), "{error}");
        }
    }
}
