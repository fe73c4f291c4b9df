//! How fast the queue is emptied by one process.

use std::sync::Arc;
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
/// Tasks at once.
const CONCURRENCY: usize = 64;

/// Adds tasks that do nothing, does them, and gives back how many were done a second.
pub async fn drain(engine: &Engine) -> f64 {
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
    let handler: Handler = Arc::new(|_, _| Box::pin(async { Ok(()) }));
    let options = WorkerOptions {
        ends: true,
        poll: Duration::from_millis(5),
        ..WorkerOptions::new(CONCURRENCY)
    };
    let started = Instant::now();
    Worker::start(&site, options, handler).ended().await;
    let elapsed = started.elapsed();
    site.db.close().await;
    TASKS as f64 / elapsed.as_secs_f64()
}
