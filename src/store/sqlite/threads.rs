//! One thread that writes, a few that read.
//!
//! The writer takes what waits, up to [`GROUP`] jobs, into one transaction: one write to the disk
//! for all of them. Each job has a savepoint, so that it happens or fails alone, and no job is
//! answered before the commit: what it saw of the others of its group holds only then.
//!
//! A job is a future, so that one closure serves both engines. On SQLite every statement finishes
//! at once, so a job is polled once. One that is not done then waits for something outside the
//! database, with all other writers behind it: it is refused.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::db::{BoxFuture, Tx};
use super::super::error::StoreError;
use super::super::options::SqliteOptions;
use super::super::queue::Queue;
use super::{open_reader, open_writer, refused};
use crate::metrics::StatementFigures;

/// Most jobs in one transaction.
const GROUP: usize = 64;
/// Most jobs that wait for the writer, and for the readers.
const WAITING: usize = 1024;

/// How a job ended.
pub(in super::super) enum Answer<T, E> {
    /// The closure returned; when it returned a value, it is committed.
    Returned(Result<T, E>),
    /// The store refused, or could not commit.
    Refused(StoreError),
    /// The closure panicked, with this.
    Panicked(Box<dyn Any + Send>),
}

/// A closure on its way to a thread, whatever its types.
trait Job: Send {
    /// Whether its caller has gone.
    fn is_abandoned(&self) -> bool;
    /// Runs the closure.
    fn run(&mut self, tx: &mut Tx);
    /// Whether its changes are to be kept.
    fn is_kept(&self) -> bool;
    /// Tells the caller how it ended, or that it was refused.
    fn answer(self: Box<Self>, refusal: Option<StoreError>);
}

struct Call<T, E, F> {
    closure: Option<F>,
    answer: Option<Answer<T, E>>,
    reply: oneshot::Sender<Answer<T, E>>,
}

impl<T, E, F> Job for Call<T, E, F>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
    T: Send,
    E: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, tx: &mut Tx) {
        let Some(closure) = self.closure.take() else { return };
        // The transaction is rolled back after a panic, and the closure is gone.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            closure(tx).as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }));
        self.answer = Some(match polled {
            Ok(Poll::Ready(Ok(value))) => match tx.failure() {
                None => Answer::Returned(Ok(value)),
                Some(error) => Answer::Refused(error),
            },
            Ok(Poll::Ready(Err(error))) => Answer::Returned(Err(error)),
            Ok(Poll::Pending) => Answer::Refused(StoreError::WaitedOutside),
            Err(panic) => Answer::Panicked(panic),
        });
    }

    fn is_kept(&self) -> bool {
        matches!(self.answer, Some(Answer::Returned(Ok(_))))
    }

    fn answer(self: Box<Self>, refusal: Option<StoreError>) {
        let answer = refusal.map(Answer::Refused).or(self.answer);
        // A caller that has gone wants no answer.
        if let Some(answer) = answer {
            let _ = self.reply.send(answer);
        }
    }
}

type Alone = Box<dyn FnOnce(&mut Connection) + Send>;

/// What the writer does next.
enum Work {
    /// A job that may share a transaction.
    Grouped(Box<dyn Job>),
    /// Something that needs the connection for itself, outside a transaction.
    Alone(Alone),
}

/// The threads and their queues.
pub(in super::super) struct Threads {
    writes: Arc<Queue<Work>>,
    reads: Arc<Queue<Box<dyn Job>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    writer: Mutex<Option<JoinHandle<Tx>>>,
    changes: Arc<AtomicU64>,
    keeps_log: bool,
}

impl Threads {
    /// Opens the connections and starts the threads.
    pub(in super::super) fn start(
        options: &SqliteOptions,
        figures: &Arc<StatementFigures>,
    ) -> Result<Self, StoreError> {
        // Dropped on an error halfway, it ends the threads that run already.
        let mut threads = Self {
            writes: Arc::new(Queue::new(WAITING)),
            reads: Arc::new(Queue::new(WAITING)),
            readers: Mutex::default(),
            writer: Mutex::default(),
            changes: Arc::default(),
            keeps_log: options.keeps_log,
        };
        let writer = Tx::sqlite_writer(open_writer(options)?, figures.clone());
        let (queue, changes) = (threads.writes.clone(), threads.changes.clone());
        let handle = spawn("sqlite-writer", move || write_all(writer, &queue, &changes))?;
        threads.writer = Mutex::new(Some(handle));
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            let connection = open_reader(&options.path, options.busy_timeout)?;
            let reader = Tx::sqlite_reader(connection, figures.clone());
            let queue = threads.reads.clone();
            readers.push(spawn("sqlite-reader", move || read_all(reader, &queue))?);
        }
        threads.readers = Mutex::new(readers);
        Ok(threads)
    }

    /// Runs a closure in a transaction that writes.
    pub(in super::super) async fn write<T, E, F>(&self, closure: F) -> Answer<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        submit(closure, |job| self.writes.push(Work::Grouped(job))).await
    }

    /// Runs a closure on one snapshot.
    pub(in super::super) async fn read<T, E, F>(&self, closure: F) -> Answer<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        submit(closure, |job| self.reads.push(job)).await
    }

    /// Runs something while the writer rests.
    pub(in super::super) fn at_rest(
        &self,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writes.push(Work::Alone(Box::new(move |_| run())))
    }

    /// Lends the writer's connection, outside a transaction.
    pub(in super::super) async fn alone<T, F>(&self, run: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writes.push(Work::Alone(Box::new(move |connection| {
            let _ = reply.send(run(connection));
        })))?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// How often this process has changed the database. It has grown before a change is answered.
    pub(in super::super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// How many jobs wait for the writer, and for the readers.
    pub(in super::super) fn waiting(&self) -> [usize; 2] {
        [self.writes.len(), self.reads.len()]
    }

    /// Takes no more work; what waits is still done.
    pub(in super::super) fn close(&self) {
        self.writes.close();
        self.reads.close();
    }

    /// Waits until the threads have ended. The writer's connection is closed last, for SQLite
    /// removes the log with the last connection, if that one may write.
    pub(in super::super) fn join(&self) {
        let readers = std::mem::take(&mut *lock(&self.readers));
        let writer = lock(&self.writer).take();
        for reader in readers {
            // A thread ends by a panic only if the loops below have a fault, and says so itself.
            let _ = reader.join();
        }
        if let Some(Ok(tx)) = writer.map(JoinHandle::join)
            && !self.keeps_log
        {
            empty_log(&tx);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StoreError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map_err(|error| StoreError::unavailable(format!("cannot start a thread: {error}")))
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

async fn submit<T, E, F>(
    closure: F,
    push: impl FnOnce(Box<dyn Job>) -> Result<(), StoreError>,
) -> Answer<T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = Call { closure: Some(closure), answer: None, reply };
    if let Err(error) = push(Box::new(job)) {
        return Answer::Refused(error);
    }
    answer.await.unwrap_or_else(|_| Answer::Refused(stopped()))
}

fn stopped() -> StoreError {
    StoreError::unavailable("its thread has stopped")
}

fn read_all(mut tx: Tx, queue: &Queue<Box<dyn Job>>) {
    while let Some(mut job) = queue.pop() {
        if job.is_abandoned() {
            continue;
        }
        let refusal = control(&tx, "BEGIN").err();
        if refusal.is_none() {
            tx.renew();
            job.run(&mut tx);
            // Nothing was written; ending the snapshot cannot fail in a way that matters here.
            let _ = control(&tx, "ROLLBACK");
        }
        job.answer(refusal);
    }
}

fn write_all(mut tx: Tx, queue: &Queue<Work>, changes: &AtomicU64) -> Tx {
    let mut next = None;
    while let Some(work) = next.take().or_else(|| queue.pop()) {
        match work {
            Work::Grouped(first) => next = write_group(&mut tx, first, queue, changes),
            Work::Alone(run) => {
                if let Some(connection) = tx.sqlite_connection_mut() {
                    // The panic reaches the caller as a reply that never comes.
                    let _ = catch_unwind(AssertUnwindSafe(|| run(connection)));
                }
            }
        }
    }
    tx
}

fn empty_log(tx: &Tx) {
    let Some(connection) = tx.sqlite_connection() else { return };
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = emptied {
        tracing::warn!(%error, "the log was not emptied; the next start reads it");
    }
}

/// Runs jobs in one transaction until none waits, and returns work that cannot join it.
fn write_group(
    tx: &mut Tx,
    first: Box<dyn Job>,
    queue: &Queue<Work>,
    changes: &AtomicU64,
) -> Option<Work> {
    let mut finished: Vec<Box<dyn Job>> = Vec::new();
    let mut outcome = control(tx, "BEGIN IMMEDIATE");
    let mut leftover = None;
    let mut next = Some(first);
    while let Some(mut job) = next.take() {
        if !job.is_abandoned() {
            if outcome.is_ok() {
                outcome = run_one(tx, job.as_mut());
                if outcome.is_err() && !is_open(tx) {
                    // All before it were undone with it; it is told about its own statement.
                    let refusal = if job.is_kept() { outcome.clone().err() } else { None };
                    job.answer(refusal);
                    break;
                }
            }
            finished.push(job);
        }
        if finished.len() < GROUP {
            match queue.try_pop() {
                Some(Work::Grouped(job)) => next = Some(job),
                Some(work) => leftover = Some(work),
                None => {}
            }
        }
    }
    let outcome = outcome.and_then(|()| control(tx, "COMMIT"));
    if outcome.is_err() && is_open(tx) {
        let _ = control(tx, "ROLLBACK");
    }
    changes.fetch_add(1, Ordering::Release);
    for job in finished {
        job.answer(outcome.clone().err());
    }
    leftover
}

/// Runs one job in its savepoint. An error is about the whole transaction.
fn run_one(tx: &mut Tx, job: &mut dyn Job) -> Result<(), StoreError> {
    control(tx, "SAVEPOINT job")?;
    tx.renew();
    job.run(tx);
    if !is_open(tx) {
        // On some errors (no space, no memory, a failing disk) SQLite ends the transaction itself.
        return Err(StoreError::unavailable("another change broke the shared transaction"));
    }
    if !job.is_kept() {
        control(tx, "ROLLBACK TO job")?;
    }
    control(tx, "RELEASE job")
}

fn is_open(tx: &Tx) -> bool {
    tx.sqlite_connection().is_some_and(|connection| !connection.is_autocommit())
}

fn control(tx: &Tx, sql: &'static str) -> Result<(), StoreError> {
    let Some(connection) = tx.sqlite_connection() else { return Err(stopped()) };
    let run = || connection.prepare_cached(sql)?.raw_execute();
    run().map(drop).map_err(|error| match refused(sql, error) {
        transient if transient.is_transient() => transient,
        other => StoreError::unavailable(other.to_string()),
    })
}
