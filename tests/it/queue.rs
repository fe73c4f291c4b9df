//! Work that is owed: done by one worker at a time, after every failure and restart, in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use openrsvp::domain::task::{ATTEMPTS, Failure, NewTask, Next, Priority, State, Task};
use openrsvp::jobs::worker::{Handler, Worker, WorkerOptions};
use openrsvp::services::tasks::{Dead, LEASE, enqueue, fail, finish, give_back, list, renew};
use openrsvp::services::tasks::{settle, settle_all, take};
use openrsvp::services::{Error, Site};
use openrsvp::store::db::{Query, StoreError};
use serde_json::json;

use crate::jobs::{command, json_of, text};
use crate::support::rows::{change, number, query};
use crate::support::{TestApp, on_both};

query!(OPEN, "SELECT CAST(COUNT(*) AS BIGINT) FROM tasks WHERE state = 'open'");

static MANY: Query = Query {
    name: "many",
    sqlite: "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO tasks SELECT 't' || i, 'test', '{}', 'key ' || i, 'normal', 'open', i, NULL, 0, 0, i, NULL, NULL
        FROM n",
    postgres: "INSERT INTO tasks SELECT 't' || i, 'test', '{}', 'key ' || i, 'normal', 'open', i, NULL, FALSE, 0, i,
        NULL, NULL FROM generate_series(1, 20000) i",
};

fn site(app: &TestApp) -> &Site {
    &app.running().site
}

fn step(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn lease() -> SignedDuration {
    SignedDuration::try_from(LEASE).unwrap()
}

fn named(name: &str) -> NewTask {
    NewTask::new("test", json!({ "name": name }))
}

fn keyed(name: &str, key: &str) -> NewTask {
    NewTask { dedupe_key: Some(key.to_owned()), ..named(name) }
}

async fn add(site: &Site, new: Vec<NewTask>) {
    let (entropy, now) = (site.entropy.clone(), site.clock.now());
    let added = site.db.write(move |tx| {
        Box::pin(async move {
            for task in new {
                enqueue(tx, &entropy, now, task).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    added.await.unwrap();
}

fn names(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.payload["name"].as_str().unwrap()).collect()
}

/// A handler that counts how often each task was done.
fn counting(done: &Arc<Mutex<BTreeMap<String, u32>>>) -> Handler {
    let done = done.clone();
    Arc::new(move |_, task| {
        *done.lock().unwrap().entry(task.id).or_default() += 1;
        Box::pin(async { Ok(()) })
    })
}

fn until_empty(concurrency: usize) -> WorkerOptions {
    WorkerOptions { ends: true, poll: Duration::from_millis(5), ..WorkerOptions::new(concurrency) }
}

on_both! {
    async fn what_is_most_urgent_and_oldest_comes_first(app: &TestApp) {
        let site = site(app);
        let with = |name, priority| NewTask { priority, ..named(name) };
        let later = Some(site.clock.now() + step(60));
        add(site, vec![
            with("low", Priority::Low),
            with("one", Priority::Normal),
            NewTask { run_at: later, ..with("later", Priority::High) },
            with("two", Priority::Normal),
            with("high", Priority::High),
        ]).await;
        assert_eq!(names(&take(site, 2).await.unwrap()), ["high", "one"]);
        assert_eq!(names(&take(site, 9).await.unwrap()), ["two", "low"]);
        assert!(take(site, 9).await.unwrap().is_empty());
        app.clock.advance(step(59));
        assert!(take(site, 9).await.unwrap().is_empty(), "its time has not come");
        app.clock.advance(step(1));
        assert_eq!(take(site, 1).await.unwrap()[0].payload["name"], "later");
    }

    async fn what_is_not_kept_is_not_owed(app: &TestApp) {
        let site = site(app);
        let (entropy, now) = (site.entropy.clone(), site.clock.now());
        let refused: Result<(), Error> = site.db.write(move |tx| {
            Box::pin(async move {
                enqueue(tx, &entropy, now, named("lost")).await?;
                Err(Error::Closed)
            })
        }).await;
        assert!(refused.is_err());
        assert_eq!(number(&site.db, &OPEN).await, 0);
    }

    async fn a_lease_that_runs_out_is_anothers(app: &TestApp) {
        let (site, beside) = (site(app), app.beside(None).await);
        add(site, vec![named("one")]).await;
        let first = take(site, 1).await.unwrap().remove(0);
        app.clock.advance(lease() - step(1));
        assert!(renew(site, &first).await.unwrap());
        app.clock.advance(lease() - step(1));
        assert!(take(&beside.site, 1).await.unwrap().is_empty(), "renewed");
        app.clock.advance(step(1));
        let second = take(&beside.site, 1).await.unwrap().remove(0);
        assert_eq!((second.id.as_str(), second.attempts), (first.id.as_str(), 2));
        // Whoever lost it changes nothing any more.
        assert!(!renew(site, &first).await.unwrap());
        assert_eq!(finish(site, vec![first.clone()]).await.unwrap().len(), 1);
        let failure = Failure::Final("too late".to_owned());
        assert_eq!(fail(site, &first, &failure).await.unwrap(), None);
        give_back(site, vec![first]).await.unwrap();
        assert!(take(site, 1).await.unwrap().is_empty());
        assert!(finish(&beside.site, vec![second]).await.unwrap().is_empty());
        assert_eq!(number(&site.db, &OPEN).await, 0);
        beside.stop().await;
    }

    async fn what_is_asked_for_twice_is_done_once_but_never_too_early(app: &TestApp) {
        let site = site(app);
        add(site, vec![keyed("one", "a"), keyed("two", "a"), keyed("three", "b")]).await;
        let taken = take(site, 9).await.unwrap();
        assert_eq!(names(&taken), ["one", "three"]);
        // Asked for while somebody is at it: what they read may be old.
        add(site, vec![keyed("again", "a"), keyed("again", "a")]).await;
        assert!(finish(site, taken).await.unwrap().is_empty());
        let again = take(site, 9).await.unwrap();
        assert_eq!((names(&again), again[0].attempts), (vec!["one"], 1));
        // One that is given up for good is begun anew when it was asked for meanwhile.
        add(site, vec![keyed("again", "a")]).await;
        let never = Failure::Final("never".to_owned());
        let next = fail(site, &again[0], &never).await.unwrap();
        assert_eq!(next, Some(Next::Retry(app.clock.now())));
        let last = take(site, 9).await.unwrap();
        assert_eq!(fail(site, &last[0], &never).await.unwrap(), Some(Next::Bury));
        add(site, vec![keyed("fresh", "a")]).await;
        assert_eq!(number(&site.db, &OPEN).await, 1);
        assert_eq!(settle_all(site, Dead::Retry).await.unwrap(), 0, "an open one does the same");
        finish(site, take(site, 9).await.unwrap()).await.unwrap();
        assert_eq!(settle_all(site, Dead::Retry).await.unwrap(), 1);
        assert_eq!(names(&take(site, 9).await.unwrap()), ["one"]);
    }

    async fn failures_wait_longer_each_time_and_end_in_death(app: &TestApp) {
        let site = site(app);
        add(site, vec![named("one")]).await;
        let failure = Failure::Passing("no answer\nfrom there".to_owned());
        for attempt in 1..=ATTEMPTS {
            let task = take(site, 1).await.unwrap().remove(0);
            assert_eq!(task.attempts, attempt);
            match fail(site, &task, &failure).await.unwrap().unwrap() {
                Next::Retry(at) => {
                    assert!(at >= app.clock.now() + step(5));
                    assert!(take(site, 1).await.unwrap().is_empty());
                    app.clock.set(at);
                }
                Next::Bury => assert_eq!(attempt, ATTEMPTS),
            }
        }
        let dead = list(site, State::Dead, 9).await.unwrap();
        assert_eq!(dead[0].reason.as_deref(), Some("no answer from there"));
        assert_eq!(dead[0].failed_at, Some(app.clock.now()));
        app.clock.advance(SignedDuration::from_hours(1000));
        assert!(take(site, 1).await.unwrap().is_empty(), "the dead stay where they are");
        assert!(settle(site, dead[0].id.clone(), Dead::Retry).await.unwrap());
        let task = take(site, 1).await.unwrap().remove(0);
        assert_eq!(task.attempts, 1);
        assert!(!settle(site, task.id.clone(), Dead::Discard).await.unwrap(), "it is open");
        fail(site, &task, &Failure::Final(String::new())).await.unwrap();
        assert_eq!(settle_all(site, Dead::Discard).await.unwrap(), 1);
        assert!(list(site, State::Dead, 9).await.unwrap().is_empty());
    }

    async fn eight_workers_of_two_processes_do_each_once(app: &TestApp) {
        const TASKS: usize = 20_000;
        let (site, beside) = (site(app), app.beside(None).await);
        let done = Arc::new(Mutex::new(BTreeMap::new()));
        change(&site.db, &MANY).await;
        // As PostgreSQL does by itself within a minute.
        assert!(site.db.vacuum_table("tasks", std::future::pending()).await.unwrap());
        let mut workers: Vec<_> = (0..8)
            .map(|i| if i % 2 == 0 { site } else { &beside.site })
            .map(|site| Worker::start(site, until_empty(16), counting(&done)))
            .collect();
        for worker in &mut workers {
            worker.ended().await;
        }
        let done = done.lock().unwrap().clone();
        assert_eq!(done.len(), TASKS);
        assert!(done.values().all(|times| *times == 1));
        assert_eq!(number(&site.db, &OPEN).await, 0);
        beside.stop().await;
    }

    async fn a_worker_is_bounded_and_survives_what_it_does(app: &TestApp) {
        let site = site(app);
        add(site, (0..40).map(|i| named(&i.to_string())).collect()).await;
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (at_once, peak) = (now.clone(), most.clone());
        let handler: Handler = Arc::new(move |_, task| {
            let (at_once, peak) = (at_once.clone(), peak.clone());
            Box::pin(async move {
                peak.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                assert!(task.payload["name"] != "7", "on purpose");
                if task.payload["name"] == "8" {
                    return Err(Failure::Final("never".to_owned()));
                }
                Ok(())
            })
        });
        Worker::start(site, until_empty(3), handler).ended().await;
        assert!((2..=3).contains(&most.load(Ordering::SeqCst)));
        let open = list(site, State::Open, 9).await.unwrap();
        assert_eq!((names(&open), open[0].reason.as_deref()), (vec!["7"], Some("it panicked")));
        assert_eq!(names(&list(site, State::Dead, 9).await.unwrap()), ["8"]);
    }

    async fn a_worker_that_stops_ends_what_it_began_or_gives_it_back(app: &TestApp) {
        let site = site(app);
        let slow: Handler = Arc::new(|_, task| {
            Box::pin(async move {
                let milliseconds = if task.payload["name"] == "short" { 300 } else { 60_000 };
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Ok(())
            })
        });
        add(site, vec![named("short"), named("long"), named("third")]).await;
        let worker = Worker::start(site, WorkerOptions::new(2), slow);
        let is_held = |task: &Task| task.lease.is_some();
        while list(site, State::Open, 9).await.unwrap().iter().filter(|t| is_held(t)).count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worker.stop(Duration::from_secs(2)).await;
        let left = list(site, State::Open, 9).await.unwrap();
        assert_eq!(names(&left), ["long", "third"]);
        assert!(left.iter().all(|task| task.lease.is_none() && task.attempts == 0));
        assert_eq!(take(site, 9).await.unwrap().len(), 2, "at once, without waiting for a lease");
    }

    async fn the_command_line_works_and_settles(app: &TestApp) {
        let site = site(app);
        add(site, vec![named("one"), named("two"), named("three")]).await;
        let worked = command(app, &["worker", "--drain"]);
        assert!(worked.status.success(), "{worked:?}");
        // Kinds of a later version are kept for it.
        let shown = command(app, &["queue", "list", "--state", "open", "--json"]);
        let open = json_of(&shown);
        assert_eq!((open.as_array().unwrap().len(), &open[0]["attempts"]), (3, &json!(1)));
        assert!(open[0]["reason"].as_str().unwrap().contains("does not know tasks of the kind test"));
        assert!(!text(&shown.stdout).contains("three"), "what people wrote stays inside");
        assert_eq!(text(&command(app, &["queue", "list"]).stdout), "Everything could be done so far.\n");

        app.clock.set("2100-01-01T00:00:00Z".parse().unwrap());
        let taken = take(site, 9).await.unwrap();
        for task in &taken {
            fail(site, task, &Failure::Final("never".to_owned())).await.unwrap();
        }
        let listed = text(&command(app, &["queue", "list"]).stdout);
        assert_eq!(listed.matches("given up after 2 attempts; never").count(), 3, "{listed}");
        let retried = command(app, &["queue", "retry", &taken[0].id, "--json"]);
        assert_eq!(json_of(&retried), json!({ "retried": 1 }));
        let again = command(app, &["queue", "retry", &taken[0].id]);
        assert_eq!(again.status.code(), Some(1), "{again:?}");
        assert_eq!(text(&command(app, &["queue", "discard", "--all"]).stdout), "discarded: 2\n");
        assert_eq!(command(app, &["queue", "retry"]).status.code(), Some(2), "which?");
        assert_eq!(command(app, &["queue", "discard", "x", "--all"]).status.code(), Some(2));
        assert_eq!(number(&site.db, &OPEN).await, 1);
    }
}
