//! SQLite files: reading one without a trace, and its backup.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::store::error::StoreError;
use crate::store::foreign::uri;
use crate::store::sqlite::refused;

/// Pages between two words of progress.
const STEP: i32 = 4000;
/// How long to wait for another program's lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether some program has the file open, or left it in a hurry.
fn has_log(path: &Path) -> bool {
    ["-wal", "-shm", "-journal"].iter().any(|end| beside(path, end).exists())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(end);
    PathBuf::from(name)
}

/// Opens a file to be read. One that nobody uses is complete in itself: told so, SQLite puts
/// nothing beside it.
pub(super) fn open_untouched(path: &Path) -> Result<Connection, StoreError> {
    let cannot = |reason: String| {
        StoreError::unavailable(format!("cannot read {}: {reason}", path.display()))
    };
    File::open(path).map_err(|error| cannot(error.to_string()))?;
    let mode = if has_log(path) { "mode=ro" } else { "immutable=1" };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(uri(path, mode), flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| cannot(error.to_string()))
}

/// Copies the file at `from`, as it is at one moment and while others write to it, into a new file
/// at `to`, which its owner alone may read. Tells how many pages are done, of how many.
pub fn back_up(from: &Path, to: &Path, tell: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    let unfinished = beside(to, ".part");
    let copied = copy_still(from, &unfinished, tell).and_then(|()| check(&unfinished));
    if let Err(error) = copied {
        // Half a copy is of use to nobody; one that cannot be removed is in nobody's way.
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    let cannot = |error: std::io::Error| {
        StoreError::unavailable(format!("cannot keep {}: {error}", to.display()))
    };
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(cannot)?;
    std::fs::rename(&unfinished, to).map_err(cannot)
}

fn copy_still(from: &Path, to: &Path, tell: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    loop {
        let was_in_use = has_log(from);
        copy(from, to, tell)?;
        // Somebody opened the file meanwhile, and may have changed what was taken for still.
        if was_in_use || !has_log(from) {
            return Ok(());
        }
    }
}

fn copy(from: &Path, to: &Path, tell: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
    let cannot = |error: std::io::Error| {
        StoreError::unavailable(format!("cannot make {}: {error}", to.display()))
    };
    let mut fresh = OpenOptions::new();
    fresh.write(true).create(true).truncate(true).mode(0o600).open(to).map_err(cannot)?;
    let source = open_untouched(from)?;
    let mut run = || -> rusqlite::Result<()> {
        // One snapshot from the first page to the last.
        source.execute_batch("BEGIN")?;
        source.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut target = Connection::open_with_flags(to, flags)?;
        let backup = Backup::new(&source, &mut target)?;
        loop {
            let step = backup.step(STEP)?;
            let progress = backup.progress();
            let count = |pages: i32| u64::try_from(pages).unwrap_or(0);
            tell(count(progress.pagecount - progress.remaining), count(progress.pagecount));
            match step {
                StepResult::Done => return Ok(()),
                StepResult::Busy | StepResult::Locked => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                _ => {}
            }
        }
    };
    run().map_err(|error| refused("backup", error))
}

/// Refuses a copy in which SQLite finds a fault: the original has it too.
fn check(path: &Path) -> Result<(), StoreError> {
    let connection = open_untouched(path)?;
    let run = || connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match run().map_err(|error| refused("quick_check", error))? {
        fine if fine == "ok" => Ok(()),
        fault => Err(StoreError::unavailable(format!("the file is damaged: {fault}"))),
    }
}
