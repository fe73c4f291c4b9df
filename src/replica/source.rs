//! A live SQLite database whose log is followed: what was committed since, for each replica, and
//! checkpoints that lose none of it.
//!
//! Nobody may overwrite what was not taken over. So a read transaction, the *mark*, is always open:
//! while frames that it may need are not in the database file, SQLite does not begin its log anew.
//! It is renewed with the write lock held, when all was taken over (*sealed*); after that the log
//! begins anew once at most, exactly there.

mod batch;
mod checkpoint;
mod connection;
mod copy;
mod feed;
mod spool;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::log::{Committed, Log, LogEnd};
use super::room::NoRoom;
use crate::domain::clock::Clock;
use connection::{PAUSE, READ_TRIES, TRIES, connect, frames, hold, identity, is_busy};

pub use batch::{Batch, Draft};
pub use copy::{COPY, Frozen, copy};
use feed::Feed;
use spool::Spool;

/// Why a database cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// SQLite refuses.
    #[error("the database cannot be followed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Its log, or a file beside it, cannot be read or written.
    #[error("the database's log cannot be followed: {0}")]
    Io(#[from] io::Error),
    /// The whole of it is to be sent, and there is no room for that.
    #[error("the whole database cannot be sent: {0}")]
    Room(#[from] NoRoom),
    /// A program that follows it has what is kept for its replicas to itself.
    #[error(
        "another program replicates this database already: stop that one first (it has {0} open)"
    )]
    Followed(PathBuf),
    /// Another file lies at its path.
    #[error("the database file was replaced while the program runs: start the program anew")]
    Replaced,
}

/// How far a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its last txid.
    pub txid: u64,
    /// Where in the log that one ends.
    pub end: LogEnd,
    /// Pages of the database there.
    pub commit: u32,
    /// When it was written, in Unix milliseconds.
    pub at: i64,
}

/// How long a log is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBytes {
    /// All of it.
    pub all: u64,
    /// What came after it was moved into the file to its end.
    pub unsealed: u64,
}

/// A live database.
pub struct Source {
    path: PathBuf,
    file: (u64, u64),
    /// Holds the write lock for moments, and moves the log into the file.
    lock: Connection,
    /// Holds the mark.
    mark: Connection,
    /// Is in no transaction, and tells how far the log counts.
    gauge: Connection,
    page_size: u32,
    /// The end of the log as far as it was read, and the size of the database there.
    tip: LogEnd,
    commit: u32,
    is_sealed: bool,
    /// A replica's feed; `None` when it must begin with the whole database.
    feeds: Vec<Option<Feed>>,
    feeds_made: u64,
    spool: Spool,
    /// Where the log ended when the mark was set.
    marked: LogEnd,
    /// Where the log ended when all of it was moved into the file last.
    checkpointed: LogEnd,
    /// Shared with what was frozen, as long as it is.
    frozen: Arc<()>,
    dir: PathBuf,
    /// Locked, so that no other program uses the directory.
    _alone: File,
    clock: Clock,
}

/// Whether a database keeps a log: only then it can be followed.
///
/// # Errors
///
/// When it cannot be read.
pub fn has_log(path: &Path) -> Result<bool, SourceError> {
    let mode: String = connect(path)?.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    Ok(mode == "wal")
}

impl Source {
    /// Follows the database at `path` for so many replicas. What is on its way to them is kept in
    /// `dir`.
    ///
    /// # Errors
    ///
    /// When the database cannot be used.
    pub fn open(
        path: &Path,
        dir: &Path,
        replicas: usize,
        clock: Clock,
    ) -> Result<Self, SourceError> {
        let alone = copy::make(dir)?;
        let (lock, mark, gauge) = (connect(path)?, connect(path)?, connect(path)?);
        let page_size = lock.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        // Whoever waits for the lock reads the log meanwhile.
        lock.busy_timeout(Duration::ZERO)?;
        let log = live_log(path, &gauge)?.map(|(log, _)| log);
        let start = log.as_ref().map(Log::start).unwrap_or_default();
        let mut source = Self {
            path: path.to_owned(),
            file: identity(path)?,
            lock,
            mark,
            gauge,
            page_size,
            tip: start,
            commit: 0,
            is_sealed: false,
            feeds: (0..replicas).map(|_| None).collect(),
            feeds_made: 0,
            spool: Spool::find(dir, log.as_ref())?,
            marked: LogEnd::default(),
            checkpointed: start,
            frozen: Arc::default(),
            dir: dir.to_owned(),
            _alone: alone,
            clock,
        };
        source.locked(|source| {
            if live_log(path, &source.gauge)?.is_none() {
                // It has ended since: nothing is known of what came after it.
                source.spool = Spool::find(dir, None)?;
                source.tip = LogEnd::default();
            }
            source.commit = source.lock.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            source.advance()?;
            source.renew_mark()?;
            source.is_sealed = true;
            Ok(())
        })?;
        Ok(source)
    }

    /// Reads on.
    pub fn follow(&mut self) -> Result<(), SourceError> {
        if identity(&self.path).ok() != Some(self.file) {
            return Err(SourceError::Replaced);
        }
        self.advance()
    }

    /// How long the log is, in bytes.
    pub fn log_bytes(&self) -> LogBytes {
        LogBytes { all: self.tip.offset, unsealed: self.bytes_since(self.checkpointed) }
    }

    /// How many bytes of the log come after a place.
    fn bytes_since(&self, end: LogEnd) -> u64 {
        let begin = if end.salts == self.tip.salts { end.offset } else { 0 };
        self.tip.offset.saturating_sub(begin)
    }

    /// Holds on to the database as it is now, and to all that was taken over. A replica that is
    /// lost begins anew with a txid, and no earlier than a moment (`anew`); `None` where it is not
    /// to.
    pub fn freeze(
        &mut self,
        replica: usize,
        anew: Option<(u64, Timestamp)>,
    ) -> Result<Option<Frozen>, SourceError> {
        let connection = connect(&self.path)?;
        // Most of it beside writers.
        self.advance()?;
        self.cut(replica)?;
        let at = self.locked(|source| {
            source.advance()?;
            source.cut(replica)?;
            hold(&connection)?;
            if let Some(feed) = &source.feeds[replica] {
                return Ok(Some(feed.taken));
            }
            let Some((txid, since)) = anew else { return Ok(None) };
            let at = source.clock.now().max(since).as_millisecond();
            let taken = Position { txid, end: source.tip, commit: source.commit, at };
            let unsent = Committed::none_at(source.tip, source.commit);
            source.feeds[replica] = Some(source.feed_from(taken, unsent, false));
            Ok(Some(taken))
        })?;
        let Some(at) = at else { return Ok(None) };
        let now = self.clock.now();
        let taken_at = now.max(Timestamp::from_millisecond(at.at).unwrap_or(now));
        let (page_size, hold) = (self.page_size, self.frozen.clone());
        Ok(Some(Frozen { connection, hold, page_size, at, taken_at }))
    }

    /// Does something while nobody can commit.
    fn locked<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        // What is read now need not be read while writers wait.
        self.advance()?;
        let mut tries = 0;
        while let Err(error) = self.lock.execute_batch("BEGIN IMMEDIATE") {
            tries += 1;
            if !is_busy(&error) || tries > TRIES {
                return Err(error.into());
            }
            std::thread::sleep(PAUSE);
            if tries.is_multiple_of(READ_TRIES) {
                self.advance()?;
            }
        }
        let done = run(self);
        // It changed nothing. Where SQLite ended it itself there is nothing to end.
        let ended = self.lock.execute_batch("ROLLBACK");
        if done.is_ok() {
            ended?;
        }
        done
    }

    /// Sets the mark to the end of the log; with the lock held, and the log read to its end.
    fn renew_mark(&mut self) -> Result<(), SourceError> {
        self.release_mark()?;
        hold(&self.mark)?;
        self.marked = self.tip;
        Ok(())
    }

    fn release_mark(&self) -> Result<(), SourceError> {
        // After a failure there may be none.
        if !self.mark.is_autocommit() {
            self.mark.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    /// Reads the log on to its end, for all replicas.
    fn advance(&mut self) -> Result<(), SourceError> {
        let Some((log, until)) = live_log(&self.path, &self.gauge)? else { return Ok(()) };
        if log.start().salts != self.tip.salts {
            self.begin_anew(&log)?;
        } else if !log.has(self.tip)? {
            let again = Log::open(&self.path)?;
            if again.is_none_or(|again| again.start().salts != log.start().salts) {
                // It has begun anew since it was opened; the next look finds it so.
                return Ok(());
            }
            // Somebody has written over what was taken over.
            self.is_sealed = false;
            self.begin_anew(&log)?;
        }
        let Some(kept) = self.spool.last() else { return Ok(()) };
        let Some(found) = log.committed(self.tip, self.commit, until, kept)? else { return Ok(()) };
        // It went on behind the seal, so it cannot begin anew before the next one.
        (self.tip, self.commit, self.is_sealed) = (found.end, found.commit, false);
        for feed in self.feeds.iter_mut().flatten() {
            feed.unsent.absorb(&found);
        }
        Ok(())
    }

    /// The log has begun anew. Where it was sealed, nothing was missed.
    fn begin_anew(&mut self, log: &Log) -> Result<(), SourceError> {
        let start = log.start();
        for replica in 0..self.feeds.len() {
            let Some(feed) = &self.feeds[replica] else { continue };
            if !self.is_sealed || feed.unsent.end != self.tip || !self.is_kept(feed) {
                self.feeds[replica] = None;
            }
        }
        if self.is_sealed {
            self.spool.begin(log, self.tip);
        } else {
            self.spool.begin_apart(log)?;
        }
        let is_first = self.tip == LogEnd::default();
        for feed in self.feeds.iter_mut().flatten() {
            if !feed.has_uncut() {
                feed.taken.end = start;
            }
            if is_first {
                feed.safe = start;
            }
            feed.unsent.end = start;
        }
        (self.tip, self.is_sealed, self.checkpointed) = (start, false, start);
        self.release()
    }
}

/// The log that SQLite goes by, and where it ends at most; `None` where there is none. So it is also
/// where SQLite has begun another one but not written so, and whoever was about to was killed, or
/// the disk was full.
fn live_log(path: &Path, gauge: &Connection) -> Result<Option<(Log, u64)>, SourceError> {
    // In this order: a log that has begun anew meanwhile counts less, not more.
    let Some(log) = Log::open(path)? else { return Ok(None) };
    let frames = frames(gauge)?.all;
    if frames == 0 && log.has_any()? {
        return Ok(None);
    }
    let until = log.offset_of(frames);
    Ok(Some((log, until)))
}
