//! Never oversold, however many arrive at once, through one process or several.

use openrsvp::store::db::Engine;
use serde_json::{Value, json};

use crate::support::server::TestServer;
use crate::support::{TestDatabase, client, on_both, postgres};

const CLIENTS: usize = 256;
const SEATS: i64 = 5;

/// Everybody answers at once, in turn through each of the servers; tells how many got a seat.
async fn storm(bases: &[String], event: &str) -> usize {
    let client = client();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let url = format!("{}/api/v1/events/{event}/rsvps", bases[number % bases.len()]);
        let body = json!({ "name": format!("Guest {number}"), "attendance_status": "yes" });
        let request = client.post(url).json(&body);
        tasks.spawn(async move {
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            (status, answer.json::<Value>().await.expect("JSON"))
        });
    }
    let mut seated = 0;
    while let Some(done) = tasks.join_next().await {
        match done.expect("no panic") {
            (201, _) => seated += 1,
            (400, body) => assert_eq!(body["error"], "EventFull"),
            (status, body) => panic!("{status}: {body}"),
        }
    }
    seated
}

on_both! {
    async fn exactly_the_seats_are_given(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": SEATS })).await;
        assert_eq!(storm(std::slice::from_ref(&app.base), &event.id).await, 5);
        let shown = app.get(&event.api(""), "").await.json();
        assert_eq!(shown["event"]["yes_count"], SEATS);
    }

    async fn a_party_counts_as_people(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": SEATS })).await;
        let ana = app.answer(&event, "Ana", json!({ "guest_count": 2 })).await;
        app.answer(&event, "Bo", json!({ "guest_count": 1 })).await;
        let late = json!({ "name": "Late", "attendance_status": "yes" });
        let refused = app.post(&event.api("/rsvps"), "", late.clone()).await;
        assert_eq!(refused.status, 400);
        assert_eq!(
            refused.json(),
            json!({ "error": "EventFull", "message": "This event has reached its maximum number of attendees." })
        );
        // Growing is refused and keeps the seats; shrinking frees them.
        let own = event.api("/rsvps/self");
        assert_eq!(app.patch(&own, &ana, json!({ "guest_count": 3 })).await.status, 400);
        assert_eq!(app.get(&own, &ana).await.json()["rsvp"]["guest_count"], 2);
        assert_eq!(app.patch(&own, &ana, json!({ "guest_count": 1 })).await.status, 200);
        assert_eq!(app.post(&event.api("/rsvps"), "", late).await.status, 201);
    }

    async fn maybe_and_no_take_no_seat(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": 1 })).await;
        app.answer(&event, "Ana", json!({})).await;
        for reply in ["maybe", "no"] {
            app.answer(&event, "Bo", json!({ "attendance_status": reply })).await;
        }
        let maybe = app.answer(&event, "Cy", json!({ "attendance_status": "maybe" })).await;
        let own = event.api("/rsvps/self");
        assert_eq!(app.patch(&own, &maybe, json!({ "attendance_status": "yes" })).await.status, 400);
    }

    async fn an_over_full_event_locks_nobody_out_of_an_edit(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": 4 })).await;
        let ana = app.answer(&event, "Ana", json!({ "guest_count": 3 })).await;
        app.patch(&event.api(""), &event.token, json!({ "max_attendees": 2 })).await.expect(200.try_into().expect("a status"));
        let own = event.api("/rsvps/self");
        assert_eq!(app.patch(&own, &ana, json!({ "name": "Anna" })).await.status, 200);
        assert_eq!(app.patch(&own, &ana, json!({ "guest_count": 2 })).await.status, 200);
        assert_eq!(app.patch(&own, &ana, json!({ "guest_count": 3 })).await.status, 400);
    }

    async fn an_organizer_passes_the_capacity(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": 1 })).await;
        app.answer(&event, "Ana", json!({})).await;
        let body = json!({ "name": "Vip", "attendance_status": "yes" });
        let forced = event.api("/rsvps?force_accept=true");
        assert_eq!(app.post(&forced, "", body.clone()).await.status, 401);
        assert_eq!(app.post(&forced, "wrong", body.clone()).await.status, 403);
        assert_eq!(app.post(&forced, &event.token, body).await.status, 201);
        let roster = app.get(&event.api("/rsvps"), &event.token).await.json();
        assert_eq!(roster["stats"]["yes_total"], 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_postgres_share_the_seats() {
    if postgres::is_skipped() {
        return;
    }
    let database = TestDatabase::new(Engine::Postgres).await;
    let openrsvp::store::db::StoreOptions::Postgres(options) = &database.options else {
        panic!("PostgreSQL was asked for");
    };
    let (one, two) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let servers = [
        TestServer::start(one.path(), Some(&options.url)).await,
        TestServer::start(two.path(), Some(&options.url)).await,
    ];
    let body =
        json!({ "title": "Few seats", "start_time": "2030-01-01T10:00", "max_attendees": SEATS });
    let made = client().post(format!("{}/api/v1/events", servers[0].base)).json(&body).send().await;
    let made: Value = made.expect("an answer").json().await.expect("JSON");
    let event = made["event"]["id"].as_str().expect("an id");
    let bases = [servers[0].base.clone(), servers[1].base.clone()];
    assert_eq!(storm(&bases, event).await, 5);
}
