//! What jobs ran: recorded when they begin and when they end, and read by pages and commands.

use jiff::Timestamp;

use super::{Error, Site};
use crate::domain::id;
use crate::domain::job::{Counts, Job, Outcome, Run};
use crate::metrics::{Family, Kind, Row, whole};
use crate::store::jobs;

/// Runs of each job that are remembered.
const REMEMBERED: i64 = 500;
/// Most numbers of a run that are told as figures.
const ITEMS: usize = 16;

/// Each job, with its last run if it ever ran.
pub async fn last_runs(site: &Site) -> Result<Vec<(Job, Option<Run>)>, Error> {
    site.db
        .read(|tx| {
            Box::pin(async move {
                let mut found = Vec::new();
                for job in Job::ALL {
                    found.push((job, jobs::last(tx, job).await?));
                }
                Ok(found)
            })
        })
        .await
}

/// The last run of a job.
pub async fn last_run(site: &Site, job: Job) -> Result<Option<Run>, Error> {
    site.db.read(move |tx| Box::pin(async move { Ok(jobs::last(tx, job).await?) })).await
}

/// Up to `limit` runs of one job, or of all, the last one first.
pub async fn history(site: &Site, job: Option<Job>, limit: i64) -> Result<Vec<Run>, Error> {
    let limit = limit.clamp(0, REMEMBERED);
    let mut runs = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                let mut runs = Vec::new();
                for job in Job::ALL.into_iter().filter(|other| job.is_none_or(|job| job == *other))
                {
                    runs.extend(jobs::list_last(tx, job, limit).await?);
                }
                Ok::<_, Error>(runs)
            })
        })
        .await?;
    if job.is_none() {
        // Runs of one job come in the order they began, whatever the clock said then.
        runs.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
    }
    runs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(runs)
}

/// Records that a run begins. Whoever calls holds the job's lock: what is still recorded as under
/// way has therefore died, and is recorded as such.
pub async fn begin(site: &Site, job: Job) -> Result<Run, Error> {
    let now = site.clock.now();
    let id = id::row_id(now, &site.entropy);
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let lost = "its process ended before the job did";
                jobs::mark_lost(tx, job, now, lost).await?;
                let run = Run {
                    id,
                    job,
                    number: jobs::next_number(tx, job).await?,
                    started_at: now,
                    ended_at: None,
                    outcome: Outcome::Running,
                    counts: Counts::new(),
                    reason: None,
                };
                jobs::insert(tx, &run).await?;
                jobs::forget(tx, job, run.number - REMEMBERED).await?;
                Ok(run)
            })
        })
        .await
}

/// Records how a run ended, and gives it back.
pub async fn end(
    site: &Site,
    run: Run,
    outcome: Outcome,
    counts: Counts,
    reason: Option<String>,
) -> Result<Run, Error> {
    let ended_at = Some(site.clock.now());
    let run = Run { ended_at, outcome, counts, reason, ..run };
    site.db
        .write(move |tx| {
            Box::pin(async move {
                jobs::set_end(tx, &run).await?;
                Ok(run)
            })
        })
        .await
}

/// A job's name, its last run, and when it last came to its end.
type Last = (&'static str, Option<Run>, Option<Timestamp>);

/// What became of the jobs, wherever they ran.
pub(super) async fn families(site: &Site) -> Result<Vec<Family>, Error> {
    let found = site.db.read(|tx| {
        Box::pin(async move {
            let mut found: Vec<Last> = Vec::new();
            for job in Job::ALL {
                found.push((
                    job.name(),
                    jobs::last(tx, job).await?,
                    jobs::last_done(tx, job).await?,
                ));
            }
            Ok::<_, Error>(found)
        })
    });
    let found = found.await?;
    Ok(vec![
        gauge(
            "openrsvp_job_last_start_timestamp_seconds",
            "When the job last began, in Unix seconds",
            &found,
            |(_, last, _)| last.as_ref().map(|run| seconds(run.started_at)),
        ),
        gauge(
            "openrsvp_job_last_duration_seconds",
            "How long the job took when it last ended",
            &found,
            |(_, last, _)| last.as_ref().and_then(duration),
        ),
        gauge(
            "openrsvp_job_last_success_timestamp_seconds",
            "When the job last did all there was to do, in Unix seconds; 0 when it never did",
            &found,
            |(_, _, done)| Some(done.map_or(0.0, seconds)),
        ),
        runs(&found),
        outcomes(&found),
        items(&found),
    ])
}

/// One figure of each job that has it.
fn gauge(
    name: &'static str,
    help: &'static str,
    found: &[Last],
    value: impl Fn(&Last) -> Option<f64>,
) -> Family {
    let row = |last: &Last| value(last).map(|value| Row::new(&[("job", last.0)], value));
    Family::new(Kind::Gauge, name, help).rows(found.iter().filter_map(row))
}

/// How often each job began, ever: runs are numbered, and the number outlives their records.
fn runs(found: &[Last]) -> Family {
    let family = Family::new(
        Kind::Counter,
        "openrsvp_job_runs",
        "How often the job began, in whatever process",
    );
    family.rows(found.iter().map(|(job, last, _)| {
        let count = last.as_ref().map_or(0, |run| run.number);
        Row::new(&[("job", *job)], whole(count))
    }))
}

/// How each job's last run ended: 1 for its outcome, 0 for the others.
fn outcomes(found: &[Last]) -> Family {
    let family = Family::new(
        Kind::Gauge,
        "openrsvp_job_last_outcome",
        "How the job's last run ended: 1 for its outcome, 0 for the others",
    );
    family.rows(found.iter().flat_map(|(job, last, _)| {
        Outcome::ALL.into_iter().map(move |outcome| {
            let holds = last.as_ref().is_some_and(|run| run.outcome == outcome);
            let labels = [("job", *job), ("outcome", outcome.as_str())];
            Row::new(&labels, f64::from(u8::from(holds)))
        })
    }))
}

/// What each job's last run did, in numbers.
fn items(found: &[Last]) -> Family {
    let family = Family::new(
        Kind::Gauge,
        "openrsvp_job_last_items",
        "What the job's last run did, by the name that its record gives it",
    );
    family.rows(found.iter().flat_map(|(job, last, _)| {
        let counts = last.iter().flat_map(|run| &run.counts).take(ITEMS);
        counts.map(move |(item, count)| Row::new(&[("job", *job), ("item", item)], whole(*count)))
    }))
}

fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

/// How long a run took; never less than no time, whatever became of the clock.
fn duration(run: &Run) -> Option<f64> {
    run.ended_at.map(|ended| ended.duration_since(run.started_at).as_secs_f64().max(0.0))
}
