//! LTX files: page images that take a database from one txid to another, as Litestream 0.5 writes
//! them (<https://github.com/superfly/ltx>). All integers are big-endian unless said otherwise.

mod writer;

use std::io::{self, Read};

use crc_fast::{CrcAlgorithm, Digest};
use jiff::Timestamp;
use lz4_flex::block::decompress_into_with_dict;

pub use writer::LtxWriter;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 100;
/// The header's flag for files without checksums of the database; there is no other one.
const NO_CHECKSUMS: u32 = 0x2;
/// A page's flag for a payload whose length comes first; without it the payload is an LZ4 frame.
const SIZED: u16 = 0x1;
/// How an LZ4 frame begins.
const LZ4_FRAME: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// SQLite locks here and keeps no page.
const LOCK_BYTE: u64 = 0x4000_0000;

/// The checksum of a file.
const CRC: CrcAlgorithm = CrcAlgorithm::Crc64GoIso;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LtxError {
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

use LtxError::Damaged;

const UNPACKED: LtxError = Damaged("a page cannot be unpacked");

/// What a file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of a page.
    pub page_size: u32,
    /// Pages of the database after this file.
    pub commit: u32,
    /// The first txid in it.
    pub min: u64,
    /// The last txid in it.
    pub max: u64,
    /// When it was written, to the millisecond.
    pub at: Timestamp,
    /// Which part of SQLite's log it was made of, if it was.
    pub log: Option<LogRange>,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// The salts of that log: no other one has the same.
    pub salts: [u32; 2],
}

impl LogRange {
    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

impl Header {
    /// Reads a header.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, LtxError> {
        let short = |at: usize| u32::from_be_bytes(part(bytes, at));
        let long = |at: usize| u64::from_be_bytes(part(bytes, at));
        if &bytes[..4] != b"LTX1" {
            return Err(Damaged("it does not begin as an LTX file"));
        }
        if short(4) & !NO_CHECKSUMS != 0 {
            return Err(Damaged("its header has flags that nobody knows"));
        }
        let (page_size, commit, min, max) = (short(8), short(12), long(16), long(24));
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return Err(Damaged("its pages have a size that SQLite does not know"));
        }
        if min == 0 || max < min || commit == 0 {
            return Err(Damaged("its header contradicts itself"));
        }
        if bytes[80..].iter().any(|byte| *byte != 0) {
            return Err(Damaged("its header does not end in zeros"));
        }
        let at = Timestamp::from_millisecond(i64::from_be_bytes(part(bytes, 32)))
            .map_err(|_| Damaged("its header has no time"))?;
        let (offset, length, salts) = (long(48), long(56), [short(64), short(68)]);
        let log = (offset > 0).then_some(LogRange { offset, length, salts });
        Ok(Self { page_size, commit, min, max, at, log })
    }

    /// The header as it is written.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(b"LTX1");
        for number in [NO_CHECKSUMS, self.page_size, self.commit] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(self.min.to_be_bytes());
        bytes.extend(self.max.to_be_bytes());
        bytes.extend(self.at.as_millisecond().to_be_bytes());
        bytes.extend(0_u64.to_be_bytes());
        if let Some(log) = self.log {
            bytes.extend(log.offset.to_be_bytes());
            bytes.extend(log.length.to_be_bytes());
            bytes.extend(log.salts.iter().flat_map(|salt| salt.to_be_bytes()));
        }
        bytes.resize(HEADER_BYTES, 0);
        part(&bytes, 0)
    }

    /// The page that SQLite keeps for its locks.
    pub fn lock_page(&self) -> u32 {
        u32::try_from(LOCK_BYTE / u64::from(self.page_size) + 1).unwrap_or(u32::MAX)
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// Where a page lies in its file.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    page: u32,
    offset: u64,
    length: u64,
}

/// The index, with its length, as it stands at the end of a file.
fn index_bytes(index: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in index {
        for number in [u64::from(entry.page), entry.offset, entry.length] {
            write_varint(&mut bytes, number);
        }
    }
    bytes.push(0);
    bytes.extend((bytes.len() as u64).to_be_bytes());
    bytes
}

/// A file that is read page by page, and checked on the way.
pub struct LtxReader<R> {
    source: R,
    header: Header,
    checksum: Digest,
    offset: u64,
    index: Vec<Entry>,
    packed: Vec<u8>,
}

impl<R: Read> LtxReader<R> {
    /// Reads the header.
    pub fn open(mut source: R) -> Result<Self, LtxError> {
        let mut bytes = [0; HEADER_BYTES];
        read(&mut source, &mut bytes)?;
        let header = Header::read(&bytes)?;
        let mut checksum = Digest::new(CRC);
        checksum.update(&bytes);
        let (index, packed, offset) = (Vec::new(), Vec::new(), HEADER_BYTES as u64);
        Ok(Self { source, header, checksum, offset, index, packed })
    }

    /// What the file says about itself.
    pub fn header(&self) -> Header {
        self.header
    }

    /// How many bytes of the file were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next page into `page`, which has the size of one, and gives back its number;
    /// `None` at the end, when all of the file has turned out to be whole.
    pub fn next_page(&mut self, page: &mut [u8]) -> Result<Option<u32>, LtxError> {
        let mut head = [0; 6];
        self.take(&mut head)?;
        self.checksum.update(&head);
        let (number, flags) =
            (u32::from_be_bytes(part(&head, 0)), u16::from_be_bytes(part(&head, 4)));
        if number == 0 {
            if flags != 0 {
                return Err(Damaged("its pages do not end as they should"));
            }
            self.finish()?;
            return Ok(None);
        }
        let start = self.offset - head.len() as u64;
        let last = self.index.last().map_or(0, |entry| entry.page);
        if number <= last || number > self.header.commit || number == self.header.lock_page() {
            return Err(Damaged("its pages are not in order"));
        }
        match flags {
            SIZED => self.read_sized(page)?,
            0 => self.read_frame(page)?,
            _ => return Err(Damaged("a page has flags that nobody knows")),
        }
        self.checksum.update(page);
        self.index.push(Entry { page: number, offset: start, length: self.offset - start });
        Ok(Some(number))
    }

    fn read_sized(&mut self, page: &mut [u8]) -> Result<(), LtxError> {
        let mut length = [0; 4];
        self.take(&mut length)?;
        self.checksum.update(&length);
        let unpacked = self.unpack(u32::from_be_bytes(length), page, 0)?;
        if unpacked == page.len() { Ok(()) } else { Err(UNPACKED) }
    }

    /// An LZ4 frame has no length: it is walked from block to block
    /// (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>). Its own checksums are not
    /// looked at, for that of the file is over what comes out.
    fn read_frame(&mut self, page: &mut [u8]) -> Result<(), LtxError> {
        /// A block that is not packed.
        const PLAIN: u32 = 1 << 31;
        let mut head = [0; 7];
        self.take(&mut head)?;
        let flags = head[4];
        // The size of the content, a dictionary, a checksum for each block, one for all.
        let has = |bit: u8| usize::from(flags >> bit & 1);
        if head[..4] != LZ4_FRAME || flags >> 6 != 1 || has(0) == 1 {
            return Err(UNPACKED);
        }
        if has(2) == 0 {
            return Err(Damaged("a page has no checksum"));
        }
        self.take(&mut [0; 8][..8 * has(3)])?;
        let mut filled = 0;
        loop {
            let mut length = [0; 4];
            self.take(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length == 0 {
                break;
            }
            filled += if length & PLAIN == 0 {
                self.unpack(length, page, filled)?
            } else {
                let length = (length & !PLAIN) as usize;
                let plain = page[filled..].get_mut(..length).ok_or(UNPACKED)?;
                self.take(plain)?;
                length
            };
            self.take(&mut [0; 4][..4 * has(4)])?;
        }
        self.take(&mut [0; 4])?;
        if filled == page.len() { Ok(()) } else { Err(UNPACKED) }
    }

    /// Reads so many bytes and unpacks them to where `page` has this offset; gives back how many
    /// come out.
    fn unpack(&mut self, length: u32, page: &mut [u8], at: usize) -> Result<usize, LtxError> {
        let length = length as usize;
        if length > page.len() * 2 + 64 {
            return Err(Damaged("a page is larger than a page can be"));
        }
        if self.packed.len() < length {
            self.packed.resize(length, 0);
        }
        let packed = &mut self.packed[..length];
        read(&mut self.source, packed)?;
        self.offset += length as u64;
        // A block may go on from those before it.
        let (before, rest) = page.split_at_mut(at);
        decompress_into_with_dict(packed, rest, before).map_err(|_| UNPACKED)
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), LtxError> {
        read(&mut self.source, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Compares all that was read with the index and the checksum at the end.
    fn finish(&mut self) -> Result<(), LtxError> {
        let index = index_bytes(&self.index);
        let mut found = vec![0; index.len()];
        self.take(&mut found)?;
        if found != index {
            return Err(Damaged("its index does not fit its pages"));
        }
        self.checksum.update(&found);
        let mut trailer = [0; 16];
        self.take(&mut trailer)?;
        self.checksum.update(&trailer[..8]);
        let checksum = self.checksum.finalize() | 1 << 63;
        if u64::from_be_bytes(part(&trailer, 8)) != checksum {
            return Err(Damaged("its checksum is wrong"));
        }
        if self.source.read(&mut [0])? != 0 {
            return Err(Damaged("something follows its end"));
        }
        self.check_completeness()
    }

    /// A file that begins with the first txid has every page.
    fn check_completeness(&self) -> Result<(), LtxError> {
        let has_lock = self.header.lock_page() <= self.header.commit;
        let expected = self.header.commit as usize - usize::from(has_lock);
        if self.header.min == 1 && self.index.len() != expected {
            return Err(Damaged("pages are missing"));
        }
        Ok(())
    }
}

/// Reads all of `bytes`; a file that ends before is damaged, not gone.
fn read(source: &mut impl Read, bytes: &mut [u8]) -> Result<(), LtxError> {
    source.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Damaged("it ends too early"),
        _ => LtxError::Io(error),
    })
}

/// Unsigned LEB128.
fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
