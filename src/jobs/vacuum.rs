//! The vacuum: gives back space, and helps the database plan its work.

use super::progress::{Halt, Progress};
use crate::services::Site;
use crate::store::db::Engine;
use crate::store::vacuum;

/// Free pages given back at a time: writers wait a few milliseconds at most.
const SLICE: u32 = 256;
/// With fewer free pages than this the file is left as it is: it would need them again soon.
const WORTH_IT: i64 = 256;
/// A file that cannot give back pages one by one is written anew when the free ones are at least
/// this share of it, in percent, ...
const SHARE_PERCENT: i64 = 20;
/// ... and what it holds is at most this many bytes: writers wait for a second or two.
const REWRITE_BYTES: i64 = 256 << 20;

pub(super) async fn run(site: &Site, progress: &Progress) -> Result<(), Halt> {
    match site.db.engine() {
        Engine::Sqlite => file(site, progress).await,
        Engine::Postgres => tables(site, progress).await,
    }
}

async fn file(site: &Site, progress: &Progress) -> Result<(), Halt> {
    let db = &site.db;
    progress.go_on().await?;
    let Some(before) = db.pages().await? else { return Ok(()) };
    progress.add("bytes_before", before.total * before.size);
    if before.incremental && before.free >= WORTH_IT {
        give_back(site, progress).await?;
    } else if is_worth_rewriting(&before) {
        progress.go_on().await?;
        db.rewrite().await?;
        progress.add("rewritten", 1);
    }
    progress.go_on().await?;
    db.analyze().await?;
    progress.go_on().await?;
    let emptied = match &site.replicas {
        // They have not got all of it, perhaps.
        Some(replicas) => {
            replicas.checkpoint().await.map_err(|error| Halt::Failed(error.to_string()))?
        }
        None => db.empty_log().await?.unwrap_or_default(),
    };
    progress.add("log_emptied", i64::from(emptied));
    let after = db.pages().await?.unwrap_or(before);
    progress.add("bytes_after", after.total * after.size);
    Ok(())
}

/// Gives back the free pages there are now, not those that others free meanwhile.
async fn give_back(site: &Site, progress: &Progress) -> Result<(), Halt> {
    let mut left = site.db.pages().await?.map_or(0, |pages| pages.free);
    while left > 0 {
        progress.go_on().await?;
        site.db.give_back(SLICE).await?;
        let slice = left.min(i64::from(SLICE));
        progress.add("pages_given_back", slice);
        left -= slice;
    }
    Ok(())
}

fn is_worth_rewriting(pages: &vacuum::Pages) -> bool {
    !pages.incremental
        && pages.free >= WORTH_IT
        && pages.free * 100 >= pages.total * SHARE_PERCENT
        && (pages.total - pages.free) * pages.size <= REWRITE_BYTES
}

async fn tables(site: &Site, progress: &Progress) -> Result<(), Halt> {
    for table in vacuum::tables() {
        progress.go_on().await?;
        if !site.db.vacuum_table(table, progress.told()).await? {
            return Err(Halt::Stopped);
        }
        progress.add("tables", 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_anew_only_when_it_is_worth_it() {
        let pages = |total, free| vacuum::Pages { size: 4096, total, free, incremental: false };
        assert!(is_worth_rewriting(&pages(10_000, 2_000)));
        assert!(!is_worth_rewriting(&pages(10_000, 1_999)), "not enough to gain");
        assert!(!is_worth_rewriting(&pages(500, 255)), "nothing to speak of");
        assert!(!is_worth_rewriting(&pages(200_000, 100_000)), "writers would wait too long");
        let incremental = vacuum::Pages { incremental: true, ..pages(10_000, 9_000) };
        assert!(!is_worth_rewriting(&incremental), "goes in small steps");
    }
}
