//! Room on the disk for copies of a database.

use std::path::Path;

/// What a copy leaves free, for on a full disk nothing could be committed any more: as much as it
/// takes, but no more than this, ...
pub const SPARE_BYTES_MAX: u64 = 256 << 20;
/// ... and this in any case.
const SPARE_BYTES: u64 = 16 << 20;

/// A copy would fill the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{free} MB of disk are free, and it takes {needed} MB for a while, with what is left free")]
pub struct NoRoom {
    /// What is free.
    pub free: u64,
    /// What it takes, and what must be left.
    pub needed: u64,
}

/// Refuses what would fill the disk that holds `dir`, before anything is written: so many `bytes`.
/// A disk that does not tell is left to whoever writes to it.
///
/// # Errors
///
/// When there is no room.
pub fn require(dir: &Path, bytes: u64) -> Result<(), NoRoom> {
    require_free(dir, bytes.saturating_add(bytes.min(SPARE_BYTES_MAX) + SPARE_BYTES))
}

/// Refuses what does not fit onto the disk at all: there is nobody yet who commits.
///
/// # Errors
///
/// When there is no room.
pub fn require_bare(dir: &Path, bytes: u64) -> Result<(), NoRoom> {
    require_free(dir, bytes.saturating_add(SPARE_BYTES))
}

fn require_free(dir: &Path, needed: u64) -> Result<(), NoRoom> {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(NoRoom { free: free / 1_000_000, needed: needed / 1_000_000 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_never_fills_the_disk() {
        let dir = tempfile::tempdir().expect("a directory");
        require(dir.path(), 1).expect("room for a byte");
        let refused = require(dir.path(), 1 << 60).expect_err("no disk is as large");
        assert!(refused.free < refused.needed, "{refused}");
        assert!(refused.to_string().contains("MB of disk are free"), "{refused}");
    }
}
