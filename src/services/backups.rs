//! How the replicas of the database are, for whoever watches over them, and whether they are any
//! good.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::status::Warning;
use super::{Error, Site};
use crate::metrics::{Family, Kind, Row, whole};
use crate::replica::place::{PlaceError, Replica, without_query};
use crate::replica::plan::Target;
use crate::replica::replicate::ReplicaStatus;
use crate::replica::restore::{self, RestoreError};
use crate::replica::room::{self, NoRoom};
use crate::replica::way::{self, WayError};
use crate::store::db::{Db, SqliteOptions, StoreError, StoreOptions};
use crate::store::events;

/// A replica that has not got everything for longer than this needs somebody.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// How often to look whether something has come.
const LOOK: Duration = Duration::from_millis(200);

/// The figures of each replica.
pub(super) fn families(replicas: &[ReplicaStatus], now: Timestamp) -> Vec<Family> {
    let family = |kind, name, help, value: &dyn Fn(&ReplicaStatus) -> f64| {
        let row =
            |replica: &ReplicaStatus| Row::new(&[("replica", &*replica.address)], value(replica));
        Family::new(kind, name, help).rows(replicas.iter().map(row))
    };
    vec![
        family(
            Kind::Gauge,
            "openrsvp_replica_lag_seconds",
            "For how long something has been waiting to be sent to the replica; 0 when it has \
             everything",
            &|replica| behind_for(replica, now).map_or(0.0, |lag| lag.as_secs_f64()),
        ),
        family(
            Kind::Gauge,
            "openrsvp_replica_last_success_timestamp_seconds",
            "When the replica had everything last, in Unix seconds; 0 when not since the start",
            &|replica| {
                let had = |at: Timestamp| at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
                replica.current_at.map_or(0.0, had)
            },
        ),
        family(
            Kind::Gauge,
            "openrsvp_replica_up",
            "Whether nothing was wrong with the replica when it was used last",
            &|replica| f64::from(u8::from(replica.fault().is_none())),
        ),
        family(
            Kind::Gauge,
            "openrsvp_replica_guarded",
            "Whether a second program is kept from writing over the replica's files",
            &|replica| f64::from(u8::from(replica.is_guarded == Some(true))),
        ),
        family(
            Kind::Counter,
            "openrsvp_replica_sent_bytes",
            "Bytes that were sent to the replica",
            &|replica| whole(replica.bytes),
        ),
        family(
            Kind::Counter,
            "openrsvp_replica_sent_files",
            "Files that were sent to the replica",
            &|replica| whole(replica.files),
        ),
        family(
            Kind::Counter,
            "openrsvp_replica_failures",
            "Tries to bring the replica up to date that failed",
            &|replica| whole(replica.failures),
        ),
        family(
            Kind::Counter,
            "openrsvp_replica_whole_copies",
            "How often the whole database was sent because the replica could not go on",
            &|replica| whole(replica.whole_copies),
        ),
    ]
}

/// What somebody should look after.
pub(super) fn warnings(replicas: &[ReplicaStatus], now: Timestamp) -> Vec<Warning> {
    let warning = |replica: &ReplicaStatus| {
        let address = replica.address.clone();
        if replica.is_given_up {
            return Some(Warning::ReplicaGivenUp(address));
        }
        match replica.behind_since {
            Some(since) if behind_for(replica, now).is_some_and(|lag| lag > PATIENCE) => {
                Some(Warning::ReplicaBehind(address, since))
            }
            None if replica.upkeep_fault.is_some() => Some(Warning::ReplicaUntended(address)),
            _ => None,
        }
    };
    replicas.iter().filter_map(warning).collect()
}

/// For how long something has been waiting; never less than no time, whatever became of the clock.
fn behind_for(replica: &ReplicaStatus, now: Timestamp) -> Option<SignedDuration> {
    replica.behind_since.map(|since| now.duration_since(since).max(SignedDuration::ZERO))
}

/// What came out of a replica that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Bytes of the database.
    pub bytes: u64,
    /// Events in it.
    pub events: i64,
}

/// Why a replica cannot be relied on.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {fault}")]
pub struct Unverified {
    /// The replica.
    pub address: String,
    /// What is wrong.
    pub fault: VerifyFault,
}

/// What is wrong with a replica, or with trying it.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFault {
    /// The database is none that has replicas.
    #[error("only a SQLite database has replicas")]
    NoFile,
    /// There is no room to try.
    #[error("there is no room to try it: {0}")]
    NoRoom(#[from] NoRoom),
    /// There is no place to try.
    #[error("there is no place to try it: {0}")]
    NoPlace(#[from] io::Error),
    /// It cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Nothing leads to its newest state.
    #[error("its newest state cannot be restored: {0}")]
    Way(#[from] WayError),
    /// Its newest state is broken.
    #[error("its newest state cannot be restored: {0}")]
    Restore(#[from] RestoreError),
    /// What was restored is not a database of this program.
    #[error("what was restored from it cannot be used: {0}")]
    Database(#[from] Error),
}

impl From<StoreError> for VerifyFault {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

/// Waits while the first copy of the database is on its way to a replica: there is nothing to try
/// yet. One that cannot be reached is not waited for.
pub async fn first_copy(site: &Site, address: &str) {
    let is_coming = |replica: &ReplicaStatus| {
        replica.address == without_query(address)
            && replica.txid == 0
            && replica.fault.is_none()
            && !replica.is_given_up
    };
    let Some(replicas) = &site.replicas else { return };
    while replicas.statuses().iter().any(is_coming) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Restores the newest state of a replica beside the database, looks into what came out, and
/// removes it. One trial at a time: the job's lock sees to that.
///
/// # Errors
///
/// When it cannot be restored, or is no database of this program.
pub async fn verify(site: &Site, address: &str) -> Result<Verified, Unverified> {
    let tried = match try_once(site, address).await {
        // What was to be read may have been merged and removed just now.
        Err(VerifyFault::Place(_) | VerifyFault::Way(_) | VerifyFault::Restore(_)) => {
            try_once(site, address).await
        }
        tried => tried,
    };
    tried.map_err(|fault| Unverified { address: without_query(address).to_owned(), fault })
}

async fn try_once(site: &Site, address: &str) -> Result<Verified, VerifyFault> {
    let file = site.db.file().ok_or(VerifyFault::NoFile)?.to_owned();
    let scratch = Scratch::beside(&file)?;
    // What is restored, and the file that it is restored from.
    room::require(&scratch.0, site.db.size().await?.saturating_mul(2))?;
    let replica = Replica::at(address)?;
    let way = way::find(&replica, Target::Latest).await?;
    let to = scratch.0.join("restored.db");
    let restored = restore::restore(&replica, &way, &to, false, &Arc::default()).await?;
    let db = Db::open(&StoreOptions::Sqlite(SqliteOptions::new(to))).await?;
    let counted = count(&db).await;
    db.close().await;
    Ok(Verified { bytes: restored.bytes, events: counted? })
}

async fn count(db: &Db) -> Result<i64, Error> {
    db.read(|tx| Box::pin(async move { Ok(events::count_all(tx).await?) })).await
}

/// A directory for a trial, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    /// An empty one; what a trial left that was killed is removed.
    fn beside(database: &Path) -> io::Result<Self> {
        let mut name = database.as_os_str().to_owned();
        name.push("-verification");
        let dir = PathBuf::from(name);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next trial removes it otherwise.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_of_replicas_that_need_somebody() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().expect("a time");
        let current = ReplicaStatus {
            address: "file:///backups".to_owned(),
            txid: 7,
            behind_since: None,
            current_at: Some(now),
            fault: None,
            upkeep_fault: None,
            is_given_up: false,
            bytes: 1,
            files: 1,
            failures: 0,
            is_guarded: Some(true),
            whole_copies: 1,
        };
        let behind = |seconds| ReplicaStatus {
            behind_since: Some(now - SignedDuration::from_secs(seconds)),
            ..current.clone()
        };
        let given_up = ReplicaStatus { is_given_up: true, ..behind(5) };
        let told = |replica: &ReplicaStatus| warnings(std::slice::from_ref(replica), now);
        let address = || "file:///backups".to_owned();

        assert_eq!(told(&current), []);
        assert_eq!(told(&behind(60)), []);
        assert_eq!(told(&behind(-60)), [], "a clock that was set back");
        let since = now - SignedDuration::from_secs(61);
        assert_eq!(told(&behind(61)), [Warning::ReplicaBehind(address(), since)]);
        assert_eq!(told(&given_up), [Warning::ReplicaGivenUp(address())]);
        let untended = ReplicaStatus { upkeep_fault: Some("full".to_owned()), ..current.clone() };
        assert_eq!(told(&untended), [Warning::ReplicaUntended(address())]);
    }
}
