//! What is kept of logs that have begun anew, when the program is killed: the next one goes on from
//! there if it is certain that nothing is missing, and only then.

use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use super::*;
use crate::support::variable;

/// Where the database of another program lies.
const PLACE: &str = "OPENRSVP_TEST_OTHER";

/// The files that a program kept, the oldest first.
fn kept(dir: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(dir.join("live.db-replication")).expect("read");
    let found = found.map(|file| file.expect("read").path());
    let is_log = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log-"))
    };
    let mut logs: Vec<PathBuf> = found.filter(is_log).collect();
    logs.sort();
    logs
}

/// A program moves so many logs, each with some commits in it, commits so often after that, and is
/// killed before the replica gets any of it. Then something happens, and the next program starts:
/// gives back whether that one had to send the whole database.
async fn killed(moved: u64, last: u64, then: impl FnOnce(&Path, &Connection, &Dice)) -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(43));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let process = Runtime::new().expect("a runtime");
    let (replicas, replicator) = {
        let _within = process.enter();
        follow(&path("live.db"), &[&replica])
    };
    current(&replicas).await;
    // From here on nobody sends.
    kill(process, replicator);
    for number in 0..moved {
        for commit in 0..20 {
            counted(&connection, &dice, 2 + 20 * number + commit);
        }
        assert!(replicas.checkpoint().await.expect("moved"));
    }
    for number in 0..last {
        counted(&connection, &dice, 100 + number);
    }
    drop(replicas);
    then(dir.path(), &connection, &dice);

    let (replicas, replicator) = follow(&path("live.db"), &[&replica]);
    current(&replicas).await;
    counted(&connection, &dice, 1000);
    current(&replicas).await;
    leads_back(&replica, &to, &connection).await;
    replicator.stop(Duration::from_secs(5)).await;
    assert!(kept(dir.path()).len() <= 1, "{:?}", kept(dir.path()));
    replicas.statuses()[0].whole_copies == 1
}

/// Moves all of the log into the file, without any knowledge of replicas.
fn move_log(connection: &Connection) {
    let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    });
    assert!(moved.expect("tried"), "nobody else is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_goes_on_from_what_was_kept() {
    for (moved, last) in [(0, 3), (1, 0), (4, 0), (4, 1), (4, 5)] {
        let what = format!("{moved} moved, {last} in the log");
        assert!(!killed(moved, last, |_, _, _| {}).await, "{what}");
        let then = |_: &Path, connection: &Connection, dice: &Dice| {
            counted(connection, dice, 200);
        };
        assert!(!killed(moved, last, then).await, "{what}, and more by somebody else");
    }
    // Somebody else moves the log, and lets it begin anew right where it was.
    let then = |_: &Path, connection: &Connection, dice: &Dice| {
        move_log(connection);
        counted(connection, dice, 200);
    };
    assert!(!killed(4, 0, then).await, "it began anew once");
    // Nothing lies behind the end, or something that was never in the log before.
    for extra in [0, 5000] {
        let then = |dir: &Path, _: &Connection, _: &Dice| cut_log(dir, extra);
        assert!(!killed(4, 1, then).await, "nothing follows");
    }
    // Nobody looked, and what told is written over.
    assert!(killed(4, 60, |_, _, _| {}).await, "it is not certain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_moved_is_not_missed() {
    for (moved, last) in [(0, 3), (4, 0), (4, 1)] {
        // It begins anew behind what this program knows of.
        let then = |_: &Path, connection: &Connection, dice: &Dice| {
            counted(connection, dice, 200);
            move_log(connection);
            counted(connection, dice, 201);
        };
        assert!(killed(moved, last, then).await, "{moved} moved, {last} in the log");
    }
    let then = |_: &Path, connection: &Connection, _: &Dice| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("moved");
        connection.execute_batch("DELETE FROM notes WHERE id % 2 = 0").expect("deleted");
    };
    assert!(killed(4, 1, then).await, "it was cut off");
    let then = |_: &Path, connection: &Connection, _: &Dice| {
        connection
            .execute_batch(
                "PRAGMA journal_mode = DELETE; DELETE FROM notes; PRAGMA journal_mode = WAL",
            )
            .expect("deleted");
    };
    assert!(killed(4, 1, then).await, "there was none for a while");
    let then = |dir: &Path, _: &Connection, _: &Dice| cut_log(dir, 100);
    assert!(killed(4, 1, then).await, "something came after, and was cut off");
}

/// Cuts the log off so many bytes behind where the one before it ended.
fn cut_log(dir: &Path, extra: u64) {
    let before = fs::metadata(kept(dir).last().expect("a log")).expect("a file");
    let log = fs::File::options().write(true).open(dir.join("live.db-wal")).expect("a log");
    log.set_len(before.len() + extra).expect("cut");
}

/// A program that commits once.
#[test]
#[ignore = "the test below starts it"]
fn other() {
    let connection = writer(&PathBuf::from(variable(PLACE).expect("the database")));
    connection.execute_batch("DELETE FROM notes WHERE id % 2 = 0").expect("deleted");
}

/// SQLite counts a log anew in memory first, which outlives whoever is killed while another program
/// has the database open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_begun_anew_in_memory_only_is_no_log() {
    let then = |dir: &Path, _: &Connection, _: &Dice| {
        let (database, log) = (dir.join("live.db"), dir.join("live.db-wal"));
        let before = fs::read(&log).expect("a log");
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "inject=pwrite64:signal=KILL:when=1", "-P"]);
        command.arg(&log).arg(std::env::current_exe().expect("this program"));
        command.args(["--exact", "replicate::kept::other", "--ignored"]).env(PLACE, &database);
        let ended = command.output().expect("strace is installed");
        assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
        assert!(fs::read(&log).expect("a log") == before, "nothing was written");
    };
    for moved in [1, 4] {
        assert!(killed(moved, 0, then).await, "{moved} moved");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_not_equally_far_both_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (near, far, to, dice) = (path("near"), path("mount/far"), path("to.db"), Dice::new(47));
    fs::create_dir(path("mount")).expect("mounted");
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let mut options = options(&path("live.db"), &[&near, &far]);
    options.log_limit = 1 << 20;
    let process = Runtime::new().expect("a runtime");
    let (replicas, replicator) = {
        let _within = process.enter();
        follow_with(options.clone())
    };
    current(&replicas).await;
    fs::rename(path("mount"), path("elsewhere")).expect("unmounted");
    let salts = || fs::read(path("live.db-wal")).expect("a log")[16..24].to_vec();
    let (mut number, before) = (1, salts());
    while salts() == before {
        number += 1;
        counted(&connection, &dice, number);
        assert!(number < 6000, "the log is as long as it may be, and begins anew");
    }
    until("that is seen", &replicas, |_| kept(dir.path()).len() > 1).await;
    let wholes = replicas.statuses().iter().map(|status| status.whole_copies).max();
    assert_eq!(wholes, Some(1));
    drop(replicas);
    kill(process, replicator);

    fs::rename(path("elsewhere"), path("mount")).expect("mounted");
    let (replicas, replicator) = follow_with(options);
    counted(&connection, &dice, number + 1);
    current(&replicas).await;
    for (replica, status) in [&near, &far].into_iter().zip(replicas.statuses()) {
        leads_back(replica, &to, &connection).await;
        assert_eq!(status.whole_copies, 0, "{status:?}");
    }
    replicator.stop(Duration::from_secs(5)).await;
}

/// While somebody reads for long the log cannot begin anew; that is no fault of a replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_somebody_reads_grows_and_costs_no_replica_anything() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(53));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let mut options = options(&path("live.db"), &[&replica]);
    options.log_limit = 1 << 20;
    let (replicas, replicator) = follow_with(options);
    current(&replicas).await;
    let reader = writer(&path("live.db"));
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM notes").expect("it reads");
    let log = || fs::metadata(path("live.db-wal")).expect("a log").len();
    let mut number = 1;
    while log() < 4 << 20 {
        number += 1;
        counted(&connection, &dice, number);
        if number % 50 == 0 {
            current(&replicas).await;
        }
    }
    reader.execute_batch("COMMIT").expect("ended");
    for number in number..number + 200 {
        counted(&connection, &dice, number);
        if number % 20 == 0 {
            current(&replicas).await;
        }
    }
    current(&replicas).await;
    leads_back(&replica, &to, &connection).await;
    assert_eq!(replicas.statuses()[0].whole_copies, 1);
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_a_replica_that_is_away_has_an_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("mount/replica"), path("to.db"), Dice::new(59));
    fs::create_dir(path("mount")).expect("mounted");
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    // As after a restore, there is no log yet.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("moved");
    let mut options = options(&path("live.db"), &[&replica]);
    options.log_limit = 1 << 20;
    let (replicas, replicator) = follow_with(options.clone());
    current(&replicas).await;
    let second = Replicas::open(options, Clock::system(), &Entropy::system());
    let second = second.err().expect("one is enough").to_string();
    assert!(second.contains("another program replicates this database already"), "{second}");

    fs::rename(path("mount"), path("elsewhere")).expect("unmounted");
    let sizes = || {
        let sizes =
            kept(dir.path()).into_iter().map(|path| fs::metadata(path).map_or(0, |m| m.len()));
        sizes.sum::<u64>()
    };
    let (mut number, mut most) = (1, 0);
    let log = || fs::metadata(path("live.db-wal")).map_or(0, |log| log.len());
    while number < 3000 {
        let before = log();
        for _ in 0..20 {
            number += 1;
            counted(&connection, &dice, number);
        }
        most = most.max(sizes());
        // Whoever looks may be late on a busy machine.
        if log() > before && log() > 2 << 20 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until("it is lost", &replicas, |_| sizes() < 100_000).await;
    assert!(most > 1 << 20, "{most} bytes are kept");
    assert!(most < 12 << 20, "{most} bytes are kept");
    fs::rename(path("elsewhere"), path("mount")).expect("mounted");
    current(&replicas).await;
    leads_back(&replica, &to, &connection).await;
    assert_eq!(replicas.statuses()[0].whole_copies, 2);
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_broken_is_not_gone_on_from() {
    /// Does something to one of the kept files, which all are needed.
    async fn broken(which: usize, then: impl Fn(&Path)) {
        let then = |dir: &Path, _: &Connection, _: &Dice| {
            let logs = kept(dir);
            assert_eq!(logs.len(), 4, "{logs:?}");
            then(&logs[which]);
        };
        assert!(killed(4, 1, then).await, "{which}");
    }
    let cut = |path: &Path, least: u64| {
        let file = fs::File::options().write(true).open(path).expect("opened");
        let size = file.metadata().expect("a file").len();
        file.set_len(size.saturating_sub(least)).expect("cut");
    };
    for which in 0..4 {
        broken(which, |path| fs::remove_file(path).expect("removed")).await;
        broken(which, |path| fs::write(path, "").expect("written")).await;
        broken(which, |path| cut(path, 1)).await;
        broken(which, |path| cut(path, 4096 + 24)).await;
        broken(which, |path| {
            let file = fs::File::options().write(true).open(path).expect("opened");
            let size = file.metadata().expect("a file").len();
            file.write_all_at(b"broken", size - 2000).expect("written");
        })
        .await;
    }
}
