//! Commits, as files for a replica.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Feed, LONG_BYTES, Position, Source, SourceError};
use crate::replica::log::{Committed, Image, LOG_HEADER_BYTES, Log};
use crate::replica::ltx::{Header, LogRange, LtxWriter};
use crate::replica::room;

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
        Ok(self.encode_with(None, dir)?)
    }

    fn encode_with(&self, log: Option<&Log>, dir: &Path) -> io::Result<Batch> {
        let (header, found) = (self.header, &self.found);
        let mut file = tempfile::tempfile_in(dir)?;
        let mut writer = LtxWriter::begin(BufWriter::new(&mut file), header)?;
        let mut page = vec![0; header.page_size as usize];
        // Pages that the database grew by need not be in the log.
        let grown = found.least.saturating_add(1)..=found.commit;
        let numbers: BTreeSet<u32> = found.pages.keys().copied().chain(grown).collect();
        for number in numbers.into_iter().filter(|number| *number != header.lock_page()) {
            match found.pages.get(&number) {
                Some(image) => image.read(log, &mut page)?,
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
        let draft = Draft::new(self.page_size, at, found, header.at);
        let own = draft.encode_with(Some(&log), &self.dir)?;
        let is_same = own.header == header && same_bytes(&own.file, file)?;
        Ok(is_same.then_some(draft.after))
    }

    /// Makes a draft of what a replica was not sent.
    pub(super) fn cut(&mut self, replica: usize) -> Result<(), SourceError> {
        self.keep(replica..replica + 1)?;
        if let Some(feed) = self.feeds[replica].as_mut().filter(|feed| feed.has_uncut()) {
            let none = Committed::none_at(feed.unsent.end, feed.unsent.commit);
            let found = std::mem::replace(&mut feed.unsent, none);
            let draft = Draft::new(self.page_size, feed.taken, found, self.clock.now());
            feed.taken = draft.after;
            feed.waiting.push_back(Arc::new(draft));
        }
        Ok(())
    }

    /// Copies what these replicas were not sent, lest it be in the log only.
    pub(super) fn keep(&mut self, replicas: Range<usize>) -> Result<(), SourceError> {
        let feeds = self.feeds[replicas.clone()].iter().flatten();
        let images = feeds.flat_map(|feed| feed.unsent.pages.values());
        let logged: BTreeSet<u64> = images.filter_map(Image::logged).collect();
        if logged.is_empty() {
            return Ok(());
        }
        let bytes = logged.len() as u64 * u64::from(self.page_size);
        if bytes >= LONG_BYTES {
            room::require(&self.dir, bytes)?;
        }
        let salts = self.tip.salts;
        let is_same = |log: &Log| log.start().salts == salts;
        let log = Log::open(&self.path)?.filter(is_same);
        let piece = log.map(|log| log.keep(logged.iter().copied(), &self.dir)).transpose()?;
        // Where it has begun anew meanwhile, what was read is anything.
        let is_right = Log::open(&self.path)?.is_some_and(|log| is_same(&log));
        let Some(piece) = piece.filter(|_| is_right).map(Arc::new) else {
            self.lose_logged();
            return Ok(());
        };
        let kept = (0..).step_by(self.page_size as usize);
        let places: BTreeMap<u64, u64> = logged.into_iter().zip(kept).collect();
        for feed in self.feeds[replicas].iter_mut().flatten() {
            for image in feed.unsent.pages.values_mut() {
                if let Some(place) = image.logged().and_then(|offset| places.get(&offset)) {
                    *image = Image::Kept(piece.clone(), *place);
                }
            }
        }
        Ok(())
    }

    /// The same for all of them. Where it fails but `must` be done they are lost: on a full disk the
    /// log would never become shorter.
    pub(super) fn keep_all(&mut self, must: bool) -> Result<(), SourceError> {
        match self.keep(0..self.feeds.len()) {
            Err(error) if must => {
                tracing::warn!(
                    %error,
                    "the log is as long as it may be, and what a replica was not sent cannot be \
                     kept elsewhere: it gets the whole database"
                );
                self.lose_logged();
                Ok(())
            }
            kept => kept,
        }
    }

    /// Replicas for which something is in the log only are lost.
    fn lose_logged(&mut self) {
        for feed in &mut self.feeds {
            if feed.as_ref().is_some_and(Feed::is_in_log) {
                *feed = None;
            }
        }
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
