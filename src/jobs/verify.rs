//! Tries whether the newest state of each replica can be restored.

use super::progress::{Halt, Progress};
use crate::services::{Site, backups};

/// What is counted: replicas that are sound, bytes of the databases that came out, and events in
/// the one that has most.
const COUNTS: [&str; 3] = ["replicas", "bytes", "events"];

pub(super) async fn run(site: &Site, progress: &Progress) -> Result<(), Halt> {
    let [replicas, bytes, events] = COUNTS;
    for name in COUNTS {
        progress.add(name, 0);
    }
    let (mut faults, mut most) = (Vec::new(), 0);
    for address in &site.rules.replicas {
        progress.go_on().await?;
        let tried = async {
            backups::first_copy(site, address).await;
            backups::verify(site, address).await
        };
        let tried = tokio::select! {
            tried = tried => tried,
            () = progress.told() => return Err(Halt::Stopped),
        };
        match tried {
            Ok(found) => {
                progress.add(replicas, 1);
                progress.add(bytes, i64::try_from(found.bytes).unwrap_or(i64::MAX));
                progress.add(events, (found.events - most).max(0));
                most = most.max(found.events);
            }
            // The others may be sound.
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Halt::Failed(faults.join("; "))) }
}
