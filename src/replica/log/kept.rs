//! A log, as far as it is kept beyond the moment when it begins anew.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::{FRAME_HEADER_BYTES, Header, Log, LogEnd, READ_BYTES, word};

/// How the names of such files begin. Their number follows, and then where the log before ends: its
/// salts, its offset, its checksum; each has 16 hexadecimal digits.
const PREFIX: &str = "log-";

/// A file that has parts of a log, each byte where it is in the log.
#[derive(Debug)]
pub struct KeptLog {
    /// The later, the higher.
    pub number: u64,
    /// Where the log before ends; zeros where nobody knows.
    pub after: LogEnd,
    path: PathBuf,
    pub(super) header: Header,
    /// Made when it is needed first.
    log: OnceLock<Log>,
}

/// Where an image of a page lies: at this offset of a log.
#[derive(Debug, Clone)]
pub struct Image {
    pub(super) log: Arc<KeptLog>,
    pub(super) offset: u64,
}

impl Image {
    /// Reads the page, which must be among what is kept.
    pub fn read(&self, page: &mut [u8]) -> io::Result<()> {
        let log = self.log.log.get().ok_or(io::ErrorKind::NotFound)?;
        log.file.read_exact_at(page, self.offset)
    }
}

impl KeptLog {
    /// For this log, in `dir`.
    pub fn new(dir: &Path, number: u64, after: LogEnd, log: &Log) -> Self {
        let (salts, sums) = (both(after.salts), both(after.checksum));
        let name = format!("{PREFIX}{number:016x}-{salts:016x}-{:016x}-{sums:016x}", after.offset);
        Self { number, after, path: dir.join(name), header: log.header, log: OnceLock::new() }
    }

    /// The one at `path`; `None` where that is no such file, or a broken one.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let name = path.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX));
        let read = |digits| u64::from_str_radix(digits, 16).ok();
        let numbers: Option<Vec<u64>> = name.and_then(|name| name.split('-').map(read).collect());
        let Some([number, salts, offset, checksum]) = numbers.as_deref() else { return Ok(None) };
        let (salts, checksum) = (pair(*salts), pair(*checksum));
        let after = LogEnd { salts, offset: *offset, checksum };
        let file = File::options().read(true).write(true).open(path)?;
        let kept = |log: Log| {
            let (number, path, header) = (*number, path.to_owned(), log.header);
            Self { number, after, path, header, log: OnceLock::from(log) }
        };
        Ok(Log::read(file)?.map(kept))
    }

    /// Whether a file is one, by its name.
    pub fn is_at(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
    }

    /// The salts of the log.
    pub fn salts(&self) -> [u32; 2] {
        self.header.start.salts
    }

    /// The file, which is made where there is none yet.
    pub fn file(&self) -> io::Result<&Log> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = file.open(&self.path)?;
        file.write_all_at(&self.header.bytes, 0)?;
        Ok(self.log.get_or_init(|| Log { file, header: self.header }))
    }

    /// Copies these bytes out of the log.
    pub fn copy(&self, log: &Log, range: Range<u64>) -> io::Result<()> {
        let to = &self.file()?.file;
        let (mut at, mut buffer) = (range.start, vec![0; READ_BYTES]);
        while at < range.end {
            let length = usize::try_from(range.end - at).map_or(READ_BYTES, |n| n.min(READ_BYTES));
            log.file.read_exact_at(&mut buffer[..length], at)?;
            to.write_all_at(&buffer[..length], at)?;
            at += length as u64;
        }
        Ok(())
    }

    /// Forgets what comes after this offset.
    pub fn cut(&self, offset: u64) -> io::Result<()> {
        self.file()?.file.set_len(offset)
    }

    /// How long the file is, in bytes.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file()?.file.metadata()?.len())
    }

    /// Where it ends, as far as it is kept; `None` where nothing is.
    pub fn end(&self) -> io::Result<Option<LogEnd>> {
        let (log, offset) = (self.file()?, self.size()?);
        let Some(at) = offset.checked_sub(log.header.frame()) else { return Ok(None) };
        let mut header = [0; FRAME_HEADER_BYTES];
        log.file.read_exact_at(&mut header, at)?;
        let checksum = [word(&header, 16), word(&header, 20)];
        Ok(Some(LogEnd { salts: self.salts(), offset, checksum }))
    }

    /// Removes the file. What was read of it before can still be read.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn both([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn pair(both: u64) -> [u32; 2] {
    [(both >> 32) as u32, both as u32]
}
