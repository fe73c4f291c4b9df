//! Replicas in trouble, as whoever runs the site and whoever visits it see them.

use std::sync::atomic::Ordering;

use super::*;

/// A bucket that is away is nobody's business but the operator's: it is told, and nobody waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_holds_up_nobody_and_catches_up() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), Bucket::start().await);
    let replicas = bucket.address("sites/a", dir.path());
    let (server, address) = server(dir.path(), &replicas).await;
    let rsvps = event(&server).await;
    let name = |name: &str| format!("openrsvp_replica_{name}{{replica=\"s3://bucket/sites/a\"}}");
    until(dir.path(), address, |told| told[&name("whole_copies_total")] == 1.0).await;

    bucket.weather.is_down.store(true, Ordering::Relaxed);
    answer(&rsvps, "while it is away").await;
    until(dir.path(), address, |told| told[&name("up")] == 0.0).await;
    for number in 0..40 {
        let guest = format!("guest {number}");
        let answering = answer(&rsvps, &guest);
        tokio::time::timeout(Duration::from_secs(5), answering).await.expect("nobody waits");
    }
    let told = until(dir.path(), address, |told| told[&name("lag_seconds")] > 1.0).await;
    assert!(parsed(&told)[&name("failures_total")] >= 1.0);
    let page = server.get(&format!("/admin/{INSTANCE_TOKEN}/status")).await;
    assert!(page.text.contains(">behind<"), "{}", page.text);
    assert!(!page.text.contains("keys_file"), "{}", page.text);
    let log = read_log(dir.path());
    assert_eq!(log.matches("the replica is behind").count(), 1, "it is said once: {log}");

    bucket.weather.is_down.store(false, Ordering::Relaxed);
    let current = |told: &Figures| told[&name("lag_seconds")] == 0.0 && told[&name("up")] == 1.0;
    let told = until(dir.path(), address, current).await;
    assert_eq!(parsed(&told)[&name("whole_copies_total")], 1.0, "it goes on where it was");
    assert!(read_log(dir.path()).contains("the replica is reached again"));
    let to = dir.path().join("restored.db");
    let restored = openrsvp(dir.path())
        .args(["restore", "--from", &replicas, "--to", to.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let restored = Connection::open(&to).unwrap();
    let count = "SELECT COUNT(*) FROM rsvps";
    assert_eq!(restored.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 41);
}

/// The vacuum, and a file that was made by hand and put in place, go together with replicas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vacuum_and_a_saved_file_leave_replicas_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (replica, saved) = (dir.path().join("replica"), dir.path().join("saved.db"));
    let replicas = list(&[&replica]);
    let (mut first, address) = server(dir.path(), &replicas).await;
    let rsvps = event(&first).await;
    answer(&rsvps, "before").await;
    let current = |told: &Figures| of(told, "lag_seconds", &replica) == 0.0;
    until(dir.path(), address, current).await;
    let done = with(dir.path(), &[&replica], &["job", "vacuum-db", "--json"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    answer(&rsvps, "after").await;
    let told = until(dir.path(), address, current).await;
    assert_eq!(of(&parsed(&told), "whole_copies_total", &replica), 1.0, "beside the server");
    let made = with(dir.path(), &[], &["backup", "now", "--to", saved.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    first.signal("TERM");
    assert_eq!(first.ended().await, Some(0));

    // It keeps no log before the program has opened it.
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(dir.path().join(format!("openrsvp.db{end}")));
    }
    fs::rename(&saved, dir.path().join("openrsvp.db")).unwrap();
    let (second, address) = server(dir.path(), &replicas).await;
    let rsvps = event(&second).await;
    answer(&rsvps, "later").await;
    until(dir.path(), address, |told| {
        current(told) && of(told, "whole_copies_total", &replica) == 1.0
    })
    .await;
    let tried = with(dir.path(), &[&replica], &["backup", "verify", "--json"]);
    assert!(tried.status.success(), "{}", text(&tried.stderr));
}
