//! Several files of a replica in one: of each page the newest.

use std::fs;
use std::io::{BufReader, BufWriter, Read, Seek as _};
use std::path::Path;

use super::ltx::{Header, LtxError, LtxReader, LtxWriter};

/// Bytes that are read at once from each file.
const BUFFER: usize = 64 << 10;

/// One of the files, and its next page.
struct Input<R> {
    reader: LtxReader<R>,
    number: Option<u32>,
    page: Vec<u8>,
}

impl<R: Read> Input<R> {
    fn step(&mut self) -> Result<(), LtxError> {
        self.number = self.reader.next_page(&mut self.page)?;
        Ok(())
    }
}

/// Writes files that follow each other into one without a name, in `dir`; gives back its size.
/// Each is checked while it is read.
///
/// # Errors
///
/// When one is damaged, they do not follow each other, or the new one cannot be written.
pub fn merge(files: &[fs::File], dir: &Path) -> Result<(fs::File, u64, Header), LtxError> {
    let mut inputs = Vec::with_capacity(files.len());
    for file in files {
        let reader = LtxReader::open(BufReader::with_capacity(BUFFER, file))?;
        let page = vec![0; reader.header().page_size as usize];
        let mut input = Input { reader, number: None, page };
        input.step()?;
        inputs.push(input);
    }
    let headers: Vec<Header> = inputs.iter().map(|input| input.reader.header()).collect();
    let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
        return Err(LtxError::Damaged("there is nothing to merge"));
    };
    let follows =
        |pair: &[Header]| pair[1].min == pair[0].max + 1 && pair[1].page_size == pair[0].page_size;
    if !headers.windows(2).all(follows) {
        return Err(LtxError::Damaged("it does not follow the one before"));
    }
    let header = Header { min: first.min, log: None, ..*last };
    let mut merged = tempfile::tempfile_in(dir)?;
    let mut writer = LtxWriter::begin(BufWriter::with_capacity(BUFFER, &mut merged), header)?;
    while let Some(number) = inputs.iter().filter_map(|input| input.number).min() {
        // The last one that has it is the newest; pages that were cut off later are left out.
        let newest = inputs.iter().rposition(|input| input.number == Some(number));
        if let Some(newest) = newest.filter(|_| number <= header.commit) {
            writer.page(number, &inputs[newest].page)?;
        }
        for input in inputs.iter_mut().filter(|input| input.number == Some(number)) {
            input.step()?;
        }
    }
    let size = writer.finish()?;
    merged.rewind()?;
    Ok((merged, size, header))
}
