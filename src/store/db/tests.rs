//! What holds on SQLite alone: groups, threads, the file. What holds on both engines is tested in
//! `tests/it`.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::store::{queries, values};

queries! {
    PUT = "INSERT INTO meta (key, value, updated_at) VALUES ($1, $2, 0)";
    GET = "SELECT value FROM meta WHERE key = $1";
    SET = "UPDATE meta SET value = $2 WHERE key = $1";
    COUNT = "SELECT COUNT(*) FROM meta";
    BROKEN = "SELECT nothing FROM nowhere";
}

struct Scratch {
    db: Db,
    directory: tempfile::TempDir,
}

impl Scratch {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(directory.path().join("test.db"));
        let db = Db::open(&StoreOptions::Sqlite(options)).await.unwrap();
        db.migrate(jiff::Timestamp::UNIX_EPOCH).await.unwrap();
        Self { db, directory }
    }

    fn threads(&self) -> &sqlite::Threads {
        match &*self.db.0 {
            Inner::Sqlite(threads, _) => threads,
            Inner::Postgres(_) => unreachable!("opened as SQLite"),
        }
    }

    /// Runs on the writer's connection.
    async fn pragma(&self, sql: &'static str) {
        let run = move |connection: &mut rusqlite::Connection| {
            connection.execute_batch(sql).map_err(|error| sqlite::refused("test", error))
        };
        self.threads().alone(run).await.unwrap();
    }

    /// Keeps the writer busy until the result is dropped, so that what is pushed meanwhile makes
    /// one group.
    async fn hold(&self) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (started, start) = tokio::sync::oneshot::channel();
        let db = self.db.clone();
        tokio::spawn(async move {
            let Inner::Sqlite(threads, _) = &*db.0 else { return };
            let wait = move |_: &mut rusqlite::Connection| {
                let _ = started.send(());
                let _ = released.recv();
                Ok(())
            };
            threads.alone(wait).await.unwrap();
        });
        start.await.unwrap();
        release
    }

    async fn count(&self) -> i64 {
        count(&self.db).await
    }
}

async fn count(db: &Db) -> i64 {
    let read = db.read(|tx| Box::pin(async move { tx.one(&COUNT, values![]).await }));
    read.await.unwrap().unwrap().get(0).unwrap()
}

async fn put(db: &Db, key: impl Into<String>) -> Result<(), StoreError> {
    let key = key.into();
    db.write(move |tx| {
        Box::pin(async move {
            tx.execute(&PUT, values![key, ""]).await?;
            Ok(())
        })
    })
    .await
}

/// Polls a call once, which puts its job into the queue.
fn start<F: Future>(call: F) -> Pin<Box<F>> {
    let mut call = Box::pin(call);
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    call
}

#[tokio::test]
async fn a_job_of_a_group_fails_alone() {
    let scratch = Scratch::new().await;
    let db = &scratch.db;
    let hold = scratch.hold().await;
    let first = start(put(db, "a"));
    let refused = start(db.write(|tx| {
        Box::pin(async move {
            tx.execute(&PUT, values!["b", ""]).await?;
            Err::<(), _>(StoreError::Corrupt { table: "meta", id: "b".into() })
        })
    }));
    let clash = start(put(db, "a"));
    let last = start(put(db, "c"));
    drop(hold);
    first.await.unwrap();
    assert!(matches!(refused.await, Err(StoreError::Corrupt { .. })));
    let clash = clash.await.unwrap_err();
    assert!(matches!(clash, StoreError::Conflict { kind: ConflictKind::Unique, .. }), "{clash}");
    last.await.unwrap();
    assert_eq!(scratch.count().await, 2);
}

#[tokio::test]
async fn a_panic_reaches_its_caller_and_no_other() {
    let scratch = Scratch::new().await;
    let db = scratch.db.clone();
    let hold = scratch.hold().await;
    let first = start(put(&scratch.db, "a"));
    let panics = tokio::spawn(async move {
        db.write(|tx| {
            Box::pin(async move {
                tx.execute(&PUT, values!["b", ""]).await?;
                if tx.one(&COUNT, values![]).await?.is_some() {
                    panic!("on purpose");
                }
                Ok::<(), StoreError>(())
            })
        })
        .await
    });
    tokio::task::yield_now().await;
    drop(hold);
    first.await.unwrap();
    let panic = panics.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    put(&scratch.db, "c").await.unwrap();
    assert_eq!(scratch.count().await, 2);
}

#[tokio::test]
async fn a_job_that_waits_for_something_else_is_refused() {
    let scratch = Scratch::new().await;
    let waited = scratch.db.write(|tx| {
        Box::pin(async move {
            tx.execute(&PUT, values!["a", ""]).await?;
            std::future::pending::<()>().await;
            Ok::<_, StoreError>(())
        })
    });
    assert!(matches!(waited.await, Err(StoreError::WaitedOutside)));
    let waited = scratch.db.read(|_| Box::pin(std::future::pending::<Result<(), StoreError>>()));
    assert!(matches!(waited.await, Err(StoreError::WaitedOutside)));
    assert_eq!(scratch.count().await, 0);
}

#[tokio::test]
async fn a_failed_commit_is_acknowledged_to_nobody() {
    let scratch = Scratch::new().await;
    let refuse = |connection: &mut rusqlite::Connection| {
        connection.commit_hook(Some(|| true)).map_err(|error| sqlite::refused("hook", error))
    };
    let hold = scratch.hold().await;
    let hooked = start(scratch.threads().alone(refuse));
    let calls: Vec<_> = ["a", "b", "c"].map(|key| start(put(&scratch.db, key))).into();
    drop(hold);
    hooked.await.unwrap();
    for call in calls {
        let error = call.await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    }
    let allow = |connection: &mut rusqlite::Connection| {
        connection.commit_hook(None::<fn() -> bool>).map_err(|error| sqlite::refused("hook", error))
    };
    scratch.threads().alone(allow).await.unwrap();
    assert_eq!(scratch.count().await, 0);
    put(&scratch.db, "d").await.unwrap();
    assert_eq!(scratch.count().await, 1);
}

#[tokio::test]
async fn missing_and_surplus_values_are_refused() {
    let scratch = Scratch::new().await;
    for values in [values![], values!["a", "b"]] {
        let read = scratch.db.read(|tx| Box::pin(async move { tx.one(&GET, values).await }));
        assert!(matches!(read.await, Err(StoreError::Db { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_small_writes_at_once() {
    let scratch = Scratch::new().await;
    let calls: Vec<_> = (0..1000)
        .map(|key| {
            let db = scratch.db.clone();
            tokio::spawn(async move { put(&db, key.to_string()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(scratch.count().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_whole_transactions() {
    let scratch = Scratch::new().await;
    put(&scratch.db, "a").await.unwrap();
    put(&scratch.db, "b").await.unwrap();
    let db = scratch.db.clone();
    let writer = tokio::spawn(async move {
        for round in 0..300 {
            let set = db.write(move |tx| {
                Box::pin(async move {
                    for key in ["a", "b"] {
                        tx.execute(&SET, values![key, round.to_string()]).await?;
                    }
                    Ok::<_, StoreError>(())
                })
            });
            set.await.unwrap();
        }
    });
    while !writer.is_finished() {
        let read = scratch.db.read(|tx| {
            Box::pin(async move {
                let first = tx.one(&GET, values!["a"]).await?;
                std::thread::yield_now();
                Ok::<_, StoreError>((first, tx.one(&GET, values!["b"]).await?))
            })
        });
        let (a, b) = read.await.unwrap();
        let value = |row: Option<Row>| row.unwrap().get::<String>(0).unwrap();
        assert_eq!(value(a), value(b));
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let scratch = Scratch::new().await;
    put(&scratch.db, "before").await.unwrap();
    scratch.pragma("PRAGMA max_page_count = 40").await;
    for round in 0..3 {
        let hold = scratch.hold().await;
        let small = start(put(&scratch.db, format!("small {round}")));
        let large = start(scratch.db.write(move |tx| {
            Box::pin(async move {
                // The first fits into the page cache, the second overflows the file.
                for part in 0..2 {
                    let key = format!("large {round} {part}");
                    tx.execute(&PUT, values![key, "x".repeat(100_000)]).await?;
                }
                Ok::<_, StoreError>(())
            })
        }));
        let next = start(put(&scratch.db, format!("next {round}")));
        let before = scratch.count().await;
        drop(hold);
        let kept = [small.await.is_ok(), next.await.is_ok()];
        let large = large.await.unwrap_err();
        assert!(matches!(large, StoreError::Unavailable { .. }), "{large}");
        let kept = kept.into_iter().filter(|kept| *kept).count();
        assert_eq!(scratch.count().await, before + i64::try_from(kept).unwrap());
    }
    scratch.pragma("PRAGMA max_page_count = 100000").await;
    put(&scratch.db, "after").await.unwrap();
    assert_eq!(scratch.db.check_integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_transaction_that_sqlite_ends_by_itself_is_acknowledged_to_nobody() {
    let scratch = Scratch::new().await;
    let hold = scratch.hold().await;
    let first = start(put(&scratch.db, "a"));
    // Stands for an error on which SQLite rolls everything back: the job's statement does.
    let breaks = start(scratch.db.write(|tx| {
        Box::pin(async move {
            tx.execute(&PUT, values!["b", ""]).await?;
            tx.execute(&ROLLS_BACK, values![]).await
        })
    }));
    let last = start(put(&scratch.db, "c"));
    drop(hold);
    assert!(matches!(first.await, Err(StoreError::Unavailable { .. })));
    assert!(breaks.await.is_err());
    last.await.unwrap();
    assert_eq!(scratch.count().await, 1);
}

static ROLLS_BACK: Query = Query {
    name: "ROLLS_BACK",
    sqlite: "INSERT OR ROLLBACK INTO meta SELECT * FROM meta",
    postgres: "",
};

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing() {
    let scratch = Scratch::new().await;
    let hold = scratch.hold().await;
    let first = start(put(&scratch.db, "a"));
    drop(start(put(&scratch.db, "b")));
    let last = start(put(&scratch.db, "c"));
    drop(hold);
    first.await.unwrap();
    last.await.unwrap();
    assert_eq!(scratch.count().await, 2);
}

#[tokio::test]
async fn readers_do_not_wait_for_the_writer_and_a_full_queue_refuses() {
    let scratch = Scratch::new().await;
    let hold = scratch.hold().await;
    let calls: Vec<_> = (0..1024).map(|key| start(put(&scratch.db, key.to_string()))).collect();
    assert!(matches!(put(&scratch.db, "more").await, Err(StoreError::Busy)));
    assert_eq!(scratch.count().await, 0);
    drop(hold);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(scratch.count().await, 1024);
}

#[tokio::test]
async fn closing_finishes_what_waits_and_leaves_one_file() {
    let scratch = Scratch::new().await;
    let hold = scratch.hold().await;
    let call = start(put(&scratch.db, "a"));
    let mut close = pin!(scratch.db.close());
    let polled = close.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    assert!(matches!(put(&scratch.db, "b").await, Err(StoreError::Unavailable { .. })));
    drop(hold);
    close.await;
    call.await.unwrap();
    let left: Vec<_> = std::fs::read_dir(scratch.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["test.db"]);
    assert_eq!(mode(&scratch.directory.path().join("test.db")), 0o600);
    let options = SqliteOptions::new(scratch.directory.path().join("test.db"));
    let again = Db::open(&StoreOptions::Sqlite(options)).await.unwrap();
    assert_eq!(count(&again).await, 1);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_writer_is_durable_and_the_engine_free_of_known_faults() {
    let scratch = Scratch::new().await;
    let ask = |connection: &mut rusqlite::Connection| {
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let found = [
            "PRAGMA synchronous",
            "PRAGMA foreign_keys",
            "SELECT (SELECT * FROM pragma_journal_mode) = 'wal'",
            "PRAGMA auto_vacuum",
        ];
        Ok(found.map(|sql| ask(sql).unwrap()))
    };
    assert_eq!(scratch.threads().alone(ask).await.unwrap(), [2, 1, 1, 2]);
    // Older ones can corrupt a file when a log is reset.
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[tokio::test]
async fn statements_are_prepared_and_explained() {
    let scratch = Scratch::new().await;
    for query in QUERIES {
        let prepared = scratch.db.prepare(query).await;
        assert_eq!(prepared.is_ok(), query.name != BROKEN.name, "{prepared:?}");
    }
    let plan = scratch.db.explain(&GET).await.unwrap();
    assert!(plan.contains("SEARCH meta USING INDEX"), "{plan}");
}
