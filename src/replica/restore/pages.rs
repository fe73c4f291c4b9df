//! The pages of one file of a replica, on their way into the database: one thread unpacks them,
//! another writes.

use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use super::BUFFER;
use super::flush::Wake;
use crate::replica::ltx::{Header, LtxError, LtxReader};
use crate::replica::plan::File;

/// So many runs of pages wait at most to be written.
const RUNS_WAITING: usize = 8;
/// After so many bytes the disk is told to begin.
const FLUSH_BYTES: usize = 32 << 20;

/// Writes the pages of one file over what is there, after the file with the header `before`.
pub(super) fn apply(
    source: &fs::File,
    output: &fs::File,
    wanted: &File,
    before: Option<Header>,
    flush: &Wake,
    tell: impl Fn(u64),
) -> Result<Header, LtxError> {
    let mut reader = LtxReader::open(BufReader::with_capacity(BUFFER, source))?;
    let header = reader.header();
    if (header.min, header.max) != (wanted.min, wanted.max) {
        return Err(LtxError::Damaged("its name is another's"));
    }
    if before.is_some_and(|before| before.page_size != header.page_size) {
        return Err(LtxError::Damaged("its pages have another size than those before"));
    }
    let size = header.page_size as usize;
    let (runs, waiting) = mpsc::sync_channel(RUNS_WAITING);
    let (read, written) = thread::scope(|scope| {
        let writing = scope.spawn(move || write_runs(&waiting, size, output, flush));
        let read = read_runs(&mut reader, size, &runs, tell);
        drop(runs);
        (read, writing.join())
    });
    // Whoever reads stops as soon as nobody writes any more: that is the reason then.
    written.unwrap_or_else(|_| Err(io::Error::other("its thread has stopped")))?;
    read?;
    output.set_len(u64::from(header.commit) * u64::from(header.page_size))?;
    Ok(header)
}

/// Pages that follow each other.
struct Run {
    first: u32,
    pages: Vec<u8>,
}

/// Unpacks all pages of a file, for whoever writes them meanwhile.
fn read_runs(
    reader: &mut LtxReader<impl Read>,
    size: usize,
    runs: &SyncSender<Run>,
    tell: impl Fn(u64),
) -> Result<(), LtxError> {
    let mut page = vec![0; size];
    let mut run = Run { first: 1, pages: Vec::new() };
    while let Some(number) = reader.next_page(&mut page)? {
        let next = u64::from(run.first) + (run.pages.len() / size) as u64;
        if run.pages.len() >= BUFFER || u64::from(number) != next {
            // The next one is likely to become as long.
            let pages = Vec::with_capacity(run.pages.len());
            let done = std::mem::replace(&mut run, Run { first: number, pages });
            if runs.send(done).is_err() {
                return Ok(());
            }
            tell(reader.offset());
        }
        run.pages.extend_from_slice(&page);
    }
    // It fails only where the one before would have.
    let _ = runs.send(run);
    Ok(())
}

/// Writes pages to where they belong.
fn write_runs(
    runs: &Receiver<Run>,
    size: usize,
    output: &fs::File,
    flush: &Wake,
) -> io::Result<()> {
    let mut waiting = 0;
    for run in runs {
        output.write_all_at(&run.pages, u64::from(run.first - 1) * size as u64)?;
        waiting += run.pages.len();
        if waiting >= FLUSH_BYTES {
            flush.up();
            waiting = 0;
        }
    }
    Ok(())
}
