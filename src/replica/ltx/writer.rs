//! Writing LTX files. Each page is an LZ4 frame of its own, which every Litestream 0.5 restores.

use std::io::{self, Write};

use crc_fast::Digest;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::{CRC, Entry, Header, index_bytes};

/// A file that is written page by page.
pub struct LtxWriter<W> {
    sink: W,
    header: Header,
    checksum: Digest,
    offset: u64,
    index: Vec<Entry>,
    /// One for all pages: it has buffers and a table.
    packer: FrameEncoder<Vec<u8>>,
}

impl<W: Write> LtxWriter<W> {
    /// Writes the header.
    pub fn begin(sink: W, header: Header) -> io::Result<Self> {
        let info = FrameInfo::new()
            .block_mode(BlockMode::Independent)
            .block_size(BlockSize::Max64KB)
            .content_checksum(true);
        let packer = FrameEncoder::with_frame_info(info, Vec::new());
        let (checksum, index) = (Digest::new(CRC), Vec::new());
        let mut writer = Self { sink, header, checksum, offset: 0, index, packer };
        let bytes = header.to_bytes();
        writer.put(&bytes)?;
        writer.checksum.update(&bytes);
        Ok(writer)
    }

    /// Writes a page. They come in the order of their numbers, and the one that SQLite keeps for
    /// its locks is left out.
    pub fn page(&mut self, number: u32, page: &[u8]) -> io::Result<()> {
        let last = self.index.last().map_or(0, |entry| entry.page);
        debug_assert!(last < number && number <= self.header.commit, "{number} after {last}");
        let mut head = [0; 6];
        head[..4].copy_from_slice(&number.to_be_bytes());
        self.packer.get_mut().clear();
        self.packer.write_all(page)?;
        self.packer.try_finish()?;
        let start = self.offset;
        self.put(&head)?;
        let frame = self.packer.get_ref();
        self.sink.write_all(frame)?;
        self.offset += frame.len() as u64;
        self.checksum.update(&head);
        self.checksum.update(page);
        self.index.push(Entry { page: number, offset: start, length: self.offset - start });
        Ok(())
    }

    /// Writes what comes after the pages; gives back how many bytes there are in all.
    pub fn finish(mut self) -> io::Result<u64> {
        let mut end = vec![0; 6];
        end.extend(index_bytes(&self.index));
        end.extend([0; 8]);
        self.checksum.update(&end);
        self.put(&end)?;
        let checksum = self.checksum.finalize() | 1 << 63;
        self.put(&checksum.to_be_bytes())?;
        self.sink.flush()?;
        Ok(self.offset)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::LtxReader;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let header = Header {
            page_size: 512,
            commit: 300,
            min: 7,
            max: 9,
            at: "2026-06-01T12:00:00.123Z".parse().expect("a time"),
            log: Some(super::super::LogRange { offset: 32, length: 536, salts: [1, 2] }),
        };
        let pages: Vec<(u32, Vec<u8>)> = [(1, 3), (2, 0), (129, 77), (300, 255)]
            .map(|(number, seed)| {
                // Some are easy to pack, and some cannot be.
                let noise =
                    |at: u32| (at.wrapping_mul(seed).wrapping_mul(2_654_435_761) >> 24) as u8;
                (number, (0..512).map(noise).collect())
            })
            .to_vec();
        let mut bytes = Vec::new();
        let mut writer = LtxWriter::begin(&mut bytes, header).expect("begun");
        for (number, page) in &pages {
            writer.page(*number, page).expect("written");
        }
        assert_eq!(writer.finish().expect("finished"), bytes.len() as u64);
        assert_eq!(bytes[106..112], [0x04, 0x22, 0x4d, 0x18, 0x64, 0x40], "a frame's head");

        let mut reader = LtxReader::open(bytes.as_slice()).expect("opened");
        assert_eq!(reader.header(), header);
        let mut page = vec![0; 512];
        for (number, expected) in &pages {
            assert_eq!(reader.next_page(&mut page).expect("a page"), Some(*number));
            assert_eq!(&page, expected);
        }
        assert_eq!(reader.next_page(&mut page).expect("whole"), None);
    }
}
