//! What jobs ran: recorded when they begin and when they end, and read by pages and commands.

use super::{Error, Site};
use crate::domain::id;
use crate::domain::job::{Counts, Job, Outcome, Run};
use crate::store::jobs;

/// Runs of each job that are remembered.
const REMEMBERED: i64 = 500;

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
