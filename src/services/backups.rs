//! How the replicas of the database are, for whoever watches over them.

use jiff::{SignedDuration, Timestamp};

use super::status::Warning;
use crate::metrics::{Family, Kind, Row, whole};
use crate::replica::replicate::ReplicaStatus;

/// A replica that has not got everything for longer than this needs somebody.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

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
            &|replica| f64::from(u8::from(replica.fault.is_none())),
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
        let since = replica.behind_since?;
        let is_late = behind_for(replica, now).is_some_and(|lag| lag > PATIENCE);
        is_late.then_some(Warning::ReplicaBehind(address, since))
    };
    replicas.iter().filter_map(warning).collect()
}

/// For how long something has been waiting; never less than no time, whatever became of the clock.
fn behind_for(replica: &ReplicaStatus, now: Timestamp) -> Option<SignedDuration> {
    replica.behind_since.map(|since| now.duration_since(since).max(SignedDuration::ZERO))
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
            is_given_up: false,
            bytes: 1,
            files: 1,
            failures: 0,
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
    }
}
