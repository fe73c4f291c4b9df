//! A program that is killed right before a step, at one step after the other: strace has the kernel
//! do it. What is left restores to a committed state, and replication goes on from there.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use super::*;
use crate::support::variable;

/// Transactions of the program.
const CHANGES: u64 = 60;
/// Where its database and its replica lie.
const PLACE: &str = "OPENRSVP_TEST_STEPS";

/// A transaction that leaves the same database wherever it runs.
fn numbered(connection: &Connection, number: u64) {
    let (id, size) = (1 + number * 7 % 40, number * 391 % 9000);
    let letter = char::from(b'a' + u8::try_from(number % 26).expect("small"));
    let sql = format!(
        "BEGIN;
        INSERT OR REPLACE INTO notes VALUES ({id}, CAST(printf('%.*c', {size}, '{letter}') AS BLOB));
        DELETE FROM notes WHERE id = {};
        INSERT OR REPLACE INTO other VALUES (1, '{number}');
        COMMIT",
        1 + number * 11 % 40,
    );
    connection.execute_batch(&sql).expect("committed");
}

/// The program. It does one thing after the other, as far as it goes, so that the same step is the
/// same one each time.
#[test]
#[ignore = "the others start it"]
fn program() {
    let dir = PathBuf::from(variable(PLACE).expect("the directory"));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let (database, replica) = (dir.join("live.db"), dir.join("replica"));
        let connection = writer(&database);
        numbered(&connection, 1);
        let mut options = options(&database, &[&replica]);
        options.snapshot_interval = SignedDuration::from_millis(400);
        options.retention = SignedDuration::from_millis(300);
        let (replicas, replicator) = follow_with(options);
        for number in 2..=CHANGES {
            numbered(&connection, number);
            tokio::time::sleep(Duration::from_millis(17)).await;
            if number % 20 == 0 {
                replicas.checkpoint().await.expect("tried");
            }
        }
        current(&replicas).await;
        replicator.stop(Duration::from_secs(5)).await;
    });
}

/// The database after each transaction.
fn contents() -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let connection = writer(&dir.path().join("model.db"));
    let after = |number| {
        numbered(&connection, number);
        content(&connection)
    };
    (1..=CHANGES + 1).map(after).collect()
}

/// What becomes of it at a system call.
enum Blow {
    /// It is gone.
    Kill,
    /// The disk is full for this once.
    Full,
}

/// Runs the program until its call number `at` of one of these; `false` when it made fewer.
fn run(dir: &Path, calls: &str, at: u64, blow: &Blow) -> bool {
    let what = match blow {
        Blow::Kill => "signal=KILL",
        Blow::Full => "error=ENOSPC",
    };
    let mut command = Command::new("strace");
    command.args(["-f", "-o"]).arg(dir.join("strace.log"));
    command.arg("-e").arg(format!("trace={calls}"));
    command.arg("-e").arg(format!("inject={calls}:{what}:when={at}"));
    command.arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", "replicate::steps::program", "--ignored"]).env(PLACE, dir);
    let ended = command.output().expect("strace is installed");
    let traced = fs::read_to_string(dir.join("strace.log")).expect("a trace");
    let is_killed = ended.status.signal() == Some(9);
    assert!(is_killed || ended.status.success(), "{calls} {at}: {ended:?}");
    is_killed || traced.contains("(INJECTED)")
}

/// Restores what the program left, by this program and by Litestream, and goes on; gives back
/// whether it took the whole database to do so.
async fn look_at(dir: &Path, contents: &[String]) -> bool {
    let (database, replica, to) = (dir.join("live.db"), dir.join("replica"), dir.join("to.db"));
    let at = |connection: &Connection| usize::try_from(number_in(connection)).expect("small");
    let connection = writer(&database);
    let live = at(&connection);
    assert_eq!(content(&connection), contents[live - 1], "the database itself");
    let has_whole = |path: &Path| {
        fs::read_dir(path).is_ok_and(|found| {
            found.flatten().any(|file| file.path().extension().is_some_and(|end| end == "ltx"))
        })
    };
    let had_one = has_whole(&replica.join("ltx/9"));
    if had_one {
        let found = restored(&replica, Target::Latest, &to).await.expect("restored");
        let number = at(&Connection::open(&to).expect("opened"));
        assert_eq!(found, contents[number - 1], "transaction {number}");
        assert!(number <= live, "{number} was never committed: {live}");
        let address = format!("file://{}", replica.display());
        fs::remove_file(&to).expect("removed");
        let theirs = litestream::restore(dir, None, &address, &to, &[]);
        assert!(theirs.status.success(), "{theirs:?}");
        assert_eq!(content(&Connection::open(&to).expect("opened")), found, "by Litestream");
    }
    let (replicas, replicator) = follow(&database, &[&replica]);
    numbered(&connection, live as u64 + 1);
    current(&replicas).await;
    assert_eq!(
        restored(&replica, Target::Latest, &to).await.expect("restored"),
        contents[live],
        "it goes on"
    );
    let wholes = replicas.statuses()[0].whole_copies;
    replicator.stop(Duration::from_secs(5)).await;
    had_one && wholes > 0
}

/// Kills the program at its first of these calls, at the second, and so on; with longer strides
/// where there are many.
async fn walk(calls: &str) {
    let contents = contents();
    let (mut at, mut kills, mut wholes) = (1, 0, 0);
    loop {
        let dir = tempfile::tempdir().expect("a directory");
        if !run(dir.path(), calls, at, &Blow::Kill) {
            break;
        }
        // Before there was a database nothing is lost.
        if dir.path().join("live.db-wal").exists() && has_number(&dir.path().join("live.db")) {
            wholes += u32::from(look_at(dir.path(), &contents).await);
        }
        kills += 1;
        at += 1 + at / 8;
    }
    assert!(kills > 3, "{calls}: {kills}");
    println!("{calls}: killed {kills} times, up to call {at}; {wholes} whole copies more");
    assert!(wholes * 2 <= kills, "{calls}: {wholes} whole copies: it should mostly go on");
}

fn has_number(database: &Path) -> bool {
    let connection = Connection::open(database).expect("opened");
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("set");
    connection.query_row("SELECT 1 FROM other", [], |_| Ok(())).is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_any_file_appears_in_the_replica() {
    walk("?link,?linkat").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_any_file_is_renamed() {
    walk("?rename,?renameat,?renameat2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_any_file_is_removed() {
    walk("?unlink,?unlinkat").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_anything_is_on_the_disk() {
    walk("fsync,fdatasync").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_anything_is_written() {
    walk("write,pwrite64,ftruncate").await;
}

/// A full disk at any step that only replication takes: it is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_for_once_loses_nothing() {
    let contents = contents();
    for calls in ["?link,?linkat", "?rename,?renameat,?renameat2"] {
        let mut at = 1;
        loop {
            let dir = tempfile::tempdir().expect("a directory");
            if !run(dir.path(), calls, at, &Blow::Full) {
                break;
            }
            let (replica, to) = (dir.path().join("replica"), dir.path().join("to.db"));
            let found = restored(&replica, Target::Latest, &to).await.expect("restored");
            assert_eq!(found, contents[CHANGES as usize - 1], "{calls} {at}");
            at += 1 + at / 4;
        }
        assert!(at > 4, "{calls}: {at}");
    }
}
