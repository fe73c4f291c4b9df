//! Backups, as whoever runs the site sees them.

mod reached;
mod trouble;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use openrsvp::domain::job::{Job, Outcome, Schedule};
use openrsvp::jobs::scheduler::{Scheduler, SchedulerOptions};
use openrsvp::services::{Rules, Site, jobs as records};
use openrsvp::store::db::Engine;
use reqwest::StatusCode;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::jobs::{command, json_of, text};
use crate::metrics::{Figures, parsed, promtool, scrape};
use crate::support::bucket::{Bucket, KEY};
use crate::support::server::{TestServer, free_port, openrsvp, read_log};
use crate::support::{Answer, INSTANCE_TOKEN, TestApp, client, on_both};

fn list(replicas: &[&Path]) -> String {
    let addresses: Vec<_> =
        replicas.iter().map(|path| format!("\"file://{}\"", path.display())).collect();
    format!("[{}]", addresses.join(", "))
}

/// A server that keeps these replicas, and where it tells figures.
async fn server(dir: &Path, replicas: &str) -> (TestServer, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = address.to_string();
    let variables =
        [("OPENRSVP_BACKUP__REPLICAS", replicas), ("OPENRSVP_METRICS__LISTEN", &*listen)];
    (TestServer::single(dir, &variables).await, address)
}

fn of(figures: &Figures, name: &str, replica: &Path) -> f64 {
    figures[&format!("openrsvp_replica_{name}{{replica=\"file://{}\"}}", replica.display())]
}

/// Asks until something holds.
async fn until(dir: &Path, address: SocketAddr, holds: impl Fn(&Figures) -> bool) -> String {
    let asking = async {
        loop {
            let text = scrape(address, "text/plain").await.text;
            if holds(&parsed(&text)) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(30), asking).await;
    asked.unwrap_or_else(|_| panic!("{}", read_log(dir)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_is_told_by_page_and_by_figures() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good"), dir.path().join("missing/bad"));
    let (server, address) = server(dir.path(), &list(&[&good, &bad])).await;
    let is_there = |figures: &Figures| {
        of(figures, "lag_seconds", &good) == 0.0 && of(figures, "failures_total", &bad) >= 1.0
    };
    let text = until(dir.path(), address, is_there).await;
    assert_eq!(promtool(&text), "0", "{text}");
    let told = parsed(&text);
    assert!(of(&told, "sent_files_total", &good) >= 1.0);
    assert!(of(&told, "lag_seconds", &bad) > 0.0);
    assert_eq!((of(&told, "up", &good), of(&told, "up", &bad)), (1.0, 0.0));
    assert_eq!(of(&told, "whole_copies_total", &good), 1.0);
    assert!(of(&told, "sent_bytes_total", &good) > 1000.0);
    assert!(of(&told, "last_success_timestamp_seconds", &good) > 1.7e9);
    assert_eq!(of(&told, "last_success_timestamp_seconds", &bad), 0.0);

    let page = server.get(&format!("/admin/{INSTANCE_TOKEN}/status")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("everything is there"), "{}", page.text);
    assert!(page.text.contains("for less than a minute: "), "{}", page.text);
    assert!(page.text.contains("All is well") || page.text.contains("base_url"), "not yet late");
}

/// Makes events with answers; gives back where to answer the last one.
async fn event(server: &TestServer) -> String {
    let body = json!({ "title": "Summer table", "start_time": "2026-06-13T17:00:00" });
    let sent = client().post(format!("{}/api/v1/events", server.base)).json(&body).send().await;
    let made = Answer::of(sent.unwrap()).await.expect(StatusCode::CREATED);
    format!("{}/api/v1/events/{}/rsvps", server.base, made["event"]["id"].as_str().unwrap())
}

async fn answer(to: &str, name: &str) {
    let body = json!({ "name": name, "attendance_status": "yes" });
    let sent = client().post(to).json(&body).send().await;
    Answer::of(sent.unwrap()).await.expect(StatusCode::CREATED);
}

/// Runs a command with these replicas configured.
fn with(dir: &Path, replicas: &[&Path], arguments: &[&str]) -> Output {
    let mut command = openrsvp(dir);
    command.env("OPENRSVP_BACKUP__REPLICAS", list(replicas)).args(arguments).output().unwrap()
}

fn answers_in(path: &Path) -> i64 {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let ask = |sql| connection.query_row(sql, [], |row| row.get(0)).unwrap();
    // One file: it needs no log beside it.
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
    ask("SELECT COUNT(*) FROM rsvps")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_plain_file_is_made_while_answers_come() {
    let dir = tempfile::tempdir().unwrap();
    let (replica, to) = (dir.path().join("replica"), dir.path().join("saved"));
    fs::create_dir(&to).unwrap();
    let (server, address) = server(dir.path(), &list(&[&replica])).await;
    let rsvps = event(&server).await;
    answer(&rsvps, "before").await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let answering = tokio::spawn({
        let rsvps = rsvps.clone();
        async move {
            let mut count = 1;
            while stopped.try_recv().is_err() {
                answer(&rsvps, &format!("guest {count}")).await;
                count += 1;
            }
            count
        }
    });
    let (mut last, home) = (1, dir.path().to_owned());
    for number in 0..8 {
        let file = to.join(format!("{number}.db"));
        let saved = tokio::task::spawn_blocking({
            let (home, file) = (home.clone(), file.clone());
            move || {
                let name = file.to_str().unwrap();
                openrsvp(&home).args(["backup", "now", "--json", "--to", name]).output().unwrap()
            }
        });
        let report = json_of(&saved.await.unwrap());
        let found = fs::metadata(&file).unwrap();
        assert_eq!((&report["to"], &report["bytes"]), (&json!(file), &json!(found.len())));
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        let count = answers_in(&file);
        assert!(count >= last, "{count} after {last}");
        last = count;
    }
    stop.send(()).unwrap();
    let all = answering.await.unwrap();
    assert!(last > 1 && last <= all, "{last} of {all}");
    let names: Vec<_> = fs::read_dir(&to).unwrap().flatten().map(|file| file.file_name()).collect();
    assert_eq!(names.len(), 8, "nothing is left beside them: {names:?}");
    // The replica went on meanwhile, and did not have to begin anew.
    let told = until(dir.path(), address, |figures| of(figures, "lag_seconds", &replica) == 0.0);
    assert_eq!(of(&parsed(&told.await), "whole_copies_total", &replica), 1.0);
}

#[test]
fn a_file_is_not_put_over_anything() {
    let dir = tempfile::tempdir().unwrap();
    let (database, to) = (dir.path().join("openrsvp.db"), dir.path().join("saved.db"));
    let now = |to: &Path, more: &[&str]| {
        let arguments = ["backup", "now", "--to", to.to_str().unwrap()];
        openrsvp(dir.path()).args(arguments).args(more).output().unwrap()
    };
    let refused = |output: &Output, words: &str| {
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    refused(&now(&to, &[]), "there is no database at");
    assert!(openrsvp(dir.path()).arg("migrate").output().unwrap().status.success());
    let before = fs::read(&database).unwrap();
    fs::write(&to, "mine").unwrap();
    refused(&now(&to, &[]), "--force");
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    for path in [database.clone(), dir.path().join("./openrsvp.db")] {
        refused(&now(&path, &["--force"]), "is the database itself");
    }
    std::os::unix::fs::symlink(&database, dir.path().join("link.db")).unwrap();
    refused(&now(&dir.path().join("link.db"), &["--force"]), "is the database itself");
    let log = dir.path().join("saved.db-wal");
    fs::write(&log, "a log").unwrap();
    refused(&now(&to, &["--force"]), "saved.db-wal belongs to");
    fs::remove_file(&log).unwrap();
    refused(&now(&dir.path().join("nowhere/saved.db"), &[]), "cannot be written");
    assert!(now(&to, &["--force"]).status.success());
    assert_eq!(answers_in(&to), 0);
    assert_eq!(fs::read(&database).unwrap(), before);
    // A relative name, as people type it.
    let typed = now(Path::new("typed.db"), &[]);
    assert!(typed.status.success(), "{typed:?}");
    assert!(text(&typed.stdout).starts_with("typed.db is the whole database"), "{typed:?}");
    // What is damaged is no backup.
    let mut bytes = fs::read(&database).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    fs::write(&database, bytes).unwrap();
    let kept = fs::read(&to).unwrap();
    let damaged = now(&to, &["--force"]);
    assert!(damaged.status.code() == Some(1), "{damaged:?}");
    assert_eq!(fs::read(&to).unwrap(), kept);
    let left = fs::read_dir(dir.path()).unwrap().flatten();
    let left = left.filter(|file| file.file_name().to_string_lossy().starts_with(".openrsvp"));
    assert_eq!(left.count(), 0);

    let postgres = openrsvp(dir.path())
        .env("OPENRSVP_DATABASE__URL", "postgres://nobody@localhost:1/nothing")
        .args(["backup", "now", "--to", "pg.db"])
        .output()
        .unwrap();
    refused(&postgres, "pg_dump");
}

/// A site with replicas that have everything, and no server.
async fn left_replicas(dir: &Path, replicas: &[&Path]) {
    let (server, address) = server(dir, &list(replicas)).await;
    answer(&event(&server).await, "Ana").await;
    let have_it = |figures: &Figures| {
        replicas.iter().all(|replica| of(figures, "lag_seconds", replica) == 0.0)
    };
    until(dir, address, have_it).await;
    server.signal("TERM");
    let mut server = server;
    assert_eq!(server.ended().await, Some(0), "{}", read_log(dir));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_tried_checked_and_taken_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    left_replicas(dir.path(), &[&one, &two]).await;
    let both: &[&Path] = &[&one, &two];

    // The first one is taken where none is named.
    let shown = with(dir.path(), both, &["backup", "list", "--json"]);
    assert!(json_of(&shown).as_array().is_some_and(|points| !points.is_empty()));
    let words = format!("Of 2 replicas the first is taken: file://{}", one.display());
    assert!(text(&shown.stderr).contains(&words), "{shown:?}");
    let restored = with(dir.path(), &[&two], &["restore", "--to", "restored.db"]);
    assert!(restored.status.success() && restored.stderr.is_empty(), "{restored:?}");
    assert!(Connection::open(dir.path().join("restored.db")).is_ok());
    for arguments in [&["backup", "list"][..], &["restore"]] {
        let unnamed = with(dir.path(), &[], arguments);
        assert!(text(&unnamed.stderr).contains("--from"), "{unnamed:?}");
        assert_eq!(unnamed.status.code(), Some(1));
    }

    let good = with(dir.path(), both, &["job", "verify-backup", "--json"]);
    let run = json_of(&good);
    assert!(good.status.success(), "{good:?}");
    assert_eq!(run["counts"]["replicas"], 2);
    assert_eq!(run["counts"]["events"], 1);
    assert!(run["counts"]["bytes"].as_i64().unwrap() > 100_000, "{run}");
    assert!(!dir.path().join("openrsvp.db-verification").exists());
    let listed = json_of(&with(dir.path(), both, &["job", "list", "--json"]));
    assert_eq!(
        (&listed[2]["job"], &listed[2]["every_hours"]),
        (&json!("verify-backup"), &json!(168))
    );
    let checked = json_of(&with(dir.path(), both, &["check", "--json"]));
    let of_replica = |checked: &Value, replica: &Path| {
        let name = format!("replica file://{}", replica.display());
        let all = checked["checks"].as_array().unwrap();
        let found = all.iter().find(|check| check["check"] == name.as_str()).unwrap();
        (found["ok"].as_bool().unwrap(), found["said"].as_str().unwrap().to_owned())
    };
    let words = "can be read and written, its newest file is from just now";
    assert_eq!(of_replica(&checked, &one), (true, words.to_owned()));

    // One is damaged; what a trial left that was killed is no hindrance.
    for file in fs::read_dir(one.join("ltx/9")).unwrap().flatten() {
        let mut bytes = fs::read(file.path()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file.path(), bytes).unwrap();
    }
    fs::create_dir(dir.path().join("openrsvp.db-verification")).unwrap();
    fs::write(dir.path().join("openrsvp.db-verification/restored.db"), "half").unwrap();
    let bad = with(dir.path(), both, &["job", "verify-backup", "--json"]);
    let run = json_of(&bad);
    assert_eq!((bad.status.code(), &run["outcome"]), (Some(1), &json!("failed")));
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.starts_with(&format!("file://{}: its newest state", one.display())), "{reason}");
    assert_eq!(run["counts"]["replicas"], 1, "the other is tried all the same");
    assert!(!dir.path().join("openrsvp.db-verification").exists());

    let missing = dir.path().join("not/there");
    let checked = with(dir.path(), &[&two, &missing], &["check", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let (is_fine, said) = of_replica(&json_of(&checked), &missing);
    assert!(!is_fine && said.contains("nothing is backed up there"), "{said}");
}

on_both! {
    async fn without_replicas_there_is_nothing_to_verify(app: &TestApp) {
        let said = command(app, &["job", "verify-backup"]);
        assert!(said.status.success() && text(&said.stdout).starts_with("There is nothing to verify"), "{said:?}");
        let listed = text(&command(app, &["job", "list"]).stdout);
        assert!(listed.contains("vacuum-db") && !listed.contains("verify-backup"), "{listed}");
        let told = scrape(app.running().figures_address.unwrap(), "*/*").await.text;
        assert!(!told.contains("openrsvp_job_interval_seconds{job=\"verify-backup\"}"), "{told}");
        assert!(!app.get(&format!("/admin/{INSTANCE_TOKEN}/status"), "").await.text.contains("verify-backup"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduler_tries_replicas_and_knows_a_foreign_one() {
    let app = TestApp::start(Engine::Sqlite).await;
    let foreign: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/litestream/current");
    let site = &app.running().site;
    let replicas = vec![format!("file://{}", foreign.display())];
    let rules = Arc::new(Rules { replicas, ..(*site.rules).clone() });
    let site = Site { rules, ..site.clone() };
    let options = SchedulerOptions {
        verify: Some(Schedule::hours(168)),
        jitter: Duration::ZERO,
        poke: Duration::from_millis(5),
        ..SchedulerOptions::new(true, 1, 12)
    };
    let scheduler = Scheduler::start(&site, &options).await.unwrap();
    let ran = async {
        loop {
            match records::last_run(&site, Job::VerifyBackup).await.unwrap() {
                Some(run) if run.outcome != Outcome::Running => return run,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let run = tokio::time::timeout(Duration::from_secs(20), ran).await.unwrap();
    scheduler.stop(Duration::from_secs(5)).await;
    assert_eq!(run.outcome, Outcome::Failed);
    let reason = run.reason.unwrap();
    assert!(reason.contains("what was restored from it cannot be used"), "{reason}");
    assert_eq!(run.counts["replicas"], 0);
    app.stop().await;
}

/// Checks a replica; whether it is fine, what is said of it, and all that is said.
async fn checked(dir: &Path, replica: &str) -> (bool, String, String) {
    checked_with(dir, replica, &[]).await
}

/// The same, with these variables.
async fn checked_with(
    dir: &Path,
    replica: &str,
    variables: &[(&str, &str)],
) -> (bool, String, String) {
    let mut command = openrsvp(dir);
    command.env("OPENRSVP_BACKUP__REPLICAS", format!("[\"{replica}\"]")).args(["check", "--json"]);
    command.envs(variables.iter().copied());
    // The bucket answers meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let found = json_of(&output);
    assert_eq!(found["ok"], output.status.success());
    let checks = found["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == "replica s3://bucket/site").unwrap();
    (check["ok"].as_bool().unwrap(), check["said"].as_str().unwrap().to_owned(), all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_checked_and_tried() {
    let (bucket, dir) = (Bucket::start().await, tempfile::tempdir().unwrap());
    let replica = bucket.address("site", dir.path());
    let (is_fine, said, all) = checked(dir.path(), &replica).await;
    assert_eq!((is_fine, &*said), (true, "can be read and written, nothing is in it yet"));
    for hidden in [bucket.endpoint.as_str(), "keys_file", KEY] {
        assert!(!all.contains(hidden), "{hidden} in {all}");
    }
    let left = fs::read_dir(bucket.folder("site")).map(|files| files.flatten().count());
    assert!(left.unwrap_or_default() == 0, "the trial is gone");

    let replicas = format!("[\"{replica}\"]");
    let (mut server, address) = server(dir.path(), &replicas).await;
    answer(&event(&server).await, "Ana").await;
    let lag = "openrsvp_replica_lag_seconds{replica=\"s3://bucket/site\"}";
    until(dir.path(), address, |figures| figures[lag] == 0.0).await;
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
    let mut command = openrsvp(dir.path());
    command.env("OPENRSVP_BACKUP__REPLICAS", &replicas).args(["job", "verify-backup", "--json"]);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let run = json_of(&run);
    assert_eq!((&run["outcome"], &run["counts"]["events"]), (&json!("done"), &json!(1)), "{run}");

    bucket.weather.forgets.set(bucket.dir.path().to_owned()).unwrap();
    let (is_fine, said, _) = checked(dir.path(), &replica).await;
    assert!(is_fine && said.contains("does not keep a second program out"), "{said}");
    let keys = "aws_access_key_id = the-key\naws_secret_access_key = mistyped\n";
    fs::write(dir.path().join("keys"), keys).unwrap();
    let (is_fine, said, all) = checked(dir.path(), &replica).await;
    assert!(!is_fine && said.contains("nothing is backed up there until then"), "{said}");
    assert!(!all.contains("mistyped"), "{all}");
}
