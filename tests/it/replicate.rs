//! Replicas of a live database: whatever is done to it, and wherever it stops, they lead back to
//! what was committed.

mod kept;
mod requests;
mod steps;
mod trouble;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use openrsvp::domain::clock::{Clock, Entropy};
use openrsvp::replica::place::Replica;
use openrsvp::replica::plan::{self, Target};
use openrsvp::replica::replicate::{ReplicaStatus, Replicas, ReplicateOptions, Replicator};
use openrsvp::replica::restore;
use openrsvp::replica::way::Way;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::task;

use crate::support::litestream;

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
        watch: Duration::from_millis(300),
    }
}

fn follow(database: &Path, replicas: &[&Path]) -> (Replicas, Replicator) {
    follow_with(options(database, replicas))
}

fn follow_with(options: ReplicateOptions) -> (Replicas, Replicator) {
    let opened = Replicas::open(options, Clock::system(), &Entropy::system()).expect("followed");
    let replicator = Replicator::start(&opened, None);
    (opened, replicator)
}

/// Like a process that is killed: whatever was under way ends where it is. What a thread is at it
/// ends first, lest it goes on beside the next one.
fn kill(process: Runtime, replicator: Replicator) {
    drop(replicator);
    task::block_in_place(|| process.shutdown_timeout(Duration::from_secs(30)));
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

/// Waits until something is so.
async fn until(what: &str, replicas: &Replicas, is_so: impl Fn(&ReplicaStatus) -> bool) {
    let wait = async {
        while !is_so(&replicas.statuses()[0]) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    waited.unwrap_or_else(|_| panic!("{what}: {:?}", replicas.statuses()));
}

/// Has the log begin anew; not while a replica is sent the whole database.
async fn checkpoint(replicas: &Replicas) {
    while !replicas.checkpoint().await.expect("tried") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Restores a state; the content of the database that comes out.
async fn restored(replica: &Path, target: Target, to: &Path) -> Result<String, String> {
    let opened = Replica::at(&format!("file://{}", replica.display())).expect("a replica");
    let files = opened.list().await.expect("listed");
    let plan = plan::plan(&files, target).map_err(|error| error.to_string())?;
    let _ = fs::remove_file(to);
    let way = Way::Files(plan);
    restore::restore(&opened, &way, to, false, &Arc::default())
        .await
        .map_err(|error| error.to_string())?;
    Ok(content(&Connection::open(to).expect("opened")))
}

/// The newest state of a replica is that of the database.
async fn leads_back(replica: &Path, to: &Path, connection: &Connection) {
    let found = restored(replica, Target::Latest, to).await.expect("restored");
    assert_eq!(found, content(connection));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_changes_are_restored_at_every_point() {
    let dir = tempfile::tempdir().expect("a directory");
    let (database, replica) = (dir.path().join("live.db"), dir.path().join("replica"));
    let (dice, mut known) = (Dice::new(7), BTreeMap::new());
    drop(writer(&database));
    for start in 0..3 {
        let (replicas, replicator) = follow(&database, &[&replica]);
        let connection = writer(&database);
        for round in 0..16 {
            for _ in 0..dice.below(90) + 1 {
                change(&connection, &dice);
                if dice.below(20) == 0 {
                    tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
                }
            }
            if round % 5 == 4 {
                checkpoint(&replicas).await;
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
    let address = format!("file://{}", replica.display());
    for (txid, known) in known.iter().step_by(7) {
        let _ = fs::remove_file(&to);
        let txid = format!("{txid:016x}");
        let restored = litestream::restore(dir.path(), None, &address, &to, &["-txid", &txid]);
        assert!(restored.status.success(), "{txid}: {restored:?}");
        assert_eq!(
            &content(&Connection::open(&to).expect("opened")),
            known,
            "{txid} by Litestream"
        );
    }
    let last = known.values().last().expect("one");
    assert_eq!(&restored(&replica, Target::Latest, &to).await.expect("restored"), last);
    let levels: Vec<PathBuf> = (0..=9)
        .map(|level| replica.join(format!("ltx/{level}")))
        .filter(|path| path.is_dir())
        .collect();
    assert!(levels.len() >= 4, "{levels:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_outlasts_several_logs_is_sent_at_once() {
    const ROUNDS: u64 = 3;
    let dir = tempfile::tempdir().expect("a directory");
    let (database, to) = (dir.path().join("live.db"), dir.path().join("to.db"));
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let (dice, mut known) = (Dice::new(19), Vec::new());
    let connection = writer(&database);
    let mut options = options(&database, &[&one, &two]);
    options.sync_interval = Duration::from_millis(700);
    let (replicas, replicator) = follow_with(options);
    current(&replicas).await;
    for _ in 0..ROUNDS {
        for _ in 0..5 {
            for _ in 0..dice.below(40) + 1 {
                change(&connection, &dice);
            }
            checkpoint(&replicas).await;
        }
        known.push((current(&replicas).await, content(&connection)));
    }
    let statuses = replicas.statuses();
    assert!(statuses.iter().all(|status| status.whole_copies == 1), "{statuses:?}");
    assert!(statuses[0].txid < 4 * ROUNDS, "{statuses:?}: the log began anew {} times", 5 * ROUNDS);
    replicator.stop(Duration::from_secs(5)).await;
    let address = format!("file://{}", one.display());
    for (txid, known) in &known {
        let found = restored(&one, Target::Txid(*txid), &to).await.expect("restored");
        assert_eq!(&found, known, "txid {txid}");
        let _ = fs::remove_file(&to);
        let txid = format!("{txid:016x}");
        let restored = litestream::restore(dir.path(), None, &address, &to, &["-txid", &txid]);
        assert!(restored.status.success(), "{txid}: {restored:?}");
        let found = content(&Connection::open(&to).expect("opened"));
        assert_eq!(&found, known, "{txid} by Litestream");
    }
    let found = restored(&two, Target::Latest, &to).await.expect("restored");
    assert_eq!(found, content(&connection));
}

/// A database whose every transaction is known by a number in it.
fn counted(connection: &Connection, dice: &Dice, number: u64) {
    let body = dice.below(3000);
    connection
        .execute_batch(&format!(
            "BEGIN;
            INSERT OR REPLACE INTO notes VALUES ({}, randomblob({body}));
            DELETE FROM notes WHERE id = {};
            INSERT OR REPLACE INTO other VALUES (1, '{number}');
            COMMIT",
            1 + dice.below(200),
            1 + dice.below(200),
        ))
        .expect("committed");
}

fn number_in(connection: &Connection) -> u64 {
    let text: String = connection
        .query_row("SELECT body FROM other WHERE id = 1", [], |row| row.get(0))
        .expect("a number");
    text.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_stopped_anywhere_leaves_a_committed_state_and_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let (database, replica, to) =
        (dir.path().join("live.db"), dir.path().join("replica"), dir.path().join("to.db"));
    let (dice, mut contents, mut number, mut newest, mut wholes) =
        (Dice::new(11), BTreeMap::new(), 0, 0, 0);
    let connection = writer(&database);
    for _ in 0..40 {
        let process = Runtime::new().expect("a runtime");
        let (replicas, replicator) = {
            let _within = process.enter();
            follow(&database, &[&replica])
        };
        for _ in 0..dice.below(25) + 1 {
            number += 1;
            counted(&connection, &dice, number);
            contents.insert(number, content(&connection));
            if dice.below(3) == 0 {
                tokio::time::sleep(Duration::from_millis(dice.below(12))).await;
            }
            if dice.below(20) == 0 {
                replicas.checkpoint().await.expect("tried");
            }
        }
        if dice.below(4) == 0 {
            current(&replicas).await;
        }
        wholes += replicas.statuses()[0].whole_copies;
        drop(replicas);
        kill(process, replicator);
        if replica.join("ltx/9/0000000000000001-0000000000000001.ltx").exists() {
            let found = restored(&replica, Target::Latest, &to).await.expect("restored");
            let at = number_in(&Connection::open(&to).expect("opened"));
            assert_eq!(found, contents[&at], "transaction {at} of {number}");
            assert!(at >= newest, "{at} after {newest}");
            newest = at;
        }
    }
    let (replicas, replicator) = follow(&database, &[&replica]);
    current(&replicas).await;
    replicator.stop(Duration::from_secs(5)).await;
    let found = restored(&replica, Target::Latest, &to).await.expect("restored");
    assert_eq!(found, contents[&number]);
    assert!(wholes < 6, "{wholes} whole copies: it should mostly go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_never_mix_their_states() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, second) = (dir.path().join("first.db"), dir.path().join("second.db"));
    let (replica, to, dice) = (dir.path().join("replica"), dir.path().join("to.db"), Dice::new(13));
    let (one, two) = (writer(&first), writer(&second));
    counted(&one, &dice, 1);
    counted(&two, &dice, 1_000_001);
    let (replicas, replicator) = follow(&first, &[&replica]);
    current(&replicas).await;

    // The first one is at work: whoever comes to it is refused.
    let (others, other) = follow(&second, &[&replica]);
    let mut number = 1;
    let refused = async {
        while !others.statuses()[0].is_given_up {
            number += 1;
            counted(&one, &dice, number);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("refused");
    let fault = others.statuses()[0].fault.clone().expect("a reason");
    assert!(fault.contains("another program writes to this replica"), "{fault}");
    current(&replicas).await;
    assert_eq!(restored(&replica, Target::Latest, &to).await.expect("restored"), content(&one));
    other.stop(Duration::from_secs(5)).await;
    // The log is not kept for it.
    assert!(others.checkpoint().await.expect("moved"));
    drop(others);

    // The first one rests: the second one takes over, and the first one is told when it goes on.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (others, other) = follow(&second, &[&replica]);
    current(&others).await;
    assert_eq!(restored(&replica, Target::Latest, &to).await.expect("restored"), content(&two));
    counted(&one, &dice, number + 1);
    let told = async {
        while !replicas.statuses()[0].is_given_up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("told");
    assert_eq!(restored(&replica, Target::Latest, &to).await.expect("restored"), content(&two));
    replicator.stop(Duration::from_secs(5)).await;
    other.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_away_holds_up_nothing_and_catches_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let (database, to, dice) =
        (dir.path().join("live.db"), dir.path().join("to.db"), Dice::new(17));
    let (near, far) = (dir.path().join("near"), dir.path().join("mount/far"));
    let connection = writer(&database);
    counted(&connection, &dice, 1);
    let mut options = options(&database, &[&near, &far]);
    options.log_limit = 18 << 20;
    let (replicas, replicator) = follow_with(options);
    let log = || fs::metadata(dir.path().join("live.db-wal")).expect("a log").len();
    let behind = async {
        while replicas.statuses()[1].fault.is_none()
            || replicas.statuses()[0].behind_since.is_some()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), behind).await.expect("one of two");
    let status = &replicas.statuses()[1];
    assert!(status.behind_since.is_some() && status.failures > 0, "{status:?}");

    fs::create_dir(dir.path().join("mount")).expect("mounted");
    let number = change_until_current(&replicas, &connection, &dice, 2).await;
    assert_eq!(restored(&far, Target::Latest, &to).await.expect("restored"), content(&connection));

    // Away again, for longer than the log may grow; the near one goes on.
    fs::rename(dir.path().join("mount"), dir.path().join("elsewhere")).expect("unmounted");
    fs::write(dir.path().join("mount"), "").expect("nothing can be made here");
    let mut most = 0;
    for number in number..number + 6000 {
        counted(&connection, &dice, number);
        most = most.max(log());
        if number % 150 == 0 {
            let before = replicas.statuses()[0].current_at;
            let near = async {
                while replicas.statuses()[0].current_at == before {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                // Time for the log to be moved.
                tokio::time::sleep(Duration::from_millis(40)).await;
            };
            tokio::time::timeout(Duration::from_secs(20), near)
                .await
                .expect("the near one goes on");
        }
    }
    assert!(most < 48 << 20, "the log grew to {most} bytes");
    let statuses = replicas.statuses();
    assert!(statuses[1].behind_since.is_some(), "{statuses:?}");
    fs::remove_file(dir.path().join("mount")).expect("removed");
    fs::rename(dir.path().join("elsewhere"), dir.path().join("mount")).expect("mounted");
    change_until_current(&replicas, &connection, &dice, number + 6000).await;
    for replica in [&near, &far] {
        assert_eq!(
            restored(replica, Target::Latest, &to).await.expect("restored"),
            content(&connection)
        );
    }
    assert_eq!(replicas.statuses()[0].whole_copies, 1);
    replicator.stop(Duration::from_secs(5)).await;
}

/// Commits once more, and waits until all replicas have it.
async fn change_until_current(
    replicas: &Replicas,
    connection: &Connection,
    dice: &Dice,
    number: u64,
) -> u64 {
    counted(connection, dice, number);
    current(replicas).await;
    number + 1
}
