//! What keeps a replica small and quick to restore: the whole database now and then, many small
//! files merged into few, and old ones removed. Only after something new came: the replica of an
//! idle database costs nothing. No commit waits for any of it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::courier::PAUSE_MAX;
use super::shelf::Shelf;
use super::{Replicas, ReplicateError};
use crate::replica::ltx::LtxError;
use crate::replica::merge::merge;
use crate::replica::plan::{File, SNAPSHOTS, Target, plan};
use crate::replica::source::{Batch, Source, SourceError};

/// How long files of level 0 are kept after they were merged: whoever restores just then reads on.
const LEVEL_0_KEPT: SignedDuration = SignedDuration::from_mins(5);
/// How often to look whether commits have been sent.
const LOOK: Duration = Duration::from_millis(200);
/// Most files of one merge: each takes some 200 kB of memory meanwhile.
const MERGED_AT_ONCE: usize = 64;

/// Who looks after one replica.
pub(super) struct Keeper {
    replicas: Replicas,
    number: usize,
    /// The replica, once its courier knows what is in it.
    shelf: watch::Receiver<Option<Arc<Shelf>>>,
    /// When each level was merged last.
    merged_at: Vec<Timestamp>,
    /// Up to this txid files are not merged: among them is one that is broken.
    broken: u64,
    /// The whole database for a feed, until the replica has it: the answer may have been lost.
    ready: Option<(u64, Batch)>,
    /// When it was sent last, by a clock that is never set.
    snapshot_at: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(
        replicas: Replicas,
        number: usize,
        shelf: watch::Receiver<Option<Arc<Shelf>>>,
    ) -> Self {
        let options = &replicas.0.options;
        let merged_at = vec![replicas.0.clock.now(); options.levels.len()];
        Self { number, shelf, merged_at, broken: 0, ready: None, snapshot_at: None, replicas }
    }

    /// Works until told to stop, and then no further: all of it can be done after the next start.
    pub(super) async fn work(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            // A closed channel means the program is gone: stop as well.
            _ = stop.changed() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
        let interval = self.replicas.0.options.sync_interval;
        let mut pause = interval;
        loop {
            tokio::time::sleep(pause).await;
            let shelf = self.shelf.borrow().clone();
            // Where another program writes nothing more is done.
            let Some(shelf) = shelf.filter(|shelf| shelf.taken().is_ok()) else { continue };
            match self.look_after(&shelf).await {
                Ok(()) => pause = interval,
                Err(error) => {
                    pause = (pause * 2).min(PAUSE_MAX);
                    self.failed(&shelf, &error).await;
                    continue;
                }
            }
            self.replicas.tell(self.number, |status| {
                if status.upkeep_fault.take().is_some() {
                    tracing::info!(replica = status.address, "the replica is looked after again");
                }
            });
        }
    }

    /// Says so once, and sees to it that the next try finds what is true.
    async fn failed(&mut self, shelf: &Shelf, error: &ReplicateError) {
        self.replicas.tell(self.number, |status| {
            status.failures += 1;
            if status.fault.is_some() {
                // It is away, and that was told.
                return;
            }
            if status.upkeep_fault.is_none() {
                tracing::warn!(
                    replica = status.address,
                    %error,
                    "the replica gets every commit, but cannot be kept small"
                );
            }
            status.upkeep_fault = Some(error.to_string());
        });
        if let ReplicateError::Merge { last, source: LtxError::Damaged(_), .. } = error {
            self.broken = self.broken.max(last.max);
            self.begin_anew().await;
        }
        // The answer to what was put may have been lost, and keys may be others now. Where the
        // replica is away this is tried again.
        let _ = shelf.reopen();
        if let Ok(files) = shelf.relist().await
            && !files.is_empty()
            && plan(&files, Target::Latest).is_err()
        {
            // Somebody has removed what was needed.
            self.begin_anew().await;
        }
    }

    /// Has the courier send the whole database, for nobody can restore what comes after a file that
    /// is broken or gone.
    async fn begin_anew(&self) {
        let number = self.number;
        // It fails where the program ends.
        let _ = self.replicas.with_source(move |source| source.lose(number)).await;
    }

    /// Does what is due.
    async fn look_after(&mut self, shelf: &Shelf) -> Result<(), ReplicateError> {
        for level in 1..SNAPSHOTS {
            let index = usize::from(level - 1);
            let Some(every) = self.replicas.0.options.levels.get(index).copied() else { break };
            let now = self.replicas.0.clock.now();
            if period(now, every) != period(self.merged_at[index], every) {
                while self.merge_into(shelf, level).await? {}
                if level == 1 {
                    shelf.remove(&merged_before(&shelf.files(), now)).await?;
                }
                self.merged_at[index] = now;
            }
        }
        self.snapshot(shelf).await?;
        let since = self.replicas.0.clock.now() - self.replicas.0.options.retention;
        Ok(shelf.remove(&beyond_retention(&shelf.files(), since)).await?)
    }

    /// Merges what is new in the level below into one file; `false` when there is nothing.
    async fn merge_into(&self, shelf: &Shelf, level: u8) -> Result<bool, ReplicateError> {
        let inputs = next_inputs(&shelf.files(), level, self.broken);
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return Ok(false) };
        let (mut names, mut bodies) = (Vec::new(), Vec::new());
        for file in &inputs {
            let scratch = self.replicas.scratch()?;
            bodies.push(shelf.replica().open(file, scratch.path()).await?);
            names.push(scratch);
        }
        let dir = self.replicas.0.dir.clone();
        let merged = tokio::task::spawn_blocking(move || merge(&bodies, &dir)).await;
        let (body, size, header) = merged
            .map_err(io::Error::other)?
            .map_err(|source| ReplicateError::Merge { first: *first, last: *last, source })?;
        shelf.put(level, size, header, &body).await?;
        Ok(true)
    }

    /// Sends the whole database if that is due.
    async fn snapshot(&mut self, shelf: &Shelf) -> Result<(), ReplicateError> {
        if self.ready.is_none() && self.is_snapshot_due(&shelf.files()) {
            self.ready = self.take_snapshot().await?;
        }
        let Some((feed, batch)) = &self.ready else { return Ok(()) };
        // It holds what the files before it do. They come first, so that no txid is missing.
        if self.is_sent(*feed, batch.header.max).await? {
            shelf.put(SNAPSHOTS, batch.size, batch.header, &batch.file).await?;
            self.snapshot_at = Some(Instant::now());
        }
        self.ready = None;
        Ok(())
    }

    fn is_snapshot_due(&self, files: &[File]) -> bool {
        let now = self.replicas.0.clock.now();
        let last = files.iter().filter(|file| file.level == SNAPSHOTS).max_by_key(|file| file.max);
        let interval = self.replicas.0.options.snapshot_interval;
        // After the clock was set back each would be far away from the last.
        let has_rested = self.snapshot_at.is_none_or(|at| at.elapsed() >= interval.unsigned_abs());
        has_rested
            && last.is_none_or(|last| {
                now.duration_since(last.at).abs() >= interval
                    && files.iter().any(|file| file.max > last.max)
            })
    }

    /// Makes a file of the whole database; `None` where its courier is at that.
    async fn take_snapshot(&self) -> Result<Option<(u64, Batch)>, ReplicateError> {
        let number = self.number;
        let frozen = self.replicas.with_source(move |source| {
            let Some(feed) = source.feed(number) else { return Ok(None) };
            Ok::<_, SourceError>(source.freeze(number, None)?.map(|frozen| (feed, frozen)))
        });
        let Some((feed, frozen)) = frozen.await?? else { return Ok(None) };
        Ok(Some((feed, self.replicas.encode(|dir| frozen.encode(dir)).await?)))
    }

    /// Waits until the replica has got this txid; `false` when it begins anew instead.
    async fn is_sent(&self, feed: u64, txid: u64) -> Result<bool, ReplicateError> {
        let number = self.number;
        loop {
            let next = move |source: &mut Source| {
                source.next_txid(number).filter(|_| source.feed(number) == Some(feed))
            };
            match self.replicas.with_source(next).await? {
                None => return Ok(false),
                Some(next) if next > txid => return Ok(true),
                Some(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// Files of level 0 that were merged a while ago.
fn merged_before(files: &[File], now: Timestamp) -> Vec<File> {
    let merged: Vec<&File> = files.iter().filter(|file| file.level == 1).collect();
    let is_old = |file: &&File| {
        file.level == 0
            && now.duration_since(file.at).abs() > LEVEL_0_KEPT
            && merged.iter().any(|one| one.min <= file.min && file.max <= one.max)
    };
    files.iter().filter(is_old).copied().collect()
}

/// Which period of the clock a moment lies in.
fn period(at: Timestamp, every: SignedDuration) -> i64 {
    at.as_second().div_euclid(every.as_secs().max(1))
}

/// The files of the level below that were not merged into `level` and follow each other, after the
/// txid `broken`. None is merged with one before a whole database: where that was sent because the
/// replica could not go on, they do not belong together.
fn next_inputs(files: &[File], level: u8, broken: u64) -> Vec<File> {
    let merged = files.iter().filter(|file| file.level == level).map(|file| file.max).max();
    let mut below: Vec<File> = files
        .iter()
        .filter(|file| file.level == level - 1 && file.min > merged.unwrap_or(0).max(broken))
        .copied()
        .collect();
    below.sort_by_key(|file| file.min);
    let wholes: Vec<u64> =
        files.iter().filter(|file| file.level == SNAPSHOTS).map(|file| file.max).collect();
    let mut before: Option<File> = None;
    let follows = |file: &File| {
        let follows =
            before.is_none_or(|before| before.max + 1 == file.min && !wholes.contains(&before.max));
        before = Some(*file);
        follows
    };
    below.into_iter().take_while(follows).take(MERGED_AT_ONCE).collect()
}

/// What leads to states before `since` only.
fn beyond_retention(files: &[File], since: Timestamp) -> Vec<File> {
    let snapshots = files.iter().filter(|file| file.level == SNAPSHOTS && file.at <= since);
    // From this one on every state of the time that counts can be reached.
    let Some(base) = snapshots.max_by_key(|file| file.max) else { return Vec::new() };
    let is_old = |file: &&File| match file.level {
        SNAPSHOTS => file.max < base.max,
        _ => file.max <= base.max,
    };
    files.iter().filter(is_old).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(level: u8, min: u64, max: u64, minute: i64) -> File {
        let at = Timestamp::from_second(60 * minute).expect("a time");
        File { level, min, max, at, size: 1 }
    }

    #[test]
    fn merges_never_span_a_gap() {
        let files = [1, 2, 3, 5, 6].map(|txid| file(0, txid, txid, 0));
        let names = |files: &[File], level| -> Vec<u64> {
            next_inputs(files, level, 0).iter().map(|file| file.min).collect()
        };
        assert_eq!(names(&files, 1), [1, 2, 3]);
        let merged = [files.as_slice(), &[file(1, 1, 3, 0)]].concat();
        assert_eq!(names(&merged, 1), [5, 6]);
        let merged = [merged.as_slice(), &[file(1, 5, 6, 0)]].concat();
        assert_eq!(names(&merged, 1), [0; 0]);
        assert_eq!(names(&merged, 2), [1], "the next begins behind the gap");
    }

    #[test]
    fn merges_never_span_a_whole_database() {
        let mut files = [1, 2, 3, 4, 5].map(|txid| file(0, txid, txid, 0)).to_vec();
        files.push(file(9, 1, 3, 0));
        let names = |files: &[File]| -> Vec<u64> {
            next_inputs(files, 1, 0).iter().map(|file| file.min).collect()
        };
        assert_eq!(names(&files), [1, 2, 3]);
        assert_eq!(next_inputs(&files, 1, 3)[0].min, 4, "what is broken is left");
        files.push(file(1, 1, 3, 0));
        assert_eq!(names(&files), [4, 5]);
    }

    #[test]
    fn what_is_kept_reaches_back_as_far_as_asked() {
        let files = [
            file(9, 1, 1, 0),
            file(1, 2, 5, 5),
            file(9, 1, 5, 10),
            file(1, 6, 8, 15),
            file(9, 1, 8, 20),
            file(0, 9, 9, 25),
        ];
        let kept = |minute: i64| {
            let old =
                beyond_retention(&files, Timestamp::from_second(60 * minute).expect("a time"));
            files.iter().filter(|file| !old.contains(file)).count()
        };
        assert_eq!(kept(-1), 6, "nothing is as old as that");
        assert_eq!(kept(9), 6);
        assert_eq!(kept(19), 4, "the snapshot of minute 10 leads to all after it");
        assert_eq!(kept(60), 2);
    }
}
