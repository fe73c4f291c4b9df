//! What each replica is to get.

use std::collections::VecDeque;

use super::{Batch, Position, Source, SourceError};
use crate::replica::log::{Committed, Log};

/// What a replica has not got yet.
#[derive(Debug)]
pub(super) struct Feed {
    /// No other feed has this number.
    number: u64,
    /// Whether the replica has what comes before; until then it gets nothing.
    is_begun: bool,
    /// How far it is with all that waits.
    pub(super) taken: Position,
    /// What was committed after that.
    pub(super) unsent: Committed,
    /// What waits.
    pub(super) waiting: VecDeque<Batch>,
}

impl Feed {
    /// Whether something in the log is in no batch yet.
    pub(super) fn has_uncut(&self) -> bool {
        self.unsent.end != self.taken.end
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting.iter().map(|batch| batch.size).sum()
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
        Feed { number: self.feeds_made, is_begun, taken, unsent, waiting: VecDeque::new() }
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

    /// Makes ready what a replica was not sent; gives back the last txid that waits for it.
    pub fn prepare(&mut self, replica: usize) -> Result<Option<u64>, SourceError> {
        if self.feeds[replica].as_ref().is_some_and(|feed| feed.waiting.is_empty()) {
            self.cut(replica)?;
        }
        let feed = self.feeds[replica].as_ref();
        Ok(feed.and_then(|feed| feed.waiting.back()).map(|batch| batch.after.txid))
    }

    /// What a replica is to get next.
    pub fn next(&self, replica: usize) -> Option<&Batch> {
        self.feeds[replica].as_ref().filter(|feed| feed.is_begun)?.waiting.front()
    }

    /// The txid of what a replica is to get next, whether it is made ready or not.
    pub fn next_txid(&self, replica: usize) -> Option<u64> {
        let feed = self.feeds[replica].as_ref()?;
        let ready = feed.waiting.front().map(|batch| batch.after.txid);
        Some(ready.unwrap_or(feed.taken.txid + 1))
    }

    /// A replica has got this txid.
    pub fn sent(&mut self, replica: usize, txid: u64) {
        if let Some(feed) = &mut self.feeds[replica] {
            feed.waiting.retain(|batch| batch.after.txid > txid);
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
    /// after.
    pub fn position(&self, replica: usize) -> Option<Position> {
        let feed = self.feeds[replica].as_ref()?;
        (feed.is_begun && feed.waiting.is_empty()).then_some(feed.taken)
    }
}
