//! What each replica is to get.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::connection::frames;
use super::{Draft, Position, Source, SourceError};
use crate::replica::log::{Committed, Log, LogEnd};
use crate::replica::ltx::LogRange;

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
    /// From where on the next program would go on with it.
    pub(super) safe: LogEnd,
    /// What was committed after what waits.
    pub(super) unsent: Committed,
    /// What waits.
    pub(super) waiting: VecDeque<Arc<Draft>>,
}

impl Feed {
    /// Whether something is in no draft yet.
    pub(super) fn has_uncut(&self) -> bool {
        self.unsent.end != self.taken.end
    }

    /// Whether its replica is away, or gets the whole database.
    pub(super) fn is_away(&self) -> bool {
        let is_old = |draft: &Arc<Draft>| draft.made.elapsed() >= AWAY;
        !self.is_begun || !self.is_reached || self.waiting.front().is_some_and(is_old)
    }
}

impl Source {
    /// Goes on where a replica was when the program ended; `false` when it is not certain that all
    /// is still there that came after.
    pub fn resume(&mut self, replica: usize, at: Position) -> Result<bool, SourceError> {
        let Some(unsent) = self.since(at, None)? else { return Ok(false) };
        self.feeds[replica] = Some(self.feed_from(at, unsent, true));
        Ok(true)
    }

    /// Replicas were resumed, as far as that goes: forgets what none of them needs, and keeps what
    /// the first commit may write over.
    pub fn resumed(&mut self) -> Result<(), SourceError> {
        self.release()?;
        let frames = frames(&self.gauge)?;
        if frames.moved == frames.all { self.keep_all(false) } else { Ok(()) }
    }

    /// What was committed after `at`, or in a part of a log after it; `None` where that is not
    /// certain.
    pub(super) fn since(
        &self,
        at: Position,
        until: Option<LogRange>,
    ) -> Result<Option<Committed>, SourceError> {
        let log = Log::open(&self.path)?.filter(|log| log.start().salts == self.tip.salts);
        let Some(log) = log else { return Ok(None) };
        Ok(self.spool.since(at, &log, self.tip.offset, until)?)
    }

    pub(super) fn feed_from(&mut self, taken: Position, unsent: Committed, is_begun: bool) -> Feed {
        self.feeds_made += 1;
        let (number, waiting) = (self.feeds_made, VecDeque::new());
        Feed { number, is_begun, is_reached: false, taken, safe: taken.end, unsent, waiting }
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

    /// The next program would go on from here with a replica: what comes before is kept no longer.
    pub fn remembered(&mut self, replica: usize, at: Position) -> Result<(), SourceError> {
        if let Some(feed) = &mut self.feeds[replica] {
            feed.safe = at.end;
        }
        self.release()
    }

    /// Forgets what no replica needs.
    pub fn release(&mut self) -> Result<(), SourceError> {
        let needed: Vec<_> = self.feeds.iter().flatten().map(|feed| feed.safe.salts).collect();
        Ok(self.spool.release(&needed)?)
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
    pub fn lose(&mut self, replica: usize) -> Result<(), SourceError> {
        self.feeds[replica] = None;
        self.release()
    }

    /// Whether a replica has everything.
    pub fn is_current(&self, replica: usize) -> bool {
        self.feeds[replica]
            .as_ref()
            .is_some_and(|feed| feed.waiting.is_empty() && !feed.has_uncut())
    }

    /// How far a replica is, if nothing waits for it: what comes after is in the log, or kept.
    pub fn position(&self, replica: usize) -> Option<Position> {
        let feed = self.feeds[replica].as_ref()?;
        (feed.is_begun && feed.waiting.is_empty()).then_some(feed.taken)
    }
}
