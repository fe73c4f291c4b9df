//! What the program does by itself: each job is small steps over services, runs once at a time
//! however many processes there are, can be told to stop between two steps, and leaves a record.

mod decay;
mod progress;
pub mod scheduler;
mod vacuum;
mod verify;
pub mod worker;

pub use progress::Cancel;

use progress::{Halt, Progress};

use tokio::task::JoinSet;

use crate::domain::job::{Job, Outcome, Run, Schedule};
use crate::services::{Error, Site, jobs};
use crate::store::lock::Lock;
use crate::trace;

/// What came of asking for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It ran; the record says how it ended.
    Ran(Run),
    /// Another process, or another task of this one, is at it.
    Busy,
    /// Its time has not come.
    NotDue,
}

/// Runs a job now.
pub async fn run(site: &Site, job: Job, cancel: &Cancel) -> Result<Asked, Error> {
    match site.db.try_lock(job.name()).await? {
        Some(lock) => run_locked(site, job, cancel, lock).await.map(Asked::Ran),
        None => Ok(Asked::Busy),
    }
}

/// Runs a job if its time has come. Asked again under the lock: another process may have run it a
/// moment ago.
pub async fn run_if_due(
    site: &Site,
    job: Job,
    schedule: Schedule,
    cancel: &Cancel,
) -> Result<Asked, Error> {
    if !is_due(site, job, schedule).await? {
        return Ok(Asked::NotDue);
    }
    let Some(lock) = site.db.try_lock(job.name()).await? else { return Ok(Asked::Busy) };
    if !is_due(site, job, schedule).await? {
        lock.release().await;
        return Ok(Asked::NotDue);
    }
    run_locked(site, job, cancel, lock).await.map(Asked::Ran)
}

/// Whether the time of a job has come.
pub async fn is_due(site: &Site, job: Job, schedule: Schedule) -> Result<bool, Error> {
    let last = jobs::last_run(site, job).await?;
    Ok(schedule.is_due(last.as_ref(), site.clock.now()))
}

async fn run_locked(site: &Site, job: Job, cancel: &Cancel, lock: Lock) -> Result<Run, Error> {
    let span = trace::job(job.name());
    let ran = span.around(run_recorded(site, job, cancel, lock)).await;
    match &ran {
        Ok(run) => {
            span.set("openrsvp.job.outcome", run.outcome.as_str());
            if run.outcome == Outcome::Failed {
                span.fail("the job failed");
            }
        }
        Err(_) => span.fail("the job could not be recorded"),
    }
    ran
}

async fn run_recorded(site: &Site, job: Job, cancel: &Cancel, lock: Lock) -> Result<Run, Error> {
    let run = jobs::begin(site, job).await?;
    let progress = Progress::new(cancel.clone(), lock);
    let (outcome, reason) = match apart(work(site.clone(), job, progress.clone())).await {
        Some(Ok(())) => (Outcome::Done, None),
        Some(Err(Halt::Stopped)) => (Outcome::Stopped, Some("told to stop".to_owned())),
        Some(Err(Halt::Failed(reason))) => (Outcome::Failed, Some(reason)),
        None => (Outcome::Failed, Some("it panicked".to_owned())),
    };
    let ended = jobs::end(site, run, outcome, progress.counts(), reason).await;
    progress.release().await;
    let run = ended?;
    let (job, outcome, counts) = (job.name(), outcome.as_str(), run.counts_in_words());
    match (&run.outcome, &run.reason) {
        (Outcome::Failed, Some(reason)) => tracing::error!(job, counts, reason, "job failed"),
        _ => tracing::info!(job, outcome, counts, "job ended"),
    }
    Ok(run)
}

/// Runs something in a task of its own, so that a fault in it ends it alone; `None` after a panic.
/// It ends with its caller.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let mut tasks = JoinSet::new();
    tasks.spawn(trace::keep(work));
    tasks.join_next().await?.ok()
}

async fn work(site: Site, job: Job, progress: Progress) -> Result<(), Halt> {
    match job {
        Job::DecayCycle => decay::run(&site, &progress).await,
        Job::VacuumDb => vacuum::run(&site, &progress).await,
        Job::VerifyBackup => verify::run(&site, &progress).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_what_panicked_and_nothing_else() {
        assert_eq!(apart(async { 7 }).await, Some(7));
        let panics = async {
            if Job::ALL.len() > 1 {
                panic!("on purpose");
            }
        };
        assert_eq!(apart(panics).await, None);
    }
}
