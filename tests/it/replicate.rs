//! Replicas of a live database: whatever is done to it, and wherever it stops, they lead back to
//! what was committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use openrsvp::domain::clock::{Clock, Entropy};
use openrsvp::replica::place::Replica;
use openrsvp::replica::plan::{self, Target};
use openrsvp::replica::replicate::{Replicas, ReplicateOptions, Replicator};
use openrsvp::replica::restore;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sha2::{Digest, Sha256};

/// Numbers that repeat themselves.
struct Dice(Entropy);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Entropy::seeded(seed))
    }

    fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % end
    }
}

fn writer(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("opened");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("set");
    connection
        .execute_batch(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
            PRAGMA synchronous = NORMAL; PRAGMA cache_size = 20; PRAGMA busy_timeout = 10000;
            CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
            CREATE TABLE IF NOT EXISTS other (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
            CREATE INDEX IF NOT EXISTS other_body ON other (body);",
        )
        .expect("made");
    connection
}

/// All rows, as a hash.
fn content(connection: &Connection) -> String {
    let mut hash = Sha256::new();
    for sql in [
        "SELECT id, body FROM notes ORDER BY id",
        "SELECT id, CAST(body AS BLOB) FROM other ORDER BY id",
    ] {
        let mut statement = connection.prepare(sql).expect("prepared");
        let mut rows = statement.query([]).expect("asked");
        while let Some(row) = rows.next().expect("a row") {
            hash.update(row.get::<_, i64>(0).expect("an id").to_be_bytes());
            hash.update(row.get::<_, Vec<u8>>(1).expect("a body"));
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Something that programs do to databases.
fn change(connection: &Connection, dice: &Dice) {
    let run = |sql: &str| connection.execute_batch(sql).expect(sql);
    let id = dice.below(4000);
    match dice.below(100) {
        0..55 => run(&format!(
            "INSERT OR REPLACE INTO notes VALUES ({id}, randomblob({}))",
            dice.below(900)
        )),
        55..70 => run(&format!(
            "INSERT OR REPLACE INTO other VALUES ({id}, hex(randomblob({})))",
            dice.below(60)
        )),
        70..80 => run(&format!("DELETE FROM notes WHERE id % 97 = {}", dice.below(97))),
        80..84 => run(&format!(
            "INSERT OR REPLACE INTO notes VALUES ({id}, randomblob({}))",
            20_000 + dice.below(200_000)
        )),
        84..88 => run(&format!("DELETE FROM notes WHERE id BETWEEN {id} AND {}", id + 500)),
        // Pages that are allocated and freed in one transaction need not reach the log.
        88..91 => run(
            "BEGIN; CREATE TABLE passing AS SELECT randomblob(9000) FROM notes LIMIT 40; DROP TABLE passing; COMMIT",
        ),
        91..93 => run(
            "BEGIN; DELETE FROM notes WHERE id % 3 = 0; UPDATE other SET body = body || 'x'; ROLLBACK",
        ),
        93..96 => run("PRAGMA incremental_vacuum(50)"),
        96..98 => {
            run("BEGIN; UPDATE other SET body = substr(body || 'abc', 2) WHERE id % 5 = 0; COMMIT")
        }
        98 => run("VACUUM"),
        _ => run("DELETE FROM other WHERE id % 2 = 0"),
    }
}

fn options(database: &Path, replicas: &[&Path]) -> ReplicateOptions {
    ReplicateOptions {
        database: database.to_owned(),
        replicas: replicas.iter().map(|path| format!("file://{}", path.display())).collect(),
        sync_interval: Duration::from_millis(20),
        snapshot_interval: SignedDuration::from_secs(3),
        retention: SignedDuration::from_hours(1),
        levels: vec![SignedDuration::from_secs(1), SignedDuration::from_secs(4)],
        bytes_per_second: None,
        log_limit: 64 << 20,
    }
}

fn follow(database: &Path, replicas: &[&Path]) -> (Replicas, Replicator) {
    let opened = Replicas::open(options(database, replicas), Clock::system(), &Entropy::system());
    let opened = opened.expect("followed");
    let replicator = Replicator::start(&opened);
    (opened, replicator)
}

/// Waits until replicas have everything; gives back the txid of the first.
async fn current(replicas: &Replicas) -> u64 {
    let wait = async {
        loop {
            let before = replicas.statuses();
            tokio::time::sleep(Duration::from_millis(45)).await;
            let after = replicas.statuses();
            let is_current = after.iter().zip(&before).all(|(after, before)| {
                after.behind_since.is_none()
                    && after.current_at > before.current_at
                    && after.txid == before.txid
            });
            if is_current {
                return after[0].txid;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap_or_else(|_| panic!("{:?}", replicas.statuses()))
}

/// Restores a state; the content of the database that comes out.
async fn restored(replica: &Path, target: Target, to: &Path) -> Result<String, String> {
    let opened = Replica::at(&format!("file://{}", replica.display())).expect("a replica");
    let files = opened.list().await.expect("listed");
    let plan = plan::plan(&files, target).map_err(|error| error.to_string())?;
    let _ = fs::remove_file(to);
    restore::restore(&opened, &plan, to, false, |_| {}).await.map_err(|error| error.to_string())?;
    Ok(content(&Connection::open(to).expect("opened")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_changes_are_restored_at_every_point() {
    let dir = tempfile::tempdir().expect("a directory");
    let (database, replica) = (dir.path().join("live.db"), dir.path().join("replica"));
    let (dice, mut known) = (Dice::new(7), BTreeMap::new());
    drop(writer(&database));
    for start in 0..4 {
        let (replicas, replicator) = follow(&database, &[&replica]);
        let connection = writer(&database);
        for round in 0..12 {
            for _ in 0..dice.below(90) + 1 {
                change(&connection, &dice);
                if dice.below(20) == 0 {
                    tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
                }
            }
            if round % 5 == 4 {
                assert!(replicas.checkpoint().await.expect("moved"));
            }
            let txid = current(&replicas).await;
            known.insert(txid, content(&connection));
        }
        assert_eq!(
            replicas.statuses()[0].whole_copies,
            u64::from(start == 0),
            "{:?}",
            replicas.statuses()
        );
        drop(connection);
        replicator.stop(Duration::from_secs(5)).await;
    }
    let to = dir.path().join("restored.db");
    let mut exact = 0;
    for (txid, content) in &known {
        match restored(&replica, Target::Txid(*txid), &to).await {
            Ok(found) => {
                assert_eq!(&found, content, "txid {txid}");
                exact += 1;
            }
            Err(error) => assert!(error.contains("cannot be reached"), "{error}"),
        }
    }
    assert_eq!(exact, known.len(), "level 0 is kept for minutes");
    let last = known.values().last().expect("one");
    assert_eq!(&restored(&replica, Target::Latest, &to).await.expect("restored"), last);
    let levels: Vec<PathBuf> = (0..=9)
        .map(|level| replica.join(format!("ltx/{level}")))
        .filter(|path| path.is_dir())
        .collect();
    assert!(levels.len() >= 4, "{levels:?}");
}
