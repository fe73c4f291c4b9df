//! The scheduler: asks what is due, whatever happens to the clock, the ticker and the machine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use openrsvp::domain::job::{Job, Outcome, Run, Schedule};
use openrsvp::jobs::scheduler::{Scheduler, SchedulerOptions};
use openrsvp::services::{Site, jobs as records};
use openrsvp::store::db::{Engine, Query, StoreError};

use crate::support::{TestApp, on_both};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for the scheduler to have asked many times.
const A_WHILE: Duration = Duration::from_millis(300);
/// The thirtieth of February.
const NEVER: &str = "0 0 0 30 2 *";
const EACH_SECOND: &str = "* * * * * *";

/// Asks all the time, starts at once, and has a ticker that never ticks: as one that died.
fn without_ticker() -> SchedulerOptions {
    SchedulerOptions {
        jitter: Duration::ZERO,
        ticks: NEVER,
        poke: Duration::from_millis(5),
        ..SchedulerOptions::new(true, 1, 12)
    }
}

/// Only the ticker asks.
fn with_ticker() -> SchedulerOptions {
    SchedulerOptions { ticks: EACH_SECOND, poke: Duration::from_secs(3600), ..without_ticker() }
}

async fn runs(site: &Site, job: Job) -> Vec<Run> {
    records::history(site, Some(job), 500).await.unwrap()
}

/// Waits until a job has ended so many times, and a while longer: it is not more.
async fn expect_runs(site: &Site, decay: usize, vacuum: usize) {
    let ended = async |job| {
        let all = runs(site, job).await;
        all.iter().filter(|run| run.outcome != Outcome::Running).count()
    };
    let reached = async {
        while ended(Job::DecayCycle).await < decay || ended(Job::VacuumDb).await < vacuum {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, reached).await;
    tokio::time::sleep(A_WHILE).await;
    let found = (ended(Job::DecayCycle).await, ended(Job::VacuumDb).await);
    assert!(in_time.is_ok() && found == (decay, vacuum), "{found:?}, not {:?}", (decay, vacuum));
}

/// Far from the border of a period, so that small steps stay inside it.
fn set(app: &TestApp, at: &str) {
    app.clock.set(at.parse::<Timestamp>().unwrap());
}

static FADED: Query = Query {
    name: "faded",
    sqlite: "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO events (id, organizer_token, channel_id, title, description, starts_at, ends_at, zone,
        location, is_private, approval_required, rsvps_closed, rsvps_close_at, capacity, score,
        scored_at, created_at, modified_at, accessed_at, revision, sequence, over_at, unlisted_at,
        purgeable_at)
        SELECT 'e' || i, randomblob(32), NULL, 'Old', NULL, 1, 2, 'UTC', NULL,
            0, 0, 0, NULL, NULL, 0.0, 1, 1, 1, 1, 1, 0, 2, 2, 2 FROM n",
    postgres: "INSERT INTO events (id, organizer_token, channel_id, title, description, starts_at, ends_at, zone,
        location, is_private, approval_required, rsvps_closed, rsvps_close_at, capacity, score,
        scored_at, created_at, modified_at, accessed_at, revision, sequence, over_at, unlisted_at,
        purgeable_at)
        SELECT 'e' || i, sha256(CAST('e' || i AS BYTEA)), NULL, 'Old',
            NULL, 1, 2, 'UTC', NULL, FALSE, FALSE, FALSE, NULL, NULL, 0.0, 1, 1, 1, 1, 1, 0, 2, 2,
            2 FROM generate_series(1, 8000) i",
};

on_both! {
    async fn jobs_run_once_in_their_period_whatever_the_clock_does(app: &TestApp) {
        let site = &app.running().site;
        set(app, "2026-06-01T12:30:00Z");
        let scheduler = Scheduler::start(site, &without_ticker()).await.unwrap();
        expect_runs(site, 1, 1).await;
        app.clock.advance(SignedDuration::from_mins(29));
        expect_runs(site, 1, 1).await;
        app.clock.advance(SignedDuration::from_hours(1));
        expect_runs(site, 2, 1).await;
        // The machine slept for ten days: once, not two hundred and forty times.
        app.clock.advance(SignedDuration::from_hours(240));
        expect_runs(site, 3, 2).await;
        // The clock was wrong by years, and is set right: the job does not wait until then.
        set(app, "2041-06-01T12:30:00Z");
        expect_runs(site, 4, 3).await;
        set(app, "2026-06-12T12:30:00Z");
        expect_runs(site, 5, 4).await;
        app.clock.advance(SignedDuration::from_mins(-5));
        expect_runs(site, 5, 4).await;
        app.clock.advance(SignedDuration::from_hours(1));
        expect_runs(site, 6, 4).await;
        scheduler.stop(PATIENCE).await;
        app.clock.advance(SignedDuration::from_hours(24));
        expect_runs(site, 6, 4).await;
    }

    async fn a_tick_alone_is_enough_and_many_are_one(app: &TestApp) {
        let site = &app.running().site;
        set(app, "2026-06-01T12:30:00Z");
        let scheduler = Scheduler::start(site, &with_ticker()).await.unwrap();
        expect_runs(site, 1, 1).await;
        app.clock.advance(SignedDuration::from_hours(1));
        expect_runs(site, 2, 1).await;
        // Ticks come while nothing is due, and while a job runs: nothing is kept of them.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        expect_runs(site, 2, 1).await;
        scheduler.stop(PATIENCE).await;
    }

    async fn two_processes_share_the_work(app: &TestApp) {
        let site = &app.running().site;
        set(app, "2026-06-01T12:30:00Z");
        let mut schedulers = Vec::new();
        for _ in 0..3 {
            schedulers.push(Scheduler::start(site, &without_ticker()).await.unwrap());
        }
        expect_runs(site, 1, 1).await;
        app.clock.advance(SignedDuration::from_hours(1));
        expect_runs(site, 2, 1).await;
        for scheduler in schedulers { scheduler.stop(PATIENCE).await; }
        assert!(runs(site, Job::DecayCycle).await.iter().all(|run| run.outcome == Outcome::Done));
    }

    async fn what_was_run_from_outside_is_not_due(app: &TestApp) {
        let site = &app.running().site;
        set(app, "2026-06-01T12:30:00Z");
        let (_stopping, cancel) = openrsvp::jobs::Cancel::new();
        openrsvp::jobs::run(site, Job::DecayCycle, &cancel).await.unwrap();
        let scheduler = Scheduler::start(site, &without_ticker()).await.unwrap();
        expect_runs(site, 1, 1).await;
        scheduler.stop(PATIENCE).await;
    }

    async fn a_failure_is_tried_again_after_a_while_and_not_at_once(app: &TestApp) {
        let site = &app.running().site;
        set(app, "2026-06-01T12:30:00Z");
        // A process died in the middle: recorded as running, held by nobody.
        records::begin(site, Job::DecayCycle).await.unwrap();
        let scheduler = Scheduler::start(site, &without_ticker()).await.unwrap();
        expect_runs(site, 0, 1).await;
        app.clock.advance(SignedDuration::from_mins(5));
        expect_runs(site, 2, 1).await;
        let outcomes: Vec<_> = runs(site, Job::DecayCycle).await.iter().map(|run| run.outcome).collect();
        assert_eq!(outcomes, [Outcome::Done, Outcome::Lost]);
        scheduler.stop(PATIENCE).await;
    }

    async fn a_stop_ends_the_job_at_its_next_step_and_the_next_start_goes_on(app: &TestApp) {
        let site = &app.running().site;
        let filled = site.db.write(|tx| Box::pin(async move { tx.execute(&FADED, Vec::new()).await.map(drop) }));
        let filled: Result<(), StoreError> = filled.await;
        filled.unwrap();
        // The other job is not due.
        let (_stopping, cancel) = openrsvp::jobs::Cancel::new();
        openrsvp::jobs::run(site, Job::VacuumDb, &cancel).await.unwrap();
        let scheduler = Scheduler::start(site, &without_ticker()).await.unwrap();
        let begun = async { while runs(site, Job::DecayCycle).await.is_empty() { tokio::time::sleep(Duration::from_millis(1)).await; } };
        tokio::time::timeout(PATIENCE, begun).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        tokio::time::timeout(PATIENCE, scheduler.stop(PATIENCE)).await.expect("it stops");
        let stopped = runs(site, Job::DecayCycle).await.remove(0);
        assert_eq!(stopped.outcome, Outcome::Stopped, "{stopped:?}");
        assert!(site.db.try_lock(Job::DecayCycle.name()).await.unwrap().is_some(), "the lock is free");
        let scheduler = Scheduler::start(site, &without_ticker()).await.unwrap();
        expect_runs(site, 2, 1).await;
        scheduler.stop(PATIENCE).await;
        // PostgreSQL is slower at it.
        let total = if site.db.engine() == Engine::Sqlite { 20_000 } else { 8000 };
        let purged: i64 = runs(site, Job::DecayCycle).await.iter().map(|run| run.counts["events_purged"]).sum();
        assert_eq!(purged, total);
    }

    async fn one_that_is_off_runs_nothing(app: &TestApp) {
        let site = &app.running().site;
        let options = SchedulerOptions { enabled: false, ..with_ticker() };
        assert!(Scheduler::start(site, &options).await.is_none());
        expect_runs(site, 0, 0).await;
    }

    async fn a_stop_does_not_wait_for_chance(app: &TestApp) {
        let site = &app.running().site;
        let options = SchedulerOptions { jitter: Duration::from_secs(3600), ..without_ticker() };
        let scheduler = Scheduler::start(site, &options).await.unwrap();
        expect_runs(site, 0, 0).await;
        tokio::time::timeout(PATIENCE, scheduler.stop(PATIENCE)).await.expect("it stops at once");
    }

    async fn a_ticker_that_cannot_be_made_stops_nothing(app: &TestApp) {
        let site = &app.running().site;
        let options = SchedulerOptions { ticks: "whenever", ..without_ticker() };
        let scheduler = Scheduler::start(site, &options).await.unwrap();
        expect_runs(site, 1, 1).await;
        scheduler.stop(PATIENCE).await;
    }
}

#[test]
fn the_schedule_is_what_the_configuration_says() {
    let options = SchedulerOptions::new(true, 3, 24);
    assert_eq!(options.schedule(Job::DecayCycle), Some(Schedule::hours(3)));
    assert_eq!(options.schedule(Job::VacuumDb), Some(Schedule::hours(24)));
    assert_eq!(options.schedule(Job::VerifyBackup), None, "no replicas are kept");
}
