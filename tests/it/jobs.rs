//! Jobs: recorded, one at a time between processes, stopped and killed without loss.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use openrsvp::domain::job::{Counts, Job, Outcome, Run};
use openrsvp::jobs::{self, Asked, Cancel};
use openrsvp::services::{Site, decay, jobs as records};
use openrsvp::store::db::{Db, Engine, Query, SqliteOptions, StoreOptions};
use openrsvp::store::{Place, statements};
use serde_json::{Value, json};

use crate::support::rows::{change, faded_events, number, query, ran};
use crate::support::server::openrsvp;
use crate::support::{TestApp, on_both};

faded_events!(MANY, "3000", "2000");
faded_events!(SLIM, "100000", "2");

query!(
    CHANNELS,
    "INSERT INTO channels (id, name, slug, visibility, score, scored_at, created_at, last_used_at,
            purgeable_at)
        SELECT 'c' || id, id, id, 'public', 9.0, 1, 1, 1, 9000000000000000 FROM events"
);
query!(EVENTS, "SELECT CAST(COUNT(*) AS BIGINT) FROM events");
query!(
    ORPHANS,
    "SELECT CAST(COUNT(*) AS BIGINT) FROM rsvps r
        WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.id = r.event_id)"
);
query!(DAMAGE, "UPDATE events SET starts_at = 9000000000000000000");
query!(REVIVE, "UPDATE events SET purgeable_at = 9000000000000000");

on_both! {
    async fn every_run_is_recorded_from_its_beginning(app: &TestApp) {
        let site = &app.running().site;
        let last = records::last_runs(site).await.unwrap();
        assert_eq!(last, Job::ALL.map(|job| (job, None)));
        let begun = records::begin(site, Job::DecayCycle).await.unwrap();
        let shown = records::last_run(site, Job::DecayCycle).await.unwrap().unwrap();
        assert_eq!((shown.outcome, shown.number, shown.ended_at, &shown), (Outcome::Running, 1, None, &begun));
        // Its process dies here. Whoever comes next holds the lock, and so knows.
        app.clock.advance(jiff::SignedDuration::from_mins(10));
        let done = ran(site, Job::DecayCycle).await;
        assert_eq!((done.outcome, done.number, done.reason.as_deref()), (Outcome::Done, 2, None));
        ran(site, Job::VacuumDb).await;
        let history = records::history(site, Some(Job::DecayCycle), 10).await.unwrap();
        assert_eq!(history.len(), 2);
        assert_eq!((&history[0], history[1].outcome, history[1].ended_at), (&done, Outcome::Lost, done.ended_at));
        assert!(history[1].reason.as_deref().unwrap().contains("process ended"));
        assert_eq!(records::history(site, None, 2).await.unwrap().len(), 2);
        assert_eq!(records::history(site, None, 10).await.unwrap().len(), 3);
    }

    async fn old_runs_are_forgotten_and_a_clock_set_back_does_not_confuse(app: &TestApp) {
        let site = &app.running().site;
        for number in 1..=510 {
            let run = records::begin(site, Job::DecayCycle).await.unwrap();
            assert_eq!(run.number, number);
            records::end(site, run, Outcome::Done, Counts::new(), None).await.unwrap();
            app.clock.advance(jiff::SignedDuration::from_mins(-7));
        }
        assert_eq!(records::last_run(site, Job::DecayCycle).await.unwrap().unwrap().number, 510);
        assert_eq!(records::history(site, None, 1000).await.unwrap().len(), 500);
        let numbers: Vec<_> = records::history(site, Some(Job::DecayCycle), 3).await.unwrap().iter().map(|run| run.number).collect();
        assert_eq!(numbers, [510, 509, 508]);
    }

    async fn a_job_never_overlaps_itself(app: &TestApp) {
        let site = &app.running().site;
        let held = site.db.try_lock(Job::DecayCycle.name()).await.unwrap().expect("free");
        let other = Db::open(app.options()).await.unwrap();
        assert!(other.try_lock(Job::DecayCycle.name()).await.unwrap().is_none());
        assert!(other.try_lock(Job::VacuumDb.name()).await.unwrap().is_some(), "another job's lock");
        let (_stopping, cancel) = Cancel::new();
        assert_eq!(jobs::run(site, Job::DecayCycle, &cancel).await.unwrap(), Asked::Busy);
        let from_outside = command(app, &["job", "decay-cycle", "--json"]);
        assert_eq!(from_outside.status.code(), Some(0), "{from_outside:?}");
        assert_eq!(json_of(&from_outside), json!({ "job": "decay-cycle", "outcome": "busy" }));
        let alias = command(app, &["decay"]);
        assert!(alias.status.success() && text(&alias.stdout).contains("another process is at it"), "{alias:?}");
        assert_eq!(records::history(site, None, 10).await.unwrap(), []);
        held.release().await;
        assert!(other.try_lock(Job::DecayCycle.name()).await.unwrap().is_some());
        other.close().await;

        for query in &MANY { change(&site.db, query).await; }
        let asked = futures(site, &cancel).await;
        let runs: Vec<_> = asked.iter().filter_map(|asked| match asked { Asked::Ran(run) => Some(run), _ => None }).collect();
        assert!(!runs.is_empty() && runs.iter().all(|run| run.outcome == Outcome::Done), "{asked:?}");
        assert_eq!(runs.iter().map(|run| run.counts["events_purged"]).sum::<i64>(), 3000);
        assert_eq!(records::history(site, None, 100).await.unwrap().len(), runs.len());
    }

    async fn a_job_that_is_told_to_stop_keeps_what_it_did(app: &TestApp) {
        let site = &app.running().site;
        for query in &MANY { change(&site.db, query).await; }
        let (stopping, cancel) = Cancel::new();
        let running = tokio::spawn({
            let (site, cancel) = (site.clone(), cancel.clone());
            async move { jobs::run(&site, Job::DecayCycle, &cancel).await }
        });
        while number(&site.db, &EVENTS).await == 3000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stopping.send(true).unwrap();
        let Asked::Ran(run) = running.await.unwrap().unwrap() else { panic!("not run") };
        let left = number(&site.db, &EVENTS).await;
        if run.outcome == Outcome::Stopped {
            assert_eq!(run.counts["events_purged"], 3000 - left);
            assert!(left > 0 && left % 200 == 0, "{left}");
        } else {
            assert_eq!((run.outcome, left), (Outcome::Done, 0), "it was that fast");
        }
        assert_eq!(number(&site.db, &ORPHANS).await, 0);
        assert_eq!(jobs::run(site, Job::VacuumDb, &cancel).await.map(outcome).unwrap(), Some(Outcome::Stopped));
        assert_eq!(ran(site, Job::DecayCycle).await.counts["events_purged"], left);
        // A sender that is gone has told it too: the program is ending.
        let (sender, cancel) = Cancel::new();
        drop(sender);
        assert_eq!(jobs::run(site, Job::DecayCycle, &cancel).await.map(outcome).unwrap(), Some(Outcome::Stopped));
    }

    async fn a_batch_with_many_guests_ends_early(app: &TestApp) {
        static CROWD: Query = Query {
            name: "crowd",
            sqlite: "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
                INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at, modified_at)
                    SELECT 'r' || e.id || '-' || n.i, e.id, randomblob(32), 'Ada', NULL, 'yes', 'approved', 0, 0, 1, 1
                FROM n, (SELECT id FROM events ORDER BY id LIMIT 8) e",
            postgres: "INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at, modified_at)
                    SELECT 'r' || e.id || '-' || i, e.id, sha256(CAST(e.id || '-' || i AS BYTEA)), 'Ada', NULL, 'yes',
                'approved', 0, FALSE, 1, 1 FROM generate_series(1, 4000) i, (SELECT id FROM events ORDER BY id LIMIT 8) e",
        };
        let site = &app.running().site;
        for query in [&MANY[0], &CROWD] { change(&site.db, query).await; }
        let now = site.clock.now();
        let step = decay::purge_events(site, now, Place::start()).await.unwrap();
        assert_eq!((step.examined, step.changed, step.next), (3, 3, Some(Place::start())));
        let run = ran(site, Job::DecayCycle).await;
        assert_eq!(run.counts["events_purged"], 3000 - step.changed);
        assert_eq!((run.counts["events_examined"], number(&site.db, &EVENTS).await), (3000 - step.changed, 0));
        assert_eq!(number(&site.db, &ORPHANS).await, 0);
    }

    async fn a_lock_that_is_lost_ends_the_job(app: &TestApp) {
        static END_SESSIONS: Query = Query {
            name: "end sessions",
            sqlite: "SELECT 0",
            postgres: "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT pg_terminate_backend(pid) FROM pg_locks
                WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) t",
        };
        let site = &app.running().site;
        let mut lock = site.db.try_lock("vacuum-db").await.unwrap().unwrap();
        assert!(lock.is_held().await);
        let ended = number(&site.db, &END_SESSIONS).await;
        assert_eq!((ended == 1, lock.is_held().await), (site.db.engine() == Engine::Postgres, ended == 0));
        lock.release().await;
        if ended == 0 { return; }
        for query in &MANY { change(&site.db, query).await; }
        let job = tokio::spawn({ let site = site.clone(); async move { ran(&site, Job::DecayCycle).await } });
        while number(&site.db, &EVENTS).await == 3000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(number(&site.db, &END_SESSIONS).await, 1);
        let run = job.await.unwrap();
        assert!(run.outcome == Outcome::Failed && run.reason.unwrap().contains("lock was lost"));
        assert!(number(&site.db, &EVENTS).await > 0);
    }

    async fn a_channel_that_is_joined_while_it_is_purged_is_there(app: &TestApp) {
        query!(DANGLING, "SELECT CAST(COUNT(*) AS BIGINT) FROM events e LEFT JOIN channels c ON c.id = e.channel_id WHERE c.id IS NULL");
        query!(FADE, "UPDATE channels SET score = 0.0, purgeable_at = 1");
        query!(EMPTY, "DELETE FROM events");
        let site = &app.running().site;
        for _ in 0..40 {
            change(&site.db, &EMPTY).await;
            change(&site.db, &FADE).await;
            let names = [json!({ "channel_name": "Garden" }), json!({ "channel_name": "Garden" })];
            let [one, two] = names.map(|body| app.event(body));
            let (_, _, run) = tokio::join!(one, two, ran(site, Job::DecayCycle));
            assert_eq!(run.outcome, Outcome::Done);
            assert_eq!(number(&site.db, &DANGLING).await, 0);
        }
    }

    async fn a_job_that_fails_says_why_and_lets_go(app: &TestApp) {
        let site = &app.running().site;
        for query in [&MANY[0], &DAMAGE] { change(&site.db, query).await; }
        let run = ran(site, Job::DecayCycle).await;
        assert_eq!(run.outcome, Outcome::Failed);
        assert!(run.reason.as_deref().unwrap().contains("of events is corrupt"), "{run:?}");
        let again = command(app, &["job", "decay-cycle"]);
        assert_eq!(again.status.code(), Some(1), "{again:?}");
        assert!(text(&again.stdout).starts_with("decay-cycle: failed ("), "{again:?}");
    }

    async fn a_hundred_thousand_events_are_not_looked_at_each_hour(app: &TestApp) {
        let site = &app.running().site;
        for query in [&SLIM[0], &CHANNELS, &REVIVE] { change(&site.db, query).await; }
        ran(site, Job::VacuumDb).await;
        for query in statements().filter(|query| query.name.ends_with("_PURGEABLE") || query.name.ends_with("_CLOSABLE")) {
            let plan = site.db.explain(query).await.unwrap();
            let by = if query.name.ends_with("CLOSABLE") { "_by_close" } else { "_by_purge" };
            assert!(plan.contains(by) && !plan.contains("TEMP B-TREE"), "{}: {plan}", query.name);
        }
        let run = timed(ran(site, Job::DecayCycle)).await;
        assert_eq!((run.counts["events_examined"], run.outcome), (0, Outcome::Done));
    }
}

/// Nothing due takes no time, however much is stored.
#[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
async fn timed(run: impl Future<Output = Run>) -> Run {
    let started = std::time::Instant::now();
    let run = run.await;
    assert!(started.elapsed() < Duration::from_secs(3));
    run
}

async fn futures(site: &Site, cancel: &Cancel) -> Vec<Asked> {
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (site, cancel) = (site.clone(), cancel.clone());
            tokio::spawn(async move { jobs::run(&site, Job::DecayCycle, &cancel).await.unwrap() })
        })
        .collect();
    let mut asked = Vec::new();
    for task in tasks {
        asked.push(task.await.unwrap());
    }
    asked
}

fn outcome(asked: Asked) -> Option<Outcome> {
    match asked {
        Asked::Ran(run) => Some(run.outcome),
        Asked::Busy | Asked::NotDue => None,
    }
}

/// The program beside the one of the test, on the same database.
pub fn command(app: &TestApp, arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = openrsvp(dir.path());
    match app.options() {
        StoreOptions::Sqlite(options) => command.env("OPENRSVP_DATABASE__PATH", &options.path),
        StoreOptions::Postgres(options) => command.env("OPENRSVP_DATABASE__URL", &options.url),
    };
    command.args(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn on_command_line(dir: &Path, arguments: &[&str]) -> Output {
    openrsvp(dir).args(arguments).output().unwrap()
}

#[test]
fn the_command_line_runs_and_shows_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let never = on_command_line(dir.path(), &["job", "list"]);
    assert!(text(&never.stdout).contains("every 12 h; last run never; due now"), "{never:?}");
    assert_eq!(
        text(&on_command_line(dir.path(), &["job", "history"]).stdout),
        "Nothing ran yet.\n"
    );
    let decay = on_command_line(dir.path(), &["decay", "--vacuum"]);
    assert!(decay.status.success(), "{decay:?}");
    let said = text(&decay.stdout);
    assert!(said.starts_with("Decay complete: {\"channels_examined\":0,"), "{said}");
    assert!(said.contains("\nvacuum-db: done; bytes after "), "{said}");
    let run = json_of(&on_command_line(dir.path(), &["job", "vacuum-db", "--json"]));
    assert_eq!((&run["outcome"], &run["number"]), (&json!("done"), &json!(2)));
    let list = json_of(&on_command_line(dir.path(), &["job", "list", "--json"]));
    assert_eq!((&list[1]["job"], &list[1]["last"]), (&json!("vacuum-db"), &run));
    assert_eq!(list[0]["every_hours"], 1);
    let history = ["job", "history", "--json", "--job", "vacuum-db", "--limit", "1"];
    assert_eq!(json_of(&on_command_line(dir.path(), &history)), json!([run]));
    let unknown = on_command_line(dir.path(), &["job", "history", "--job", "dance"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("decay-cycle, vacuum-db, verify-backup"), "{unknown:?}");
}

/// Killed as by a power cut, in the middle of 3,000 events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_killed_leaves_whole_events() {
    let dir = tempfile::tempdir().unwrap();
    assert!(on_command_line(dir.path(), &["migrate"]).status.success());
    let path = dir.path().join("openrsvp.db");
    let options = StoreOptions::Sqlite(SqliteOptions::new(&path));
    let db = Db::open(&options).await.unwrap();
    for query in &MANY {
        change(&db, query).await;
    }
    let mut child = openrsvp(dir.path()).args(["job", "decay-cycle"]).spawn().unwrap();
    while number(&db, &EVENTS).await == 3000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = number(&db, &EVENTS).await;
    assert_eq!((number(&db, &ORPHANS).await, left % 200), (0, 0));
    assert!(db.check_integrity().await.unwrap().is_empty());
    let again = json_of(&on_command_line(dir.path(), &["job", "decay-cycle", "--json"]));
    assert_eq!(again["counts"]["events_purged"], left);
    let history = json_of(&on_command_line(dir.path(), &["job", "history", "--json"]));
    if left > 0 {
        assert_eq!(
            (&history[1]["outcome"], &history[0]["outcome"]),
            (&json!("lost"), &json!("done"))
        );
    }
    db.close().await;
}
