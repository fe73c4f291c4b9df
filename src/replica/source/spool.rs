//! Logs that have begun anew since, kept in files until every replica has what is in them: so what
//! was moved into the database can still be sent, also by the next program where this one is killed.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Position, SourceError};
use crate::replica::log::{Committed, KeptLog, LOG_HEADER_BYTES, Log, LogEnd};
use crate::replica::ltx::LogRange;
use crate::replica::room;

/// Whether there is room for as much as this is asked first.
const LONG_BYTES: u64 = 16 << 20;
/// What is kept of a log of which nothing is.
const NOTHING: Range<u64> = LOG_HEADER_BYTES..LOG_HEADER_BYTES;

/// Logs that follow each other, with nothing in between.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    /// The oldest first. The last is the one that the database has now, if it has one.
    logs: VecDeque<Spooled>,
}

#[derive(Debug)]
struct Spooled {
    log: Arc<KeptLog>,
    /// What is kept of it.
    kept: Range<u64>,
}

impl Spool {
    /// Finds in `dir` what a program left that leads to `live`, the log that the database has now,
    /// and removes what does not.
    pub(super) fn find(dir: &Path, live: Option<&Log>) -> io::Result<Self> {
        let mut spool = Self { dir: dir.to_owned(), logs: VecDeque::new() };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if KeptLog::is_at(&path) {
                found.push(path);
            }
        }
        found.sort();
        for path in found {
            let Some(log) = KeptLog::open(&path)? else {
                std::fs::remove_file(&path)?;
                continue;
            };
            if spool.logs.back().is_some_and(|last| last.log.salts() != log.after.salts) {
                spool.clear()?;
            }
            let kept = LOG_HEADER_BYTES..log.size()?;
            spool.logs.push_back(Spooled { log: Arc::new(log), kept });
        }
        match live {
            Some(live) => spool.join(live)?,
            None => spool.clear()?,
        }
        Ok(spool)
    }

    fn join(&mut self, live: &Log) -> io::Result<()> {
        if let Some(Spooled { log, kept }) = self.logs.back_mut() {
            if log.salts() == live.start().salts {
                // The database has all of it.
                *kept = NOTHING;
                log.cut(kept.end)?;
                return Ok(());
            }
            if let Some(end) = log.end()?
                && live.follows(log, end)?
            {
                self.begin(live, end);
                return Ok(());
            }
        }
        self.begin_apart(live)
    }

    /// The database's log has begun anew, where the one before had come to `after`.
    pub(super) fn begin(&mut self, live: &Log, after: LogEnd) {
        let number = self.logs.back().map_or(1, |last| last.log.number + 1);
        let log = KeptLog::new(&self.dir, number, after, live);
        if let Err(error) = log.file() {
            // It is made when something is to be kept. Until then nobody else could know what this
            // log follows.
            tracing::warn!(%error, "a program that is killed now sends the whole database next time");
        }
        self.logs.push_back(Spooled { log: Arc::new(log), kept: NOTHING });
    }

    /// The database has another log, and nobody knows what came before.
    pub(super) fn begin_apart(&mut self, live: &Log) -> io::Result<()> {
        self.clear()?;
        self.begin(live, LogEnd::default());
        Ok(())
    }

    /// Forgets all that was kept.
    fn clear(&mut self) -> io::Result<()> {
        while let Some(first) = self.logs.front() {
            first.log.remove()?;
            self.logs.pop_front();
        }
        Ok(())
    }

    /// The log that the database has now.
    pub(super) fn last(&self) -> Option<&Arc<KeptLog>> {
        self.logs.back().map(|last| &last.log)
    }

    /// Whether this part of the last log is kept.
    pub(super) fn has(&self, part: Range<u64>) -> bool {
        let is_kept = |kept: &Range<u64>| kept.start <= part.start && part.end <= kept.end;
        self.logs.back().is_some_and(|last| is_kept(&last.kept))
    }

    /// Keeps this part of the last log, which is `live`, and what lies between it and what is kept;
    /// and the frame before it, by which a position is known that ends there. `false` where the log
    /// is another one when that is done (`is_same`): what was read is anything then.
    pub(super) fn keep(
        &mut self,
        live: &Log,
        part: Range<u64>,
        is_same: impl FnOnce() -> io::Result<bool>,
    ) -> Result<bool, SourceError> {
        let Some(Spooled { log, kept }) = self.logs.back_mut() else { return Ok(true) };
        let part = live.frame_before(part.start)..part.end;
        let mut wanted = part.clone();
        let mut missing = vec![part];
        if !kept.is_empty() {
            missing = vec![wanted.start..kept.start, kept.end..wanted.end];
            wanted = wanted.start.min(kept.start)..wanted.end.max(kept.end);
        }
        missing.retain(|part| !part.is_empty());
        let bytes = missing.iter().map(|part| part.end - part.start).sum();
        if bytes >= LONG_BYTES {
            room::require(&self.dir, bytes)?;
        }
        let copied = missing.into_iter().try_for_each(|part| log.copy(live, part));
        let is_kept = copied.and_then(|()| Ok(bytes == 0 || is_same()?));
        if !matches!(is_kept, Ok(true)) {
            // It may be on a full disk.
            log.cut(kept.end)?;
            return Ok(is_kept?);
        }
        *kept = wanted;
        Ok(true)
    }

    /// Forgets what is kept of the last log where it ends before this offset: nobody needs it.
    pub(super) fn forget_before(&mut self, offset: u64) -> io::Result<()> {
        match self.logs.back_mut() {
            Some(Spooled { log, kept }) if !kept.is_empty() && kept.end < offset => {
                *kept = NOTHING;
                log.cut(kept.end)
            }
            _ => Ok(()),
        }
    }

    /// How much is kept after `end` that is in the database's log no longer, in bytes.
    pub(super) fn bytes_after(&self, end: LogEnd) -> u64 {
        let gone = self.logs.iter().take(self.logs.len().saturating_sub(1));
        let later = gone.skip_while(|spooled| spooled.log.salts() != end.salts);
        let bytes = |spooled: &Spooled| {
            let is_first = spooled.log.salts() == end.salts;
            let start = if is_first { end.offset } else { spooled.kept.start };
            spooled.kept.end.saturating_sub(start)
        };
        later.map(bytes).sum()
    }

    /// Forgets the logs before all of these; everything where there are none of these.
    pub(super) fn release(&mut self, needed: &[[u32; 2]]) -> io::Result<()> {
        if needed.is_empty() {
            self.forget_before(u64::MAX)?;
        }
        while let [first, _, ..] = self.logs.make_contiguous()
            && !needed.contains(&first.log.salts())
        {
            first.log.remove()?;
            self.logs.pop_front();
        }
        Ok(())
    }

    /// What was committed after `at`, until the offset `tip` of the last log, which is `live`, or
    /// until the end of a part of one; `None` where that is not certain.
    pub(super) fn since(
        &self,
        at: Position,
        live: &Log,
        tip: u64,
        until: Option<LogRange>,
    ) -> io::Result<Option<Committed>> {
        let mut found = Committed::none_at(at.end, at.commit);
        let later = self.logs.iter().skip_while(|first| first.log.salts() != at.end.salts);
        let mut later = later.peekable();
        let mut from = at.end;
        while let Some(Spooled { log: kept, .. }) = later.next() {
            let next = later.peek();
            let log = if next.is_some() { kept.file()? } else { live };
            if from.salts != kept.salts() {
                from = log.start();
            }
            let end = next.map_or(tip, |next| next.log.after.offset);
            let wanted = until.filter(|until| until.salts == kept.salts());
            let end = wanted.map_or(end, |wanted| end.min(wanted.end()));
            if !log.has(from)? {
                return Ok(None);
            }
            let committed = log.committed(from, found.commit, end, kept)?;
            found.absorb(&committed.unwrap_or_else(|| Committed::none_at(from, found.commit)));
            if found.end.offset != end {
                return Ok(None);
            }
            match next {
                Some(next) if wanted.is_none() => {
                    if found.end != next.log.after {
                        return Ok(None);
                    }
                }
                _ => return Ok(Some(found)),
            }
        }
        Ok(None)
    }
}
