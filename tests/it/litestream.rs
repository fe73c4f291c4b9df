//! Replicas of this program and the real Litestream: it restores ours, at every point.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use serde_json::Value;

use crate::support::bucket::{Bucket, SECRET};
use crate::support::litestream;
use crate::support::server::{TestServer, openrsvp, read_log};
use crate::support::storm::{self, Patience, Storm};

/// Every answer in a database, by name.
fn answers(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("opened");
    // The last one to close it would empty the log, of which the server has not sent all.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).expect("set");
    let mut statement =
        connection.prepare("SELECT name FROM rsvps ORDER BY name").expect("prepared");
    let names = statement.query_map([], |row| row.get(0)).expect("asked");
    names.map(|name| name.expect("a name")).collect()
}

/// Restores a point by this program and by Litestream: the same bytes.
fn both(dir: &Path, bucket: Option<&Bucket>, address: &str, target: [&str; 2]) -> Vec<String> {
    let (own, other) = (dir.join("own.db"), dir.join("other.db"));
    for path in [&own, &other] {
        let _ = fs::remove_file(path);
    }
    let mut command = openrsvp(dir);
    if let Some(bucket) = bucket {
        bucket.tell(&mut command, SECRET);
    }
    let (name, value) = (target[0], target[1]);
    let (ours, theirs) = match name {
        "" => (vec![], vec![]),
        name => (
            vec![format!("--{name}"), value.to_owned()],
            vec![format!("-{name}"), value.to_owned()],
        ),
    };
    let restored =
        command.args(["restore", "--from", address, "--to"]).arg(&own).args(ours).output();
    let restored = restored.expect("it runs");
    assert!(restored.status.success(), "{target:?}: {restored:?}");
    let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
    let restored = litestream::restore(dir, bucket, address, &other, &theirs);
    assert!(restored.status.success(), "{target:?}: {restored:?}");
    assert!(fs::read(&own).expect("read") == fs::read(&other).expect("read"), "{target:?} differ");
    answers(&own)
}

/// The states that can be had, the newest first.
fn points(dir: &Path, bucket: Option<&Bucket>, address: &str) -> Vec<(String, String)> {
    let mut command = openrsvp(dir);
    if let Some(bucket) = bucket {
        bucket.tell(&mut command, SECRET);
    }
    let listed =
        command.args(["backup", "list", "--json", "--limit", "500", "--from", address]).output();
    let listed: Value = serde_json::from_slice(&listed.expect("it runs").stdout).expect("JSON");
    let text = |point: &Value, key: &str| point[key].as_str().expect("text").to_owned();
    listed
        .as_array()
        .expect("points")
        .iter()
        .map(|point| (text(point, "txid"), text(point, "written_at")))
        .collect()
}

/// The server under a storm of answers, killed again and again, with a replica in a directory and
/// one in a bucket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_litestream_restores_what_a_killed_server_left() {
    let (dir, bucket) = (tempfile::tempdir().expect("a directory"), Bucket::start().await);
    let (data, replica) = (dir.path().join("data"), dir.path().join("replica"));
    fs::create_dir(&data).expect("made");
    let near = format!("file://{}", replica.display());
    let replicas = format!("{near},{}", bucket.address("sites/a", dir.path()));
    let variables =
        [("OPENRSVP_BACKUP__REPLICAS", replicas.as_str()), ("OPENRSVP_BACKUP__LEVELS", "1s,3s")];
    bucket.weather.trouble.store(7, Ordering::Relaxed);
    let (mut event, mut acknowledged) = (None, Vec::new());
    for round in 0..6 {
        let mut server = TestServer::single(&data, &variables).await;
        if event.is_none() {
            event = Some(storm::event(&server.base, serde_json::json!({})).await);
        }
        let id = event.clone().expect("an event");
        // Gusts, so that there is more than one state; the last one ends with the server.
        for _ in 0..3 {
            let storm = Storm::start(&[server.base.clone()], &id, 2, Patience::None);
            tokio::time::sleep(Duration::from_millis(60)).await;
            acknowledged.extend(storm.end().await);
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        let storm = Storm::start(&[server.base.clone()], &id, 2, Patience::Everything);
        tokio::time::sleep(Duration::from_millis(40 + 40 * round)).await;
        server.kill();
        acknowledged.extend(storm.end().await);
        if replica.join("ltx/9/0000000000000001-0000000000000001.ltx").exists() {
            let found = both(dir.path(), None, &near, ["", ""]);
            let live = answers(&data.join("openrsvp.db"));
            assert!(found.iter().all(|name| live.binary_search(name).is_ok()), "{round}");
        }
    }
    let mut server = TestServer::single(&data, &variables).await;
    let id = event.expect("an event");
    let storm = Storm::start(&[server.base.clone()], &id, 2, Patience::None);
    tokio::time::sleep(Duration::from_millis(500)).await;
    acknowledged.extend(storm.end().await);
    bucket.weather.trouble.store(0, Ordering::Relaxed);
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));

    let live = answers(&data.join("openrsvp.db"));
    assert!(acknowledged.iter().all(|name| live.binary_search(name).is_ok()));
    for (bucket, address) in [(None, near.as_str()), (Some(&bucket), "s3://bucket/sites/a")] {
        assert_eq!(both(dir.path(), bucket, address, ["", ""]), live, "{}", read_log(&data));
        let points = points(dir.path(), bucket, address);
        assert!(points.len() > 6, "{address}: {points:?} {}", read_log(&data));
        let mut before = usize::MAX;
        for (txid, at) in points.iter().step_by(points.len() / 6) {
            let found = both(dir.path(), bucket, address, ["txid", txid]).len();
            assert!(found <= before, "{txid}: {found} after {before}");
            before = found;
            if *at != points[points.len() - 1].1 {
                both(dir.path(), bucket, address, ["timestamp", at]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_server_asks_nothing_of_a_bucket() {
    let (dir, bucket) = (tempfile::tempdir().expect("a directory"), Bucket::start().await);
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("made");
    let replicas = bucket.address("sites/a", dir.path());
    let variables =
        [("OPENRSVP_BACKUP__REPLICAS", replicas.as_str()), ("OPENRSVP_BACKUP__LEVELS", "1s,2s")];
    let server = TestServer::single(&data, &variables).await;
    storm::event(&server.base, serde_json::json!({})).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = bucket.weather.requests.load(Ordering::Relaxed);
    assert!(before > 4, "{before}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(bucket.weather.requests.load(Ordering::Relaxed), before);
}

/// A data directory that was thrown away comes back before the first request; and while the
/// bucket cannot be asked, nothing is begun anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_data_directory_restores_itself() {
    let (dir, bucket) = (tempfile::tempdir().expect("a directory"), Bucket::start().await);
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("made");
    let replicas = bucket.address("sites/a", dir.path());
    let variables = [
        ("OPENRSVP_BACKUP__REPLICAS", replicas.as_str()),
        ("OPENRSVP_BACKUP__RESTORE_ON_START", "if_missing"),
    ];
    let mut server = TestServer::single(&data, &variables).await;
    let id = storm::event(&server.base, serde_json::json!({ "title": "Kept" })).await;
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    fs::remove_dir_all(&data).expect("thrown away");
    fs::create_dir(&data).expect("made");

    bucket.weather.is_down.store(true, Ordering::Relaxed);
    let mut command = openrsvp(&data);
    let refused = command.args(["serve", "--port", "0"]).envs(variables).output().expect("it ends");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("the database is not there"), "{said}");
    assert!(!said.contains("keys_file"), "{said}");
    assert!(!data.join("openrsvp.db").exists());

    bucket.weather.is_down.store(false, Ordering::Relaxed);
    let server = TestServer::single(&data, &variables).await;
    let page = server.get(&format!("/e/{id}")).await;
    assert!(page.text.contains("Kept"), "{}", read_log(&data));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_litestream_replicates_beside_a_server_to_a_bucket() {
    replicates_beside_a_server(Some(&Bucket::start().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_litestream_replicates_beside_a_server_to_a_directory() {
    replicates_beside_a_server(None).await;
}

/// Litestream itself beside a server that keeps no replicas, set up as the README says.
async fn replicates_beside_a_server(bucket: Option<&Bucket>) {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("made");
    let mut server = TestServer::single(&data, &[]).await;
    let readme = include_str!("../../README.md");
    let told = readme.split("```yaml\ndbs:").nth(1).and_then(|rest| rest.split("```").next());
    let replica = bucket.map_or_else(
        || format!("file://{}", dir.path().join("theirs").display()),
        |_| "s3://bucket/sites/theirs".to_owned(),
    );
    let mut command = litestream::litestream(dir.path());
    let address = litestream::tell(&mut command, bucket, &replica);
    let config = format!("dbs:{}", told.expect("a configuration"))
        .replace("s3://my-bucket/openrsvp", &address);
    fs::write(dir.path().join("litestream.yml"), config).expect("written");
    let log = fs::File::create(dir.path().join("litestream.log")).expect("a log");
    let mut replicating = command
        .args(["replicate", "-config", "litestream.yml"])
        .stdout(log.try_clone().expect("shared"))
        .stderr(log)
        .spawn()
        .expect("it runs");
    let id = storm::event(&server.base, serde_json::json!({})).await;
    for _ in 0..3 {
        let storm = Storm::start(&[server.base.clone()], &id, 2, Patience::None);
        tokio::time::sleep(Duration::from_millis(100)).await;
        storm.end().await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    let live = answers(&data.join("openrsvp.db"));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let id = replicating.id().to_string();
    assert!(std::process::Command::new("kill").arg(&id).status().expect("kill runs").success());
    replicating.wait().expect("ended");
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    let told = fs::read_to_string(dir.path().join("litestream.log")).expect("read");
    assert!(live.len() > 5, "{told}");
    let found = both(dir.path(), bucket, &replica, ["", ""]);
    assert_eq!(found, live, "{told}");
    let points = points(dir.path(), bucket, &replica);
    for (txid, at) in points.iter().step_by(points.len().div_ceil(4).max(1)) {
        both(dir.path(), bucket, &replica, ["txid", txid]);
        if *at != points[points.len() - 1].1 {
            both(dir.path(), bucket, &replica, ["timestamp", at]);
        }
    }
}
