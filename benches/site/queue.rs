//! How fast the queue is emptied.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use openrsvp::domain::task::NewTask;
use openrsvp::jobs::worker::{Handler, Worker, WorkerOptions};
use openrsvp::services::tasks;
use openrsvp::store::db::StoreError;
use serde_json::json;

use crate::seed;
use crate::server::Engine;

/// Tasks that wait.
const TASKS: usize = 20_000;
/// Tasks that are added in one transaction.
const BATCH: usize = 500;
/// Tasks that a worker does at once.
const CONCURRENCY: usize = 64;

/// Adds tasks that do nothing, has workers do them, and gives back how many were done a second.
pub async fn drain(engine: &Engine, workers: usize) -> f64 {
    let site = seed::open(engine).await;
    for _ in 0..TASKS / BATCH {
        let (entropy, now) = (site.entropy.clone(), site.clock.now());
        let added = site.db.write(move |tx| {
            Box::pin(async move {
                for _ in 0..BATCH {
                    tasks::enqueue(tx, &entropy, now, NewTask::new("bench", json!({}))).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        added.await.unwrap();
    }
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let handler: Handler = Arc::new(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    });
    let options = WorkerOptions {
        ends: true,
        poll: Duration::from_millis(5),
        ..WorkerOptions::new(CONCURRENCY)
    };
    let started = Instant::now();
    let working: Vec<_> =
        (0..workers).map(|_| Worker::start(&site, options.clone(), handler.clone())).collect();
    for mut worker in working {
        worker.ended().await;
    }
    let elapsed = started.elapsed();
    site.db.close().await;
    assert_eq!(done.load(Ordering::Relaxed), TASKS, "each task is done once");
    TASKS as f64 / elapsed.as_secs_f64()
}
