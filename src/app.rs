//! The wiring: from options to a program that answers.

mod backups;
mod figures;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use salvo::conn::tcp::TcpAcceptor;
use salvo::fuse::FuseConfig;
use salvo::server::ServerHandle;
use salvo::{Server, Service};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::domain::clock::{Clock, Entropy};
use crate::jobs::scheduler::{Scheduler, SchedulerOptions};
use crate::jobs::worker::{self, Worker, WorkerOptions};
use crate::metrics::Metrics;
use crate::outbound::webhooks::Sender;
use crate::replica::replicate::Replicator;
use crate::services::limits::{self, LimitOptions, Limits};
use crate::services::monitor::Monitor;
use crate::services::tasks::Bell;
use crate::services::touches::{self, Touches};
use crate::services::{Error, Rules, Site};
use crate::services::{fading, folding};
use crate::store::db::{Db, StoreError, StoreOptions};
use crate::web;
use crate::web::around::WebOptions;
use crate::web::ops::Readiness;

pub use backups::{BackupError, BackupOptions};
pub use figures::{FiguresServer, MetricsOptions};

/// Between two writings of what was touched: so each thing is written at most once in that time.
const FLUSH_INTERVAL: Duration = Duration::from_secs(60);
/// Between two exchanges of limits with the other processes.
const EXCHANGE_INTERVAL: Duration = Duration::from_secs(1);
/// Once in so many exchanges, clients that rested long enough are forgotten.
const FORGET_ROUNDS: u32 = 600;
/// A request's head must arrive within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection on which nothing moves for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest head of a request, in bytes.
const HEADER_BYTES: usize = 32 * 1024;
/// Most connections at once.
const CONNECTIONS: usize = 10_000;
/// Between two tries to open the database, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between two tries to open the database, in the end.
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// Time for connections that are under way to be accepted, before the socket closes.
const LAST_CONNECTIONS: Duration = Duration::from_millis(100);

/// All that differs between one start and another.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// The database.
    pub store: StoreOptions,
    /// The rules of the site.
    pub rules: Rules,
    /// Where to listen: `host:port`; port 0 takes any.
    pub listen: String,
    /// The web layer.
    pub web: WebOptions,
    /// How patient the start is, and what it may do to the schema.
    pub opening: Opening,
    /// How long requests are still taken when the program stops, so that balancers notice.
    pub shutdown_pause: Duration,
    /// How long requests in flight may take to finish when the program stops.
    pub shutdown_grace: Duration,
    /// When jobs run.
    pub scheduler: SchedulerOptions,
    /// How tasks are done; `None` where other processes do them.
    pub worker: Option<WorkerOptions>,
    /// How much of what a client may do; `None` for no limits.
    pub limits: Option<LimitOptions>,
    /// Where figures are told.
    pub metrics: MetricsOptions,
    /// Where the database is backed up to, if it is.
    pub backup: Option<BackupOptions>,
}

/// How patient a start is, and what it may do to the schema.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// How long to wait for PostgreSQL to answer, and for a schema that is too old.
    pub patience: Duration,
    /// Whether to bring the schema up to date.
    pub migrates: bool,
}

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    /// Something that must be done with the database before the first request failed.
    #[error("the database cannot be prepared: {0}")]
    Prepare(#[from] Error),
    /// What was backed up cannot be restored, or what is there not be backed up.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: String,
        /// Why.
        source: io::Error,
    },
}

/// A started program.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it tells figures, if it does.
    pub figures_address: Option<SocketAddr>,
    /// What its use cases need.
    pub site: Site,
    readiness: Readiness,
    server: ServerHandle,
    serving: JoinHandle<()>,
    stopping: watch::Sender<bool>,
    flushing: JoinHandle<()>,
    sharing: JoinHandle<()>,
    scheduler: Option<Scheduler>,
    worker: Option<Worker>,
    replicator: Option<Replicator>,
    figures: Option<FiguresServer>,
    pause: Duration,
    grace: Duration,
}

/// Opens the site: its database at today's schema, and the rules.
pub async fn open(
    store: &StoreOptions,
    opening: Opening,
    rules: Rules,
    clock: Clock,
    entropy: Entropy,
) -> Result<Site, StartError> {
    let db = open_patiently(store, opening, &clock).await?;
    let site = Site {
        db,
        clock,
        entropy,
        touches: Touches::default(),
        limits: Limits::default(),
        bell: Bell::default(),
        webhooks: rules.webhooks.clone().map(Sender::new),
        rules: Arc::new(rules),
        replicas: None,
        metrics: Arc::default(),
    };
    fading::settle(&site).await?;
    folding::settle(&site).await?;
    Ok(site)
}

/// Opens the database as soon as it can be used. A SQLite file that cannot is a fault to be mended;
/// a server may yet come.
async fn open_patiently(
    store: &StoreOptions,
    opening: Opening,
    clock: &Clock,
) -> Result<Db, StoreError> {
    let started = tokio::time::Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match open_database(store, opening, clock).await {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        let may_come = matches!(store, StoreOptions::Postgres(_))
            && (error.is_transient() || matches!(error, StoreError::SchemaTooOld { .. }));
        if !may_come || started.elapsed() + pause > opening.patience {
            return Err(error);
        }
        tracing::warn!(%error, "waiting for the database");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn open_database(
    store: &StoreOptions,
    opening: Opening,
    clock: &Clock,
) -> Result<Db, StoreError> {
    let db = Db::open(store).await?;
    let ready = if opening.migrates {
        db.migrate(clock.now()).await.map(drop)
    } else {
        db.require_schema().await
    };
    match ready {
        Ok(()) => Ok(db),
        Err(error) => {
            db.close().await;
            Err(error)
        }
    }
}

/// Starts the program; it answers when this returns.
pub async fn start(
    options: AppOptions,
    clock: Clock,
    entropy: Entropy,
) -> Result<Running, StartError> {
    let refused = |source| StartError::Listen { listen: options.listen.clone(), source };
    let (listener, address) = listen_on(&options.listen).await?;
    let (readiness, metrics) = (Readiness::default(), Arc::<Metrics>::default());
    let monitor = Arc::new(Monitor::new(metrics.clone(), options.metrics.kept_for));
    let figures = FiguresServer::start(
        &options.metrics,
        monitor.clone(),
        readiness.clone(),
        options.scheduler.clone(),
    )
    .await?;
    let serve = || serve_on(&listener).map_err(refused);

    let replicas = backups::before_start(options.backup.as_ref(), &clock, &entropy).await?;
    let (own_clock, own_entropy) = (clock.clone(), entropy.clone());
    let opening = open(&options.store, options.opening, options.rules, own_clock, own_entropy);
    let mut site = match options.store {
        StoreOptions::Sqlite(_) => opening.await?,
        // It may take its time: whoever asks meanwhile is told so.
        StoreOptions::Postgres(_) => {
            let waiting = web::waiting(Entropy::system(), options.web.clone(), metrics);
            answer_while(serve()?, waiting, opening).await?
        }
    };
    site.replicas = match replicas {
        // It was made just now.
        None => backups::follow(options.backup.as_ref(), &clock, &entropy).await?,
        replicas => replicas,
    };
    let replicator = backups::replicate(&site);
    site.limits = options.limits.map(Limits::new).unwrap_or_default();
    monitor.opened(&mut site);
    let server = serve()?;
    let handle = server.handle();
    let service =
        web::service(site.clone(), readiness.clone(), options.scheduler.clone(), options.web);
    let serving = tokio::spawn(server.serve(service));

    let (stopping, stopped) = watch::channel(false);
    let flushing = tokio::spawn(flush_touches(site.clone(), stopped.clone()));
    let sharing = tokio::spawn(share_limits(site.clone(), stopped));
    let scheduler = Scheduler::start(&site, &options.scheduler).await;
    let worker = options.worker.map(|options| Worker::start(&site, options, worker::handler()));
    tracing::info!(%address, engine = ?site.db.engine(), "listening");
    Ok(Running {
        address,
        figures_address: figures.as_ref().map(|figures| figures.address),
        site,
        readiness,
        server: handle,
        serving,
        stopping,
        flushing,
        sharing,
        scheduler,
        worker,
        replicator,
        figures,
        pause: options.shutdown_pause,
        grace: options.shutdown_grace,
    })
}

/// Answers with one service until something is done.
async fn answer_while<T>(
    server: Server<TcpAcceptor>,
    service: Service,
    done: impl Future<Output = T>,
) -> T {
    let handle = server.handle();
    let answering = tokio::spawn(server.serve(service));
    let done = done.await;
    handle.stop_graceful(None);
    answering.await.ok();
    done
}

/// Listens at `host:port`, and gives back where that is.
async fn listen_on(listen: &str) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let bind = async {
        let listener = TcpListener::bind(listen).await?.into_std()?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind.await.map_err(|source| StartError::Listen { listen: listen.to_owned(), source })
}

/// A server on a socket that listens already.
fn serve_on(listener: &std::net::TcpListener) -> io::Result<Server<TcpAcceptor>> {
    let acceptor = TcpAcceptor::try_from(TcpListener::from_std(listener.try_clone()?)?)?;
    let mut server = Server::new(acceptor).max_connections(CONNECTIONS).fuse_config(
        FuseConfig::default()
            .with_http1_header_timeout(HEADER_TIMEOUT)
            .with_connection_idle_timeout(IDLE_TIMEOUT)
            .with_write_stall_timeout(IDLE_TIMEOUT)
            .with_request_body_timeout(HEADER_TIMEOUT),
    );
    server.http1_mut().max_buf_size(HEADER_BYTES);
    Ok(server)
}

impl Running {
    /// Stops: not ready from now on, finishes what is in flight, writes what was touched, closes
    /// the database. A job under way ends at its next step, while requests are finished.
    pub async fn stop(self) {
        self.readiness.withdraw();
        let jobs = tokio::spawn(async move {
            let scheduler = async {
                if let Some(scheduler) = self.scheduler {
                    scheduler.stop(self.grace).await;
                }
            };
            let worker = async {
                if let Some(worker) = self.worker {
                    worker.stop(self.grace).await;
                }
            };
            tokio::join!(scheduler, worker);
        });
        tokio::time::sleep(self.pause.max(LAST_CONNECTIONS)).await;
        self.server.stop_graceful(self.grace);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server ended badly");
        }
        if let Err(error) = jobs.await {
            tracing::error!(%error, "the scheduler ended badly");
        }
        // A receiver that is gone has nothing left to write.
        let _ = self.stopping.send(true);
        if let Err(error) = self.flushing.await {
            tracing::error!(%error, "touches were not written");
        }
        if let Err(error) = self.sharing.await {
            tracing::error!(%error, "limits were not shared");
        }
        if let Some(replicator) = self.replicator {
            replicator.stop(self.grace).await;
        }
        if let Some(figures) = self.figures {
            figures.stop().await;
        }
        self.site.db.close().await;
        tracing::info!("stopped");
    }
}

/// Shares what this process let pass with all others, until told to stop.
async fn share_limits(site: Site, mut stopped: watch::Receiver<bool>) {
    let mut rounds = 0_u32;
    loop {
        // A closed channel means the program is gone: stop as well.
        let stop = tokio::time::timeout(EXCHANGE_INTERVAL, stopped.changed()).await.is_ok();
        if let Err(error) = limits::exchange(&site).await {
            tracing::warn!(%error, "limits were not shared");
        }
        if rounds.is_multiple_of(FORGET_ROUNDS)
            && let Err(error) = limits::forget(&site).await
        {
            tracing::warn!(%error, "limits were not forgotten");
        }
        if stop {
            return;
        }
        rounds = rounds.wrapping_add(1);
    }
}

async fn flush_touches(site: Site, mut stopped: watch::Receiver<bool>) {
    loop {
        // A closed channel means the program is gone: stop as well.
        let stop = tokio::time::timeout(FLUSH_INTERVAL, stopped.changed()).await.is_ok();
        if let Err(error) = touches::flush(&site).await {
            tracing::warn!(%error, "touches were not written");
        }
        if stop {
            return;
        }
    }
}
