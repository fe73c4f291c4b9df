//! The configuration: what can be set, its defaults, and what is valid. Values only, no behaviour.
//!
//! Layers, the later over the earlier: defaults of the profile, `/etc/openrsvp/openrsvp.toml`,
//! `./openrsvp.toml` or the file named, environment variables, command-line flags.

mod backup;
mod layers;
mod legacy;
mod metrics;
mod secret;
mod service_links;
#[cfg(test)]
mod tests;
mod tracing;
mod valid;

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use backup::{Backup, RestoreOnStart};
pub use layers::{ConfigError, Loaded, Origin, Setting, Sources};
pub use metrics::Metrics;
pub use secret::Secret;
pub use tracing::Tracing;

/// How the program runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// One process, SQLite.
    #[default]
    Single,
    /// Any number of processes, PostgreSQL.
    Cluster,
}

impl Profile {
    /// The profile with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "single" => Some(Self::Single),
            "cluster" => Some(Self::Cluster),
            _ => None,
        }
    }
}

/// All that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where and how requests are taken.
    pub server: Server,
    /// Where data is kept.
    pub database: Database,
    /// Where the database is backed up to, while it is used.
    pub backup: Backup,
    /// The instance and its owner.
    pub instance: Instance,
    /// Lists and limits.
    pub events: Events,
    /// How attention fades, and what it does.
    pub fading: Fading,
    /// Jobs inside the process.
    pub scheduler: Scheduler,
    /// Tasks inside the process.
    pub worker: Worker,
    /// What hosts have sent to other programs.
    pub webhooks: Webhooks,
    /// How much of what a client may do.
    pub rate_limit: RateLimit,
    /// What is logged.
    pub log: Log,
    /// Where traces are sent.
    pub tracing: Tracing,
    /// Figures for a monitoring system.
    pub metrics: Metrics,
}

/// Where and how requests are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any.
    pub port: u16,
    /// `https://rsvp.example.org`: what absolute links begin with.
    pub base_url: Option<String>,
    /// Networks of proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<String>,
    /// Longest time for an answer.
    pub request_timeout_seconds: u64,
    /// How long requests in flight may take to finish when the program stops.
    pub shutdown_grace_seconds: u64,
    /// How long the program goes on taking requests after it said that it stops, so that the
    /// balancer before it notices.
    pub shutdown_pause_seconds: u64,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8000,
            base_url: None,
            trusted_proxies: Vec::new(),
            request_timeout_seconds: 30,
            shutdown_grace_seconds: 20,
            shutdown_pause_seconds: 0,
            max_body_bytes: 262_144,
        }
    }
}

/// Where data is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Directory of the SQLite file and the instance token.
    pub data_dir: PathBuf,
    /// The SQLite file; `openrsvp.db` in the data directory when not set.
    pub path: Option<PathBuf>,
    /// `postgres://user:password@host/database`: PostgreSQL instead of SQLite.
    pub url: Option<Secret>,
    /// A file that holds `url`.
    pub url_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that may vouch for the PostgreSQL server.
    pub ca_file: Option<PathBuf>,
    /// Threads that read the SQLite file.
    pub readers: usize,
    /// Most connections of this process to PostgreSQL.
    pub max_connections: u32,
    /// How long to wait for a connection, or for another program's lock on the SQLite file.
    pub acquire_timeout_seconds: u64,
    /// How long a statement may take on PostgreSQL.
    pub statement_timeout_seconds: u64,
    /// How long a start waits for PostgreSQL, and for its schema.
    pub start_timeout_seconds: u64,
    /// Whether a start brings the schema up to date.
    pub migrate_on_start: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            path: None,
            url: None,
            url_file: None,
            ca_file: None,
            readers: 4,
            max_connections: 10,
            acquire_timeout_seconds: 5,
            statement_timeout_seconds: 30,
            start_timeout_seconds: 60,
            migrate_on_start: true,
        }
    }
}

impl Database {
    /// The SQLite file.
    #[must_use]
    pub fn sqlite_path(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| self.data_dir.join("openrsvp.db"))
    }
}

/// The instance and its owner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The instance owner's token; made and kept in the data directory when not set.
    pub admin_token: Option<Secret>,
    /// A file that holds `admin_token`.
    pub admin_token_file: Option<PathBuf>,
}

/// Lists and limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// Events a page.
    pub events_per_page: i64,
    /// Rows a page for organizers and the instance owner.
    pub admin_events_per_page: i64,
    /// First score of an event.
    pub initial_event_score: f64,
    /// First score of a channel.
    pub initial_channel_score: f64,
    /// Most people a guest may bring.
    pub max_companions: i64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            events_per_page: 10,
            admin_events_per_page: 25,
            initial_event_score: 100.0,
            initial_channel_score: 100.0,
            max_companions: 5,
        }
    }
}

/// How attention fades, and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fading {
    /// What is left of a score after a day.
    pub decay_factor: f64,
    /// Below this score an event leaves the lists.
    pub hide_threshold: f64,
    /// At this score or below an event may be deleted.
    pub delete_threshold: f64,
    /// A younger event stays on the lists.
    pub hide_after_days: i64,
    /// A younger event is not deleted.
    pub delete_after_days: i64,
    /// So long after its end an event is not deleted.
    pub delete_grace_days_after_end: i64,
    /// An event that is not over is not deleted.
    pub protect_upcoming_events: bool,
}

impl Default for Fading {
    fn default() -> Self {
        Self {
            decay_factor: 0.92,
            hide_threshold: 10.0,
            delete_threshold: 2.0,
            hide_after_days: 7,
            delete_after_days: 30,
            delete_grace_days_after_end: 30,
            protect_upcoming_events: true,
        }
    }
}

/// Jobs inside the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scheduler {
    /// Whether this process runs jobs.
    pub enabled: bool,
    /// Hours between two decay cycles.
    pub decay_interval_hours: u32,
    /// Hours between two vacuums.
    pub vacuum_hours: u32,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self { enabled: true, decay_interval_hours: 1, vacuum_hours: 12 }
    }
}

/// Tasks inside the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Whether the web process does tasks.
    pub enabled: bool,
    /// Tasks at once, here and in `openrsvp worker`.
    pub concurrency: u32,
}

impl Default for Worker {
    fn default() -> Self {
        Self { enabled: true, concurrency: 4 }
    }
}

/// What hosts have sent to other programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhooks {
    /// Whether hosts can have new answers sent.
    pub enabled: bool,
    /// Networks beside the internet that may be sent to, as `192.168.7.0/24`.
    pub allow_networks: Vec<String>,
    /// How long a receiver may take to answer.
    pub timeout_seconds: u64,
}

impl Webhooks {
    /// The allowed networks; `None` when one is not a network.
    #[must_use]
    pub fn networks(&self) -> Option<Vec<IpNet>> {
        networks(&self.allow_networks)
    }
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { enabled: true, allow_networks: Vec::new(), timeout_seconds: 10 }
    }
}

/// How much of what a client may do: so many at once, and so many an hour in the long run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Whether there are limits at all.
    pub enabled: bool,
    /// Events made at once.
    pub create_event_burst: u32,
    /// Events made an hour.
    pub create_event_per_hour: u32,
    /// Answers given at once.
    pub answer_burst: u32,
    /// Answers given an hour.
    pub answer_per_hour: u32,
    /// Changes and messages at once.
    pub change_burst: u32,
    /// Changes and messages an hour.
    pub change_per_hour: u32,
    /// Searches at once.
    pub search_burst: u32,
    /// Searches an hour.
    pub search_per_hour: u32,
    /// A public form that comes back sooner was not filled in by a person; 0 asks nothing.
    pub minimum_fill_seconds: u64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            enabled: true,
            create_event_burst: 10,
            create_event_per_hour: 30,
            answer_burst: 60,
            answer_per_hour: 300,
            change_burst: 120,
            change_per_hour: 1200,
            search_burst: 60,
            search_per_hour: 1200,
            minimum_fill_seconds: 2,
        }
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// For whom.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,openrsvp=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

/// For whom the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For collectors: a JSON object a line.
    Json,
}

impl Config {
    /// What holds when nothing is set.
    #[must_use]
    pub fn defaults(profile: Profile) -> Self {
        let mut config = Self::default();
        if profile == Profile::Cluster {
            config.server.shutdown_pause_seconds = 5;
            config.scheduler.enabled = false;
            config.worker.enabled = false;
            config.log.format = LogFormat::Json;
        }
        config
    }
}

impl Server {
    /// The trusted proxies as networks; `None` when one is not a network.
    #[must_use]
    pub fn networks(&self) -> Option<Vec<IpNet>> {
        networks(&self.trusted_proxies)
    }
}

/// Networks and single addresses as networks; `None` when one is neither.
fn networks(texts: &[String]) -> Option<Vec<IpNet>> {
    let network = |text: &String| {
        text.parse::<IpNet>()
            .ok()
            .or_else(|| text.parse().ok().map(|ip: std::net::IpAddr| IpNet::from(ip)))
    };
    texts.iter().map(network).collect()
}
