//! `worker`: does what is owed, without a web server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use super::options;
use crate::app::FiguresServer;
use crate::config::Loaded;
use crate::jobs::scheduler::SchedulerOptions;
use crate::jobs::worker::{self, Worker, WorkerOptions};
use crate::services::monitor::Monitor;
use crate::web::ops::Readiness;

/// How to work.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tasks at once [default: worker.concurrency]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: Option<u8>,
    /// End as soon as nothing is due
    #[arg(long)]
    drain: bool,
}

/// Works until SIGTERM or SIGINT; ends what it began.
pub(super) async fn run(loaded: &Loaded, args: &Args) -> Result<()> {
    let config = &loaded.config;
    // Before the start, so that a signal that comes early is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let readiness = Readiness::default();
    let metrics = options::metrics(config);
    let monitor = Arc::new(Monitor::new(Arc::default(), metrics.kept_for));
    let scheduler = SchedulerOptions { enabled: false, ..options::scheduler(config) };
    let figures =
        FiguresServer::start(&metrics, monitor.clone(), readiness.clone(), scheduler).await?;
    let mut site = options::patient_site(config).await?;
    monitor.opened(&mut site);
    let usual = options::worker(config);
    let concurrency = args.concurrency.map_or(usual.concurrency, usize::from);
    let options = WorkerOptions { concurrency, ends: args.drain, ..usual };
    let mut worker = Worker::start(&site, options, worker::handler());
    tracing::info!(concurrency, engine = ?site.db.engine(), "working");
    tokio::select! {
        () = worker.ended() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    readiness.withdraw();
    worker.stop(Duration::from_secs(config.server.shutdown_grace_seconds)).await;
    if let Some(figures) = figures {
        figures.stop().await;
    }
    site.db.close().await;
    tracing::info!("stopped");
    Ok(())
}
