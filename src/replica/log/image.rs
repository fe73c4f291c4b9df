//! Where images of pages lie: in the log, or in a file that outlasts it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::Log;

/// Where an image of a page lies.
#[derive(Debug, Clone)]
pub enum Image {
    /// At this offset of the log, until that begins anew.
    Logged(u64),
    /// At this offset of a file, for as long as anybody asks for it.
    Kept(Arc<Piece>, u64),
}

/// Pages that were in a log: a file without a name.
#[derive(Debug)]
pub struct Piece {
    file: File,
    /// Its size in bytes.
    pub size: u64,
}

impl Image {
    /// Where in the log it lies, if it lies there.
    pub fn logged(&self) -> Option<u64> {
        match self {
            Self::Logged(offset) => Some(*offset),
            Self::Kept(..) => None,
        }
    }

    /// Reads the page; `log` is the one that has it.
    pub fn read(&self, log: Option<&Log>, page: &mut [u8]) -> io::Result<()> {
        match (self, log) {
            (Self::Kept(piece, offset), _) => piece.file.read_exact_at(page, *offset),
            (Self::Logged(offset), Some(log)) => log.file.read_exact_at(page, *offset),
            (Self::Logged(_), None) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Log {
    /// Copies pages into a file in `dir`, one after the other in the order of their offsets.
    pub fn keep(&self, offsets: impl IntoIterator<Item = u64>, dir: &Path) -> io::Result<Piece> {
        let (mut page, mut size) = (vec![0; self.page_size], 0);
        let mut writer = BufWriter::with_capacity(1 << 18, tempfile::tempfile_in(dir)?);
        for offset in offsets {
            self.file.read_exact_at(&mut page, offset)?;
            writer.write_all(&page)?;
            size += page.len() as u64;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Piece { file, size })
    }
}
