//! Replicas of Litestream 0.3: a copy of the database, and pieces of the logs that came after it,
//! each packed as an LZ4 frame. They are read, never written.
//!
//! `generations/GENERATION/snapshots/INDEX.snapshot.lz4` and
//! `generations/GENERATION/wal/INDEX_OFFSET.wal.lz4`, in hexadecimal.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Digits of a log's number.
const INDEX_DIGITS: usize = 8;

/// A copy, or a piece of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// The number of the log: of a copy, the first one that is not in it.
    pub index: u32,
    /// Where in the log the piece begins; 0 for a copy.
    pub offset: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Its size in bytes, packed.
    pub size: u64,
    /// Its path below the replica.
    pub path: String,
}

/// A history without a gap, as far as its writer knew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generation {
    copies: Vec<Piece>,
    logs: Vec<Piece>,
}

/// What leads to a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The database to begin with.
    pub copy: Piece,
    /// The logs after it, each in pieces.
    pub logs: Vec<Vec<Piece>>,
    /// When the last of all was written.
    pub at: Timestamp,
}

/// Why there is no chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No copy is as old as that.
    #[error("nothing in the replica is as old as that")]
    Nothing,
    /// A log is missing.
    #[error("the logs of the replica go on after a gap: number {0:08x} is missing")]
    Gap(u32),
}

/// The generations among the paths of a replica, with times and sizes.
pub fn generations(found: impl Iterator<Item = (String, Timestamp, u64)>) -> Vec<Generation> {
    let mut all: BTreeMap<String, Generation> = BTreeMap::new();
    for (path, at, size) in found {
        let mut parts = path.split('/');
        let parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
        let [Some("generations"), Some(generation), Some(kind), Some(name), None] = parts else {
            continue;
        };
        let all = all.entry(generation.to_owned()).or_default();
        let piece = |index, offset| Piece { index, offset, at, size, path: path.clone() };
        if kind == "snapshots"
            && let Some(index) = name.strip_suffix(".snapshot.lz4").and_then(index)
        {
            all.copies.push(piece(index, 0));
        }
        if kind == "wal"
            && let Some((number, offset)) = name.strip_suffix(".wal.lz4").and_then(place)
        {
            all.logs.push(piece(number, offset));
        }
    }
    all.into_values().collect()
}

/// `0000000a`.
fn index(text: &str) -> Option<u32> {
    let fits = text.len() == INDEX_DIGITS && text.bytes().all(|c| c.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

/// `0000000a_00001038`.
fn place(text: &str) -> Option<(u32, u64)> {
    let (number, offset) = text.split_once('_')?;
    Some((index(number)?, u64::from_str_radix(offset, 16).ok()?))
}

/// What leads to the newest state, or to that before a moment.
pub fn chain(all: &[Generation], before: Option<Timestamp>) -> Result<Chain, ChainError> {
    let fits = |piece: &&Piece| before.is_none_or(|before| piece.at < before);
    let newest = |generation: &Generation| generation.copies.iter().filter(fits).max().cloned();
    let (copy, generation) = all
        .iter()
        .filter_map(|generation| newest(generation).map(|copy| (copy, generation)))
        .max_by_key(|(copy, _)| copy.at)
        .ok_or(ChainError::Nothing)?;
    let mut logs: BTreeMap<u32, Vec<Piece>> = BTreeMap::new();
    for piece in generation.logs.iter().filter(fits).filter(|piece| piece.index >= copy.index) {
        logs.entry(piece.index).or_default().push(piece.clone());
    }
    let mut at = copy.at;
    for (expected, (number, pieces)) in (copy.index..).zip(&mut logs) {
        if *number != expected {
            return Err(ChainError::Gap(expected));
        }
        pieces.sort_by_key(|piece| piece.offset);
        at = pieces.iter().map(|piece| piece.at).fold(at, Timestamp::max);
    }
    Ok(Chain { copy, logs: logs.into_values().collect(), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[(&str, i64)]) -> Vec<Generation> {
        let at = |second| Timestamp::from_second(second).expect("a time");
        generations(
            names.iter().map(|(name, second)| (format!("generations/{name}"), at(*second), 1)),
        )
    }

    #[test]
    fn the_newest_copy_leads_on() {
        let all = found(&[
            ("a/snapshots/00000000.snapshot.lz4", 1),
            ("a/wal/00000000_00000000.wal.lz4", 2),
            ("b/snapshots/00000001.snapshot.lz4", 5),
            ("b/wal/00000000_00000000.wal.lz4", 4),
            ("b/wal/00000001_00001038.wal.lz4", 7),
            ("b/wal/00000001_00000000.wal.lz4", 6),
            ("b/wal/00000002_00000000.wal.lz4", 8),
            ("b/wal/readme", 9),
            ("b/snapshots/1.snapshot.lz4", 9),
        ]);
        let last = chain(&all, None).expect("a chain");
        assert_eq!((last.copy.index, last.logs.len(), last.at.as_second()), (1, 2, 8));
        assert_eq!(last.logs[0].iter().map(|piece| piece.offset).collect::<Vec<_>>(), [0, 0x1038]);
        let before = |second| chain(&all, Timestamp::from_second(second).ok());
        assert_eq!(before(7).expect("a chain").logs[0].len(), 1);
        assert!(before(4).expect("a chain").copy.path.contains("/a/"));
        assert_eq!(before(1), Err(ChainError::Nothing));
        let gap = found(&[
            ("b/snapshots/00000001.snapshot.lz4", 5),
            ("b/wal/00000001_00000000.wal.lz4", 6),
            ("b/wal/00000003_00000000.wal.lz4", 8),
        ]);
        assert_eq!(chain(&gap, None), Err(ChainError::Gap(2)));
    }
}
