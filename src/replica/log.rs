//! SQLite's log (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): which pages were
//! committed since a place in it. All integers are big-endian.

mod kept;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use kept::{Image, KeptLog};

/// Bytes of the log's header.
pub const LOG_HEADER_BYTES: u64 = 32;
/// Bytes before the page of a frame.
const FRAME_HEADER_BYTES: usize = 24;
/// Bytes of frames that are read at once.
const READ_BYTES: usize = 256 << 10;
const MAGIC: u32 = 0x377f_0682;

/// The end of a transaction in a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// The salts of the log, which no other log has. Zeros where there is no log yet.
    pub salts: [u32; 2],
    /// How many bytes of it come before.
    pub offset: u64,
    /// The checksum of all of those.
    pub checksum: [u32; 2],
}

/// What was committed between two places in a log.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The newest image of each page. Pages that were cut off are not among them.
    pub pages: BTreeMap<u32, Image>,
    /// Pages of the database afterwards.
    pub commit: u32,
    /// The fewest pages that the database had meanwhile: those after them that are not in `pages`
    /// hold nothing.
    pub least: u32,
    /// Where it ends.
    pub end: LogEnd,
}

/// A log, opened for reading. It carries none of SQLite's locks.
#[derive(Debug)]
pub struct Log {
    file: File,
    header: Header,
}

/// What the header of a log says.
#[derive(Debug, Clone, Copy)]
struct Header {
    bytes: [u8; LOG_HEADER_BYTES as usize],
    page_size: usize,
    is_big_endian: bool,
    start: LogEnd,
}

impl Header {
    /// `None` where these bytes are none, or not whole.
    fn read(bytes: [u8; LOG_HEADER_BYTES as usize]) -> Option<Self> {
        let is_big_endian = word(&bytes, 0) == MAGIC | 1;
        let checksum = sum([0, 0], &bytes[..24], is_big_endian);
        if word(&bytes, 0) & !1 != MAGIC || checksum != [word(&bytes, 24), word(&bytes, 28)] {
            return None;
        }
        let salts = [word(&bytes, 16), word(&bytes, 20)];
        let start = LogEnd { salts, offset: LOG_HEADER_BYTES, checksum };
        Some(Self { bytes, page_size: word(&bytes, 8) as usize, is_big_endian, start })
    }

    /// Bytes of a frame.
    fn frame(&self) -> u64 {
        (FRAME_HEADER_BYTES + self.page_size) as u64
    }

    /// The checksum after a frame that goes on with the one before; `None` where these bytes are
    /// none of this log that is whole.
    fn follow(&self, checksum: [u32; 2], frame: &[u8]) -> Option<[u32; 2]> {
        let sums = sum(checksum, &frame[..8], self.is_big_endian);
        let sums = sum(sums, &frame[FRAME_HEADER_BYTES..], self.is_big_endian);
        let is_whole = [word(frame, 8), word(frame, 12)] == self.start.salts
            && sums == [word(frame, 16), word(frame, 20)];
        is_whole.then_some(sums)
    }
}

impl Log {
    /// Opens the log of a database; `None` when it has none yet, or a header that is just being
    /// written.
    pub fn open(database: &Path) -> io::Result<Option<Self>> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        match File::open(path) {
            Ok(file) => Self::read(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(file: File) -> io::Result<Option<Self>> {
        let mut bytes = [0; LOG_HEADER_BYTES as usize];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        Ok(Header::read(bytes).map(|header| Self { file, header }))
    }

    /// Where its first transaction begins.
    pub fn start(&self) -> LogEnd {
        self.header.start
    }

    /// Reads what was committed after `from`, and no further than the offset `until`; `None` when
    /// nothing was. `commit` is the size of the database at `from`. The images are to be read from
    /// `kept`.
    pub fn committed(
        &self,
        from: LogEnd,
        commit: u32,
        until: u64,
        kept: &Arc<KeptLog>,
    ) -> io::Result<Option<Committed>> {
        let mut found = Committed::none_at(from, commit);
        let mut open: Vec<(u32, Image)> = Vec::new();
        self.frames(from, until, |frame, end| {
            let offset = end.offset - self.header.page_size as u64;
            open.push((word(frame, 0), Image { log: kept.clone(), offset }));
            let size = word(frame, 4);
            if size > 0 {
                found.pages.extend(open.drain(..));
                found.resize(size);
                found.end = end;
            }
            ControlFlow::Continue(())
        })?;
        Ok((found.end != from).then_some(found))
    }

    /// Whether there is a transaction in it.
    pub fn has_any(&self) -> io::Result<bool> {
        let mut has_any = false;
        self.frames(self.start(), u64::MAX, |frame, _| {
            has_any = word(frame, 4) > 0;
            if has_any { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(has_any)
    }

    /// Shows each frame after `from` that ends no further than the offset `until`, and where it
    /// ends. It ends at the first that is old or not whole.
    fn frames(
        &self,
        from: LogEnd,
        until: u64,
        mut show: impl FnMut(&[u8], LogEnd) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let frame = FRAME_HEADER_BYTES + self.header.page_size;
        let mut buffer = vec![0; (READ_BYTES / frame).max(1) * frame];
        let mut end = from;
        loop {
            let filled = read_up_to(&self.file, &mut buffer, end.offset)?;
            for bytes in buffer[..filled].chunks_exact(frame) {
                let Some(checksum) = self.header.follow(end.checksum, bytes) else { return Ok(()) };
                end = LogEnd { offset: end.offset + frame as u64, checksum, ..end };
                if end.offset > until || show(bytes, end).is_break() {
                    return Ok(());
                }
            }
            if filled < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Where so many frames end.
    pub fn offset_of(&self, frames: u64) -> u64 {
        LOG_HEADER_BYTES + frames * self.header.frame()
    }

    /// The offset one frame before this one, where there is one.
    pub fn frame_before(&self, offset: u64) -> u64 {
        offset.saturating_sub(self.header.frame()).max(LOG_HEADER_BYTES)
    }

    /// Whether the transaction that ends at `end` is here, and with it all before it.
    pub fn has(&self, end: LogEnd) -> io::Result<bool> {
        if end.salts != self.header.start.salts || end.offset == LOG_HEADER_BYTES {
            return Ok(end == self.header.start);
        }
        self.has_frame(end)
    }

    /// Whether a frame that ends at `end` lies there, of this log or of one before it.
    fn has_frame(&self, end: LogEnd) -> io::Result<bool> {
        let Some(at) = end.offset.checked_sub(self.header.frame()) else { return Ok(false) };
        let mut header = [0; FRAME_HEADER_BYTES];
        if read_up_to(&self.file, &mut header, at)? < header.len() {
            return Ok(false);
        }
        let salts = [word(&header, 8), word(&header, 12)];
        let checksum = [word(&header, 16), word(&header, 20)];
        Ok(salts == end.salts && checksum == end.checksum)
    }

    /// Whether this log began right where the log `before` has `end`. It is certain while it is
    /// shorter than that one was: SQLite counts the first salt up each time that it begins anew, and
    /// what it has not written over yet shows that nothing came after `end`. (Where the file was cut
    /// off exactly there it does not, but SQLite cuts only to a size that somebody has set.)
    pub fn follows(&self, before: &KeptLog, end: LogEnd) -> io::Result<bool> {
        let is_next = self.header.start.salts[0] == end.salts[0].wrapping_add(1);
        if !is_next || self.header.page_size != before.header.page_size {
            return Ok(false);
        }
        let mut frame = vec![0; FRAME_HEADER_BYTES + self.header.page_size];
        let filled = read_up_to(&self.file, &mut frame, end.offset)?;
        let is_last = filled == 0
            || filled == frame.len() && before.header.follow(end.checksum, &frame).is_none();
        // In this order: whoever writes over what came after `end` has written over that before.
        Ok(is_last && self.has_frame(end)?)
    }

    /// Waits until what was read is on the disk: a replica must not know what a loss of power
    /// takes back.
    pub fn settle(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Committed {
    /// Nothing, at this place.
    pub fn none_at(end: LogEnd, commit: u32) -> Self {
        Self { pages: BTreeMap::new(), commit, least: commit, end }
    }

    /// Adds what was committed next.
    pub fn absorb(&mut self, next: &Self) {
        self.resize(next.least);
        self.pages.extend(next.pages.iter().map(|(number, image)| (*number, image.clone())));
        self.resize(next.commit);
        self.end = next.end;
    }

    /// The database has another size from here on.
    fn resize(&mut self, commit: u32) {
        self.pages.split_off(&commit.saturating_add(1));
        self.commit = commit;
        self.least = self.least.min(commit);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Goes on with a checksum over whole pairs of words.
fn sum(from: [u32; 2], bytes: &[u8], is_big_endian: bool) -> [u32; 2] {
    let add = |[a, b]: [u32; 2], [x, y]: [u32; 2]| {
        let a = a.wrapping_add(x).wrapping_add(b);
        [a, b.wrapping_add(y).wrapping_add(a)]
    };
    // Every byte of the log comes by here: one loop for each order.
    let (pairs, _) = bytes.as_chunks::<8>();
    if is_big_endian {
        let words = |pair: &[u8; 8]| {
            let both = u64::from_be_bytes(*pair);
            [(both >> 32) as u32, both as u32]
        };
        pairs.iter().map(words).fold(from, add)
    } else {
        let words = |pair: &[u8; 8]| {
            let both = u64::from_le_bytes(*pair);
            [both as u32, (both >> 32) as u32]
        };
        pairs.iter().map(words).fold(from, add)
    }
}

/// Fills the buffer as far as the file reaches.
fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
