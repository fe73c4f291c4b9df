//! What each replica is to get.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Draft, Position, Source, SourceError};
use crate::replica::log::{Committed, Image, Log};

/// A replica that has not got something for so long is away.
const AWAY: Duration = Duration::from_secs(5);

/// What a replica has not got yet.
#[derive(Debug)]
pub(super) struct Feed {
    /// No other feed has this number.
    number: u64,
    /// Whether the replica has what comes before; until then it gets nothing.
    is_begun: bool,
    /// Whether it was reached when it was tried last.
    is_reached: bool,
    /// How far it is with all that waits.
    pub(super) taken: Position,
    /// What was committed after that.
    pub(super) unsent: Committed,
    /// What waits.
    pub(super) waiting: VecDeque<Arc<Draft>>,
}

impl Feed {
    /// Whether something is in no draft yet.
    pub(super) fn has_uncut(&self) -> bool {
        self.unsent.end != self.taken.end
    }

    /// Whether something of it is in the log only.
    pub(super) fn is_in_log(&self) -> bool {
        self.unsent.pages.values().any(|image| image.logged().is_some())
    }

    /// Whether its replica is away, or gets the whole database.
    pub(super) fn is_away(&self) -> bool {
        let is_old = |draft: &Arc<Draft>| draft.made.elapsed() >= AWAY;
        !self.is_begun || !self.is_reached || self.waiting.front().is_some_and(is_old)
    }

    /// How much is kept for it apart from the log, in bytes.
    pub(super) fn kept_bytes(&self) -> u64 {
        let waiting = self.waiting.iter().map(|draft| &draft.found);
        let images = waiting.chain([&self.unsent]).flat_map(|found| found.pages.values());
        let pieces = images.filter_map(|image| match image {
            Image::Kept(piece, _) => Some((Arc::as_ptr(piece), piece.size)),
            Image::Logged(_) => None,
        });
        pieces.collect::<BTreeMap<_, _>>().values().sum()
    }
}

impl Source {
    /// Goes on where a replica was when the program ended; `false` when it is not certain that the
    /// log still holds all that came after.
    pub fn resume(&mut self, replica: usize, at: Position) -> Result<bool, SourceError> {
        let Some(log) = Log::open(&self.path)? else { return Ok(false) };
        let is_here = at.end.salts == self.tip.salts && at.end.offset <= self.tip.offset;
        if log.start().salts != self.tip.salts || !is_here || !log.has(at.end)? {
            return Ok(false);
        }
        let mut unsent = Committed::none_at(at.end, at.commit);
        if let Some(after) = log.committed(at.end, at.commit, self.tip.offset)? {
            unsent.absorb(&after);
        }
        self.feeds[replica] = Some(self.feed_from(at, unsent, true));
        Ok(true)
    }

    pub(super) fn feed_from(&mut self, taken: Position, unsent: Committed, is_begun: bool) -> Feed {
        self.feeds_made += 1;
        let (number, waiting) = (self.feeds_made, VecDeque::new());
        Feed { number, is_begun, is_reached: false, taken, unsent, waiting }
    }

    /// The feed of a replica that has what comes before it.
    pub fn feed(&self, replica: usize) -> Option<u64> {
        self.feeds[replica].as_ref().filter(|feed| feed.is_begun).map(|feed| feed.number)
    }

    /// A replica has got the whole database, and gets what was committed since.
    pub fn begun(&mut self, replica: usize) {
        if let Some(feed) = &mut self.feeds[replica] {
            feed.is_begun = true;
        }
    }

    /// Whether a replica was reached just now.
    pub fn reached(&mut self, replica: usize, is_reached: bool) {
        if let Some(feed) = &mut self.feeds[replica] {
            feed.is_reached = is_reached;
        }
    }

    /// Makes a draft of what a replica was not sent; gives back the last txid that waits for it.
    pub fn prepare(&mut self, replica: usize) -> Result<Option<u64>, SourceError> {
        if self.feeds[replica].as_ref().is_some_and(|feed| feed.waiting.is_empty()) {
            self.cut(replica)?;
        }
        let feed = self.feeds[replica].as_ref();
        Ok(feed.and_then(|feed| feed.waiting.back()).map(|draft| draft.after.txid))
    }

    /// What a replica is to get next.
    pub fn next(&self, replica: usize) -> Option<Arc<Draft>> {
        self.feeds[replica].as_ref().filter(|feed| feed.is_begun)?.waiting.front().cloned()
    }

    /// The txid of what a replica is to get next, whether it is made ready or not.
    pub fn next_txid(&self, replica: usize) -> Option<u64> {
        let feed = self.feeds[replica].as_ref()?;
        let ready = feed.waiting.front().map(|draft| draft.after.txid);
        Some(ready.unwrap_or(feed.taken.txid + 1))
    }

    /// A replica has got this txid.
    pub fn sent(&mut self, replica: usize, txid: u64) {
        if let Some(feed) = &mut self.feeds[replica] {
            feed.waiting.retain(|draft| draft.after.txid > txid);
        }
    }

    /// Whether a replica must begin with the whole database.
    pub fn is_lost(&self, replica: usize) -> bool {
        self.feeds[replica].is_none()
    }

    /// Has a replica begin with the whole database.
    pub fn lose(&mut self, replica: usize) {
        self.feeds[replica] = None;
    }

    /// Whether a replica has everything.
    pub fn is_current(&self, replica: usize) -> bool {
        self.feeds[replica]
            .as_ref()
            .is_some_and(|feed| feed.waiting.is_empty() && !feed.has_uncut())
    }

    /// How far a replica is, if nothing waits for it: then what follows in the log is what comes
    /// after, unless that has begun anew.
    pub fn position(&self, replica: usize) -> Option<Position> {
        let feed = self.feeds[replica].as_ref()?;
        (feed.is_begun && feed.waiting.is_empty()).then_some(feed.taken)
    }
}
