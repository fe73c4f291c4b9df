//! Makes a database out of a replica.

mod flush;
mod pages;

use std::fs;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use lz4_flex::frame::FrameDecoder;

use super::legacy::{Chain, Piece};
use super::ltx::{Header, LtxError};
use super::place::{PlaceError, Replica};
use super::plan::File;
use super::room::{self, NoRoom};
use super::way::Way;
use flush::Flusher;
use pages::apply;

/// Bytes that are read or written at once.
const BUFFER: usize = 1 << 20;

/// Why a database was not restored. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is one, and it was not said to be replaced.
    #[error("{0} is there already: restore to another path, or replace it with --force")]
    Exists(PathBuf),
    /// A program has it open.
    #[error("{0} is used by a program that runs: stop it first")]
    Used(PathBuf),
    /// The replica cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A file of it is broken.
    #[error("the file {name} of the replica cannot be used: {source}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        source: LtxError,
    },
    /// There is no room for it.
    #[error("there is no room to restore: {0}")]
    NoRoom(#[from] NoRoom),
    /// What came out is no sound database.
    #[error("the restored database is not sound: {0}")]
    Unsound(String),
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The txid whose state it is; Litestream 0.3 had none.
    pub txid: Option<u64>,
    /// When that was written.
    pub at: Timestamp,
    /// Bytes of the database.
    pub bytes: u64,
    /// Where the database lies that was there before.
    pub kept: Option<PathBuf>,
}

/// Makes the database at `to`: beside it first, and in its place only when it is whole. `replaces`
/// one that is there, which is kept under another name. `read` counts the bytes of the replica that
/// were read so far, of those that [`Way::reads`] names.
///
/// # Errors
///
/// When the replica's files are broken, or files cannot be read or written.
pub async fn restore(
    replica: &Replica,
    way: &Way,
    to: &Path,
    replaces: bool,
    read: &Arc<AtomicU64>,
) -> Result<Restored, RestoreError> {
    require_free(to, replaces)?;
    let draft = Draft::beside(to)?;
    let flusher = Flusher::start(draft.output()?).map_err(|error| draft.fault(error))?;
    let at = match way {
        Way::Files(files) => draft.apply_files(replica, files, &flusher, read).await?,
        Way::Legacy(chain) => draft.apply_chain(replica, chain, read).await?,
    };
    draft.settle(flusher).await?;
    let bytes = draft.file.metadata().map_err(|error| draft.fault(error))?.len();
    // Somebody may have begun to use it meanwhile.
    require_free(to, replaces)?;
    let kept = draft.move_into_place(to)?;
    Ok(Restored { txid: way.txid(), at, bytes, kept })
}

/// The same, and tells every so often how many bytes were read.
///
/// # Errors
///
/// As [`restore`].
pub async fn restore_telling(
    replica: &Replica,
    way: &Way,
    to: &Path,
    replaces: bool,
    every: Duration,
    tell: impl Fn(u64),
) -> Result<Restored, RestoreError> {
    let read = Arc::<AtomicU64>::default();
    let mut restoring = std::pin::pin!(restore(replica, way, to, replaces, &read));
    loop {
        match tokio::time::timeout(every, &mut restoring).await {
            Ok(restored) => return restored,
            Err(_) => tell(read.load(Ordering::Relaxed)),
        }
    }
}

/// Refuses a path at which a database lies that is not to be replaced, or that is used.
fn require_free(to: &Path, replaces: bool) -> Result<(), RestoreError> {
    if !to.exists() {
        return Ok(());
    }
    if !replaces {
        return Err(RestoreError::Exists(to.to_owned()));
    }
    // Whoever has a database open holds a lock on it, even one that does nothing: alone means that
    // nobody else does.
    let alone = || -> rusqlite::Result<()> {
        let connection = Connection::open(to)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    match alone().map_err(|error| error.sqlite_error_code()) {
        Err(Some(ErrorCode::DatabaseBusy)) => Err(RestoreError::Used(to.to_owned())),
        // What is broken may be replaced.
        _ => Ok(()),
    }
}

/// Unpacks an LZ4 frame to where `to` is; gives back how many bytes came out.
fn unpack(from: &fs::File, mut to: &fs::File) -> io::Result<u64> {
    let mut frame = FrameDecoder::new(BufReader::with_capacity(BUFFER, from));
    io::copy(&mut frame, &mut to)
}

fn piece_fault(piece: &Piece, error: io::Error) -> RestoreError {
    RestoreError::File { name: piece.path.clone(), source: LtxError::Io(error) }
}

/// Has SQLite move the log beside a database into it.
fn absorb_log(path: &Path) -> Result<(), RestoreError> {
    let unsound = |error: rusqlite::Error| RestoreError::Unsound(error.to_string());
    let connection = Connection::open(path).map_err(unsound)?;
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.query_row(checkpoint, [], |_| Ok(())).map_err(unsound)?;
    connection.close().map_err(|(_, error)| unsound(error))
}

/// A database that is not there yet; removed unless it was moved into its place.
struct Draft {
    path: PathBuf,
    spool: PathBuf,
    file: fs::File,
}

impl Draft {
    fn beside(to: &Path) -> Result<Self, RestoreError> {
        let path = with_suffix(to, ".restoring");
        let written = |source| RestoreError::Write { path: path.clone(), source };
        if let Some(dir) = to.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir).map_err(written)?;
        }
        let file = private(&path).map_err(written)?;
        Ok(Self { spool: with_suffix(to, ".restoring-part"), path, file })
    }

    fn fault(&self, source: io::Error) -> RestoreError {
        RestoreError::Write { path: self.path.clone(), source }
    }

    /// The file, for a thread of its own.
    fn output(&self) -> Result<fs::File, RestoreError> {
        self.file.try_clone().map_err(|error| self.fault(error))
    }

    /// Applies the files of a plan; gives back when the last was written.
    async fn apply_files(
        &self,
        replica: &Replica,
        files: &[File],
        flusher: &Flusher,
        read: &Arc<AtomicU64>,
    ) -> Result<Timestamp, RestoreError> {
        self.require_room(replica, files).await?;
        let mut before: Option<Header> = None;
        for file in files {
            let begun = read.load(Ordering::Relaxed);
            let source = replica.open(file, &self.spool).await?;
            let (output, flush) = (self.output()?, flusher.wake());
            let (wanted, told) = (*file, read.clone());
            let applied = tokio::task::spawn_blocking(move || {
                let tell = |offset| told.store(begun + offset, Ordering::Relaxed);
                apply(&source, &output, &wanted, before, &flush, tell)
            });
            let applied = applied.await;
            let applied = applied.unwrap_or(Err(LtxError::Damaged("it cannot be read at all")));
            let named = |source| RestoreError::File { name: file.name(), source };
            before = Some(applied.map_err(named)?);
            read.store(begun + file.size, Ordering::Relaxed);
        }
        let last = before.ok_or_else(|| RestoreError::Unsound("the plan is empty".to_owned()))?;
        Ok(last.at)
    }

    /// Refuses what would fill the disk: the database, and a file of the replica while it is read.
    async fn require_room(&self, replica: &Replica, files: &[File]) -> Result<(), RestoreError> {
        let Some(last) = files.last() else { return Ok(()) };
        let header = replica.header(last).await?;
        let largest = files.iter().map(|file| file.size).max().filter(|_| replica.is_bucket());
        let database = u64::from(header.commit) * u64::from(header.page_size);
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        room::require_bare(dir.unwrap_or(Path::new(".")), database + largest.unwrap_or(0))?;
        Ok(())
    }

    /// The same with what Litestream 0.3 wrote.
    async fn apply_chain(
        &self,
        replica: &Replica,
        chain: &Chain,
        read: &Arc<AtomicU64>,
    ) -> Result<Timestamp, RestoreError> {
        let copy = replica.open_legacy(&chain.copy, &self.spool).await?;
        unpack(&copy, &self.file).map_err(|error| piece_fault(&chain.copy, error))?;
        read.fetch_add(chain.copy.size, Ordering::Relaxed);
        for pieces in &chain.logs {
            let path = with_suffix(&self.path, "-wal");
            let log = private(&path).map_err(|error| self.fault(error))?;
            let mut end = 0;
            for piece in pieces {
                let packed = replica.open_legacy(piece, &self.spool).await?;
                if piece.offset != end {
                    let missing = LtxError::Damaged("what comes before it in its log is missing");
                    return Err(RestoreError::File { name: piece.path.clone(), source: missing });
                }
                end += unpack(&packed, &log).map_err(|error| piece_fault(piece, error))?;
                read.fetch_add(piece.size, Ordering::Relaxed);
            }
            absorb_log(&self.path)?;
        }
        Ok(chain.at)
    }

    /// Brings it to the disk, and has SQLite look at every page meanwhile.
    async fn settle(&self, flusher: Flusher) -> Result<(), RestoreError> {
        let file = self.output()?;
        let synced = tokio::task::spawn_blocking(move || flusher.end(&file));
        let path = self.path.clone();
        let checked = tokio::task::spawn_blocking(move || check(&path));
        let (synced, checked) = tokio::join!(synced, checked);
        let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(|error| self.fault(error))?;
        checked.unwrap_or_else(|error| Err(RestoreError::Unsound(error.to_string())))
    }

    /// Puts it at `to`; gives back where the one lies that was there.
    fn move_into_place(self, to: &Path) -> Result<Option<PathBuf>, RestoreError> {
        let moved = |source| RestoreError::Write { path: to.to_owned(), source };
        let aside = free_name(to);
        let mut kept = None;
        // The log belongs to the database: either is nothing without the other, and a log whose
        // database is gone must not get into this one.
        for suffix in ["-wal", "-shm", ""] {
            let from = with_suffix(to, suffix);
            if from.exists() {
                fs::rename(&from, with_suffix(&aside, suffix)).map_err(moved)?;
                kept = Some(aside.clone());
            }
        }
        fs::rename(&self.path, to).map_err(moved)?;
        let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(moved)?;
        Ok(kept)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Moved already, or never made.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.spool);
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(with_suffix(&self.path, suffix));
        }
    }
}

/// Makes a file that only its owner reads, as the database itself.
fn private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.create(true).truncate(true).read(true).write(true).open(path)
}

/// `openrsvp.db.before-restore`, or with a number where that is taken.
fn free_name(of: &Path) -> PathBuf {
    let first = with_suffix(of, ".before-restore");
    let numbered = (2..).map(|number| with_suffix(&first, &format!("-{number}")));
    std::iter::once(first.clone()).chain(numbered).find(|path| is_free(path)).unwrap_or(first)
}

fn is_free(path: &Path) -> bool {
    ["", "-wal", "-shm"].iter().all(|suffix| !with_suffix(path, suffix).exists())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Has SQLite look at every page.
fn check(path: &Path) -> Result<(), RestoreError> {
    let unsound = |error: rusqlite::Error| RestoreError::Unsound(error.to_string());
    // Nobody else has it, so SQLite need leave no file of its own beside it.
    let name = percent_encoding::utf8_percent_encode(
        &path.to_string_lossy(),
        percent_encoding::NON_ALPHANUMERIC,
    )
    .to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let uri = format!("file:{name}?immutable=1");
    let connection = Connection::open_with_flags(uri, flags).map_err(unsound)?;
    let found: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(unsound)?;
    if found == "ok" { Ok(()) } else { Err(RestoreError::Unsound(found)) }
}
