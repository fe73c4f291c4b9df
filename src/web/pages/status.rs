//! How the program, its database and its machine do, for the instance owner.

use jiff::{SignedDuration, Timestamp};
use salvo::{Depot, Request, Response, handler};

use super::owner::places;
use super::render;
use crate::domain::job::{Job, Outcome, Run, Schedule};
use crate::jobs::scheduler::SchedulerOptions;
use crate::replica::replicate::ReplicaStatus;
use crate::services::status::{self, DatabaseStatus, Machine, Space, Warning};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::{bytes, counted, relative};
use crate::web::views::status::{Fact, JobRow, ReplicaRow, StatusPage};

/// Shows how everything is.
#[handler]
pub async fn show_status(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let scheduler = depot
        .get_typed::<SchedulerOptions>()
        .map_err(|_| Problem::internal("no schedule in the depot"))?;
    let root = path_param(request, "root");
    let status = status::look(site, root, |job| scheduler.schedule(job)).await?;
    let now = site.clock.now();
    let mut warnings: Vec<_> = status.warnings.iter().map(|warning| words(warning, now)).collect();
    warnings.extend(surroundings(&client));
    let page = StatusPage {
        places: places(root),
        warnings,
        program: program_facts(&status.machine),
        database: database_facts(&status.database),
        machine: machine_facts(&status.machine),
        replicas: status
            .replicas
            .map(|replicas| replicas.iter().map(|replica| replica_row(replica, now)).collect()),
        jobs: status
            .jobs
            .iter()
            .map(|(job, schedule, last)| job_row(*job, *schedule, last.as_ref(), now))
            .collect(),
        runs_jobs: scheduler.enabled,
    };
    render(response, &page)
}

/// What is wrong, and what to do.
fn words(warning: &Warning, now: Timestamp) -> (String, String) {
    match warning {
        Warning::Failed(job, reason) => (
            format!("The last run of {} failed.", job.name()),
            format!("It said: {reason}. It is tried again; the log says more."),
        ),
        Warning::Late(job, last) => {
            let since = match last {
                Some(at) => format!("ran last {}", relative(*at, now)),
                None => "never ran".to_owned(),
            };
            let name = job.name();
            (
                format!("{name} {since}."),
                format!(
                    "Switch scheduler.enabled on, or have something run `openrsvp job {name}` \
                     regularly."
                ),
            )
        }
        Warning::ReplicaBehind(address, since) => (
            format!("{address} has been behind for {}.", long(now.duration_since(*since))),
            "Mend what is said below, under Backups; then it catches up by itself.".to_owned(),
        ),
        Warning::ReplicaUntended(address) => (
            format!("{address} gets everything, but cannot be kept small."),
            "Mend what is said below, under Backups; nothing is lost until then.".to_owned(),
        ),
        Warning::ReplicaGivenUp(address) => (
            format!("{address} is not written to any more."),
            "Give each program a replica of its own, then start this one anew.".to_owned(),
        ),
        Warning::DiskFull(free) => (
            format!("Only {} of disk are free.", bytes(*free)),
            "Make room: a full disk refuses every answer.".to_owned(),
        ),
    }
}

/// What the request itself tells about how the site is reached.
fn surroundings(client: &ClientInfo) -> Vec<(String, String)> {
    let mut warnings = Vec::new();
    if !client.is_base_configured() {
        warnings.push((
            "server.base_url is not set.".to_owned(),
            "Links are made from what each browser says: set it to this site\u{2019}s address."
                .to_owned(),
        ));
    }
    if client.is_behind_unknown_proxy() {
        warnings.push((
            "A proxy stands before this site that server.trusted_proxies does not name.".to_owned(),
            "Visitors cannot be told apart, and nothing is limited: name it.".to_owned(),
        ));
    }
    warnings
}

fn program_facts(machine: &Machine) -> Vec<Fact> {
    let mut facts = vec![("Version", env!("CARGO_PKG_VERSION").to_owned())];
    facts.extend(machine.running_for.map(|time| ("Running for", long(time))));
    facts
}

fn database_facts(database: &DatabaseStatus) -> Vec<Fact> {
    vec![
        ("Engine", database.engine.clone()),
        ("Schema", format!("version {}", database.schema)),
        ("Size", bytes(database.bytes)),
        ("Events", database.events.to_string()),
        ("Channels", database.channels.to_string()),
        ("Answers", database.answers.to_string()),
    ]
}

fn machine_facts(machine: &Machine) -> Vec<Fact> {
    let free = |space: Space| format!("{} of {} free", bytes(space.free), bytes(space.total));
    let mut facts = Vec::new();
    facts.extend(machine.disk.map(|disk| ("Disk", free(disk))));
    facts.extend(machine.own_memory.map(|own| ("Memory used here", bytes(own))));
    facts.extend(machine.memory.map(|memory| ("Memory", free(memory))));
    if let (Some(used), Some(running)) = (machine.processor_time, machine.running_for)
        && running.is_positive()
    {
        let share = 100.0 * used.as_secs_f64() / running.as_secs_f64();
        facts.push(("Processor used here", format!("{share:.1} % of one, on average")));
    }
    facts.extend(machine.load.map(|load| {
        (
            "Load",
            format!(
                "{load:.2}, on {}",
                counted(i64::try_from(machine.processors).unwrap_or(1), "processor")
            ),
        )
    }));
    facts
}

/// A time span in its largest unit.
fn long(time: SignedDuration) -> String {
    match time.as_mins() {
        ..1 => "less than a minute".to_owned(),
        minutes @ 1..60 => counted(minutes, "minute"),
        minutes @ 60..2_880 => counted(minutes / 60, "hour"),
        minutes => counted(minutes / 1_440, "day"),
    }
}

fn job_row(job: Job, schedule: Schedule, last: Option<&Run>, now: Timestamp) -> JobRow {
    let every = match schedule.every.as_hours() {
        1 => "every hour".to_owned(),
        hours => format!("every {hours} hours"),
    };
    let row = JobRow {
        name: job.name().to_owned(),
        purpose: job.purpose().to_owned(),
        last: "never".to_owned(),
        detail: "nothing yet".to_owned(),
        every,
        ..JobRow::default()
    };
    let Some(run) = last else { return row };
    JobRow {
        last: relative(run.started_at, now),
        outcome: run.outcome.as_str().to_owned(),
        detail: run.reason.clone().unwrap_or_else(|| run.counts_in_words()),
        is_alarm: matches!(run.outcome, Outcome::Failed | Outcome::Lost),
        ..row
    }
}

/// How long ago something was.
fn ago(at: Timestamp, now: Timestamp) -> String {
    match relative(at, now) {
        now if now == "now" => "a moment ago".to_owned(),
        ago => ago,
    }
}

fn replica_row(replica: &ReplicaStatus, now: Timestamp) -> ReplicaRow {
    let (state, since) = match (replica.behind_since, replica.current_at) {
        _ if replica.is_given_up => ("given up", String::new()),
        (Some(since), _) => ("behind", format!("for {}", long(now.duration_since(since)))),
        (None, Some(at)) => ("everything is there", format!("looked at {}", ago(at, now))),
        (None, None) => ("not looked at yet", String::new()),
    };
    ReplicaRow {
        address: replica.address.clone(),
        state: state.to_owned(),
        since,
        fault: replica.fault().unwrap_or_default().to_owned(),
        is_alarm: replica.is_given_up || replica.fault().is_some(),
        sent: format!(
            "{} in {}",
            bytes(replica.bytes),
            counted(i64::try_from(replica.files).unwrap_or(i64::MAX), "file")
        ),
    }
}
