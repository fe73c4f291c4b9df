//! Where the database is backed up to, while it is used.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// Where the database is backed up to, while it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Addresses of replicas: `file:///directory` or `s3://bucket/prefix?endpoint=...`.
    pub replicas: Vec<String>,
    /// Seconds between two looks at what was committed.
    pub sync_interval_seconds: u64,
    /// Hours between two copies of the whole database.
    pub snapshot_interval_hours: u32,
    /// For how many hours every state can be reached.
    pub retention_hours: u32,
    /// Intervals at which files are merged, the shortest first: `30s`, `5m`, `1h`.
    pub levels: Vec<String>,
    /// Most bytes a second to each bucket; 0 for as fast as can be.
    pub max_bytes_per_second: u64,
    /// The most that the log grows to for the sake of a replica that is away.
    pub log_limit_bytes: u64,
    /// Whether a database that is not there is restored before the program serves.
    pub restore_on_start: RestoreOnStart,
    /// Hours between two trials whether the newest state can be restored.
    pub verify_interval_hours: u32,
}

/// Whether a database that is not there is restored before the program serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreOnStart {
    /// No: a new one is made.
    Never,
    /// Yes, from the replica that has the newest state.
    IfMissing,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            replicas: Vec::new(),
            sync_interval_seconds: 1,
            snapshot_interval_hours: 24,
            retention_hours: 24,
            levels: ["30s", "5m", "1h"].map(str::to_owned).to_vec(),
            max_bytes_per_second: 0,
            log_limit_bytes: 256 << 20,
            restore_on_start: RestoreOnStart::Never,
            verify_interval_hours: 168,
        }
    }
}

impl Backup {
    /// The intervals; `None` when one is none, they do not grow, or are too many.
    #[must_use]
    pub fn level_intervals(&self) -> Option<Vec<SignedDuration>> {
        let parsed: Result<Vec<SignedDuration>, _> =
            self.levels.iter().map(|text| text.parse()).collect();
        let levels = parsed.ok()?;
        let grow = levels.windows(2).all(|pair| pair[0] < pair[1]);
        let fit = levels.iter().all(|level| (1..=86_400).contains(&level.as_secs()));
        ((1..=8).contains(&levels.len()) && grow && fit).then_some(levels)
    }

    /// Whether each address can be one, and none is there twice. What is shown of them is without
    /// the query, so keys may stand nowhere else.
    pub(super) fn addresses_hold(&self) -> bool {
        let plain = |text: &String| {
            text.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned()
        };
        let is_address = |text: &String| match text.split_once("://") {
            Some(("file", path)) => path.starts_with('/') && path.len() > 1,
            Some(("s3", _)) => {
                let plain = plain(text);
                let rest = plain.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
                rest.is_some_and(|(bucket, _)| !bucket.contains('@'))
            }
            _ => false,
        };
        let mut seen: Vec<String> = self.replicas.iter().map(plain).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len() == self.replicas.len() && self.replicas.iter().all(is_address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow() {
        let of = |levels: &[&str]| {
            let levels = levels.iter().map(|&level| level.to_owned()).collect();
            Backup { levels, ..Backup::default() }.level_intervals().map(|levels| levels.len())
        };
        assert_eq!(Backup::default().level_intervals().map(|levels| levels.len()), Some(3));
        assert_eq!(of(&["1s", "1m 30s"]), Some(2));
        for bad in [&[][..], &["5m", "30s"], &["30"], &["0s"], &["soon"], &["48h"], &["-5s"]] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_of_two_kinds() {
        let hold = |replicas: &[&str]| {
            let replicas = replicas.iter().map(|&replica| replica.to_owned()).collect();
            Backup { replicas, ..Backup::default() }.addresses_hold()
        };
        assert!(hold(&[]));
        assert!(hold(&["file:///var/backups/openrsvp", "s3://bucket/a/b?region=eu-central-1"]));
        for bad in
            ["/var/backups", "s3://bucket", "s3://bucket/", "https://x/y", "file://", "s3://", ""]
        {
            assert!(!hold(&[bad]), "{bad}");
        }
        assert!(!hold(&["s3://key:secret@bucket/a"]), "it would be shown");
        assert!(!hold(&["s3://bucket/a", "s3://bucket/a?region=x"]), "twice the same");
        assert!(!hold(&["file:///var/backups", "file:///var/backups/"]), "twice the same");
    }
}
