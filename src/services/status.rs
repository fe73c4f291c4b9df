//! How the program, its database and its machine do, for whoever runs them.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use sysinfo::{Disks, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{Error, Site, access, backups, jobs};
use crate::domain::job::{Job, Outcome, Run, Schedule};
use crate::replica::replicate::{ReplicaStatus, Replicas};
use crate::replica::room;
use crate::store::db::{Db, Engine};
use crate::store::{channels, events, rsvps};

/// Below this much free space a full disk is near.
pub const FREE_BYTES_MIN: u64 = room::SPARE_BYTES_MAX;
/// A job that is so many of its periods behind does not run any more.
const PERIODS_LATE: i32 = 3;

/// How everything is.
#[derive(Debug, Clone)]
pub struct Status {
    /// The database.
    pub database: DatabaseStatus,
    /// The machine, as far as it can be known.
    pub machine: Machine,
    /// The replicas of the database; `None` where it is of a kind that has none.
    pub replicas: Option<Vec<ReplicaStatus>>,
    /// Each job that has something to do, when it runs, and its last run.
    pub jobs: Vec<(Job, Schedule, Option<Run>)>,
    /// What should be looked after.
    pub warnings: Vec<Warning>,
}

/// How the database is.
#[derive(Debug, Clone)]
pub struct DatabaseStatus {
    /// Which engine, with its own version: `SQLite 3.51.3`.
    pub engine: String,
    /// Version of the schema.
    pub schema: i64,
    /// Size in bytes, with the log of SQLite.
    pub bytes: u64,
    /// Events in it.
    pub events: i64,
    /// Channels in it.
    pub channels: i64,
    /// Answers in it.
    pub answers: i64,
}

/// How the machine is; what cannot be known is `None`.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Where the SQLite file is: free and total bytes of its disk.
    pub disk: Option<Space>,
    /// Bytes of memory that this process uses.
    pub own_memory: Option<u64>,
    /// Bytes of addresses that this process has.
    pub own_address_space: Option<u64>,
    /// Files and connections that this process has open, and how many it may have.
    pub open_files: Option<usize>,
    /// See `open_files`.
    pub open_files_max: Option<usize>,
    /// When this process started, in Unix seconds.
    pub started_at: Option<u64>,
    /// Available and total bytes of memory.
    pub memory: Option<Space>,
    /// For how long this process has been running.
    pub running_for: Option<SignedDuration>,
    /// The processor time that this process has used.
    pub processor_time: Option<SignedDuration>,
    /// Processes that waited for a processor, on average over 15 minutes.
    pub load: Option<f64>,
    /// Processors.
    pub processors: usize,
}

/// Room of some kind, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What is left.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// What should be looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A job's last run failed.
    Failed(Job, String),
    /// A job has not run for long; `None` when it never did.
    Late(Job, Option<Timestamp>),
    /// A replica has not got everything, since then.
    ReplicaBehind(String, Timestamp),
    /// A replica has everything, but grows, or takes ever longer to restore.
    ReplicaUntended(String),
    /// A replica is not written to any more.
    ReplicaGivenUp(String),
    /// The disk is nearly full: bytes left.
    DiskFull(u64),
}

/// Looks at everything, for the instance owner. `schedule` tells when a job is to run, if it is.
pub async fn look(
    site: &Site,
    token: &str,
    schedule: impl Fn(Job) -> Option<Schedule>,
) -> Result<Status, Error> {
    let (rules, token) = (site.rules.clone(), token.to_owned());
    let allowed = site.db.read(move |tx| {
        Box::pin(async move { access::require_instance(tx, &rules, Some(&token)).await })
    });
    allowed.await?;
    let database = look_at_database(&site.db).await?;
    let file = site.db.file().map(Path::to_owned);
    // What the system tells is read from files, which may take a moment.
    let machine = tokio::task::spawn_blocking(move || look_at_machine(file.as_deref()));
    let machine = machine.await.unwrap_or_default();
    let runs = jobs::last_runs(site).await?;
    let scheduled = |(job, run)| Some((job, schedule(job)?, run));
    let jobs: Vec<_> = runs.into_iter().filter_map(scheduled).collect();
    let now = site.clock.now();
    let replicas = (site.db.engine() == Engine::Sqlite)
        .then(|| site.replicas.as_ref().map(Replicas::statuses).unwrap_or_default());
    let mut warnings = warnings(&jobs, &machine, now);
    warnings.extend(backups::warnings(replicas.as_deref().unwrap_or_default(), now));
    Ok(Status { database, machine, replicas, jobs, warnings })
}

async fn look_at_database(db: &Db) -> Result<DatabaseStatus, Error> {
    let counts = db.read(|tx| {
        Box::pin(async move {
            let events = events::count_all(tx).await?;
            Ok::<_, Error>((events, channels::count_all(tx).await?, rsvps::count_all(tx).await?))
        })
    });
    let (events, channels, answers) = counts.await?;
    let engine = match db.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    let engine = format!("{engine} {}", db.engine_version().await?);
    let (schema, bytes) = (db.schema_version().await?, db.size().await?);
    Ok(DatabaseStatus { engine, schema, bytes, events, channels, answers })
}

pub(super) fn look_at_machine(file: Option<&Path>) -> Machine {
    let Ok(mut system) = System::new() else { return Machine::default() };
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let own = Pid::from_u32(std::process::id());
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[own]),
        true,
        ProcessRefreshKind::nothing().with_memory().with_cpu(),
    );
    let process = system.process(own);
    let millis = |millis: u64| SignedDuration::from_millis(i64::try_from(millis).unwrap_or(0));
    let total = system.total_memory();
    Machine {
        disk: file.and_then(disk_of),
        own_memory: process.map(sysinfo::Process::memory),
        own_address_space: process.map(sysinfo::Process::virtual_memory),
        open_files: process.and_then(sysinfo::Process::open_files),
        open_files_max: process.and_then(sysinfo::Process::open_files_limit),
        started_at: process.map(sysinfo::Process::start_time),
        memory: (total > 0).then(|| Space { free: system.available_memory(), total }),
        running_for: process.map(|process| millis(process.run_time().saturating_mul(1000))),
        processor_time: process.map(|process| millis(process.accumulated_cpu_time())),
        load: System::load_average().ok().map(|load| load.fifteen),
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}

/// The room on the disk that holds `path`; `None` where the system does not tell.
#[must_use]
pub fn disk_of(path: &Path) -> Option<Space> {
    let path = path.ancestors().find(|path| path.exists())?.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    disks
        .iter()
        .filter(|disk| path.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len())
        .map(|disk| Space { free: disk.available_space(), total: disk.total_space() })
}

fn warnings(
    jobs: &[(Job, Schedule, Option<Run>)],
    machine: &Machine,
    now: Timestamp,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (job, schedule, last) in jobs {
        let patience = schedule.every.saturating_mul(PERIODS_LATE);
        match last {
            Some(run) if run.outcome == Outcome::Failed => {
                let reason = run.reason.clone().unwrap_or_default();
                warnings.push(Warning::Failed(*job, reason));
            }
            Some(run) if now.duration_since(run.started_at) > patience => {
                warnings.push(Warning::Late(*job, Some(run.started_at)));
            }
            None if machine.running_for.is_some_and(|running| running > patience) => {
                warnings.push(Warning::Late(*job, None));
            }
            _ => {}
        }
    }
    if let Some(disk) = machine.disk.filter(|disk| disk.free < FREE_BYTES_MIN) {
        warnings.push(Warning::DiskFull(disk.free));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::Counts;

    fn run(outcome: Outcome, started_at: Timestamp) -> Run {
        Run {
            id: "1".to_owned(),
            job: Job::DecayCycle,
            number: 1,
            started_at,
            ended_at: Some(started_at),
            outcome,
            counts: Counts::default(),
            reason: Some("no space".to_owned()),
        }
    }

    #[test]
    fn warns_of_what_needs_somebody() {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().expect("a time");
        let hours = SignedDuration::from_hours;
        let told = |last: Option<Run>, machine: &Machine| {
            warnings(&[(Job::DecayCycle, Schedule::hours(1), last)], machine, now)
        };
        let fresh = Machine::default();
        let old = Machine { running_for: Some(hours(4)), ..Machine::default() };
        let full = Space { free: 1_000, total: 1_000_000_000 };
        let crowded = Machine { disk: Some(full), ..Machine::default() };

        assert_eq!(told(None, &fresh), []);
        assert_eq!(told(None, &old), [Warning::Late(Job::DecayCycle, None)]);
        assert_eq!(told(Some(run(Outcome::Done, now - hours(2))), &old), []);
        let late = now - hours(4);
        assert_eq!(
            told(Some(run(Outcome::Done, late)), &fresh),
            [Warning::Late(Job::DecayCycle, Some(late))]
        );
        assert_eq!(
            told(Some(run(Outcome::Failed, now)), &crowded),
            [Warning::Failed(Job::DecayCycle, "no space".to_owned()), Warning::DiskFull(1_000)]
        );
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = look_at_machine(Some(Path::new("/tmp/not-there/openrsvp.db")));
        assert!(machine.own_memory.is_some_and(|bytes| bytes > 0), "{machine:?}");
        assert!(machine.memory.is_some_and(|memory| memory.free < memory.total), "{machine:?}");
        assert!(machine.processors > 0);
    }
}
