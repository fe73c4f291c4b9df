//! From the configuration to what the program starts with.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::SignedDuration;

use crate::app::{AppOptions, BackupOptions, MetricsOptions, Opening};
use crate::config::{Config, RestoreOnStart};
use crate::domain::clock::{Clock, Entropy};
use crate::domain::decay::Fading;
use crate::domain::job::Schedule;
use crate::domain::limit::Quota;
use crate::domain::stamp::StampKey;
use crate::domain::token::Token;
use crate::domain::webhook::Reach;
use crate::jobs::scheduler::SchedulerOptions;
use crate::jobs::worker::WorkerOptions;
use crate::outbound::webhooks::WebhookOptions;
use crate::replica::replicate::ReplicateOptions;
use crate::services::instance;
use crate::services::limits::LimitOptions;
use crate::services::monitor::KEPT_FOR;
use crate::services::{Rules, Site};
use crate::store::db::{PostgresOptions, SqliteOptions, StoreOptions};
use crate::trace::TraceOptions;
use crate::web::around::WebOptions;

/// Memory for pages while a database is filled: 128 MiB, of which a small one uses little.
const FILLING_CACHE_KIB: i64 = 128 << 10;

/// Everything that `serve` needs.
pub(super) fn app(config: &Config) -> Result<AppOptions> {
    let server = &config.server;
    Ok(AppOptions {
        store: store(config)?,
        rules: rules(config)?,
        listen: listen(&server.host, server.port),
        web: WebOptions {
            base_url: server.base_url.clone(),
            trusted_proxies: server.networks().unwrap_or_default(),
            request_timeout: Duration::from_secs(server.request_timeout_seconds),
            max_body_bytes: server.max_body_bytes,
        },
        opening: patient(config),
        shutdown_pause: Duration::from_secs(server.shutdown_pause_seconds),
        shutdown_grace: Duration::from_secs(server.shutdown_grace_seconds),
        scheduler: scheduler(config),
        worker: config.worker.enabled.then(|| worker(config)),
        limits: limits(config)?,
        metrics: metrics(config),
        backup: backup(config),
    })
}

/// Where the database is backed up to, if it is.
fn backup(config: &Config) -> Option<BackupOptions> {
    let backup = &config.backup;
    let hours = |hours: u32| SignedDuration::from_hours(i64::from(hours));
    (!backup.replicas.is_empty()).then(|| BackupOptions {
        replicate: ReplicateOptions {
            database: config.database.sqlite_path(),
            replicas: backup.replicas.clone(),
            sync_interval: Duration::from_secs(backup.sync_interval_seconds),
            snapshot_interval: hours(backup.snapshot_interval_hours),
            retention: hours(backup.retention_hours),
            levels: backup.level_intervals().unwrap_or_default(),
            bytes_per_second: Some(backup.max_bytes_per_second).filter(|bytes| *bytes > 0),
            log_limit: backup.log_limit_bytes,
            watch: Duration::from_secs(backup.sync_interval_seconds.max(1) * 3 + 2),
        },
        restores: backup.restore_on_start == RestoreOnStart::IfMissing,
    })
}

/// When jobs run.
pub(super) fn scheduler(config: &Config) -> SchedulerOptions {
    let scheduler = &config.scheduler;
    let (decay, vacuum) = (scheduler.decay_interval_hours, scheduler.vacuum_hours);
    let mut options = SchedulerOptions::new(scheduler.enabled, decay, vacuum);
    let backup = &config.backup;
    options.verify =
        (!backup.replicas.is_empty()).then(|| Schedule::hours(backup.verify_interval_hours));
    options
}

/// Where figures are told.
pub(super) fn metrics(config: &Config) -> MetricsOptions {
    MetricsOptions { listen: config.metrics.listen.clone(), kept_for: KEPT_FOR }
}

/// How tasks are done.
pub(super) fn worker(config: &Config) -> WorkerOptions {
    WorkerOptions::new(usize::try_from(config.worker.concurrency).unwrap_or(1))
}

/// How much of what a client may do.
fn limits(config: &Config) -> Result<Option<LimitOptions>> {
    let limits = &config.rate_limit;
    if !limits.enabled {
        return Ok(None);
    }
    let quota = |burst, per_hour| Quota { burst, per_hour };
    Ok(Some(LimitOptions {
        create_event: quota(limits.create_event_burst, limits.create_event_per_hour),
        answer: quota(limits.answer_burst, limits.answer_per_hour),
        change: quota(limits.change_burst, limits.change_per_hour),
        search: quota(limits.search_burst, limits.search_per_hour),
        minimum_fill: Duration::from_secs(limits.minimum_fill_seconds),
        // The one secret that all processes of a site share.
        stamp_key: StampKey::derive(instance_token(config)?.reveal().as_bytes()),
    }))
}

/// Where traces are sent, where they are.
pub(super) fn tracing(config: &Config) -> Option<TraceOptions> {
    let tracing = &config.tracing;
    Some(TraceOptions {
        endpoint: tracing.traces_url()?,
        headers: tracing.headers()?,
        sample_ratio: tracing.sample_ratio,
        service_name: tracing.service_name.clone(),
    })
}

/// The site without a server, for commands.
pub(super) async fn site(config: &Config) -> Result<Site> {
    open(config, store(config)?, opening(config)).await
}

/// The same, for a command that fills the database: rows go all over the indexes, and each page
/// that does not stay in memory is written to the log and read from it over and over.
pub(super) async fn site_to_fill(config: &Config) -> Result<Site> {
    let mut store = store(config)?;
    if let StoreOptions::Sqlite(options) = &mut store {
        options.writer_cache_kib = FILLING_CACHE_KIB;
        // It would grow to the size of all that is written. Replicas then begin anew.
        options.keeps_log = false;
    }
    open(config, store, opening(config)).await
}

/// The same, for a process that is there to stay: it waits for its database as `serve` does.
pub(super) async fn patient_site(config: &Config) -> Result<Site> {
    open(config, store(config)?, patient(config)).await
}

/// How long a command waits for others that write to the same file: nobody waits for its answer,
/// and many of them may be started at once.
const WRITERS_PATIENCE: Duration = Duration::from_secs(30);

async fn open(config: &Config, mut store: StoreOptions, opening: Opening) -> Result<Site> {
    if let StoreOptions::Sqlite(options) = &mut store {
        options.busy_timeout = options.busy_timeout.max(WRITERS_PATIENCE);
    }
    let (clock, entropy) = (Clock::system(), Entropy::system());
    Ok(crate::app::open(&store, opening, rules(config)?, clock, entropy).await?)
}

/// Waits as long as it is configured to.
fn patient(config: &Config) -> Opening {
    let patience = Duration::from_secs(config.database.start_timeout_seconds);
    Opening { patience, ..opening(config) }
}

/// A command does not wait for its database longer than for a connection.
fn opening(config: &Config) -> Opening {
    Opening { patience: Duration::ZERO, migrates: config.database.migrate_on_start }
}

fn listen(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The database; the directory of a SQLite file is made where it is missing.
pub(super) fn store(config: &Config) -> Result<StoreOptions> {
    let database = &config.database;
    let patience = Duration::from_secs(database.acquire_timeout_seconds);
    if let Some(url) = &database.url {
        let mut options = PostgresOptions::new(url.reveal());
        options.ca_file.clone_from(&database.ca_file);
        options.max_connections = database.max_connections;
        options.acquire_timeout = patience;
        options.statement_timeout = Duration::from_secs(database.statement_timeout_seconds);
        return Ok(StoreOptions::Postgres(options));
    }
    let path = database.sqlite_path();
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        make_dir(dir)?;
    }
    let mut options = SqliteOptions::new(path);
    options.readers = database.readers;
    options.busy_timeout = patience;
    options.keeps_log = !config.backup.replicas.is_empty();
    Ok(StoreOptions::Sqlite(options))
}

fn make_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!("cannot make the directory {}: choose another with --data-dir", dir.display())
    })
}

fn rules(config: &Config) -> Result<Rules> {
    let (events, fading) = (&config.events, &config.fading);
    Ok(Rules {
        fading: Fading {
            decay_factor: fading.decay_factor,
            hide_threshold: fading.hide_threshold,
            delete_threshold: fading.delete_threshold,
            hide_after_days: fading.hide_after_days,
            delete_after_days: fading.delete_after_days,
            delete_grace_days_after_end: fading.delete_grace_days_after_end,
            protect_upcoming_events: fading.protect_upcoming_events,
        },
        initial_event_score: events.initial_event_score,
        initial_channel_score: events.initial_channel_score,
        events_per_page: events.events_per_page,
        admin_rows_per_page: events.admin_events_per_page,
        max_companions: events.max_companions,
        instance_token: instance_token(config)?.hash(),
        webhooks: config.webhooks.enabled.then(|| WebhookOptions {
            reach: Reach { named: config.webhooks.networks().unwrap_or_default() },
            timeout: Duration::from_secs(config.webhooks.timeout_seconds),
        }),
        replicas: config.backup.replicas.clone(),
    })
}

/// The instance owner's token: configured, or else kept in the data directory.
pub(super) fn instance_token(config: &Config) -> Result<Token> {
    if let Some(token) = &config.instance.admin_token {
        return Ok(Token::from_text(token.reveal()));
    }
    let dir = &config.database.data_dir;
    make_dir(dir)?;
    instance::kept_token(dir, &Entropy::system()).with_context(|| {
        format!(
            "cannot keep the instance token in {}: make it writable, or set instance.admin_token",
            dir.display()
        )
    })
}
