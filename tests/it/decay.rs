//! The decay cycle: what goes, what stays, and that it does not matter when the job runs.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use openrsvp::domain::channel::{Channel, Visibility};
use openrsvp::domain::decay::Fading;
use openrsvp::domain::event::Event;
use openrsvp::domain::job::{Job, Outcome, Run};
use openrsvp::domain::token;
use openrsvp::services::{Error, Rules, Site, decay, touches};
use openrsvp::store::db::{Engine, Query, Row};
use openrsvp::store::{Place, channels, events};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::rows::{change, query, ran, rows};
use crate::support::{NOW, TestApp, on_both};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    now() - DAY.saturating_mul(i32::try_from(days).unwrap())
}

/// An event that all conditions allow to be purged today.
fn faded(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        organizer_token: token::hash(id),
        channel_id: None,
        title: id.to_owned(),
        description: None,
        starts_at: days_ago(31),
        ends_at: Some(days_ago(30)),
        zone: "UTC".to_owned(),
        location: None,
        is_private: false,
        approval_required: false,
        rsvps_closed: false,
        rsvps_close_at: None,
        capacity: None,
        score: 2.0,
        scored_at: now(),
        created_at: days_ago(30),
        modified_at: days_ago(30),
        accessed_at: days_ago(30),
        revision: 1,
        sequence: 0,
    }
}

fn channel(id: &str, visibility: Visibility, score: f64) -> Channel {
    Channel {
        id: id.to_owned(),
        name: id.to_owned(),
        slug: id.to_owned(),
        visibility,
        score,
        scored_at: now(),
        created_at: days_ago(90),
        last_used_at: days_ago(90),
    }
}

async fn add_event(site: &Site, event: Event) {
    let fades = site.rules.fading.fades(&event);
    let added = site.db.write(move |tx| {
        Box::pin(async move { Ok::<_, Error>(events::insert(tx, &event, fades).await?) })
    });
    assert!(added.await.unwrap());
}

async fn add_channel(site: &Site, channel: Channel) {
    let at = site.rules.fading.channel_purgeable_at(&channel);
    let added = site.db.write(move |tx| {
        Box::pin(async move { Ok::<_, Error>(channels::insert(tx, &channel, at).await?) })
    });
    assert!(added.await.unwrap());
}

async fn texts(site: &Site, query: &'static Query) -> Vec<String> {
    rows(&site.db, query).await.iter().map(|row| row.get(0).unwrap()).collect()
}

query!(EVENTS, "SELECT id FROM events ORDER BY id");
query!(CHANNELS, "SELECT id FROM channels ORDER BY id");
query!(LEFT, "SELECT id FROM rsvps UNION ALL SELECT id FROM messages ORDER BY 1");
query!(
    EVENT_STATE,
    "SELECT id, score, scored_at, accessed_at, rsvps_closed, rsvps_close_at, purgeable_at
        FROM events ORDER BY id"
);
query!(CHANNEL_STATE, "SELECT id, score, scored_at, purgeable_at FROM channels ORDER BY id");

/// A guest for each event.
static GUESTS: Query = Query {
    name: "guests",
    sqlite: "INSERT INTO rsvps (id, event_id, token, name, reply, approval, companions, is_private,
            created_at, modified_at)
        SELECT 'r' || id, id, randomblob(32), 'Ada', 'yes', 'approved', 0, 0, 0, 0 FROM events",
    postgres: "INSERT INTO rsvps (id, event_id, token, name, reply, approval, companions,
            is_private, created_at, modified_at)
        SELECT 'r' || id, id, sha256(CAST(id AS BYTEA)), 'Ada', 'yes', 'approved', 0, FALSE, 0, 0
        FROM events",
};

async fn cycle(site: &Site) -> Run {
    ran(site, Job::DecayCycle).await
}

fn with_fading(site: &Site, fading: Fading) -> Site {
    let rules = Rules { fading, ..(*site.rules).clone() };
    Site { rules: Arc::new(rules), ..site.clone() }
}

on_both! {
    async fn an_event_goes_when_all_conditions_hold_and_not_before(app: &TestApp) {
        let fading = Fading { delete_grace_days_after_end: 1, ..Fading::default() };
        let site = &with_fading(&app.running().site, fading);
        let moment = SignedDuration::from_micros(1);
        let recent = |event: Event| Event { starts_at: days_ago(3), ends_at: Some(days_ago(1)), ..event };
        for event in [
            faded("gone"),
            recent(faded("gone on the dot")),
            Event { starts_at: days_ago(1), ends_at: None, ..faded("gone without an end") },
            Event { score: 0.0, ..faded("gone at nothing") },
            Event { score: 100.0, scored_at: days_ago(47), ..faded("gone after 47 days") },
            Event { ends_at: Some(days_ago(1) + moment), ..recent(faded("kept by its end")) },
            Event { starts_at: days_ago(1) + moment, ends_at: None, ..faded("kept by its start") },
            Event { created_at: days_ago(30) + moment, ..faded("kept by its youth") },
            Event { score: 2.001, ..faded("kept by its score") },
            Event { score: 100.0, scored_at: days_ago(46), ..faded("kept by 46 days") },
        ] {
            add_event(site, event).await;
        }
        let run = cycle(site).await;
        let kept = texts(site, &EVENTS).await;
        assert!(kept.len() == 5 && kept.iter().all(|id| id.starts_with("kept")), "{kept:?}");
        assert_eq!((run.outcome, run.counts["events_examined"], run.counts["events_purged"]), (Outcome::Done, 5, 5));
        app.clock.advance(moment);
        cycle(site).await;
        assert_eq!(texts(site, &EVENTS).await, ["kept by 46 days", "kept by its score"]);
    }

    async fn what_is_not_over_is_protected_unless_the_owner_says_otherwise(app: &TestApp) {
        let none = Fading { delete_grace_days_after_end: 0, ..Fading::default() };
        let site = &with_fading(&app.running().site, none);
        let hour = SignedDuration::from_hours(1);
        let running = Event { starts_at: now() - hour, ends_at: None, ..faded("running") };
        add_event(site, running).await;
        let begins = Event { starts_at: now() + hour, ends_at: None, ..faded("begins") };
        add_event(site, begins).await;
        cycle(site).await;
        assert_eq!(texts(site, &EVENTS).await, ["begins", "running"]);
        let bold = with_fading(site, Fading { protect_upcoming_events: false, ..none });
        openrsvp::services::fading::settle(&bold).await.unwrap();
        cycle(&bold).await;
        assert_eq!(texts(site, &EVENTS).await, ["begins"], "grace still counts from the start");
    }

    async fn a_purge_takes_everything_along(app: &TestApp) {
        let site = &app.running().site;
        let event = app.event(json!({ "channel_name": "Garden Club" })).await;
        let guest = app.answer(&event, "Ada", json!({ "note": "I bring cake" })).await;
        let told = json!({ "content": "Bring a chair", "visibility": "admin" });
        app.post(&event.api("/messages"), &event.token, told).await.expect(StatusCode::CREATED);
        app.post(&event.api("/rsvps/self/messages"), &guest, json!({ "content": "Yes" })).await.expect(StatusCode::CREATED);
        assert!(texts(site, &LEFT).await.len() >= 4);
        app.clock.advance(DAY.saturating_mul(80));
        let run = cycle(site).await;
        assert_eq!((run.counts["events_purged"], run.counts["channels_purged"]), (1, 1));
        assert_eq!(texts(site, &LEFT).await, Vec::<String>::new());
        assert_eq!(app.get(&event.api(""), "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.get("/api/v1/channels/garden-club", "").await.status, StatusCode::NOT_FOUND);
    }

    async fn channels_go_when_faded_and_empty(app: &TestApp) {
        let site = &app.running().site;
        for (id, visibility, score) in [
            ("gone-public", Visibility::Public, 2.0), ("gone-private", Visibility::Private, 1.5),
            ("kept-by-score", Visibility::Public, 2.1), ("kept-by-event", Visibility::Public, 1.0),
            ("left-by-event", Visibility::Private, 1.0),
        ] {
            add_channel(site, channel(id, visibility, score)).await;
        }
        let lives = Event { score: 90.0, channel_id: Some("kept-by-event".to_owned()), ..faded("lives") };
        add_event(site, lives).await;
        add_event(site, Event { channel_id: Some("left-by-event".to_owned()), ..faded("dies") }).await;
        let run = cycle(site).await;
        assert_eq!(texts(site, &CHANNELS).await, ["kept-by-event", "kept-by-score"]);
        assert_eq!((run.counts["channels_examined"], run.counts["channels_purged"]), (3, 3));
        // One that was purged can be made again, and one that is there is joined.
        for name in ["gone public", "kept by event"] {
            app.event(json!({ "channel_name": name })).await;
        }
        assert_eq!(texts(site, &CHANNELS).await.len(), 3);
    }

    async fn closing_by_schedule_looks_the_same_before_and_after_the_job(app: &TestApp) {
        let site = &app.running().site;
        let at = json!({ "rsvp_close_at": "2026-06-02T12:00:00" });
        let (before, after, later) = (app.event(at.clone()).await, app.event(at).await, app.event(json!({ "rsvp_close_at": "2026-06-09T12:00:00" })).await);
        app.clock.advance(DAY);
        let seen = |answer: serde_json::Value| (answer["event"]["rsvps_closed"].clone(), answer["event"]["rsvp_close_at"].clone(), answer["event"]["revision"].clone());
        let derived = seen(app.get(&after.api(""), "").await.json());
        assert_eq!(derived, (json!(true), json!(null), json!(1)));
        let opened = app.patch(&before.api(""), &before.token, json!({ "rsvps_closed": false })).await.expect(StatusCode::OK);
        assert_eq!(seen(opened), (json!(false), json!(null), json!(2)));
        assert_eq!(cycle(site).await.counts["rsvps_closed"], 1);
        assert_eq!(cycle(site).await.counts["rsvps_closed"], 0);
        assert_eq!(seen(app.get(&after.api(""), "").await.json()), derived);
        let opened = app.patch(&after.api(""), &after.token, json!({ "rsvps_closed": false })).await.expect(StatusCode::OK);
        assert_eq!(seen(opened), (json!(false), json!(null), json!(2)));
        assert_eq!(app.get(&later.api(""), "").await.json()["event"]["rsvp_close_at"], "2026-06-09T12:00:00");
    }

    async fn a_visit_not_yet_written_counts_and_a_late_one_does_not(app: &TestApp) {
        let site = &app.running().site;
        add_event(site, Event { score: 2.001, ..faded("visited") }).await;
        add_event(site, faded("late")).await;
        site.touches.event("visited", touches::BOOST_VIEW);
        site.touches.event("late", touches::BOOST_VIEW);
        app.clock.advance(SignedDuration::from_mins(1));
        cycle(site).await;
        assert_eq!(texts(site, &EVENTS).await, ["visited"]);
    }

    async fn stale_columns_neither_purge_nor_keep(app: &TestApp) {
        query!(FORGET_EVENTS, "UPDATE events SET purgeable_at = 0");
        query!(FORGET_CHANNELS, "UPDATE channels SET purgeable_at = 0");
        let site = &app.running().site;
        add_channel(site, channel("kept", Visibility::Public, 50.0)).await;
        add_channel(site, channel("gone", Visibility::Public, 1.0)).await;
        add_event(site, Event { score: 50.0, channel_id: Some("kept".to_owned()), ..faded("kept") }).await;
        add_event(site, faded("gone")).await;
        let before = (rows(&site.db, &EVENT_STATE).await, rows(&site.db, &CHANNEL_STATE).await);
        for query in [&FORGET_EVENTS, &FORGET_CHANNELS] {
            change(&site.db, query).await;
        }
        cycle(site).await;
        let kept = |rows: Vec<Row>| rows.into_iter().map(Row::into_values).find(|row| row[0] == "kept".into());
        assert_eq!((texts(site, &EVENTS).await, texts(site, &CHANNELS).await), (vec!["kept".to_owned()], vec!["kept".to_owned()]));
        assert_eq!(kept(rows(&site.db, &EVENT_STATE).await), kept(before.0));
        assert_eq!(kept(rows(&site.db, &CHANNEL_STATE).await), kept(before.1));
    }

    async fn settings_that_change_are_heeded(app: &TestApp) {
        let site = &app.running().site;
        add_event(site, Event { score: 5.0, ..faded("middling") }).await;
        add_channel(site, channel("middling", Visibility::Public, 5.0)).await;
        cycle(site).await;
        assert_eq!((texts(site, &EVENTS).await.len(), texts(site, &CHANNELS).await.len()), (1, 1));
        let strict = with_fading(site, Fading { delete_threshold: 6.0, ..Fading::default() });
        openrsvp::services::fading::settle(&strict).await.unwrap();
        cycle(&strict).await;
        assert_eq!((texts(site, &EVENTS).await.len(), texts(site, &CHANNELS).await.len()), (0, 0));
    }

    async fn a_simulated_year_ends_the_same_however_often_the_job_runs(app: &TestApp) {
        let often = if app.running().site.db.engine() == Engine::Sqlite { 1 } else { 12 };
        let expected = year(app, |hour| u32::from(hour % often == 0)).await;
        assert!((5..60).contains(&expected.len()), "{}", expected.len());
        type Pattern = (&'static str, fn(i64) -> u32);
        let patterns: [Pattern; 4] = [
            ("daily", |hour| u32::from(hour % 24 == 5)),
            ("weekly, two at once", |hour| if hour % 168 == 9 { 2 } else { 0 }),
            ("an outage", |hour| u32::from(hour % 24 == 0 && !(2000..6000).contains(&hour))),
            ("never but at the end", |_| 0),
        ];
        for (name, times) in patterns {
            assert_eq!(year(app, times).await, expected, "{name}");
        }
    }

    async fn a_crash_between_two_batches_loses_nothing(app: &TestApp) {
        query!(ANSWERED, "SELECT e.id FROM events e WHERE EXISTS (SELECT 1 FROM rsvps r WHERE r.event_id = e.id) ORDER BY e.id");
        let site = &app.running().site;
        let event = app.event(json!({})).await;
        for number in 0..450 {
            add_event(site, faded(&format!("faded {number:03}"))).await;
        }
        change(&site.db, &GUESTS).await;
        let step = decay::purge_events(site, now(), Place::start()).await.unwrap();
        assert_eq!((step.examined, step.changed), (200, 200));
        // Here it crashes: the rest is whole, and the next run begins anew.
        let whole = texts(site, &ANSWERED).await;
        assert_eq!((whole.len(), whole == texts(site, &EVENTS).await), (251, true));
        assert_eq!(cycle(site).await.counts["events_purged"], 250);
        assert_eq!(texts(site, &EVENTS).await, [event.id.as_str()]);
        assert_eq!(texts(site, &LEFT).await.len(), 1);
    }
}

/// A year of visits, answers that close, and cycles `times(hour)` at each hour, and once at the
/// end: what is left then.
async fn year(app: &TestApp, times: impl Fn(i64) -> u32) -> Vec<Row2> {
    const HOUR: SignedDuration = SignedDuration::from_hours(1);
    query!(CLEAR_EVENTS, "DELETE FROM events");
    query!(CLEAR_CHANNELS, "DELETE FROM channels");
    let site = &app.running().site;
    for query in [&CLEAR_EVENTS, &CLEAR_CHANNELS] {
        change(&site.db, query).await;
    }
    app.clock.set(now());
    for number in 0..12 {
        let visibility = if number % 3 == 0 { Visibility::Private } else { Visibility::Public };
        add_channel(site, channel(&format!("c{number:02}"), visibility, 100.0)).await;
    }
    for hour in 0..24 * 365 {
        app.clock.set(now() + HOUR.saturating_mul(i32::try_from(hour).unwrap()));
        if hour % 100 == 0 && hour < 6000 {
            let number = hour / 100;
            add_event(site, of_the_year(number, app.clock.now())).await;
        }
        if hour % 144 == 12 {
            visit(site, hour / 144).await;
        }
        match times(hour) {
            0 => {}
            1 => all_batches(site).await,
            _ => {
                tokio::join!(all_batches(site), all_batches(site));
            }
        }
    }
    cycle(site).await;
    let mut left = Vec::new();
    for query in [&EVENT_STATE, &CHANNEL_STATE] {
        left.extend(rows(&site.db, query).await.into_iter().map(Row::into_values));
    }
    left
}

type Row2 = Vec<openrsvp::store::db::Value>;

fn of_the_year(number: i64, made: Timestamp) -> Event {
    let starts_at = made + DAY.saturating_mul(i32::try_from(number * 37 % 50).unwrap());
    Event {
        channel_id: Some(format!("c{:02}", 11 - number % 5)),
        score: 100.0,
        scored_at: made,
        created_at: made,
        modified_at: made,
        accessed_at: made,
        starts_at,
        ends_at: (number % 2 == 0).then(|| starts_at + DAY),
        rsvps_close_at: (number % 3 == 0).then_some(starts_at),
        ..faded(&format!("e{number:02}"))
    }
}

/// Every sixth day somebody looks at some events and channels, of which some are gone; the
/// events after the 40th find no visitor in the second half of the year.
async fn visit(site: &Site, turn: i64) {
    for number in (0..60).filter(|number| number % 4 != turn % 4 && number % 7 > 1) {
        if number < 40 || turn < 30 {
            site.touches.event(&format!("e{number:02}"), touches::BOOST_ANSWER);
            site.touches.channel(&format!("c{:02}", number % 9), touches::BOOST_VIEW);
        }
    }
    touches::flush(site).await.unwrap();
}

/// The steps of a cycle without its record, as fast as they go.
async fn all_batches(site: &Site) {
    let now = site.clock.now();
    let start = Place::start;
    decay::close(site, now, start()).await.unwrap();
    decay::purge_events(site, now, start()).await.unwrap();
    decay::purge_channels(site, now, start()).await.unwrap();
}
