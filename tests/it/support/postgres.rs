//! A database of its own for each test, on one throw-away server for all.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::variable;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Only for a developer's machine without PostgreSQL; `.ci/run` refuses it.
pub fn is_skipped() -> bool {
    variable("OPENRSVP_TEST_SKIP_POSTGRES").is_some_and(|value| value == "1")
}

/// The server's address: as told, or of the one that `.ci/postgres` starts.
fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        variable("OPENRSVP_TEST_POSTGRES_URL").unwrap_or_else(|| {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/postgres");
            let started = Command::new(script)
                .args(["start", "/tmp/openrsvp-test-postgres"])
                .output()
                .expect("bash runs");
            let error = String::from_utf8_lossy(&started.stderr);
            assert!(
                started.status.success(),
                "{error}(OPENRSVP_TEST_SKIP_POSTGRES=1 does without)"
            );
            String::from_utf8_lossy(&started.stdout).trim().to_owned()
        })
    })
}

/// A database that is dropped with this value.
pub struct OwnDatabase {
    pub url: String,
    name: String,
}

impl OwnDatabase {
    pub async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        run(&format!("CREATE DATABASE {name}")).await;
        let url = server().replace("/postgres?", &format!("/{name}?"));
        Self { url, name }
    }
}

/// A server of one test's own, to be broken.
pub struct OwnServer {
    pub url: String,
    dir: tempfile::TempDir,
}

impl OwnServer {
    /// Starts one, with more options of the server.
    pub fn start(options: &str) -> Self {
        let dir = reachable_dir();
        let url = script(&["start", &place(&dir)], options);
        Self { url, dir }
    }

    /// Starts a copy that follows this one.
    pub fn standby(&self) -> Self {
        let dir = reachable_dir();
        let url = script(&["standby", &place(&dir), &place(&self.dir)], "");
        Self { url, dir }
    }

    /// Ends it as a power cut would.
    pub fn crash(&self) {
        script(&["crash", &place(&self.dir)], "");
    }

    /// Starts it again after a crash.
    pub fn resume(&self) {
        script(&["resume", &place(&self.dir)], "");
    }

    /// Makes a copy the one that writes.
    pub fn promote(&self) {
        script(&["promote", &place(&self.dir)], "");
    }

    /// Runs a statement.
    pub async fn run(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.url).await.expect("it answers");
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&mut connection).await.expect("the statement runs");
    }

    /// The first column of all rows, as text.
    pub async fn texts(&self, statement: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.url).await.expect("it answers");
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query_scalar(statement).fetch_all(&mut connection).await.expect("rows")
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        script(&["stop", &place(&self.dir)], "");
    }
}

/// A directory that the unprivileged user of PostgreSQL can reach.
pub fn reachable_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode).expect("it can be opened");
    dir
}

fn place(dir: &tempfile::TempDir) -> String {
    dir.path().join("pg").display().to_string()
}

fn script(arguments: &[&str], options: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/postgres");
    let done = Command::new(script)
        .args(arguments)
        // What is acknowledged shall be there after a crash of the server, if not of the machine.
        .env("OPENRSVP_TEST_PG_OPTIONS", format!("-c synchronous_commit=on {options}"))
        .output()
        .expect("bash runs");
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {error}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

async fn run(statement: &str) {
    let mut connection = PgConnection::connect(server()).await.expect("PostgreSQL answers");
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await
        .expect("the statement runs");
    connection.close().await.expect("closed");
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // A runtime of its own: the test's may be gone, and cannot be blocked.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(run(&statement));
        });
        // A database that stays is gone with its server.
        let _ = dropping.join();
    }
}
