//! The store's promises, on each engine.

/// Runs each of these on a database of its own on each engine.
macro_rules! each {
    ($migrate:literal: $($name:ident)*) => {$(
        mod $name {
            use crate::support::{TestDatabase, postgres};
            use openrsvp::store::db::{Db, Engine};

            async fn check(engine: Engine) {
                let database = TestDatabase::new(engine).await;
                let db = Db::open(&database.options).await.expect("it opens");
                if $migrate {
                    db.migrate(jiff::Timestamp::UNIX_EPOCH).await.expect("it migrates");
                }
                super::$name(db.clone()).await;
                db.close().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                check(Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if !postgres::is_skipped() {
                    check(Engine::Postgres).await;
                }
            }
        }
    )*};
}

each!(true: every_statement_is_prepared values_come_back_as_they_went only_success_is_kept waiting_for_something_else_is_refused conflicts_say_their_kind reads_refuse_to_write many_writers_and_callers_that_go_away a_deadlock_is_a_reason_to_try_again);
each!(false: migrations_run_once_however_many_ask);

use std::time::Duration;

use openrsvp::store::db::{ConflictKind, Db, Engine, Query, StoreError, StoreOptions, Tx, Value};
use openrsvp::store::{migrate, statements};

use crate::support::TestDatabase;

/// Statements of these tests; `$n` as both engines understand it where the order is that of the
/// values.
macro_rules! query {
    ($name:ident, $sqlite:literal, $postgres:literal) => {
        static $name: Query =
            Query { name: stringify!($name), sqlite: $sqlite, postgres: $postgres };
    };
}

query!(
    PUT,
    "INSERT INTO meta (key, value, updated_at) VALUES (?1, ?2, 0)",
    "INSERT INTO meta (key, value, updated_at) VALUES ($1, $2, 0)"
);
query!(
    RENAME,
    "UPDATE meta SET value = ?2 WHERE key = ?1",
    "UPDATE meta SET value = $2 WHERE key = $1"
);
query!(
    COUNT,
    "SELECT COUNT(*) FROM meta WHERE key LIKE 'test %'",
    "SELECT COUNT(*) FROM meta WHERE key LIKE 'test %'"
);
query!(BROKEN, "SELECT nothing FROM nowhere", "SELECT nothing FROM nowhere");
query!(ECHO, "SELECT ?1, ?2, ?3, ?4, ?5", "SELECT $1, $2, $3, $4, $5");
query!(
    DANGLING,
    "INSERT INTO messages VALUES ('m', 'no event', NULL, NULL, ?1, 'public', '', 0)",
    "INSERT INTO messages VALUES ('m', 'no event', NULL, NULL, $1, 'public', '', 0)"
);
query!(
    RETURNING,
    "INSERT INTO meta (key, value, updated_at) VALUES (?1, ?2, 0) RETURNING value",
    "INSERT INTO meta (key, value, updated_at) VALUES ($1, $2, 0) RETURNING value"
);

async fn put(tx: &mut Tx, key: &str) -> Result<(), StoreError> {
    tx.execute(&PUT, vec![format!("test {key}").into(), "".into()]).await.map(drop)
}

async fn put_alone(db: &Db, key: impl Into<String>) -> Result<(), StoreError> {
    let key = key.into();
    db.write(move |tx| Box::pin(async move { put(tx, &key).await })).await
}

async fn count(db: &Db) -> i64 {
    let row = db.read(|tx| Box::pin(async move { tx.one(&COUNT, Vec::new()).await })).await;
    row.unwrap().unwrap().get(0).unwrap()
}

async fn kind_of(db: &Db, query: &'static Query, values: Vec<Value>) -> ConflictKind {
    let outcome = db.write(move |tx| Box::pin(async move { tx.execute(query, values).await }));
    match outcome.await {
        Err(StoreError::Conflict { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

async fn every_statement_is_prepared(db: Db) {
    for query in statements() {
        db.prepare(query).await.unwrap();
        db.explain(query).await.unwrap();
    }
    assert!(db.prepare(&BROKEN).await.is_err());
    db.ping().await.unwrap();
}

async fn values_come_back_as_they_went(db: Db) {
    let full: [Value; 5] =
        [7_i64.into(), 0.1.into(), "ü".into(), true.into(), vec![0_u8, 255].into()];
    let nulls = [
        Value::Int(None),
        Value::Real(None),
        Value::Text(None),
        Value::Bool(None),
        Value::Blob(None),
    ];
    for values in [full, nulls] {
        let sent = values.to_vec();
        let row = db.read(|tx| Box::pin(async move { tx.one(&ECHO, sent).await })).await;
        let row = row.unwrap().unwrap();
        assert_eq!(Value::Int(row.get(0).unwrap()), values[0]);
        assert_eq!(Value::Real(row.get(1).unwrap()), values[1]);
        assert_eq!(Value::Text(row.get(2).unwrap()), values[2]);
        assert_eq!(Value::Bool(row.get(3).unwrap()), values[3]);
        assert_eq!(Value::Blob(row.get(4).unwrap()), values[4]);
    }
    let returned = db.write(|tx| {
        Box::pin(async move { tx.one(&RETURNING, vec!["test r".into(), "v".into()]).await })
    });
    assert_eq!(returned.await.unwrap().unwrap().get::<String>(0).unwrap(), "v");
    assert_eq!(count(&db).await, 1);
}

async fn only_success_is_kept(db: Db) {
    put_alone(&db, "kept").await.unwrap();
    let refused = db.write(|tx| {
        Box::pin(async move {
            put(tx, "refused").await?;
            Err::<(), _>(StoreError::Busy)
        })
    });
    assert!(matches!(refused.await, Err(StoreError::Busy)));
    let swallowed = db.write(|tx| {
        Box::pin(async move {
            put(tx, "swallowed").await?;
            assert!(tx.all(&BROKEN, Vec::new()).await.is_err());
            let later = put(tx, "later").await;
            assert!(matches!(later, Err(StoreError::Poisoned { .. })), "{later:?}");
            Ok::<_, StoreError>(())
        })
    });
    assert!(matches!(swallowed.await, Err(StoreError::Poisoned { .. })));
    let other = db.clone();
    let panicked = tokio::spawn(async move {
        let write = other.write(|tx| {
            Box::pin(async move {
                put(tx, "panicked").await?;
                if tx.one(&COUNT, Vec::new()).await?.is_some() {
                    panic!("on purpose");
                }
                Ok::<_, StoreError>(())
            })
        });
        write.await
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(count(&db).await, 1);
}

async fn waiting_for_something_else_is_refused(db: Db) {
    let write = db.write(|tx| {
        Box::pin(async move {
            put(tx, "a").await?;
            std::future::pending::<()>().await;
            Ok::<_, StoreError>(())
        })
    });
    assert!(matches!(write.await, Err(StoreError::WaitedOutside)));
    let read = db.read(|_| Box::pin(std::future::pending::<Result<(), StoreError>>()));
    assert!(matches!(read.await, Err(StoreError::WaitedOutside)));
    assert_eq!(count(&db).await, 0);
}

async fn conflicts_say_their_kind(db: Db) {
    let pair = |value: Value| vec!["test a".into(), value];
    put_alone(&db, "a").await.unwrap();
    assert_eq!(kind_of(&db, &PUT, pair("".into())).await, ConflictKind::Unique);
    assert_eq!(kind_of(&db, &RENAME, pair(Value::Text(None))).await, ConflictKind::NotNull);
    assert_eq!(kind_of(&db, &DANGLING, vec!["odd".into()]).await, ConflictKind::Check);
    let dangling = kind_of(&db, &DANGLING, vec!["user_note".into()]).await;
    assert_eq!(dangling, ConflictKind::ForeignKey);
}

async fn reads_refuse_to_write(db: Db) {
    let read = db.read(|tx| Box::pin(async move { put(tx, "a").await }));
    assert!(matches!(read.await, Err(StoreError::ReadOnly { .. })));
    let values = vec!["test r".into(), "v".into()];
    let read = db.read(|tx| Box::pin(async move { tx.all(&RETURNING, values).await }));
    assert!(matches!(read.await, Err(StoreError::ReadOnly { .. })));
    assert_eq!(count(&db).await, 0);
}

async fn many_writers_and_callers_that_go_away(db: Db) {
    let mut calls = Vec::new();
    for key in 0..400 {
        let db = db.clone();
        calls.push(tokio::spawn(async move {
            let write = put_alone(&db, key.to_string());
            if key % 4 == 0 {
                // Some are dropped in the queue, some inside, some finish in time.
                let limit = Duration::from_micros(key * 10);
                tokio::time::timeout(limit, write).await.map_or(0, |done| i64::from(done.is_ok()))
            } else {
                write.await.unwrap();
                1
            }
        }));
    }
    let mut acknowledged = 0;
    for call in calls {
        acknowledged += call.await.unwrap();
    }
    let found = count(&db).await;
    assert!((300..=400).contains(&found) && found >= acknowledged, "{found} {acknowledged}");
    put_alone(&db, "after").await.unwrap();
}

async fn migrations_run_once_however_many_ask(db: Db) {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let (first, second, third) = tokio::join!(db.migrate(now), db.migrate(now), db.migrate(now));
    for outcome in [first, second, third] {
        assert_eq!(outcome.unwrap().to, migrate::known());
    }
    assert_eq!(db.schema_version().await.unwrap(), migrate::known());
    assert!(db.check_integrity().await.unwrap().is_empty());
}

/// Two transactions that lock the same rows crosswise: the server ends one, which may try again.
async fn a_deadlock_is_a_reason_to_try_again(db: Db) {
    if db.engine() == Engine::Sqlite {
        return;
    }
    put_alone(&db, "a").await.unwrap();
    put_alone(&db, "b").await.unwrap();
    let cross = |keys: [&'static str; 2]| {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                db.write(move |tx| {
                    Box::pin(async move {
                        for key in keys {
                            tx.execute(&RENAME, vec![key.into(), "x".into()]).await?;
                        }
                        Ok::<_, StoreError>(())
                    })
                })
                .await?;
            }
            Ok::<_, StoreError>(())
        })
    };
    let (one, two) = (cross(["test a", "test b"]), cross(["test b", "test a"]));
    for outcome in [one.await.unwrap(), two.await.unwrap()] {
        let retry = ConflictKind::Retry;
        let expected = matches!(&outcome, Err(StoreError::Conflict { kind, .. }) if *kind == retry);
        assert!(outcome.is_ok() || expected, "{outcome:?}");
    }
}

/// Found by ten copies of a job: each start waited for the write lock, and some for too long.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_opened_while_somebody_writes_to_it() {
    let database = TestDatabase::new(Engine::Sqlite).await;
    let db = Db::open(&database.options).await.expect("it opens");
    db.migrate(jiff::Timestamp::UNIX_EPOCH).await.expect("it migrates");
    let StoreOptions::Sqlite(mut options) = database.options.clone() else { unreachable!() };
    let writer = rusqlite::Connection::open(&options.path).expect("opened");
    writer.execute_batch("BEGIN IMMEDIATE").expect("begun");
    options.busy_timeout = Duration::from_millis(50);
    let second = Db::open(&StoreOptions::Sqlite(options)).await.expect("it opens as well");
    second.close().await;
    writer.execute_batch("ROLLBACK").expect("ended");
    db.close().await;
}
