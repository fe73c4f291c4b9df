//! Which files of a replica lead to a point in time.

use jiff::Timestamp;

/// The level of files that hold a whole database.
pub const SNAPSHOTS: u8 = 9;

/// A file of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// 0: one txid each; 1 to 8: several in one; 9: whole databases.
    pub level: u8,
    /// The first txid in it.
    pub min: u64,
    /// The last txid in it.
    pub max: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Its size in bytes.
    pub size: u64,
}

impl File {
    /// Its name: both txids in hexadecimal.
    pub fn name(&self) -> String {
        format!("{:016x}-{:016x}.ltx", self.min, self.max)
    }

    /// The txids of a name; `None` for any other file.
    pub fn txids(name: &str) -> Option<(u64, u64)> {
        let (min, max) = name.strip_suffix(".ltx")?.split_once('-')?;
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        let txid = |text: &str| {
            let fits = text.len() == 16 && text.bytes().all(is_hex);
            fits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
        };
        let (min, max) = (txid(min)?, txid(max)?);
        (1 <= min && min <= max).then_some((min, max))
    }
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The newest there is.
    Latest,
    /// Exactly this txid.
    Txid(u64),
    /// The last before this moment.
    Before(Timestamp),
}

/// Why a target cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is nothing.
    #[error("nothing in the replica is as old as that")]
    Nothing,
    /// Files are missing before a txid.
    #[error("the files of the replica end at txid {have:016x}, and go on after a gap")]
    Gap {
        /// The last txid before it.
        have: u64,
    },
    /// A txid lies inside a file that holds several, or beyond the end.
    #[error("txid {wanted:016x} cannot be reached; the nearest before it is {have:016x}")]
    Unreachable {
        /// What was asked for.
        wanted: u64,
        /// The last txid that can be reached before it.
        have: u64,
    },
}

/// The files that lead to a target, in the order in which they are applied.
pub fn plan(files: &[File], target: Target) -> Result<Vec<File>, PlanError> {
    let fits = |file: &&File| match target {
        Target::Latest => true,
        Target::Txid(txid) => file.max <= txid,
        Target::Before(at) => file.at < at,
    };
    let fitting: Vec<&File> = files.iter().filter(fits).collect();
    let snapshot =
        fitting.iter().filter(|file| file.level == SNAPSHOTS).max_by_key(|file| file.max);
    let mut chosen: Vec<File> = snapshot.into_iter().map(|file| **file).collect();
    let have = |chosen: &[File]| chosen.last().map_or(0, |file| file.max);
    loop {
        let reached = have(&chosen);
        let next = fitting
            .iter()
            .filter(|file| file.level < SNAPSHOTS && file.min <= reached + 1 && file.max > reached)
            .max_by_key(|file| (file.max, std::cmp::Reverse(file.min), file.level));
        match next {
            Some(file) => chosen.push(**file),
            None => break,
        }
    }
    let reached = have(&chosen);
    match target {
        _ if chosen.is_empty() => Err(PlanError::Nothing),
        Target::Txid(wanted) if reached < wanted => {
            Err(PlanError::Unreachable { wanted, have: reached })
        }
        Target::Latest if files.iter().any(|file| file.max > reached) => {
            Err(PlanError::Gap { have: reached })
        }
        _ => Ok(chosen),
    }
}

/// Every state that can be reached exactly, the newest first: of each the file that ends with it.
pub fn points(files: &[File]) -> impl Iterator<Item = File> {
    let mut ends = files.to_vec();
    ends.sort_by_key(|file| (file.max, file.level));
    ends.dedup_by_key(|file| file.max);
    ends.into_iter().rev().filter(|end| plan(files, Target::Txid(end.max)).is_ok())
}
