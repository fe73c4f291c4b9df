//! Does what is owed: takes tasks that are due, a bounded number at a time, says that it is still
//! at them while they take long, and when told to stop takes no more and ends what it began.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::{Cancel, apart};
use crate::domain::task::{Failure, Next, Task};
use crate::metrics::{Metrics, TaskEnd};
use crate::services::{Error, Site, tasks, webhooks};
use crate::trace;

/// What does a task: it must be safe to repeat.
pub type Handler = Arc<dyn Fn(Site, Task) -> Handled + Send + Sync>;
/// What a [`Handler`] gives back.
pub type Handled = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Does every kind of task that this version knows. The others are kept for a version that does:
/// there may be two while a site is brought up to date.
#[must_use]
pub fn handler() -> Handler {
    Arc::new(|site, task| {
        Box::pin(async move {
            match task.kind.as_str() {
                webhooks::DELIVER => webhooks::deliver(&site, &task).await,
                kind => Err(Failure::Passing(format!(
                    "this version does not know tasks of the kind {kind}"
                ))),
            }
        })
    })
}

/// How often a worker says that it is still at a task: a lease survives two that are missed.
const RENEW: Duration = Duration::from_secs(20);
/// The pause after the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a full worker waits for more room once it has some.
const MOMENT: Duration = Duration::from_millis(5);
/// How often the end of a task is written, before its lease is left to run out.
const TRIES: u32 = 5;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Tasks at once.
    pub concurrency: usize,
    /// How often it looks for tasks when it found none.
    pub poll: Duration,
    /// Whether it ends when nothing is due.
    pub ends: bool,
}

impl WorkerOptions {
    /// Looks each second, and does not end.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self { concurrency: concurrency.max(1), poll: Duration::from_secs(1), ends: false }
    }
}

/// A running worker.
pub struct Worker {
    stopping: watch::Sender<bool>,
    giving_up: watch::Sender<bool>,
    working: JoinHandle<()>,
}

impl Worker {
    /// Starts it.
    #[must_use]
    pub fn start(site: &Site, options: WorkerOptions, handler: Handler) -> Self {
        let (stopping, stop) = Cancel::new();
        let (giving_up, give_up) = Cancel::new();
        let clerk = Clerk::start(site, options.concurrency);
        let crew = Crew { site: site.clone(), options, handler, clerk, stop, give_up };
        Self { stopping, giving_up, working: tokio::spawn(crew.work()) }
    }

    /// Waits until it has ended by itself, as it does where nothing is due.
    pub async fn ended(&mut self) {
        if let Err(error) = (&mut self.working).await {
            tracing::error!(%error, "the worker ended badly");
        }
    }

    /// Stops: takes no more, and ends what it began. What takes longer than `grace` is given back,
    /// to be begun anew by another; what the database does not take back in time is left until its
    /// lease runs out.
    pub async fn stop(mut self, grace: Duration) {
        // A receiver that is gone has stopped already.
        let _ = self.stopping.send(true);
        if self.working.is_finished() {
            return;
        }
        if tokio::time::timeout(grace, &mut self.working).await.is_ok() {
            return;
        }
        tracing::warn!("tasks did not end in time and are given back");
        let _ = self.giving_up.send(true);
        if tokio::time::timeout(PAUSE * 5, &mut self.working).await.is_err() {
            self.working.abort();
        }
    }
}

/// What all tasks of a worker share.
#[derive(Clone)]
struct Crew {
    site: Site,
    options: WorkerOptions,
    handler: Handler,
    clerk: Clerk,
    stop: Cancel,
    give_up: Cancel,
}

impl Crew {
    async fn work(self) {
        let mut running = JoinSet::new();
        while !self.stop.is_told() {
            let free = self.options.concurrency - running.len();
            let taken = match tasks::take(&self.site, free).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%error, "no tasks could be taken");
                    self.rest(PAUSE, &mut running).await;
                    continue;
                }
            };
            let is_all = taken.len() < free;
            for task in taken {
                running.spawn(self.clone().one(task));
            }
            if !is_all {
                self.make_room(&mut running).await;
            } else if self.options.ends && running.is_empty() {
                return;
            } else {
                self.rest(self.options.poll, &mut running).await;
            }
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
    }

    /// Waits until one task has ended, and a moment longer for others: one look for many tasks
    /// costs the database as much as one look for one.
    async fn make_room(&self, running: &mut JoinSet<()>) {
        tokio::select! {
            _ = running.join_next() => {}
            () = self.stop.told() => return,
        }
        let moment = tokio::time::sleep(MOMENT);
        tokio::pin!(moment);
        while running.len() * 4 > self.options.concurrency {
            tokio::select! {
                _ = running.join_next() => {}
                () = self.stop.told() => return,
                () = &mut moment => return,
            }
        }
    }

    /// Waits a while; not longer than until one ends, where the worker is to end with the last.
    async fn rest(&self, pause: Duration, running: &mut JoinSet<()>) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.site.bell.rung() => {}
            () = self.stop.told() => {}
            Some(_) = running.join_next(), if self.options.ends => {}
        }
    }

    /// Does one task and records what came of it.
    async fn one(self, task: Task) {
        let site = self.site.clone();
        let _running = Running::count(&site.metrics);
        let ended = tokio::select! {
            ended = self.perform(&task) => ended,
            () = self.keep(&task) => {
                tracing::warn!(task = task.id, kind = task.kind, "a task was lost to another");
                return;
            }
            () = self.give_up.told() => {
                if let Err(error) = tasks::give_back(&site, vec![task]).await {
                    tracing::warn!(%error, "a task could not be given back");
                }
                return;
            }
        };
        let mut wait = Duration::from_millis(100);
        for _ in 0..TRIES {
            let recorded = match &ended {
                Ok(()) => self.clerk.finish(&task).await.inspect(|()| {
                    site.metrics.task_ended(&task.kind, TaskEnd::Done);
                }),
                Err(failure) => {
                    fail(&site, &task, failure).await.map_err(|error| error.to_string())
                }
            };
            match recorded {
                Ok(()) => return,
                Err(error) => tracing::warn!(error, task = task.id, "not recorded"),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    async fn perform(&self, task: &Task) -> Result<(), Failure> {
        // More attempts than failures: it took its process with it.
        if task.attempts > crate::domain::task::ATTEMPTS {
            return Err(Failure::Final("its process ended before the task did".to_owned()));
        }
        let span = trace::task(&task.kind, task.attempts);
        let handled = (self.handler)(self.site.clone(), task.clone());
        let panicked = || Err(Failure::Passing("it panicked".to_owned()));
        let done = span.around(apart(handled)).await.unwrap_or_else(panicked);
        if done.is_err() {
            span.fail("the task failed");
        }
        done
    }

    /// Ends when the lease is lost.
    async fn keep(&self, task: &Task) {
        loop {
            tokio::time::sleep(RENEW).await;
            match tasks::renew(&self.site, task).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
    }
}

/// A task that is under way, until it is dropped.
struct Running(Arc<Metrics>);

impl Running {
    fn count(metrics: &Arc<Metrics>) -> Self {
        metrics.tasks_running.inc();
        Self(metrics.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.tasks_running.dec();
    }
}

/// Records that a task failed.
async fn fail(site: &Site, task: &Task, failure: &Failure) -> Result<(), Error> {
    let (id, kind, attempts) = (&task.id, &task.kind, task.attempts);
    let reason = failure.reason();
    match tasks::fail(site, task, failure).await? {
        Some(Next::Retry(at)) => {
            site.metrics.task_ended(kind, TaskEnd::Failed);
            tracing::info!(task = id, kind, attempts, %at, reason, "a task is tried again");
        }
        Some(Next::Bury) => {
            site.metrics.task_ended(kind, TaskEnd::GivenUp);
            tracing::error!(task = id, kind, attempts, reason, "a task is dead");
        }
        None => tracing::warn!(task = id, kind, reason, "a task failed that was lost already"),
    }
    Ok(())
}

/// Records what is done: all that ended while the last transaction was under way goes into the
/// next, for a transaction costs PostgreSQL much more than a row of it.
#[derive(Clone)]
struct Clerk(mpsc::Sender<(Task, Told)>);

/// Hears whether a task was still the worker's when it was recorded.
type Told = oneshot::Sender<Result<bool, String>>;

impl Clerk {
    /// Starts one; it ends when nobody can ask it any more.
    fn start(site: &Site, most: usize) -> Self {
        let ((ask, mut asked), site) = (mpsc::channel(most), site.clone());
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while asked.recv_many(&mut batch, most).await > 0 {
                let (done, told): (Vec<Task>, Vec<Told>) = batch.drain(..).unzip();
                let ids: Vec<_> = done.iter().map(|task| task.id.clone()).collect();
                let lost = tasks::finish(&site, done).await.map_err(|error| error.to_string());
                for (id, told) in ids.iter().zip(told) {
                    let is_held = lost.as_ref().map(|lost| !lost.contains(id));
                    // Whoever asked may have been stopped.
                    let _ = told.send(is_held.map_err(Clone::clone));
                }
            }
        });
        Self(ask)
    }

    /// Records that a task is done.
    async fn finish(&self, task: &Task) -> Result<(), String> {
        let (tell, told) = oneshot::channel();
        let gone = || "nobody records it".to_owned();
        self.0.send((task.clone(), tell)).await.map_err(|_| gone())?;
        if !told.await.map_err(|_| gone())?? {
            let (id, kind) = (&task.id, &task.kind);
            tracing::warn!(task = id, kind, "a task was done, but another may do it again");
        }
        Ok(())
    }
}
