//! A site moves from SQLite to PostgreSQL and back, and nothing of it changes on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use openrsvp::domain::clock::Clock;
use openrsvp::services::transfer::{Order, Progress, Report, TransferError, transfer};
use openrsvp::store::db::{Db, Engine, PostgresOptions, Query, SqliteOptions, StoreOptions};
use openrsvp::store::transfer::TABLES;
use rusqlite::Connection;

use crate::support::postgres::{self, OwnDatabase};
use crate::support::rows::query;
use crate::support::server::openrsvp;

/// Rows that are easily got wrong.
const ODD: &str = "
    INSERT INTO channels VALUES ('c1', 'Grün', 'gruen', 'public', 0.1, -9223372036854775808, 1, 2, 3, NULL);
    INSERT INTO channels VALUES ('c2', '', 'x', 'private', 1.7976931348623157e308, 9223372036854775807, 1, 2, 3, '');
    INSERT INTO channels VALUES ('C3', '🦔', '🦔', 'private', 5e-324, 1234567890123456, 1, 2, 3, char(10) || '\\N');
    INSERT INTO channels VALUES ('ä', 'q''\"', 'aa', 'private', 100.0, 0, 1, 2, 3, NULL);
    INSERT INTO meta VALUES ('fading', '{}', 5);
    INSERT INTO job_runs VALUES ('j', 'decay-cycle', 1, 1, NULL, 'running', '{}', NULL);
    INSERT INTO limits VALUES ('somebody', 1);";

/// Events, each with answers, each with a note.
fn many(events: u32, answers: u32) -> String {
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events})
            INSERT INTO events SELECT 'e' || i, randomblob(32), iif(i % 2, 'c1', NULL), 'Event ' || i,
            iif(i = 1, hex(zeroblob(200000)), iif(i % 3, NULL, '')), i, NULL, 'UTC', NULL, i % 2, i % 3 = 0, 0, NULL,
            NULL, i / 3.0, 1, 1, 1, 1, 1, 0, 2, 2, 2, NULL FROM n;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {answers})
            INSERT INTO rsvps SELECT 'r' || i, 'e' || (1 + i % {events}), randomblob(32), 'Gast Ü ' || i,
            iif(i % 2, NULL, ''), iif(i % 5, 'yes', 'no'), iif(i % 7, 'approved', 'pending'), i % 4, 0,
            1750000000123456 + i, 1750000000123457, NULL FROM n;
        INSERT INTO messages SELECT 'm' || id, event_id, iif(companions, id, NULL), NULL, 'user_note', 'admin',
            'A note of ' || name, 7 FROM rsvps;"
    )
}

/// A SQLite site in a directory of its own, and where transfers keep what they keep.
struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    async fn new(sql: &str) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(site.kept()).unwrap();
        site.empty("site.db").await;
        let connection = site.open("site.db");
        connection.execute_batch(&format!("BEGIN; {sql}; COMMIT")).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        site
    }

    /// Makes a database without rows.
    async fn empty(&self, name: &str) {
        let db = Db::open(&self.sqlite(name)).await.unwrap();
        db.migrate("2026-06-01T12:00:00Z".parse().unwrap()).await.unwrap();
        db.close().await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn kept(&self) -> PathBuf {
        self.path("kept")
    }

    fn open(&self, name: &str) -> Connection {
        Connection::open(self.path(name)).unwrap()
    }

    fn sqlite(&self, name: &str) -> StoreOptions {
        StoreOptions::Sqlite(SqliteOptions::new(self.path(name)))
    }

    fn order(&self, from: StoreOptions, to: StoreOptions) -> Order {
        Order { from, to, dir: self.kept(), replace: false, switch: vec!["[database]".to_owned()] }
    }

    async fn moved(&self, from: StoreOptions, to: StoreOptions) -> Result<Report, TransferError> {
        go(&self.order(from, to), |_| {}).await
    }

    /// Runs the program.
    fn run(&self, arguments: &[&str]) -> Output {
        openrsvp(self.dir.path()).arg("transfer").args(arguments).output().unwrap()
    }
}

async fn go(order: &Order, tell: impl FnMut(Progress)) -> Result<Report, TransferError> {
    let clock = Clock::frozen("2026-06-01T12:00:00Z".parse().unwrap());
    transfer(order, &clock, tell).await.map(|(report, path)| {
        let kept: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(kept["tables"].as_array().unwrap().len(), TABLES.len());
        report
    })
}

fn server(database: &OwnDatabase) -> StoreOptions {
    StoreOptions::Postgres(PostgresOptions::new(&database.url))
}

/// Table by table: rows and content hash of what was read.
fn hashes(report: &Report) -> Vec<(&'static str, u64, String)> {
    assert!(report.is_equal(), "{report:?}");
    let of = |table: &openrsvp::services::transfer::TableReport| {
        (table.table, table.source.rows, table.target.sha256.clone())
    };
    report.tables.iter().map(of).collect()
}

/// Every file of a directory with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_everything_is_as_it_was() {
    if postgres::is_skipped() {
        return;
    }
    let site = Site::new(&format!("{ODD}{}", many(500, 10_000))).await;
    let before = files(site.dir.path());
    let database = OwnDatabase::new().await;
    let there = site.moved(site.sqlite("site.db"), server(&database)).await.unwrap();
    assert_eq!(files(site.dir.path()), before, "the source, or something beside it, has changed");
    assert!(
        !there.is_resumed && there.later.as_ref().unwrap().iter().all(|table| table.rows() == 0)
    );
    let rsvps = &there.tables[2];
    assert_eq!((rsvps.source.rows, rsvps.target.tokens), (10_000, 10_000));
    assert_eq!(rsvps.target.states["reply=no"], 2_000);
    assert_eq!(rsvps.target.states["is_private=false"], 10_000);
    assert!(there.references.iter().all(|reference| reference.orphans == 0));
    assert_eq!(there.references.len(), 7);

    let back = site.moved(server(&database), site.sqlite("back.db")).await.unwrap();
    assert_eq!(hashes(&there), hashes(&back));
    assert!(back.backup.is_none());
    let connection = site.open("back.db");
    connection.execute("ATTACH ?1 AS old", [site.path("site.db").to_str().unwrap()]).unwrap();
    for table in TABLES.iter().filter(|table| table.only.is_none()) {
        let name = table.name;
        let sql = format!("SELECT (SELECT COUNT(*) FROM (SELECT * FROM main.{name} EXCEPT SELECT * FROM old.{name})),
            (SELECT COUNT(*) FROM (SELECT * FROM old.{name} EXCEPT SELECT * FROM main.{name}))");
        let differing: (i64, i64) =
            connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(differing, (0, 0), "{name}");
    }
    let of = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(of("SELECT COUNT(*) FROM limits"), 0);
    assert_eq!(of("SELECT COUNT(*) FROM meta WHERE key = 'fading'"), 1);
    assert_eq!(of("SELECT COUNT(*) FROM channels WHERE search_text IS NULL"), 2);
}

/// Whatever the source is, a target that holds something stays as it is unless told otherwise.
async fn a_target_with_rows_is_refused(engine: Engine) {
    let site = Site::new(&format!("{ODD}{}", many(3, 50))).await;
    let own = if engine == Engine::Postgres { Some(OwnDatabase::new().await) } else { None };
    let target = || own.as_ref().map_or_else(|| site.sqlite("target.db"), server);
    let first = site.moved(site.sqlite("site.db"), target()).await.unwrap();
    assert_eq!(first.tables[2].target.rows, 50);
    site.open("site.db").execute_batch("DELETE FROM rsvps WHERE id = 'r7'").unwrap();
    let refused = site.moved(site.sqlite("site.db"), target()).await.unwrap_err();
    assert!(matches!(refused, TransferError::NotEmpty { earlier: Some(_), .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("not empty") && text.contains("--replace"), "{text}");
    let order = Order { replace: true, ..site.order(site.sqlite("site.db"), target()) };
    let second = go(&order, |_| {}).await.unwrap();
    assert!(second.is_equal());
    assert_eq!(second.tables[2].target.rows, 49);
    let same = site.moved(target(), target()).await.unwrap_err();
    assert!(matches!(same, TransferError::Same(_)), "{same}");
}

#[tokio::test]
async fn a_target_with_rows_is_refused_on_sqlite() {
    a_target_with_rows_is_refused(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_target_with_rows_is_refused_on_postgres() {
    if !postgres::is_skipped() {
        a_target_with_rows_is_refused(Engine::Postgres).await;
    }
}

/// The server goes on while its database is copied; afterwards the report says what came later.
#[tokio::test]
async fn a_source_in_use_is_copied_as_of_one_moment() {
    let site = Site::new(&format!("{ODD}{}", many(3, 3000))).await;
    let live = site.open("site.db");
    // Only in the log, as of a server that runs.
    live.execute_batch("PRAGMA wal_autocheckpoint = 0; DELETE FROM messages WHERE id = 'mr1'")
        .unwrap();
    let mut is_told = false;
    let order = site.order(site.sqlite("site.db"), site.sqlite("target.db"));
    let report = go(&order, |progress| {
        if progress.step == "Writing" && !std::mem::replace(&mut is_told, true) {
            live.execute_batch(
                "INSERT INTO meta VALUES ('later', '', 1); UPDATE events SET title = 'Later' WHERE id = 'e1';
                 DELETE FROM messages WHERE id IN ('mr2', 'mr3000')",
            )
            .unwrap();
        }
    });
    let report = report.await.unwrap();
    assert!(report.is_equal() && is_told);
    let rows = |name| report.tables.iter().find(|table| table.table == name).unwrap().target.rows;
    assert_eq!((rows("messages"), rows("rsvps")), (2999, 3000));
    let later = report.later.unwrap();
    let of = |name| later.iter().find(|table| table.table == name).unwrap();
    assert_eq!((of("meta").added, of("events").changed, of("messages").removed), (1, 1, 2));
    assert_eq!(later.iter().map(|table| table.rows()).sum::<u64>(), 4);
}

/// Killed without warning in the middle of writing, it is taken up by the same command.
async fn taken_up_after_a_kill(to_server: bool) {
    let site = Site::new(&format!("{ODD}{}", many(50, 10_000))).await;
    let database = OwnDatabase::new().await;
    if !to_server {
        site.moved(site.sqlite("site.db"), server(&database)).await.unwrap();
    }
    let file = site.path("address");
    std::fs::write(&file, format!("{}\n", database.url)).unwrap();
    let (file, local) =
        (file.to_str().unwrap(), |name: &str| format!("sqlite:{}", site.path(name).display()));
    let (from, to) = (local("site.db"), local("target.db"));
    let arguments = if to_server {
        ["--from", &from, "--to-file", file]
    } else {
        ["--from-file", file, "--to", &to]
    };
    let mut command = openrsvp(site.dir.path());
    command.arg("transfer").args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let target = if to_server { server(&database) } else { site.sqlite("target.db") };
    let db = wait_for_rows(&target).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let written = count(&db).await.unwrap();
    db.close().await;
    assert!(written < 10_000, "it was too fast to be killed");

    if to_server {
        let other = site.moved(site.sqlite("other.db"), target.clone()).await;
        assert!(other.is_err());
    }
    let output = site.run(&[&arguments[..], &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // A snapshot of PostgreSQL ends with the program that took it.
    assert_eq!(report["is_resumed"], to_server);
    assert!(report["tables"].as_array().unwrap().iter().all(|table| table["is_equal"] == true));
    assert_eq!(report["tables"][2]["target"]["rows"], 10_000);
}

async fn count(db: &Db) -> Option<i64> {
    query!(ROWS, "SELECT CAST(COUNT(*) AS BIGINT) FROM rsvps");
    let read = db.read(|tx| Box::pin(async move { tx.one(&ROWS, Vec::new()).await }));
    read.await.ok().flatten().map(|row| row.get(0).unwrap())
}

/// Waits until the first answers are in the target.
async fn wait_for_rows(target: &StoreOptions) -> Db {
    let db = loop {
        let exists = match target {
            StoreOptions::Sqlite(options) => options.path.exists(),
            StoreOptions::Postgres(_) => true,
        };
        match Db::open(target).await {
            Ok(db) if exists => break db,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    for _ in 0..6000 {
        if count(&db).await.is_some_and(|rows| rows > 0) {
            return db;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_up_after_a_kill_on_the_way_to_postgres() {
    if !postgres::is_skipped() {
        taken_up_after_a_kill(true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taken_up_after_a_kill_on_the_way_to_sqlite() {
    if !postgres::is_skipped() {
        taken_up_after_a_kill(false).await;
    }
}

#[tokio::test]
async fn only_this_version_s_schema_is_read_and_written() {
    let site = Site::new(ODD).await;
    for (version, said) in
        [("version - 1", "run `openrsvp migrate`"), ("version + 1", "start a newer version")]
    {
        for side in ["source", "target"] {
            site.empty("other.db").await;
            let sql = format!("DELETE FROM schema_migrations WHERE version < (SELECT MAX(version) FROM schema_migrations);
                UPDATE schema_migrations SET version = {version}");
            site.open("other.db").execute_batch(&sql).unwrap();
            let (from, to) =
                if side == "source" { ("other.db", "new.db") } else { ("site.db", "other.db") };
            let refused =
                site.moved(site.sqlite(from), site.sqlite(to)).await.unwrap_err().to_string();
            assert!(
                refused.contains(said) && refused.contains(&format!("the {side} sqlite:/")),
                "{refused}"
            );
            std::fs::remove_file(site.path("other.db")).unwrap();
        }
    }
    assert!(
        !site.path("new.db").exists() && std::fs::read_dir(site.kept()).unwrap().next().is_none()
    );
    site.open("old.db").execute_batch("CREATE TABLE alembic_version (version_num)").unwrap();
    let refused =
        site.moved(site.sqlite("old.db"), site.sqlite("new.db")).await.unwrap_err().to_string();
    assert!(refused.contains("openrsvp import"), "{refused}");
    std::fs::write(site.path("noise.db"), [7; 5000]).unwrap();
    for missing in ["nowhere.db", "noise.db"] {
        let refused =
            site.moved(site.sqlite(missing), site.sqlite("new.db")).await.unwrap_err().to_string();
        assert!(refused.contains("cannot read"), "{refused}");
    }
}

#[tokio::test]
async fn what_postgres_cannot_hold_is_found_before_anything_is_written() {
    if postgres::is_skipped() {
        return;
    }
    let site =
        Site::new(&format!("{ODD} INSERT INTO meta VALUES ('odd', 'a' || char(0), 1)")).await;
    let database = OwnDatabase::new().await;
    let refused =
        site.moved(site.sqlite("site.db"), server(&database)).await.unwrap_err().to_string();
    assert!(refused.starts_with("row odd of meta: value holds a NUL character"), "{refused}");
    let report = site.moved(site.sqlite("site.db"), site.sqlite("new.db")).await.unwrap();
    assert!(report.is_equal(), "SQLite holds it: {report:?}");
    site.open("site.db").execute_batch("DELETE FROM meta WHERE key = 'odd'").unwrap();
    assert!(site.moved(site.sqlite("site.db"), server(&database)).await.unwrap().is_equal());
}

#[tokio::test]
async fn the_report_ends_with_the_lines_to_put_into_the_configuration() {
    let site = Site::new(&format!("{ODD}{}", many(2, 10))).await;
    let from = format!("sqlite:{}", site.path("site.db").display());
    let (to, new) = (format!("sqlite:{}", site.path("new.db").display()), site.path("new.db"));
    let output = site.run(&["--from", &from, "--to", &to]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains(&format!("[database]\npath = \"{}\"", new.display())), "{text}");
    assert!(text.contains("later changes: none") && text.contains("left out: limits"), "{text}");
    let kept = site.path("transfer");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 2);
    for entry in std::fs::read_dir(&kept).unwrap().map(Result::unwrap) {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
    // The configured database is openrsvp.db in the data directory.
    let output = site.run(&["--from", &from, "--to", "configured"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("names this database already"), "{text}");
    assert!(site.path("openrsvp.db").exists());
    if postgres::is_skipped() {
        return;
    }
    let database = OwnDatabase::new().await;
    std::fs::write(site.path("address"), &database.url).unwrap();
    let output = site.run(&["--to-file", "address"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = format!("url_file = \"{}\"", site.path("address").display());
    assert!(
        output.status.success() && text.contains(&line) && text.contains("admin_token_file = "),
        "{text}"
    );
}
