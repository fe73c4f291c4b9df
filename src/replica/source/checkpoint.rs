//! Moves the log into the file.

use std::sync::Arc;

use super::connection::move_log;
use super::{Feed, Source, SourceError};

/// A longer log is moved beside writers before they are kept waiting for the rest.
const LONG_BYTES: u64 = 16 << 20;

impl Source {
    /// Whether the log is to be moved into the file: not while somebody reads an older state, for
    /// then it cannot begin anew, nor while a replica is away, for which all of it would lie there
    /// twice. Where it must be done such a replica is lost if `most` bytes are kept for it already.
    /// Does beside writers what can be done there.
    ///
    /// # Errors
    ///
    /// When the database refuses, or the disk is full.
    pub fn approach(&mut self, most: Option<u64>) -> Result<bool, SourceError> {
        self.advance()?;
        if Arc::strong_count(&self.frozen) > 1 {
            return Ok(false);
        }
        if most.is_none() && self.feeds.iter().flatten().any(Feed::is_away) {
            return Ok(false);
        }
        for replica in 0..self.feeds.len() {
            let safe = self.feeds[replica].as_ref().map(|feed| feed.safe);
            let waits = safe.map_or(0, |safe| self.spool.bytes_after(safe));
            if most.is_some_and(|most| waits >= most) {
                tracing::warn!(
                    "too much waits for a replica that is away: it gets the whole database, once \
                     it is back"
                );
                self.lose(replica)?;
            }
        }
        self.keep_all(most.is_some())?;
        self.move_most()?;
        Ok(true)
    }

    /// Moves the log into the file, and lets it begin anew. Whoever writes waits for that.
    ///
    /// # Errors
    ///
    /// When the database refuses, or the disk is full.
    pub fn checkpoint(&mut self, must: bool) -> Result<(), SourceError> {
        self.locked(|source| {
            source.advance()?;
            source.keep_all(must)?;
            // Until there is a new mark nobody knows how often the log begins anew.
            source.is_sealed = false;
            source.release_mark()?;
            move_log(&source.mark)?;
            source.renew_mark()?;
            source.is_sealed = true;
            source.checkpointed = source.tip;
            Ok(())
        })
    }

    /// Moves a long log into the file as far as it goes beside writers, and has it begin anew
    /// nowhere.
    fn move_most(&mut self) -> Result<(), SourceError> {
        if self.bytes_since(self.marked) < LONG_BYTES {
            return Ok(());
        }
        // Up to the mark, so that goes forward first. Not where it is at the end: all may have been
        // moved, and then a new mark would let the log begin anew before it is sealed.
        self.locked(|source| {
            source.advance()?;
            if source.tip != source.marked {
                source.is_sealed = false;
                source.renew_mark()?;
            }
            Ok(())
        })?;
        move_log(&self.lock)
    }
}
