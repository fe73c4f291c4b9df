//! Commits, as files for a replica.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _};

use jiff::Timestamp;

use super::{Position, Source, SourceError};
use crate::replica::log::{Committed, Log};
use crate::replica::ltx::{Header, LogRange, LtxWriter};

/// Commits on their way to a replica: an LTX file that is not there yet.
#[derive(Debug)]
pub struct Batch {
    /// The file; it has no name.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// What it says about itself.
    pub header: Header,
    /// How far the replica is with it.
    pub after: Position,
}

/// The end of a log, in memory: it outlasts the log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    begin: u64,
    bytes: Vec<u8>,
}

impl Tail {
    /// Reads the page that lay at `offset` of the log.
    fn page(&self, offset: u64, page: &mut [u8]) -> io::Result<()> {
        let at = offset.checked_sub(self.begin).and_then(|at| usize::try_from(at).ok());
        let found = at.and_then(|at| self.bytes.get(at..at + page.len()));
        page.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Source {
    /// Whether `file`, which a replica got after `at`, holds exactly what the log has there; gives
    /// back how far the replica is with it. So an upload is known whose answer was lost.
    pub fn recognize(
        &self,
        at: Position,
        header: Header,
        file: &File,
    ) -> Result<Option<Position>, SourceError> {
        let Some(range) = header.log else { return Ok(None) };
        let Some(log) = Log::open(&self.path)? else { return Ok(None) };
        let begins = range.offset == at.end.offset && range.salts == at.end.salts;
        if !begins || !log.has(at.end)? {
            return Ok(None);
        }
        let end = range.offset.saturating_add(range.length).min(self.tip.offset);
        let Some(found) = log.committed(at.end, at.commit, end)? else { return Ok(None) };
        let own = self.encode(|offset, page| log.page(offset, page), at, &found, header.at)?;
        let is_same = own.header == header && same_bytes(&own.file, file)?;
        Ok(is_same.then_some(own.after))
    }

    /// Makes a batch of what a replica was not sent.
    pub(super) fn cut(&mut self, replica: usize) -> Result<(), SourceError> {
        let Some(feed) = self.feeds[replica].as_ref().filter(|feed| feed.has_uncut()) else {
            return Ok(());
        };
        let salts = feed.unsent.end.salts;
        let is_same = |log: &Log| log.start().salts == salts;
        if let Some(log) = Log::open(&self.path)?.filter(is_same) {
            log.settle()?;
            self.cut_from(replica, |offset, page| log.page(offset, page))?;
        }
        if Log::open(&self.path)?.filter(is_same).is_none() {
            // It has begun anew meanwhile: what was read is anything.
            self.feeds[replica] = None;
        }
        Ok(())
    }

    /// What is in the log and in no batch yet; with the lock held, and the log read to its end.
    pub(super) fn tail(&self) -> Result<Tail, SourceError> {
        let log = Log::open(&self.path)?;
        let (Some(begin), Some(log)) = (self.uncut_from(), log) else { return Ok(Tail::default()) };
        Ok(Tail { begin, bytes: log.bytes(begin, self.tip.offset)? })
    }

    /// Where in the log begins what is in no batch yet.
    fn uncut_from(&self) -> Option<u64> {
        let uncut = self.feeds.iter().flatten().filter(|feed| feed.has_uncut());
        uncut.map(|feed| feed.taken.end.offset).min()
    }

    /// How many bytes of the log are in no batch yet.
    pub(super) fn uncut_bytes(&self) -> u64 {
        self.uncut_from().map_or(0, |from| self.tip.offset.saturating_sub(from))
    }

    /// Makes batches of what was not sent, once the log may have begun anew. It was brought to the
    /// disk before it was moved.
    pub(super) fn cut_tail(&mut self, tail: &Tail) -> Result<(), SourceError> {
        let mut first = Ok(());
        for replica in 0..self.feeds.len() {
            let cut = self.cut_from(replica, |offset, page| tail.page(offset, page));
            if cut.is_err() {
                // Nobody has it any longer.
                self.feeds[replica] = None;
                first = first.and(cut);
            }
        }
        first
    }

    /// Makes a batch of what a replica was not sent, from pages that `read` finds by where they lie
    /// in the log.
    fn cut_from(
        &mut self,
        replica: usize,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<(), SourceError> {
        let Some(feed) = self.feeds[replica].as_ref().filter(|feed| feed.has_uncut()) else {
            return Ok(());
        };
        let batch = self.encode(read, feed.taken, &feed.unsent, self.clock.now())?;
        if let Some(feed) = &mut self.feeds[replica] {
            feed.taken = batch.after;
            feed.unsent = Committed::none_at(batch.after.end, batch.after.commit);
            feed.waiting.push_back(batch);
        }
        Ok(())
    }

    /// Writes what was committed after `from` into a file without a name.
    fn encode(
        &self,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
        from: Position,
        found: &Committed,
        now: Timestamp,
    ) -> Result<Batch, SourceError> {
        // Times never go back, whatever becomes of the clock.
        let at = now.as_millisecond().max(from.at);
        let after = Position { txid: from.txid + 1, end: found.end, commit: found.commit, at };
        let range = LogRange {
            offset: from.end.offset,
            length: found.end.offset - from.end.offset,
            salts: found.end.salts,
        };
        let header = Header {
            page_size: self.page_size,
            commit: found.commit,
            min: after.txid,
            max: after.txid,
            at: Timestamp::from_millisecond(at).unwrap_or(now),
            log: Some(range),
        };
        let mut file = tempfile::tempfile_in(&self.dir)?;
        let mut writer = LtxWriter::begin(BufWriter::new(&mut file), header)?;
        let mut page = vec![0; self.page_size as usize];
        // Pages that the database grew by need not be in the log.
        let grown = found.least.saturating_add(1)..=found.commit;
        let mut numbers: Vec<u32> = found.pages.keys().copied().chain(grown).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers.into_iter().filter(|number| *number != header.lock_page()) {
            match found.pages.get(&number) {
                Some(offset) => read(*offset, &mut page)?,
                None => page.fill(0),
            }
            writer.page(number, &page)?;
        }
        let size = writer.finish()?;
        file.rewind()?;
        Ok(Batch { file, size, header, after })
    }
}

fn same_bytes(a: &File, b: &File) -> io::Result<bool> {
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = a.read(&mut left)?;
        if read == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        if b.read_exact(&mut right[..read]).is_err() || left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
