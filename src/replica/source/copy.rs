//! The whole of a database as it was at one moment.

use std::fs::{File, TryLockError};
use std::io::{BufReader, BufWriter, Read as _, Seek as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::{Batch, Position, SourceError};
use crate::replica::ltx::{Header, LtxWriter};
use crate::replica::room;

/// How the names of copies begin.
pub const COPY: &str = "copy-";
/// Bytes of a copy that are read or written at once.
const COPY_BYTES: usize = 1 << 20;

/// A database as it was at one moment, for as long as this is kept.
pub struct Frozen {
    pub(super) connection: Connection,
    pub(super) hold: Arc<()>,
    pub(super) page_size: u32,
    /// What the replica has with it.
    pub at: Position,
    pub(super) taken_at: Timestamp,
}

impl Frozen {
    /// Makes an LTX file of the whole database as it was. A copy lies beside it meanwhile.
    ///
    /// # Errors
    ///
    /// When there is no room for the two, or one cannot be written.
    pub fn encode(self, dir: &Path) -> Result<Batch, SourceError> {
        room::require(dir, 2 * u64::from(self.page_size) * u64::from(self.at.commit))?;
        let path = tempfile::Builder::new().prefix(COPY).tempfile_in(dir)?.into_temp_path();
        copy(&self.connection, &path)?;
        // From here on the log may begin anew.
        drop((self.connection, self.hold));
        let source = File::open(&path)?;
        let header = Header {
            page_size: self.page_size,
            commit: self.at.commit,
            min: 1,
            max: self.at.txid,
            at: self.taken_at,
            log: None,
        };
        let mut reader = BufReader::with_capacity(COPY_BYTES, source);
        let mut file = tempfile::tempfile_in(dir)?;
        let mut writer = LtxWriter::begin(BufWriter::with_capacity(COPY_BYTES, &mut file), header)?;
        let mut page = vec![0; self.page_size as usize];
        for number in 1..=header.commit {
            reader.read_exact(&mut page)?;
            if number != header.lock_page() {
                writer.page(number, &page)?;
            }
        }
        let size = writer.finish()?;
        file.rewind()?;
        Ok(Batch { file, size, header })
    }
}

/// Copies a database as it is to `to`, while others use it: SQLite's online backup.
///
/// # Errors
///
/// When it cannot be read or written.
pub fn copy(from: &Connection, to: &Path) -> Result<(), SourceError> {
    /// Pages of a step: a few megabytes.
    const STEP: i32 = 1024;
    let mut target = Connection::open(to)?;
    // Whoever is interrupted makes a new copy: no journal, and no waiting for the disk.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let backup = rusqlite::backup::Backup::new(from, &mut target)?;
    backup.run_to_completion(STEP, Duration::ZERO, None)?;
    Ok(())
}

/// Makes the directory, or takes it over from a program that has ended, and removes the copies that
/// one left. Gives back what must be kept open meanwhile.
pub(super) fn make(dir: &Path) -> Result<File, SourceError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let path = dir.join("lock");
    let alone = File::options().write(true).create(true).truncate(false).open(&path)?;
    match alone.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(SourceError::Followed(path)),
        Err(TryLockError::Error(error)) => return Err(error.into()),
        Ok(()) => {}
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(COPY.as_bytes()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(alone)
}
