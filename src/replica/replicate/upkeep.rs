//! What keeps a replica small and quick to restore: the whole database now and then, many small
//! files merged into few, and old ones removed. Only after something new came: the replica of an
//! idle database costs nothing.

use std::io;

use jiff::{SignedDuration, Timestamp};

use super::ReplicateError;
use super::courier::Courier;
use crate::replica::merge::merge;
use crate::replica::plan::{File, SNAPSHOTS};

/// How long files of level 0 are kept after they were merged: whoever restores just then reads on.
const LEVEL_0_KEPT: SignedDuration = SignedDuration::from_mins(5);
/// Most files of one merge: each takes some 200 kB of memory meanwhile.
const MERGED_AT_ONCE: usize = 64;

impl Courier {
    /// Does what is due.
    pub(super) async fn look_after(&mut self) -> Result<(), ReplicateError> {
        let now = self.replicas.0.clock.now();
        for level in 1..SNAPSHOTS {
            let index = usize::from(level - 1);
            let Some(every) = self.replicas.0.options.levels.get(index).copied() else { break };
            if period(now, every) > period(self.merged_at[index], every) {
                while self.merge_into(level).await? {}
                if level == 1 {
                    self.remove_merged(now).await?;
                }
                self.merged_at[index] = now;
            }
        }
        self.snapshot(now).await
    }

    /// Merges what is new in the level below into one file; `false` when there is nothing.
    async fn merge_into(&mut self, level: u8) -> Result<bool, ReplicateError> {
        let Some((replica, files)) = &self.known else { return Ok(false) };
        let inputs = next_inputs(files, level);
        if inputs.is_empty() {
            return Ok(false);
        }
        let (mut spools, mut bodies) = (Vec::new(), Vec::new());
        for file in &inputs {
            let spool = self.spool()?;
            bodies.push(replica.open(file, spool.path()).await?);
            spools.push(spool);
        }
        let dir = self.replicas.0.dir.clone();
        let merged = tokio::task::spawn_blocking(move || merge(&bodies, &dir)).await;
        let (body, size, header) = merged.map_err(io::Error::other)??;
        self.put(level, size, header, &body).await?;
        Ok(true)
    }

    /// Removes files of level 0 that were merged a while ago.
    async fn remove_merged(&mut self, now: Timestamp) -> Result<(), ReplicateError> {
        let Some((_, files)) = &self.known else { return Ok(()) };
        let merged = files.iter().filter(|file| file.level == 1).map(|file| file.max).max();
        let is_old = |file: &&File| {
            file.level == 0
                && merged.is_some_and(|merged| file.max <= merged)
                && now.duration_since(file.at) > LEVEL_0_KEPT
        };
        let old = files.iter().filter(is_old).copied().collect();
        self.remove(old).await
    }

    /// Sends the whole database if that is due, and removes what nobody can ask for any more.
    async fn snapshot(&mut self, now: Timestamp) -> Result<(), ReplicateError> {
        let Some((_, files)) = &self.known else { return Ok(()) };
        let last = files.iter().filter(|file| file.level == SNAPSHOTS).max_by_key(|file| file.max);
        let interval = self.replicas.0.options.snapshot_interval;
        let is_due = last.is_none_or(|last| {
            now.duration_since(last.at) >= interval && files.iter().any(|file| file.max > last.max)
        });
        if !is_due {
            return Ok(());
        }
        let frozen = self.source(move |source, number| {
            (!source.is_lost(number)).then(|| source.freeze(number, 0, now)).transpose()
        });
        let Some(frozen) = frozen.await?? else { return Ok(()) };
        let batch = self.encode(frozen).await?;
        // It holds what these do. They come first, so that no txid is missing before it.
        self.send_commits().await?;
        self.put(SNAPSHOTS, batch.size, batch.header, &batch.file).await?;
        let Some((_, files)) = &self.known else { return Ok(()) };
        let old = beyond_retention(files, now - self.replicas.0.options.retention);
        self.remove(old).await
    }

    async fn remove(&mut self, old: Vec<File>) -> Result<(), ReplicateError> {
        let Some((replica, files)) = &mut self.known else { return Ok(()) };
        if !old.is_empty() {
            replica.remove(&old).await?;
            files.retain(|file| !old.contains(file));
        }
        Ok(())
    }
}

/// Which period of the clock a moment lies in.
fn period(at: Timestamp, every: SignedDuration) -> i64 {
    at.as_second().div_euclid(every.as_secs().max(1))
}

/// The files of the level below that were not merged into `level` and follow each other.
fn next_inputs(files: &[File], level: u8) -> Vec<File> {
    let merged = files.iter().filter(|file| file.level == level).map(|file| file.max).max();
    let mut below: Vec<File> = files
        .iter()
        .filter(|file| file.level == level - 1 && file.min > merged.unwrap_or(0))
        .copied()
        .collect();
    below.sort_by_key(|file| file.min);
    let mut next = None;
    let follows = |file: &File| {
        let follows = next.is_none_or(|next| next == file.min);
        next = Some(file.max + 1);
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
            next_inputs(files, level).iter().map(|file| file.min).collect()
        };
        assert_eq!(names(&files, 1), [1, 2, 3]);
        let merged = [files.as_slice(), &[file(1, 1, 3, 0)]].concat();
        assert_eq!(names(&merged, 1), [5, 6]);
        let merged = [merged.as_slice(), &[file(1, 5, 6, 0)]].concat();
        assert_eq!(names(&merged, 1), [0; 0]);
        assert_eq!(names(&merged, 2), [1], "the next begins behind the gap");
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
