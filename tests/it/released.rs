//! The versions before this one run beside the new schema: their statements, kept when they were
//! released, are prepared on the schema of today.

use std::path::PathBuf;

use openrsvp::store::db::{Db, Engine, Query};
use openrsvp::store::{migrate, statements};
use serde_json::{Value, json};

use crate::support::{TestDatabase, postgres};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/released")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever releases says so")]
fn the_statements_of_a_release_are_kept() {
    let name = format!("{}-schema-{}.json", env!("CARGO_PKG_VERSION"), migrate::known());
    let file = folder().join(name);
    if std::env::var_os("OPENRSVP_TEST_WRITE_RELEASE").is_some() {
        let all: Vec<Value> = statements()
            .map(|query| json!({ "name": query.name, "sqlite": query.sqlite, "postgres": query.postgres }))
            .collect();
        let text = serde_json::to_string_pretty(&all).expect("JSON");
        std::fs::write(&file, text + "\n").expect("written");
    }
    assert!(std::fs::read_dir(folder()).expect("a folder").count() > 0, "no release is kept");
}

async fn run_on(engine: Engine) {
    let database = TestDatabase::new(engine).await;
    let db = Db::open(&database.options).await.expect("it opens");
    db.migrate(jiff::Timestamp::UNIX_EPOCH).await.expect("it migrates");
    for file in std::fs::read_dir(folder()).expect("a folder") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        assert!(all.len() > 50, "{} holds too little", path.display());
        for statement in all {
            let text = |key: &str| -> &'static str {
                statement[key].as_str().expect("a text").to_owned().leak()
            };
            let (name, sqlite, postgres) = (text("name"), text("sqlite"), text("postgres"));
            let query: &'static Query = Box::leak(Box::new(Query { name, sqlite, postgres }));
            let prepared = db.prepare(query).await;
            assert!(prepared.is_ok(), "{} of {}: {prepared:?}", name, path.display());
        }
    }
    db.close().await;
}

#[tokio::test]
async fn their_statements_run_on_sqlite() {
    run_on(Engine::Sqlite).await;
}

#[tokio::test]
async fn their_statements_run_on_postgres() {
    if !postgres::is_skipped() {
        run_on(Engine::Postgres).await;
    }
}
