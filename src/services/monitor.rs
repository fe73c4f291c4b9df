//! Figures for a monitoring system: what this process counted, and what the database and the
//! machine tell when they are asked.
//!
//! Jobs that run in processes of their own leave what became of them in the database; any process
//! that is asked tells it. The database and the machine are asked now and then at most, however
//! many ask here, and do not hold up what can be told without them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::status::{self, Machine, Space};
use super::{Error, Site, backups, jobs, tasks};
use crate::metrics::{Family, Kind, Metrics, whole};
use crate::replica::replicate::Replicas;
use crate::store::db::Db;

/// How long what the database and the machine told is told again.
pub const KEPT_FOR: Duration = Duration::from_secs(5);
/// How long to wait for the database, and for the machine.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells the figures of a process.
pub struct Monitor {
    metrics: Arc<Metrics>,
    site: OnceLock<Site>,
    kept_for: Duration,
    told: Mutex<Told>,
}

/// What was told last.
#[derive(Default)]
struct Told {
    asked_at: Option<Instant>,
    /// Whether the database was open then.
    was_open: bool,
    is_up: bool,
    families: Vec<Family>,
    /// A look at the machine that has not ended: a disk may hang.
    looking: Option<JoinHandle<Machine>>,
}

/// All figures, and what they mean for readiness.
pub struct Figures {
    /// Whether the database answered.
    pub is_up: bool,
    /// The figures.
    pub families: Vec<Family>,
}

impl Monitor {
    /// One for a process whose database is not open yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, kept_for: Duration) -> Self {
        Self { metrics, site: OnceLock::new(), kept_for, told: Mutex::default() }
    }

    /// The database is open. What the site counts is told from now on.
    pub fn opened(&self, site: &mut Site) {
        site.metrics = self.metrics.clone();
        // The first one stays; there is no other.
        let _ = self.site.set(site.clone());
    }

    /// All figures.
    pub async fn figures(&self) -> Figures {
        let site = self.site.get();
        let (is_up, told) = self.told(site).await;
        let mut families = vec![
            build(),
            Family::new(
                Kind::Gauge,
                "openrsvp_database_up",
                "Whether the database answered when it was asked last",
            )
            .row(&[], f64::from(u8::from(is_up))),
        ];
        families.extend(self.metrics.families());
        families.extend(site.iter().flat_map(|site| site.db.families()));
        families.extend(site.iter().flat_map(|site| replica_families(site)));
        families.extend(told);
        Figures { is_up, families }
    }

    /// What the database and the machine tell. Whoever asks meanwhile waits for the same answer.
    async fn told(&self, site: Option<&Site>) -> (bool, Vec<Family>) {
        let mut told = self.told.lock().await;
        let is_old = told.asked_at.is_none_or(|at| at.elapsed() >= self.kept_for);
        if is_old || told.was_open != site.is_some() {
            let file = site.and_then(|site| site.db.file()).map(Path::to_owned);
            let (database, machine) = tokio::join!(ask(site), look(&mut told.looking, file));
            told.is_up = database.is_some();
            told.families = database.unwrap_or_default();
            told.families.extend(machine.iter().flat_map(machine_families));
            told.asked_at = Some(Instant::now());
            told.was_open = site.is_some();
        }
        (told.is_up, told.families.clone())
    }
}

/// What is known of the replicas that this process keeps.
fn replica_families(site: &Site) -> Vec<Family> {
    let replicas = site.replicas.as_ref().map(Replicas::statuses).unwrap_or_default();
    backups::families(&replicas, site.clock.now())
}

/// What the database tells; `None` when it does not answer.
async fn ask(site: Option<&Site>) -> Option<Vec<Family>> {
    match tokio::time::timeout(PATIENCE, database_families(site?)).await {
        Ok(Ok(families)) => Some(families),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database tells no figures");
            None
        }
        Err(_) => {
            tracing::warn!("the database tells no figures in time");
            None
        }
    }
}

async fn database_families(site: &Site) -> Result<Vec<Family>, Error> {
    let mut families = jobs::families(site).await?;
    families.extend(tasks::families(site).await?);
    families.push(size(&site.db).await?);
    Ok(families)
}

async fn size(db: &Db) -> Result<Family, Error> {
    let family = Family::new(
        Kind::Gauge,
        "openrsvp_database_size_bytes",
        "How large the database is, with the log of SQLite",
    );
    Ok(family.row(&[], whole(db.size().await?)))
}

/// Looks at the machine; `None` when that takes too long. There is one look at a time.
async fn look(looking: &mut Option<JoinHandle<Machine>>, file: Option<PathBuf>) -> Option<Machine> {
    let begin = || tokio::task::spawn_blocking(move || status::look_at_machine(file.as_deref()));
    let look = looking.get_or_insert_with(begin);
    let machine = tokio::time::timeout(PATIENCE, look).await.ok()?;
    *looking = None;
    machine.ok()
}

fn build() -> Family {
    let family = Family::new(Kind::Gauge, "openrsvp_build_info", "Which program this is");
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
    ];
    family.row(&labels, 1.0)
}

/// What is known of the process and its machine; what is not known has no row.
fn machine_families(machine: &Machine) -> Vec<Family> {
    let gauge = |name, help, value: Option<f64>| {
        let family = Family::new(Kind::Gauge, name, help);
        value.into_iter().fold(family, |family, value| family.row(&[], value))
    };
    let (disk, memory) = (machine.disk, machine.memory);
    let free = |space: Option<Space>| space.map(|space| whole(space.free));
    let total = |space: Option<Space>| space.map(|space| whole(space.total));
    let count = |count: Option<usize>| count.map(whole);
    let processor = Family::new(
        Kind::Counter,
        "process_cpu_seconds",
        "Processor time that this process used, in seconds",
    );
    let used = machine.processor_time.map(|time| time.as_secs_f64());
    vec![
        used.into_iter().fold(processor, |family, used| family.row(&[], used)),
        gauge(
            "process_resident_memory_bytes",
            "Memory that this process uses",
            machine.own_memory.map(whole),
        ),
        gauge(
            "process_virtual_memory_bytes",
            "Address space of this process",
            machine.own_address_space.map(whole),
        ),
        gauge(
            "process_start_time_seconds",
            "When this process started, in Unix seconds",
            machine.started_at.map(whole),
        ),
        gauge("process_open_fds", "Open files and connections", count(machine.open_files)),
        gauge(
            "process_max_fds",
            "Most files and connections that may be open",
            count(machine.open_files_max),
        ),
        gauge(
            "openrsvp_host_load_average",
            "Processes that waited for a processor, on average over 15 minutes",
            machine.load,
        ),
        gauge("openrsvp_host_processors", "Processors", Some(whole(machine.processors))),
        gauge("openrsvp_host_memory_bytes", "Memory of the machine", total(memory)),
        gauge("openrsvp_host_memory_available_bytes", "Memory that is left", free(memory)),
        gauge(
            "openrsvp_data_disk_size_bytes",
            "Room on the disk that holds the SQLite file",
            total(disk),
        ),
        gauge(
            "openrsvp_data_disk_free_bytes",
            "Room that is left on the disk that holds the SQLite file",
            free(disk),
        ),
    ]
}
