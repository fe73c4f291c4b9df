//! What goes wrong around a replicator: disks that are not there, writers that fail, files that
//! break. Commits go on, and what is restored is what was committed.

use std::os::unix::fs::FileExt as _;

use super::*;
use crate::support::bucket::Bucket;

/// A writer that fails at the last moment leaves a whole transaction behind the end of the log,
/// over which the next one writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_committed_is_not_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(19));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let (replicas, replicator) = follow(&path("live.db"), &[&replica]);
    current(&replicas).await;

    for end in ["", "-wal"] {
        fs::copy(path(&format!("live.db{end}")), path(&format!("other.db{end}"))).expect("copied");
    }
    let committed = fs::metadata(path("live.db-wal")).expect("a log").len();
    let other = writer(&path("other.db"));
    counted(&other, &dice, 1_000_001);
    let log = fs::read(path("other.db-wal")).expect("read");
    let never = &log[usize::try_from(committed).expect("small")..];
    assert!(never.len() > 4096, "it went on in the same log");
    let live = fs::File::options().write(true).open(path("live.db-wal")).expect("opened");
    live.write_all_at(never, committed).expect("written");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(replicas.statuses()[0].behind_since.is_none(), "{:?}", replicas.statuses());

    for number in 2..6 {
        counted(&connection, &dice, number);
        current(&replicas).await;
        checkpoint(&replicas).await;
    }
    leads_back(&replica, &to, &connection).await;
    assert_eq!(replicas.statuses()[0].whole_copies, 1);
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_copy_that_cannot_be_made_is_made_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(23));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let opened =
        Replicas::open(options(&path("live.db"), &[&replica]), Clock::system(), &Entropy::system());
    let replicas = opened.expect("followed");
    // Nothing can be made here.
    fs::rename(path("live.db-replication"), path("away")).expect("moved");
    fs::write(path("live.db-replication"), "").expect("written");
    let replicator = Replicator::start(&replicas, None);
    until("it fails", &replicas, |status| status.failures > 1).await;
    for number in 2..9 {
        counted(&connection, &dice, number);
    }
    until("it fails again", &replicas, |status| status.failures > 3).await;
    assert!(!replica.join("ltx/0").exists(), "nothing leads to what would be in there");
    fs::remove_file(path("live.db-replication")).expect("removed");
    fs::rename(path("away"), path("live.db-replication")).expect("moved back");
    current(&replicas).await;
    leads_back(&replica, &to, &connection).await;
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_stays_in_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(37));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let (replicas, replicator) = follow(&path("live.db"), &[&replica]);
    current(&replicas).await;
    // Nothing can be made here. A file that is open can still be written.
    fs::rename(path("live.db-replication"), path("away")).expect("moved");
    fs::write(path("live.db-replication"), "").expect("written");
    for number in 2..9 {
        counted(&connection, &dice, number);
        let is_moved = replicas.checkpoint().await.is_ok_and(|is_moved| is_moved);
        assert!(!is_moved || number == 2, "{number}: the log is all there is");
    }
    fs::remove_file(path("live.db-replication")).expect("removed");
    fs::rename(path("away"), path("live.db-replication")).expect("moved back");
    current(&replicas).await;
    leads_back(&replica, &to, &connection).await;
    assert_eq!(replicas.statuses()[0].whole_copies, 1);
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_log_no_longer_is_sent_soon() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(41));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let mut options = options(&path("live.db"), &[&replica]);
    options.sync_interval = Duration::from_hours(1);
    let (replicas, replicator) = follow_with(options);
    until("it begins", &replicas, |status| status.current_at.is_some()).await;
    // At once, and after that soon.
    for txid in 2..4 {
        counted(&connection, &dice, txid);
        assert!(replicas.checkpoint().await.expect("moved"));
        until("it is sent", &replicas, |status| status.txid == txid).await;
        leads_back(&replica, &to, &connection).await;
    }
    assert_eq!(replicas.statuses()[0].whole_copies, 1);
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_whose_disk_is_away_is_not_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("mount/replica"), path("to.db"), Dice::new(29));
    fs::create_dir(path("mount")).expect("mounted");
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let (replicas, replicator) = follow(&path("live.db"), &[&replica]);
    current(&replicas).await;

    let (unmount, mount) = (
        || fs::rename(path("mount"), path("disk")).expect("unmounted"),
        || fs::rename(path("disk"), path("mount")).expect("mounted"),
    );
    unmount();
    fs::create_dir(path("mount")).expect("what lies below");
    counted(&connection, &dice, 2);
    let asks = |status: &ReplicaStatus| {
        status.fault.as_ref().is_some_and(|fault| fault.contains("is its disk mounted?"))
    };
    until("it asks for the disk", &replicas, asks).await;
    assert!(!replica.exists());
    // What lies below has the directory too, and it is empty.
    fs::create_dir(&replica).expect("made");
    counted(&connection, &dice, 3);
    let failures = replicas.statuses()[0].failures;
    until("it still asks", &replicas, |status| status.failures > failures + 1 && asks(status))
        .await;
    assert!(fs::read_dir(&replica).expect("read").next().is_none(), "nothing is put there");
    replicator.stop(Duration::from_secs(5)).await;
    drop(replicas);

    // After a restart it asks as well; and it goes on where it was, for the log is kept for it.
    for number in [4, 8] {
        let (replicas, replicator) = follow(&path("live.db"), &[&replica]);
        counted(&connection, &dice, number);
        assert!(!replicas.checkpoint().await.expect("tried"), "it was not reached yet");
        until("it asks after a restart", &replicas, asks).await;
        for number in number + 1..number + 4 {
            counted(&connection, &dice, number);
            assert!(!replicas.checkpoint().await.expect("tried"), "it is away");
        }
        replicator.stop(Duration::from_secs(5)).await;
    }
    let (replicas, replicator) = follow(&path("live.db"), &[&replica]);
    fs::remove_dir_all(path("mount")).expect("removed");
    mount();
    current(&replicas).await;
    leads_back(&replica, &to, &connection).await;
    assert_eq!(replicas.statuses()[0].whole_copies, 0, "the log had it all");
    replicator.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_file_holds_up_no_commit_and_is_followed_by_a_whole_copy() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let (replica, to, dice) = (path("replica"), path("to.db"), Dice::new(31));
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let mut options = options(&path("live.db"), &[&replica]);
    options.levels = vec![SignedDuration::from_secs(2)];
    options.snapshot_interval = SignedDuration::from_hours(1);
    let (replicas, replicator) = follow_with(options);
    current(&replicas).await;
    let mut number = 1;
    loop {
        let merged = newest(&replica.join("ltx/1"));
        number += 1;
        counted(&connection, &dice, number);
        let name = format!("{txid:016x}-{txid:016x}.ltx", txid = current(&replicas).await);
        let broken = fs::File::options().write(true).open(replica.join("ltx/0").join(name));
        broken.expect("opened").write_all_at(b"broken", 120).expect("written");
        // Unless it was merged just before.
        tokio::time::sleep(Duration::from_secs(1)).await;
        if newest(&replica.join("ltx/1")) == merged {
            break;
        }
    }
    while replicas.statuses()[0].whole_copies < 2 {
        number += 1;
        counted(&connection, &dice, number);
        // Each gets there at once.
        current(&replicas).await;
        assert!(number < 600, "{:?}", replicas.statuses());
    }
    until("all is well again", &replicas, |status| status.upkeep_fault.is_none()).await;
    assert_eq!(replicas.statuses()[0].whole_copies, 2);
    leads_back(&replica, &to, &connection).await;
    replicator.stop(Duration::from_secs(5)).await;
}

/// The last file of a level, if it has any.
fn newest(level: &Path) -> Option<std::ffi::OsString> {
    let files = fs::read_dir(level).ok()?;
    files.map(|file| file.expect("read").file_name()).max()
}

/// A large file goes in parts: who sends it says so first, in case two do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_copy_that_somebody_began_is_waited_for_and_an_own_one_is_sent_again() {
    let (dir, bucket) = (tempfile::tempdir().expect("a directory"), Bucket::start().await);
    let path = |name: &str| dir.path().join(name);
    let dice = Dice::new(37);
    let connection = writer(&path("live.db"));
    counted(&connection, &dice, 1);
    let sql = "INSERT INTO notes WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
        WHERE i < 200) SELECT 10000 + i, randomblob(100000) FROM n";
    connection.execute_batch(sql).expect("filled");
    let mut options = options(&path("live.db"), &[]);
    options.replicas = vec![bucket.address("sites/large", dir.path())];
    let open = || Replicas::open(options.clone(), Clock::system(), &Entropy::system());
    let level = bucket.folder("sites/large/0009");
    fs::create_dir_all(&level).expect("made");
    let claim = level.join("0000000000000001-0000000000000001.ltx.claim");
    fs::write(&claim, "another program").expect("claimed");
    let replicas = open().expect("followed");
    let replicator = Replicator::start(&replicas, None);
    let waits = |status: &ReplicaStatus| {
        status.fault.as_ref().is_some_and(|fault| fault.contains("it is waited for"))
    };
    until("it waits", &replicas, waits).await;
    assert!(!replicas.statuses()[0].is_given_up);

    // As if this program had begun to send it, and was killed.
    let state = fs::read_to_string(path("live.db-replication/state.json")).expect("kept");
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    fs::write(&claim, state["writer"].as_str().expect("a name")).expect("claimed");
    current(&replicas).await;
    assert!(!claim.exists());
    counted(&connection, &dice, 2);
    current(&replicas).await;
    replicator.stop(Duration::from_secs(5)).await;
    let to = path("to.db");
    let address = "s3://bucket/sites/large";
    let theirs = litestream::restore(dir.path(), Some(&bucket), address, &to, &[]);
    assert!(theirs.status.success(), "{theirs:?}");
    assert_eq!(content(&Connection::open(&to).expect("opened")), content(&connection));
}
