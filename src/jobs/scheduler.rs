//! Runs jobs when they are due, inside the program.
//!
//! What is due follows from the database and the clock alone. All that happens here is that
//! somebody asks, each minute: the cron ticker, and, because a ticker can die (of a clock that is
//! set, of a stopped process) or drop a tick, a plain interval beside it. A missed tick is a
//! question asked a minute later; a hundred ticks at once are one question.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job as Tick, JobScheduler, JobSchedulerError};

use super::{Asked, Cancel, apart, is_due, run_if_due};
use crate::domain::job::{Job, Schedule};
use crate::services::{Error, Site};

/// Time for the ticker to end; it holds nothing that would be lost.
const TICKER_END: Duration = Duration::from_secs(1);

/// When jobs run inside the program.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// Whether they do at all.
    pub enabled: bool,
    /// When the decay cycle runs.
    pub decay: Schedule,
    /// When the vacuum runs.
    pub vacuum: Schedule,
    /// When replicas are tried; `None` where there are none.
    pub verify: Option<Schedule>,
    /// A job starts up to this much later than it could, by chance, so that many processes do not
    /// start at once.
    pub jitter: Duration,
    /// When to ask what is due: a cron expression with seconds, in UTC.
    pub ticks: &'static str,
    /// Ask at least this often, whatever becomes of the ticker.
    pub poke: Duration,
}

impl SchedulerOptions {
    /// Asks each minute; up to half a minute of chance.
    #[must_use]
    pub fn new(enabled: bool, decay_hours: u32, vacuum_hours: u32) -> Self {
        Self {
            enabled,
            decay: Schedule::hours(decay_hours),
            vacuum: Schedule::hours(vacuum_hours),
            verify: None,
            jitter: Duration::from_secs(30),
            ticks: "0 * * * * *",
            poke: Duration::from_secs(75),
        }
    }

    /// When a job runs; `None` where there is nothing for it to do.
    #[must_use]
    pub fn schedule(&self, job: Job) -> Option<Schedule> {
        match job {
            Job::DecayCycle => Some(self.decay),
            Job::VacuumDb => Some(self.vacuum),
            Job::VerifyBackup => self.verify,
        }
    }
}

/// The running scheduler.
pub struct Scheduler {
    stopping: watch::Sender<bool>,
    /// For each job, so that a long one holds up no other.
    asking: JoinSet<()>,
    ticker: Option<JobScheduler>,
}

impl Scheduler {
    /// Starts it; `None` when it is not enabled.
    pub async fn start(site: &Site, options: &SchedulerOptions) -> Option<Self> {
        if !options.enabled {
            return None;
        }
        // One question is enough, however many ask for it.
        let (poke, poked) = watch::channel(());
        let (stopping, cancel) = Cancel::new();
        let mut asking = JoinSet::new();
        for job in Job::ALL {
            if let Some(schedule) = options.schedule(job) {
                let asker = Asker { site: site.clone(), job, schedule, jitter: options.jitter };
                asking.spawn(asker.ask(options.poke, poked.clone(), cancel.clone()));
            }
        }
        let ticker = match ticker(options.ticks, poke).await {
            Ok(ticker) => Some(ticker),
            Err(error) => {
                tracing::warn!(%error, "the ticker does not run; jobs start a little later");
                None
            }
        };
        Some(Self { stopping, asking, ticker })
    }

    /// Stops: a job under way ends at its next step and is recorded as stopped. One that does not
    /// get there within `grace`, because the database does not answer, is left; the next run
    /// finds out.
    pub async fn stop(mut self, grace: Duration) {
        // A receiver that is gone has stopped already.
        let _ = self.stopping.send(true);
        if let Some(mut ticker) = self.ticker {
            // It holds nothing: one that does not end goes with the process.
            let _ = tokio::time::timeout(TICKER_END, ticker.shutdown()).await;
        }
        let ended = async {
            while let Some(ended) = self.asking.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "the scheduler ended badly");
                }
            }
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!("a job did not stop in time and is left");
            self.asking.abort_all();
        }
    }
}

/// A cron job that asks, and nothing else: what is asked for too often is dropped.
async fn ticker(ticks: &str, poke: watch::Sender<()>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let tick = Tick::new_async(ticks, move |_, _| {
        let poke = poke.clone();
        Box::pin(async move {
            // Nobody hears it any more: the program ends.
            let _ = poke.send(());
        })
    })?;
    scheduler.add(tick).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// Who asks for one job.
#[derive(Clone)]
struct Asker {
    site: Site,
    job: Job,
    schedule: Schedule,
    jitter: Duration,
}

impl Asker {
    /// Asks when poked, and at least every so often.
    async fn ask(self, at_least: Duration, mut poked: watch::Receiver<()>, cancel: Cancel) {
        let mut is_ticking = true;
        while !cancel.is_told() {
            let (asker, told) = (self.clone(), cancel.clone());
            // Asked again in a minute, so nothing is lost.
            match apart(async move { asker.consider(told).await }).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(job = self.job.name(), %error, "the job could not be run");
                }
                None => tracing::error!(job = self.job.name(), "asking for the job panicked"),
            }
            tokio::select! {
                // A ticker that is gone must not turn this into a storm.
                poked = poked.changed(), if is_ticking => is_ticking = poked.is_ok(),
                () = tokio::time::sleep(at_least) => {}
                () = cancel.told() => return,
            }
        }
    }

    /// Runs the job if it is due.
    async fn consider(&self, cancel: Cancel) -> Result<(), Error> {
        let (site, job) = (&self.site, self.job);
        if cancel.is_told() || !is_due(site, job, self.schedule).await? {
            return Ok(());
        }
        if !self.jitter.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(chance(site, self.jitter)) => {}
                () = cancel.told() => return Ok(()),
            }
        }
        if run_if_due(site, job, self.schedule, &cancel).await? == Asked::Busy {
            tracing::debug!(job = job.name(), "another process is at it");
        }
        Ok(())
    }
}

/// A time from nothing to `most`, by chance.
fn chance(site: &Site, most: Duration) -> Duration {
    let mut bytes = [0; 4];
    site.entropy.fill(&mut bytes);
    most.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
