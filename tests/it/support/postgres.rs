//! A database of its own for each test, on one throw-away server for all.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Only for a developer's machine without PostgreSQL; `.ci/run` refuses it.
pub fn is_skipped() -> bool {
    variable("OPENRSVP_TEST_SKIP_POSTGRES").is_some_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "tests are told where their server is")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
