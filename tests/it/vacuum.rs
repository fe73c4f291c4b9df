//! The vacuum: space comes back, and nobody waits long for it.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use openrsvp::domain::job::{Job, Outcome};
use openrsvp::store::db::{Db, Engine, Query, SqliteOptions, StoreOptions};
use openrsvp::store::vacuum;
use serde_json::Value;

use crate::support::rows::{change, faded_events, query, ran, rows};
use crate::support::server::openrsvp;
use crate::support::{TestApp, on_both};

faded_events!(MANY, "3000", "2000");
faded_events!(LARGE, "40000", "2000");
query!(CLEAR, "DELETE FROM events");

on_both! {
    async fn the_vacuum_gives_space_back_and_knows_our_tables(app: &TestApp) {
        static TABLES: Query = Query {
            name: "tables",
            sqlite: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
            postgres: "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
        };
        let site = &app.running().site;
        let found: Vec<String> = rows(&site.db, &TABLES).await.iter().map(|row| row.get(0).unwrap()).collect();
        let mut known = vacuum::tables();
        known.sort_unstable();
        assert_eq!(found, known);

        for query in &MANY { change(&site.db, query).await; }
        let purged = ran(site, Job::DecayCycle).await;
        assert_eq!(purged.counts["events_purged"], 3000);
        let run = ran(site, Job::VacuumDb).await;
        assert_eq!(run.outcome, Outcome::Done, "{run:?}");
        if let Some(pages) = site.db.pages().await.unwrap() {
            assert_eq!((pages.free, pages.incremental), (0, true));
            assert!(run.counts["pages_given_back"] > 1000 && run.counts["log_emptied"] == 1, "{run:?}");
            assert!(run.counts["bytes_after"] * 4 < run.counts["bytes_before"], "{run:?}");
            let StoreOptions::Sqlite(options) = app.options() else { panic!("SQLite") };
            assert_eq!(std::fs::metadata(&options.path).unwrap().len(), u64::try_from(pages.total * pages.size).unwrap());
        } else {
            assert_eq!(run.counts["tables"], i64::try_from(known.len()).unwrap());
        }
        let again = ran(site, Job::VacuumDb).await;
        assert_eq!((again.outcome, again.counts.contains_key("pages_given_back")), (Outcome::Done, false));
    }

    async fn a_vacuum_under_way_is_ended_when_told(app: &TestApp) {
        static UNDER_WAY: Query = Query {
            name: "under way",
            sqlite: "SELECT 'none' WHERE FALSE",
            postgres: "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'VACUUM%' AND state = 'active'",
        };
        let db = &app.running().site.db;
        change(db, &LARGE[0]).await;
        change(db, &CLEAR).await;
        let told = tokio::time::sleep(Duration::from_millis(1));
        let finished = db.vacuum_table("events", told).await.unwrap();
        assert!(finished || db.engine() == Engine::Postgres);
        let gone = async {
            while !rows(db, &UNDER_WAY).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.expect("it has ended");
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn on_command_line(dir: &Path, arguments: &[&str]) -> Output {
    openrsvp(dir).args(arguments).output().unwrap()
}

/// A file made by other means: it cannot give back pages one by one until it was written anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_shrink_is_written_anew_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("openrsvp.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(
        "PRAGMA auto_vacuum = NONE;
        CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,
            applied_at BIGINT NOT NULL);",
    )
    .unwrap();
    drop(raw);
    assert!(on_command_line(dir.path(), &["migrate"]).status.success());
    let db = Db::open(&StoreOptions::Sqlite(SqliteOptions::new(&path))).await.unwrap();
    assert!(!db.pages().await.unwrap().unwrap().incremental);
    change(&db, &MANY[0]).await;
    assert!(on_command_line(dir.path(), &["job", "decay-cycle"]).status.success());
    let run = json_of(&on_command_line(dir.path(), &["job", "vacuum-db", "--json"]));
    assert_eq!(run["counts"]["rewritten"], 1, "{run}");
    let pages = db.pages().await.unwrap().unwrap();
    assert!(pages.incremental && pages.free == 0, "{pages:?}");
    db.close().await;
}

/// While a hundred megabytes are given back, writers wait for slices only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how long writers wait")]
async fn writers_go_on_beside_a_vacuum() {
    let app = TestApp::start(Engine::Sqlite).await;
    let site = app.running().site.clone();
    change(&site.db, &LARGE[0]).await;
    change(&site.db, &CLEAR).await;
    let vacuum = tokio::spawn({
        let site = site.clone();
        async move { ran(&site, Job::VacuumDb).await }
    });
    let (mut longest, mut writes) = (Duration::ZERO, 0);
    while !vacuum.is_finished() {
        let started = std::time::Instant::now();
        change(&site.db, &CLEAR).await;
        longest = longest.max(started.elapsed());
        writes += 1;
    }
    let run = vacuum.await.unwrap();
    assert!(run.counts["pages_given_back"] > 10_000, "{run:?}");
    assert!(writes > 20 && longest < Duration::from_secs(3), "{writes} {longest:?}");
    app.stop().await;
}
