//! The release binary, and a PostgreSQL for it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openrsvp::store::db::{PostgresOptions, SqliteOptions, StoreOptions};
use tokio::net::TcpStream;

use crate::load::Measured;

/// Where the data is.
pub enum Engine {
    /// `openrsvp.db` in this directory.
    Sqlite(PathBuf),
    /// At this address.
    Postgres(String),
}

impl Engine {
    pub fn store(&self) -> StoreOptions {
        match self {
            Self::Sqlite(dir) => StoreOptions::Sqlite(SqliteOptions::new(dir.join("openrsvp.db"))),
            Self::Postgres(url) => StoreOptions::Postgres(PostgresOptions::new(url)),
        }
    }
}

/// A running server; ended with this value.
pub struct Server {
    child: Child,
    pub address: String,
    /// From the start of the process to its first answer.
    pub first_answer: Duration,
    _dir: tempfile::TempDir,
}

impl Server {
    pub async fn start(engine: &Engine) -> Self {
        Self::start_with(engine, &[]).await
    }

    /// The same, with more variables.
    pub async fn start_with(engine: &Engine, variables: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_openrsvp"));
        command.env_clear().current_dir(dir.path());
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
        command
            .env("OPENRSVP_LOG__LEVEL", "warn")
            // All of the load has one address.
            .env("OPENRSVP_RATE_LIMIT__ENABLED", "false")
            .env("OPENRSVP_INSTANCE__ADMIN_TOKEN", "a-token-for-the-benchmark");
        command.envs(variables.iter().copied());
        match engine {
            Engine::Sqlite(data) => command.arg("--data-dir").arg(data),
            Engine::Postgres(url) => command.env("OPENRSVP_DATABASE__URL", url),
        };
        let started = Instant::now();
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let address = format!("127.0.0.1:{port}");
        while !is_ready(&address).await {
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self { child, address, first_answer: started.elapsed(), _dir: dir }
    }

    /// Resident memory (proc(5), `status`, VmRSS).
    pub fn resident_megabytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// Whether it listens and has its database.
async fn is_ready(address: &str) -> bool {
    TcpStream::connect(address).await.is_ok()
        && crate::load::status_of(address, "/readyz").await == "200"
}

impl Measured for Server {
    fn pids(&self) -> Vec<u32> {
        vec![self.child.id()]
    }
}

impl Measured for [Server] {
    fn pids(&self) -> Vec<u32> {
        self.iter().map(|server| server.child.id()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A throw-away PostgreSQL that writes to the disk as a real one does.
pub struct Postgres {
    pub url: String,
    dir: PathBuf,
}

impl Postgres {
    pub fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("openrsvp-bench-{}", std::process::id()));
        let output = script(&["start", dir.to_str().unwrap()]);
        Self { url: output.trim().to_owned(), dir }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        script(&["stop", self.dir.to_str().unwrap()]);
    }
}

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/postgres");
    let output =
        Command::new(script).args(arguments).env("OPENRSVP_TEST_PG_DURABLE", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
