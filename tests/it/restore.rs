//! Replicas that Litestream wrote, restored: to the byte what Litestream itself makes of them, at
//! every point it can reach and at no other; and whatever is damaged is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::bucket::Bucket;
use crate::support::server::{TestServer, openrsvp};

/// Replicas that the real program wrote, with what it restores from them.
fn golden(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/litestream").join(below)
}

fn expected(folder: &str) -> Value {
    let text = fs::read(golden(&format!("expected/{folder}.json"))).expect("read");
    serde_json::from_slice(&text).expect("JSON")
}

fn url(dir: &Path) -> String {
    format!("file://{}", dir.display())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Restores the replica in `from` to `to`, with further arguments.
fn restore(from: &Path, to: &Path, more: &[&str]) -> Output {
    let dir = to.parent().expect("a directory");
    let mut command = openrsvp(dir);
    command.args(["restore", "--from", &url(from), "--to"]).arg(to).args(more);
    command.output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rows(database: &Path) -> String {
    let connection = Connection::open(database).expect("a database");
    let mut rows =
        connection.prepare("SELECT id, title, body FROM notes ORDER BY id").expect("rows");
    let text = rows.query_map([], |row| {
        let id: i64 = row.get(0)?;
        let (title, body): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(format!("{id}|{title}|{body}\n"))
    });
    text.expect("rows").map(|line| line.expect("a row")).collect()
}

#[test]
fn every_point_is_as_litestream_restores_it() {
    for folder in ["current", "pruned", "lz4-frames"] {
        let (dir, known) = (tempfile::tempdir().expect("a directory"), expected(folder));
        let points = known["points"].as_array().expect("points");
        assert!(points.len() >= 5);
        for point in points {
            let txid = point["txid"].as_str().expect("a txid");
            let to = dir.path().join(format!("{txid}.db"));
            let restored = restore(&golden(folder), &to, &["--txid", txid, "--json"]);
            assert!(restored.status.success(), "{folder} {txid}: {}", said(&restored));
            let bytes = fs::read(&to).expect("a database");
            assert_eq!(hex(&Sha256::digest(&bytes)), point["file_sha256"], "{folder} {txid}");
            let report: Value = serde_json::from_slice(&restored.stdout).expect("JSON");
            assert_eq!(report["bytes"], bytes.len());
            assert_eq!(hex(&Sha256::digest(rows(&to))), point["rows_sha256"], "{folder} {txid}");
        }
        for missing in known["missing"].as_array().expect("missing") {
            let to = dir.path().join("missing.db");
            let refused =
                restore(&golden(folder), &to, &["--txid", missing.as_str().expect("text")]);
            assert!(!refused.status.success() && said(&refused).contains("cannot be reached"));
            assert!(!to.exists());
        }
        let newest = &points[points.len() - 1]["txid"];
        let shown = openrsvp(dir.path())
            .args(["backup", "list", "--from", &url(&golden(folder)), "--json"])
            .output()
            .expect("it runs");
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        let shown = shown.as_array().expect("points");
        assert_eq!(shown.len(), points.len());
        assert_eq!(&shown[0]["txid"], newest);
    }
}

#[test]
fn a_moment_is_the_state_just_before_it() {
    for folder in ["current", "pruned", "lz4-frames"] {
        let (dir, known) = (tempfile::tempdir().expect("a directory"), expected(folder));
        for at in known["at"].as_array().expect("moments") {
            let moment = jiff::Timestamp::from_millisecond(at["time_ms"].as_i64().expect("a time"));
            let moment = moment.expect("a time").to_string();
            let to = dir.path().join("at.db");
            let planned =
                restore(&golden(folder), &to, &["--timestamp", &moment, "--dry-run", "--json"]);
            assert!(!to.exists());
            if at["txid"].is_null() {
                assert!(
                    said(&planned).contains("nothing in the replica is as old"),
                    "{folder} {moment}"
                );
                continue;
            }
            let plan: Value = serde_json::from_slice(&planned.stdout).expect("JSON");
            assert_eq!(plan["txid"], at["txid"], "{folder} {moment}");
        }
    }
}

#[test]
fn a_database_that_is_there_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let to = dir.path().join("openrsvp.db");
    fs::write(&to, "mine").expect("written");
    fs::write(dir.path().join("openrsvp.db-wal"), "my log").expect("written");
    let refused = restore(&golden("current"), &to, &[]);
    assert!(!refused.status.success() && said(&refused).contains("--force"), "{}", said(&refused));
    assert_eq!(fs::read(&to).expect("read"), b"mine");
    for round in ["openrsvp.db.before-restore", "openrsvp.db.before-restore-2"] {
        let restored = restore(&golden("current"), &to, &["--force", "--json"]);
        let report: Value = serde_json::from_slice(&restored.stdout).expect("JSON");
        assert_eq!(report["kept"], json!(dir.path().join(round)));
        assert!(!dir.path().join("openrsvp.db-wal").exists(), "a log of another database");
    }
    assert_eq!(fs::read(dir.path().join("openrsvp.db.before-restore")).expect("read"), b"mine");
    let log = dir.path().join("openrsvp.db.before-restore-wal");
    assert_eq!(fs::read(log).expect("read"), b"my log");
    assert_eq!(rows(&to).lines().count(), 8);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("listed").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The files that lead to the newest state of `current`.
fn chain(dir: &Path) -> Vec<PathBuf> {
    let planned = restore(dir, &dir.join("plan.db"), &["--dry-run", "--json"]);
    let plan: Value = serde_json::from_slice(&planned.stdout).expect("JSON");
    let files = plan["files"].as_array().expect("files");
    let path = |file: &Value| dir.join("ltx").join(file.as_str().expect("a path"));
    files.iter().map(path).collect()
}

/// Each damage that Litestream refuses, in each file of the chain.
#[test]
fn whatever_is_damaged_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let replica = dir.path().join("replica");
    copy_dir(&golden("current"), &replica);
    let to = dir.path().join("to.db");
    assert!(restore(&replica, &to, &[]).status.success());
    let undamaged = fs::read(&to).expect("read");
    fs::remove_file(&to).expect("removed");
    let refuse = |what: &str| {
        let refused = restore(&replica, &to, &[]);
        assert_eq!(refused.status.code(), Some(1), "{what}: {refused:?}");
        assert!(!to.exists() && !dir.path().join("to.db.restoring").exists(), "{what}");
        said(&refused)
    };
    for file in chain(&replica) {
        let whole = fs::read(&file).expect("read");
        for at in (0..whole.len()).step_by((whole.len() / 40).max(1)) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&file, &damaged).expect("written");
            let restored = restore(&replica, &to, &[]);
            // A packed page can be written in more than one way.
            if restored.status.success() {
                assert_eq!(fs::read(&to).expect("read"), undamaged, "{} at {at}", file.display());
                fs::remove_file(&to).expect("removed");
            } else {
                assert!(!to.exists(), "{} at {at}", file.display());
            }
        }
        for cut in [0, 1, 99, 100, whole.len() / 2, whole.len() - 1] {
            fs::write(&file, &whole[..cut]).expect("written");
            refuse(&format!("{} cut at {cut}", file.display()));
        }
        fs::write(&file, [whole.as_slice(), b"x"].concat()).expect("written");
        assert!(refuse("longer").contains("something follows its end"));
        fs::write(&file, &whole).expect("written");
    }
    let restored = restore(&replica, &to, &[]);
    assert!(restored.status.success(), "{}", said(&restored));
    fs::remove_file(&to).expect("removed");

    let last = chain(&replica).pop().expect("one");
    let next = last.with_file_name("000000000000000a-000000000000000b.ltx");
    fs::rename(&last, &next).expect("renamed");
    assert!(refuse("another's name").contains("its name is another's"));
}

#[test]
fn a_gap_is_told_and_strange_files_are_passed_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let (replica, to) = (dir.path().join("replica"), dir.path().join("to.db"));
    for txid in [1, 2, 4] {
        let name = format!("ltx/0/{txid:016x}-{txid:016x}.ltx");
        fs::create_dir_all(replica.join("ltx/0")).expect("a directory");
        fs::copy(golden("current").join(&name), replica.join(&name)).expect("copied");
    }
    for name in ["0000000000000005-0000000000000005.ltx.tmp", "x.ltx", "0-1.ltx", "README"] {
        fs::write(replica.join("ltx/0").join(name), "x").expect("written");
    }
    let refused = restore(&replica, &to, &[]);
    assert!(said(&refused).contains("gap"), "{}", said(&refused));
    assert!(restore(&replica, &to, &["--txid", "2"]).status.success());
    let nothing = restore(dir.path(), &dir.path().join("x.db"), &[]);
    assert!(said(&nothing).contains("nothing in the replica"), "{}", said(&nothing));
}

#[test]
fn addresses_that_mean_nothing_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    for (address, word) in [
        ("/var/backups", "file:///directory"),
        ("https://example.org/x", "file:///directory"),
        ("s3://bucket", "s3://bucket/prefix"),
        ("file:///nowhere/at/all", "is not there"),
    ] {
        let mut command = openrsvp(dir.path());
        let refused = command.args(["restore", "--from", address]).output().expect("it runs");
        assert!(said(&refused).contains(word), "{address}: {}", said(&refused));
    }
}

/// Puts a golden replica under a prefix of a bucket, by the names that a bucket has.
fn fill(bucket: &Bucket, folder: &str, prefix: &str) {
    for level in 0..=9 {
        let from = golden(folder).join(format!("ltx/{level}"));
        if from.is_dir() {
            copy_dir(&from, &bucket.folder(prefix).join(format!("{level:04x}")));
        }
    }
}

fn command(bucket: &Bucket, dir: &Path, secret: &str, arguments: &[&str]) -> Output {
    let mut command = openrsvp(dir);
    bucket.tell(&mut command, secret);
    command.args(arguments).output().expect("it runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_read_as_a_directory_is() {
    let (bucket, dir) = (Bucket::start().await, tempfile::tempdir().expect("a directory"));
    for folder in ["current", "pruned", "lz4-frames"] {
        fill(&bucket, folder, &format!("sites/{folder}"));
        let (known, from) = (expected(folder), format!("s3://bucket/sites/{folder}"));
        let last = known["points"].as_array().and_then(|points| points.last()).expect("points");
        let to = dir.path().join(format!("{folder}.db"));
        let path = to.to_str().expect("text");
        let restored =
            command(&bucket, dir.path(), "the-secret", &["restore", "--from", &from, "--to", path]);
        assert!(restored.status.success(), "{folder}: {}", said(&restored));
        let bytes = fs::read(&to).expect("a database");
        assert_eq!(hex(&Sha256::digest(&bytes)), last["file_sha256"]);
        let moment = known["at"].as_array().and_then(|at| at.last()).expect("moments");
        let at = jiff::Timestamp::from_millisecond(moment["time_ms"].as_i64().expect("a time"));
        let at = at.expect("a time").to_string();
        let arguments = ["restore", "--from", &from, "--timestamp", &at, "--dry-run", "--json"];
        let planned = command(&bucket, dir.path(), "the-secret", &arguments);
        let plan: Value = serde_json::from_slice(&planned.stdout).expect("JSON");
        assert_eq!(plan["txid"], moment["txid"], "{folder}");
        assert!(!dir.path().join(format!("{folder}.db.restoring-part")).exists());
    }
    let arguments = ["backup", "list", "--from", "s3://bucket/sites/current"];
    let refused = command(&bucket, dir.path(), "another", &arguments);
    assert!(!refused.status.success() && said(&refused).contains("cannot be read"));
    assert!(!said(&refused).contains("another"), "a secret: {}", said(&refused));
    let arguments = ["backup", "list", "--from", "s3://bucket/nothing/here"];
    let empty = command(&bucket, dir.path(), "the-secret", &arguments);
    assert_eq!(String::from_utf8_lossy(&empty.stdout), "There is nothing in this replica.\n");
}

/// The old layout, from a directory and from a bucket, and what is wrong with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_litestream_0_3_wrote_is_restored() {
    let (bucket, dir) = (Bucket::start().await, tempfile::tempdir().expect("a directory"));
    let replica = dir.path().join("replica");
    copy_dir(&golden("v0.3"), &replica);
    copy_dir(&golden("v0.3"), &bucket.folder("sites/old"));
    let known = expected("v0.3");
    let to = dir.path().join("to.db");
    assert!(restore(&replica, &to, &[]).status.success());
    let whole = hex(&Sha256::digest(fs::read(&to).expect("a database")));
    assert_eq!(whole, known["latest"]["file_sha256"]);
    let far = dir.path().join("far.db");
    let arguments =
        ["restore", "--from", "s3://bucket/sites/old", "--to", far.to_str().expect("text")];
    let restored = command(&bucket, dir.path(), "the-secret", &arguments);
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(fs::read(&far).expect("read") == fs::read(&to).expect("read"));
    assert!(
        !dir.path().join("to.db-wal").exists() && !dir.path().join("to.db.restoring-wal").exists()
    );

    let refused = restore(&replica, &dir.path().join("x.db"), &["--txid", "1"]);
    assert!(said(&refused).contains("nothing in the replica"), "{}", said(&refused));
    let early =
        restore(&replica, &dir.path().join("x.db"), &["--timestamp", "2001-01-01T00:00:00Z"]);
    assert!(said(&early).contains("nothing in the replica"), "{}", said(&early));
    let logs = replica.join("generations/698c64220dc4e484/wal");
    for (name, word) in [
        ("00000002_00001038.wal.lz4", "what comes before it in its log is missing"),
        ("00000003_00000000.wal.lz4", "what comes before it in its log is missing"),
    ] {
        let kept = fs::read(logs.join(name)).expect("read");
        fs::remove_file(logs.join(name)).expect("removed");
        let refused = restore(&replica, &dir.path().join("x.db"), &[]);
        assert!(said(&refused).contains(word), "{name}: {}", said(&refused));
        fs::write(logs.join(name), &kept[..kept.len() - 9]).expect("cut");
        let refused = restore(&replica, &dir.path().join("x.db"), &[]);
        assert!(said(&refused).contains("cannot be used"), "{name}: {}", said(&refused));
        fs::write(logs.join(name), &kept).expect("mended");
    }
    for offset in ["00000000", "00001038"] {
        fs::remove_file(logs.join(format!("00000003_{offset}.wal.lz4"))).expect("removed");
    }
    let refused = restore(&replica, &dir.path().join("x.db"), &[]);
    assert!(said(&refused).contains("number 00000003 is missing"), "{}", said(&refused));

    // Beside today's layout the newer one counts: those files were written just now.
    copy_dir(&golden("current"), &replica);
    assert!(restore(&replica, &dir.path().join("both.db"), &["--txid", "4"]).status.success());
}

/// Whoever has the database open, be it idle, is not robbed of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_use_is_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("made");
    let mut server = TestServer::start(&data, None).await;
    let to = data.join("openrsvp.db");
    let before = fs::metadata(&to).expect("there").len();
    let refused = restore(&golden("current"), &to, &["--force"]);
    assert!(said(&refused).contains("is used by a program that runs"), "{}", said(&refused));
    assert_eq!(fs::metadata(&to).expect("there").len(), before);
    assert_eq!(server.get("/readyz").await.status.as_u16(), 200);
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    let restored = restore(&golden("current"), &to, &["--force"]);
    assert!(restored.status.success(), "{}", said(&restored));
}

/// A log whose database is gone does not get into the restored one.
#[test]
fn a_log_left_behind_is_put_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let to = dir.path().join("to.db");
    let live = Connection::open(&to).expect("opened");
    live.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE strange (id INTEGER)")
        .expect("made");
    let log = fs::read(dir.path().join("to.db-wal")).expect("a log");
    drop(live);
    fs::remove_file(&to).expect("removed");
    fs::write(dir.path().join("to.db-wal"), &log).expect("left behind");
    assert!(restore(&golden("current"), &to, &[]).status.success());
    assert!(!dir.path().join("to.db-wal").exists());
    assert_eq!(fs::read(dir.path().join("to.db.before-restore-wal")).expect("kept"), log);
}

#[test]
fn the_newest_state_is_tried() {
    let dir = tempfile::tempdir().expect("a directory");
    let replica = dir.path().join("replica");
    copy_dir(&golden("current"), &replica);
    let verify = |more: &[&str]| {
        let from = format!("file://{}", replica.display());
        openrsvp(dir.path())
            .args(["backup", "verify", "--from", &from])
            .args(more)
            .output()
            .expect("it runs")
    };
    let tried: Value = serde_json::from_slice(&verify(&["--json"]).stdout).expect("JSON");
    assert_eq!(
        (&tried["txid"], tried["rows"].as_u64() > Some(8)),
        (&json!("000000000000000a"), true),
        "{tried}"
    );
    assert!(said(&verify(&[])).is_empty());
    let file = chain(&replica).pop().expect("a file");
    let bytes = fs::read(&file).expect("read");
    fs::write(&file, &bytes[..bytes.len() - 1]).expect("damaged");
    let failed = verify(&[]);
    assert!(
        failed.status.code() == Some(1) && said(&failed).contains("ends too early"),
        "{}",
        said(&failed)
    );
    let left: Vec<_> = fs::read_dir(dir.path()).expect("listed").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
