//! One plain file of a database, made while others use it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;

use super::source::{SourceError, copy};

/// How long to wait for whoever has the database to themselves.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no file. What was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is nothing to save.
    #[error("there is no database at {0}")]
    NoDatabase(PathBuf),
    /// It would be put over something.
    #[error("{0} is there already: choose another name, or replace it with --force")]
    Exists(PathBuf),
    /// It would be put over what it is made of.
    #[error("{0} is the database itself: choose another name")]
    Itself(PathBuf),
    /// SQLite would take what lies beside it for a part of it.
    #[error("{0} belongs to a database of that name: remove it, or choose another name")]
    Beside(PathBuf),
    /// The database cannot be read.
    #[error("the database cannot be read: {0}")]
    Read(#[from] rusqlite::Error),
    /// The copy cannot be made.
    #[error("the database cannot be copied: {0}")]
    Copy(#[from] SourceError),
    /// What was copied is no sound database.
    #[error("the copy is not sound ({0}): the database is damaged, restore a backup of it")]
    Unsound(String),
    /// The file cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes a file of the database as it is at this moment, and gives back its size. It lies beside
/// its place until it is whole, looked through, and on the disk. `replaces` what is there.
///
/// # Errors
///
/// When something is there, the database cannot be read, or the file not be written.
pub fn save(database: &Path, to: &Path, replaces: bool) -> Result<u64, SaveError> {
    refuse(database, to, replaces)?;
    let written = |source| SaveError::Write { path: to.to_owned(), source };
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only its owner reads it, as the database itself.
    let draft = tempfile::Builder::new().prefix(".openrsvp-backup-").tempfile_in(dir);
    let draft = draft.map_err(written)?.into_temp_path();
    copy(&frozen(database)?, &draft)?;
    finish(&draft)?;
    let file = fs::File::open(&draft).map_err(written)?;
    file.sync_all().map_err(written)?;
    put(draft, to, replaces)?;
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(written)?;
    Ok(file.metadata().map_err(written)?.len())
}

/// Refuses before anything is done.
fn refuse(database: &Path, to: &Path, replaces: bool) -> Result<(), SaveError> {
    let Ok(source) = fs::metadata(database) else {
        return Err(SaveError::NoDatabase(database.to_owned()));
    };
    if let Ok(target) = fs::metadata(to) {
        if (source.dev(), source.ino()) == (target.dev(), target.ino()) {
            return Err(SaveError::Itself(to.to_owned()));
        }
        if !replaces {
            return Err(SaveError::Exists(to.to_owned()));
        }
    }
    let beside = ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = to.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    match beside.into_iter().find(|path| path.exists()) {
        Some(path) => Err(SaveError::Beside(path)),
        None => Ok(()),
    }
}

/// The database as it is now, whatever is written to it meanwhile: a copy that began anew with each
/// change would not end on a busy site.
fn frozen(database: &Path) -> Result<Connection, SaveError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A replica may need the log as it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema;")?;
    Ok(connection)
}

/// Makes a copy one file that needs no log beside it, and has SQLite look at every page.
fn finish(draft: &Path) -> Result<(), SaveError> {
    let connection = Connection::open(draft)?;
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(SaveError::Unsound(found)) }
}

/// Puts it into its place; somebody else may have put something there meanwhile.
fn put(draft: TempPath, to: &Path, replaces: bool) -> Result<(), SaveError> {
    let put = if replaces { draft.persist(to) } else { draft.persist_noclobber(to) };
    put.map_err(|failed| match failed.error.kind() {
        io::ErrorKind::AlreadyExists => SaveError::Exists(to.to_owned()),
        _ => SaveError::Write { path: to.to_owned(), source: failed.error },
    })
}
