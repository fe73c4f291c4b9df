//! Reading the SQLite file of another program: nothing in it is trusted, and nothing changed.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

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
    /// It has no such table.
    #[error("there is no table {0}")]
    NoTable(String),
}

/// A value as it is stored, whatever the table declares.
#[derive(Debug, Clone, PartialEq)]
pub enum ForeignValue {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A table: its columns.
#[derive(Debug, Clone)]
pub struct ForeignTable {
    columns: Arc<[String]>,
}

impl ForeignTable {
    /// Whether it has this column.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column == name)
    }
}

/// A row.
#[derive(Debug, Clone)]
pub struct ForeignRow {
    columns: Arc<[String]>,
    values: Vec<ForeignValue>,
}

impl ForeignRow {
    /// The value of a column; `None` when the table has no such column.
    pub fn get(&self, column: &str) -> Option<&ForeignValue> {
        let index = self.columns.iter().position(|known| known == column)?;
        self.values.get(index)
    }
}

/// A foreign file, open to be read: one snapshot from beginning to end, so keep it no longer than
/// needed. Its calls block.
pub struct ForeignDb {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl ForeignDb {
    /// Opens the file.
    pub fn open(path: &Path) -> Result<Self, ForeignError> {
        let connection = connect(path)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    /// Has SQLite check all of the file.
    pub fn check_integrity(&self) -> Result<(), ForeignError> {
        let ask = "PRAGMA quick_check(1)";
        match self.lock().query_row(ask, [], |row| row.get::<_, String>(0)) {
            Ok(finding) if finding == "ok" => Ok(()),
            Ok(finding) => Err(ForeignError::Damaged { path: self.path.clone(), finding }),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// A table; `None` when there is none of this name. Views and virtual tables are none.
    pub fn table(&self, name: &str) -> Result<Option<ForeignTable>, ForeignError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let connection = self.lock();
            let mut columns = connection.prepare_cached(COLUMNS)?;
            columns.query_map([name], |row| row.get(0))?.collect()
        };
        let columns = read().map_err(|error| self.unreadable(&error))?;
        Ok((!columns.is_empty()).then(|| ForeignTable { columns: columns.into() }))
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> Result<u64, ForeignError> {
        self.table(table)?.ok_or_else(|| ForeignError::NoTable(table.to_owned()))?;
        let sql = format!("SELECT COUNT(*) FROM {}", quoted(table));
        let rows = self.lock().query_row(&sql, [], |row| row.get::<_, i64>(0));
        rows.map(i64::unsigned_abs).map_err(|error| self.unreadable(&error))
    }

    /// All rows of a table in pages of up to `size`, by SQLite's row number. Ends with the first
    /// error.
    pub fn pages(
        &self,
        table: &str,
        size: usize,
    ) -> impl Iterator<Item = Result<Vec<ForeignRow>, ForeignError>> + use<'_> {
        let table = table.to_owned();
        let size = size.max(1);
        let mut first = Some(i64::MIN);
        std::iter::from_fn(move || {
            let (rows, last) = match self.page(&table, first.take()?, size) {
                Ok(page) => page,
                Err(error) => return Some(Err(error)),
            };
            if rows.len() == size {
                first = last.checked_add(1);
            }
            (!rows.is_empty()).then_some(Ok(rows))
        })
    }

    /// Up to `size` rows from the row number `first` on, and the number of the last.
    fn page(
        &self,
        table: &str,
        first: i64,
        size: usize,
    ) -> Result<(Vec<ForeignRow>, i64), ForeignError> {
        let known = self.table(table)?;
        let columns = known.ok_or_else(|| ForeignError::NoTable(table.to_owned()))?.columns;
        let names: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
        // Names come from the file, so they are the one thing that cannot be a constant.
        let sql = format!(
            "SELECT rowid, {} FROM {} WHERE rowid >= ?1 ORDER BY rowid LIMIT ?2",
            names.join(", "),
            quoted(table)
        );
        let explain = |error| self.unreadable(&error);
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql).map_err(explain)?;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let mut found = statement.query((first, size)).map_err(explain)?;
        let (mut rows, mut last) = (Vec::new(), first);
        while let Some(row) = found.next().map_err(explain)? {
            last = row.get(0).map_err(explain)?;
            let mut values = Vec::with_capacity(columns.len());
            for (index, column) in columns.iter().enumerate() {
                let stored = row.get_ref(index + 1).map_err(explain)?;
                values.push(value(stored).ok_or_else(|| ForeignError::InvalidText {
                    table: table.to_owned(),
                    column: column.clone(),
                    rowid: last,
                })?);
            }
            rows.push(ForeignRow { columns: columns.clone(), values });
        }
        Ok((rows, last))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, error: &rusqlite::Error) -> ForeignError {
        unreadable(&self.path, error)
    }
}

/// Columns of a real table that has row numbers.
const COLUMNS: &str = "SELECT c.name FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
    WHERE t.schema = 'main' AND t.type = 'table' AND t.wr = 0 AND t.name = ?1 ORDER BY c.cid";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A stored value; `None` for a text that is not UTF-8.
fn value(stored: ValueRef<'_>) -> Option<ForeignValue> {
    Some(match stored {
        ValueRef::Null => ForeignValue::Null,
        ValueRef::Integer(value) => ForeignValue::Int(value),
        ValueRef::Real(value) => ForeignValue::Real(value),
        ValueRef::Text(bytes) => ForeignValue::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
        ValueRef::Blob(bytes) => ForeignValue::Blob(bytes.to_vec()),
    })
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
        connection.pragma_update(None, "cell_size_check", true)?;
        // The snapshot begins with the first read.
        connection.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema")?;
        Ok(connection)
    };
    open().map_err(|error| unreadable(path, &error))
}

fn uri(path: &Path, mode: &str) -> String {
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
        db.check_integrity().unwrap();
        let table = db.table("a \"table").unwrap().unwrap();
        assert!(table.has_column("c d") && !table.has_column("d"));
        assert!(db.table("v").unwrap().is_none());
        assert!(matches!(db.count("v"), Err(ForeignError::NoTable(_))));
        assert_eq!(db.count("a \"table").unwrap(), 3);
        for size in [1, 2, 3, 4] {
            let pages: Vec<_> = db.pages("a \"table", size).map(Result::unwrap).collect();
            assert_eq!(pages.len(), 3_usize.div_ceil(size));
            let rows: Vec<_> = pages.into_iter().flatten().collect();
            let found = rows.iter().map(|row| [row.get("b").unwrap(), row.get("c d").unwrap()]);
            use ForeignValue::{Blob, Int, Null, Real, Text};
            let expected = [
                [&Int(1), &Text("x".into())],
                [&Real(2.5), &Null],
                [&Blob(vec![0]), &Text("ü".into())],
            ];
            assert_eq!(found.collect::<Vec<_>>(), expected);
            assert_eq!(rows[0].get("d"), None);
        }
        let missing = db.pages("v", 1).collect::<Vec<_>>();
        assert!(matches!(missing[..], [Err(ForeignError::NoTable(_))]));
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
        let error = ForeignDb::open(&path).unwrap().pages("t", 9).next().unwrap().unwrap_err();
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
            let checked = ForeignDb::open(&path).and_then(|db| db.check_integrity());
            let error = checked.unwrap_err();
            assert!(matches!(error, ForeignError::Damaged { .. }), "{error}");
        }
    }
}
