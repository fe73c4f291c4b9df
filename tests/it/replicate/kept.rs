//! What is kept of logs that have begun anew, when the program is killed: the next one goes on from
//! there if it is certain that nothing is missing, and only then.

use std::os::unix::fs::FileExt as _;

use super::*;

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
    let found = restored(&replica, Target::Latest, &to).await.expect("restored");
    assert_eq!(found, content(&connection));
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
