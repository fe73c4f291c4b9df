//! Commits, as files for a replica.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Feed, Position, Source, SourceError};
use crate::replica::log::{Committed, LOG_HEADER_BYTES, Log, LogEnd};
use crate::replica::ltx::{Header, LogRange, LtxWriter};

/// An LTX file on its way to a replica.
#[derive(Debug)]
pub struct Batch {
    /// The file; it has no name.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// What it says about itself.
    pub header: Header,
}

/// Commits that a replica is to get as one file.
#[derive(Debug)]
pub struct Draft {
    header: Header,
    pub(super) found: Committed,
    /// How far the replica is with it.
    pub after: Position,
    pub(super) made: Instant,
}

impl Draft {
    fn new(page_size: u32, from: Position, found: Committed, now: Timestamp) -> Self {
        // Times never go back, whatever becomes of the clock.
        let at = now.as_millisecond().max(from.at);
        let after = Position { txid: from.txid + 1, end: found.end, commit: found.commit, at };
        // The log may have begun anew in between.
        let is_same = from.end.salts == found.end.salts;
        let offset = if is_same { from.end.offset } else { LOG_HEADER_BYTES };
        let length = found.end.offset - offset;
        let header = Header {
            page_size,
            commit: found.commit,
            min: after.txid,
            max: after.txid,
            at: Timestamp::from_millisecond(at).unwrap_or(now),
            log: Some(LogRange { offset, length, salts: found.end.salts }),
        };
        Self { header, found, after, made: Instant::now() }
    }

    /// Makes the file, each time the same, in `dir`.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn encode(&self, dir: &Path) -> Result<Batch, SourceError> {
        let (header, found) = (self.header, &self.found);
        let mut file = tempfile::tempfile_in(dir)?;
        let mut writer = LtxWriter::begin(BufWriter::new(&mut file), header)?;
        let mut page = vec![0; header.page_size as usize];
        // Pages that the database grew by need not be in the log.
        let grown = found.least.saturating_add(1)..=found.commit;
        let numbers: BTreeSet<u32> = found.pages.keys().copied().chain(grown).collect();
        for number in numbers.into_iter().filter(|number| *number != header.lock_page()) {
            match found.pages.get(&number) {
                Some(image) => image.read(&mut page)?,
                None => page.fill(0),
            }
            writer.page(number, &page)?;
        }
        let size = writer.finish()?;
        file.rewind()?;
        Ok(Batch { file, size, header })
    }
}

impl Source {
    /// Whether `file`, which a replica got after `at`, holds exactly what was committed there; gives
    /// back how far the replica is with it. So an upload is known whose answer was lost.
    pub fn recognize(
        &mut self,
        at: Position,
        header: Header,
        file: &File,
    ) -> Result<Option<Position>, SourceError> {
        let Some(found) = self.since(at, header.log)? else { return Ok(None) };
        self.keep(self.part_of(at.end))?;
        let draft = Draft::new(self.page_size, at, found, header.at);
        let own = draft.encode(&self.dir)?;
        let is_same = own.header == header && same_bytes(&own.file, file)?;
        Ok(is_same.then_some(draft.after))
    }

    /// Makes a draft of what a replica was not sent.
    pub(super) fn cut(&mut self, replica: usize) -> Result<(), SourceError> {
        let Some(feed) = self.feeds[replica].as_ref().filter(|feed| feed.has_uncut()) else {
            return Ok(());
        };
        self.keep(self.part_of(feed.taken.end))?;
        if let Some(feed) = &mut self.feeds[replica] {
            let none = Committed::none_at(feed.unsent.end, feed.unsent.commit);
            let found = std::mem::replace(&mut feed.unsent, none);
            let draft = Draft::new(self.page_size, feed.taken, found, self.clock.now());
            feed.taken = draft.after;
            feed.waiting.push_back(Arc::new(draft));
        }
        Ok(())
    }

    /// Which part of the log comes after `end`.
    pub(super) fn part_of(&self, end: LogEnd) -> Range<u64> {
        let is_here = end.salts == self.tip.salts;
        (if is_here { end.offset } else { LOG_HEADER_BYTES })..self.tip.offset
    }

    /// Keeps a part of the log, lest it be there only.
    fn keep(&mut self, part: Range<u64>) -> Result<(), SourceError> {
        let (path, salts) = (&self.path, self.tip.salts);
        let open = || Ok(Log::open(path)?.filter(|log| log.start().salts == salts));
        let is_same = || open().map(|log| log.is_some());
        let is_kept = match open()? {
            Some(log) => self.spool.keep(&log, part, is_same)?,
            None => false,
        };
        if is_kept { Ok(()) } else { self.lose_logged() }
    }

    /// Keeps what replicas were not sent. Where it fails but `must` be done they are lost: on a full
    /// disk the log would never become shorter.
    pub(super) fn keep_all(&mut self, must: bool) -> Result<(), SourceError> {
        let starts = self.feeds.iter().flatten().map(|feed| self.part_of(feed.safe).start);
        let Some(start) = starts.min() else { return Ok(()) };
        self.spool.forget_before(start)?;
        match self.keep(start..self.tip.offset) {
            Err(error) if must => {
                tracing::warn!(
                    %error,
                    "the log is as long as it may be, and what a replica was not sent cannot be \
                     kept elsewhere: it gets the whole database"
                );
                self.lose_logged()
            }
            kept => kept,
        }
    }

    /// Whether nothing that a replica was not sent is in the log only.
    pub(super) fn is_kept(&self, feed: &Feed) -> bool {
        !feed.has_uncut() || self.spool.has(self.part_of(feed.taken.end))
    }

    /// Replicas for which something is in the log only are lost.
    fn lose_logged(&mut self) -> Result<(), SourceError> {
        for replica in 0..self.feeds.len() {
            if self.feeds[replica].as_ref().is_some_and(|feed| !self.is_kept(feed)) {
                self.feeds[replica] = None;
            }
        }
        self.release()
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
