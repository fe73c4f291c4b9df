//! Making, reading, editing and deleting events through the API.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{INSTANCE_TOKEN, on_both};

on_both! {
    async fn an_event_is_made_read_changed_and_deleted(app: &TestApp) {
        let body = json!({
            "title": "  Summer table ", "start_time": "2026-06-13T19:00", "end_time": "2026-06-13T23:00",
            "timezone": "Europe/Berlin", "location": "Lindenhof 4", "channel_name": "Garden Club", "unknown": 1,
        });
        let made = app.post("/api/v1/events", "", body).await.expect(StatusCode::CREATED);
        let token = made["admin_token"].as_str().expect("a token");
        assert_eq!(token.len(), 43);
        let event = &made["event"];
        assert_eq!(event["title"], "Summer table");
        assert_eq!(event["start_time"], "2026-06-13T17:00:00");
        assert_eq!(event["channel"]["slug"], "garden-club");
        let path = format!("/api/v1/events/{}", event["id"].as_str().expect("an id"));
        assert_eq!(event["links"]["admin"], format!("/e/{}/admin/{token}", event["id"].as_str().expect("id")));

        let shown = app.get(&path, "").await.expect(StatusCode::OK);
        let mut keys: Vec<_> = shown["event"].as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, [
            "admin_approval_required", "channel", "created_at", "description", "end_time", "id", "is_private",
            "last_accessed", "last_modified", "links", "location", "max_attendees", "messages", "revision",
            "rsvp_close_at", "rsvp_counts", "rsvps", "rsvps_closed", "score", "start_time", "timezone", "title",
            "yes_count",
        ]);
        assert!(shown["event"]["links"].get("admin").is_none());

        let changed = app.patch(&path, token, json!({ "title": "Winter table", "location": null })).await;
        let changed = changed.expect(StatusCode::OK);
        assert_eq!(changed["event"]["title"], "Winter table");
        assert!(changed["event"]["location"].is_null());
        assert_eq!(changed["event"]["revision"], 2);
        assert_eq!(changed["event"]["channel"]["slug"], "garden-club");

        assert_eq!(app.delete(&path, token).await.status, StatusCode::NO_CONTENT);
        let gone = app.get(&path, "").await;
        assert_eq!((gone.status, gone.json()), (StatusCode::NOT_FOUND, json!({ "detail": "Event not found" })));
    }

    async fn only_the_organizer_and_the_instance_owner_may_change_it(app: &TestApp) {
        let event = app.event(json!({})).await;
        let path = event.api("");
        let none = app.patch(&path, "", json!({ "title": "x" })).await;
        assert_eq!((none.status, none.json()), (StatusCode::UNAUTHORIZED, json!({ "detail": "Missing bearer token" })));
        let wrong = app.patch(&path, "wrong", json!({ "title": "x" })).await;
        assert_eq!((wrong.status, wrong.json()), (StatusCode::FORBIDDEN, json!({ "detail": "Invalid admin token" })));
        let owner = app.patch(&path, INSTANCE_TOKEN, json!({ "title": "By the owner" })).await.expect(StatusCode::OK);
        assert!(owner["event"]["links"].get("admin").is_none(), "the instance token is in no link");
        let basic = app.request(Method::DELETE, &path).header("authorization", "Basic eDp5").send().await.expect("an answer");
        assert_eq!(basic.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(app.delete(&path, INSTANCE_TOKEN).await.status, StatusCode::NO_CONTENT);
    }

    async fn what_cannot_be_used_is_named(app: &TestApp) {
        let start = "2026-06-13T17:00:00";
        for (body, status, place) in [
            (json!({ "start_time": start }), 422, "title"),
            (json!({ "title": null, "start_time": start }), 422, "title"),
            (json!({ "title": "  ", "start_time": start }), 422, "title"),
            (json!({ "title": "x".repeat(256), "start_time": start }), 422, "title"),
            (json!({ "title": "t", "start_time": "soon" }), 422, "start_time"),
            (json!({ "title": "t", "start_time": "0000-01-01" }), 422, "start_time"),
            (json!({ "title": "t", "start_time": start, "timezone": "Mars/Olympus" }), 422, "timezone"),
            (json!({ "title": "t", "start_time": start, "timezone_offset_minutes": 99_999 }), 422, "timezone_offset_minutes"),
            (json!({ "title": "t", "start_time": start, "max_attendees": 2.5 }), 422, "max_attendees"),
            (json!({ "title": "t", "start_time": start, "is_private": null }), 422, "is_private"),
            (json!({ "title": "t", "start_time": start, "description": "x".repeat(20_001) }), 422, "description"),
        ] {
            let answer = app.post("/api/v1/events", "", body.clone()).await;
            assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
            assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", place]), "{body}");
        }
        let backwards = json!({ "title": "t", "start_time": start, "end_time": "2026-06-13T16:00:00" });
        assert_eq!(app.post("/api/v1/events", "", backwards).await.status, StatusCode::BAD_REQUEST);
        let blank = json!({ "title": "t", "start_time": start, "channel_name": "!!!" });
        let blank = app.post("/api/v1/events", "", blank).await;
        assert_eq!(blank.status, StatusCode::BAD_REQUEST);
        assert_eq!(blank.json()["detail"], "Channel names must include at least one letter or number.");
        for raw in ["", "[]", "{", "\"x\"", "{\"title\": \"\\ud800\", \"start_time\": \"2026-06-13\"}"] {
            let answer = app.request(Method::POST, "/api/v1/events").body(raw).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{raw}");
        }
    }

    async fn a_refused_event_leaves_no_channel(app: &TestApp) {
        let body = json!({
            "title": "t", "start_time": "2026-06-13T17:00:00", "end_time": "2026-06-13T16:00:00",
            "channel_name": "Never Made",
        });
        assert_eq!(app.post("/api/v1/events", "", body).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(app.get("/api/v1/channels/never-made", "").await.status, StatusCode::NOT_FOUND);
    }

    async fn one_changed_time_cannot_put_the_end_before_the_start(app: &TestApp) {
        let event = app.event(json!({ "end_time": "2026-06-13T19:00:00" })).await;
        let late = json!({ "start_time": "2026-06-13T20:00:00" });
        assert_eq!(app.patch(&event.api(""), &event.token, late).await.status, StatusCode::BAD_REQUEST);
    }

    async fn channel_visibility_alone_changes_nothing(app: &TestApp) {
        let event = app.event(json!({ "channel_name": "Garden" })).await;
        let body = json!({ "channel_visibility": "private" });
        let changed = app.patch(&event.api(""), &event.token, body).await.expect(StatusCode::OK);
        assert_eq!(changed["event"]["channel"]["visibility"], "public");
    }

    async fn the_same_slug_with_the_other_visibility_is_refused(app: &TestApp) {
        app.event(json!({ "channel_name": "Garden" })).await;
        let body = json!({ "title": "t", "start_time": "2026-06-13", "channel_name": "GARDEN", "channel_visibility": "private" });
        let refused = app.post("/api/v1/events", "", body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.json()["detail"].as_str().expect("a sentence").contains("public"));
        let joined = app.event(json!({ "channel_name": " garden! " })).await;
        let shown = app.get(&joined.api(""), "").await.json();
        assert_eq!(shown["event"]["channel"]["name"], "Garden", "the first spelling stays");
    }

    async fn two_tabs_lose_nothing(app: &TestApp) {
        let event = app.event(json!({})).await;
        let first = json!({ "title": "From one tab", "revision": 1 });
        assert_eq!(app.patch(&event.api(""), &event.token, first).await.status, StatusCode::OK);
        let second = json!({ "title": "From the other", "revision": 1 });
        assert_eq!(app.patch(&event.api(""), &event.token, second).await.status, StatusCode::CONFLICT);
        assert_eq!(app.get(&event.api(""), "").await.json()["event"]["title"], "From one tab");
    }

    async fn lists_are_public_upcoming_first_and_paged(app: &TestApp) {
        for day in 1..=12 {
            app.event(json!({ "title": format!("Day {day}"), "start_time": format!("2026-07-{day:02}T10:00:00") })).await;
        }
        app.event(json!({ "title": "Secret", "is_private": true })).await;
        let first = app.get("/api/v1/events", "").await.expect(StatusCode::OK);
        assert_eq!(first["events"].as_array().expect("a list").len(), 10);
        assert_eq!(first["events"][0]["title"], "Day 1");
        assert_eq!(first["pagination"], json!({
            "page": 1, "per_page": 10, "total_pages": 2, "total_events": 12, "has_prev": false, "has_next": true,
            "prev_page": null, "next_page": 2,
        }));
        let past_the_end = app.get("/api/v1/events?page=99&per_page=5", "").await.expect(StatusCode::OK);
        assert_eq!(past_the_end["pagination"]["page"], 3);
        let bounded = app.get("/api/v1/events?start_after=2026-07-03T10:00:00&start_before=2026-07-05T10:00", "").await.json();
        assert_eq!(bounded["pagination"]["total_events"], 3, "bounds are inclusive");
        assert_eq!(bounded["filters"]["start_before"], "2026-07-05T10:00:00");
        for wrong in ["page=0", "per_page=51", "per_page=x", "start_after=soon"] {
            assert_eq!(app.get(&format!("/api/v1/events?{wrong}"), "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
    }

    async fn faded_events_leave_the_lists(app: &TestApp) {
        app.event(json!({ "start_time": "2026-06-02T10:00:00" })).await;
        let listed = async || app.get("/api/v1/events", "").await.json()["pagination"]["total_events"].as_i64();
        let days = jiff::SignedDuration::from_hours(24);
        app.clock.advance(days * 27);
        assert_eq!(listed().await, Some(1));
        app.clock.advance(days * 2);
        assert_eq!(listed().await, Some(0), "28 days halve it to a tenth");
    }

    async fn looking_writes_nothing_at_once_and_never_changes_the_edit_time(app: &TestApp) {
        let event = app.event(json!({})).await;
        let before = app.get(&event.api(""), "").await.json();
        app.clock.advance(jiff::SignedDuration::from_hours(48));
        app.get(&event.api(""), "").await;
        app.flush_touches().await;
        let after = app.get(&event.api(""), "").await.json();
        assert_eq!(after["event"]["last_modified"], before["event"]["last_modified"]);
        assert_eq!(after["event"]["last_accessed"], "2026-06-03T12:00:00");
    }

    async fn a_calendar_file_is_served(app: &TestApp) {
        let event = app.event(json!({ "location": "Lindenhof 4", "admin_approval_required": true })).await;
        let file = app.get(&event.api("/event.ics"), "").await;
        assert_eq!(file.header("content-type"), "text/calendar; charset=utf-8");
        assert!(file.header("content-disposition").contains(&format!("event_{}.ics", event.id)));
        assert!(file.text.contains(&format!("UID:{}@openrsvp\r\n", event.id)) && file.text.contains("DTSTART:20260613T170000Z"));
        assert!(!file.text.contains("Lindenhof"), "the place is hidden until the host agrees");
        assert!(app.get(&event.api("/event.ics"), &event.token).await.text.contains("Lindenhof"));
    }

    async fn methods_are_answered_right(app: &TestApp) {
        let event = app.event(json!({})).await;
        let ask = async |method, path: &str| app.request(method, path).send().await.expect("an answer");
        assert_eq!(ask(Method::HEAD, &event.api("")).await.status(), StatusCode::OK);
        assert_eq!(ask(Method::HEAD, "/healthz").await.status(), StatusCode::OK);
        let options = ask(Method::OPTIONS, &event.api("")).await;
        assert_eq!(options.status(), StatusCode::NO_CONTENT);
        assert_eq!(options.headers()["allow"], "DELETE, GET, HEAD, OPTIONS, PATCH");
        let wrong = ask(Method::PUT, &event.api("")).await;
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(wrong.headers().contains_key("allow"));
        assert_eq!(app.get("/api/v1/nowhere", "").await.json(), json!({ "detail": "There is nothing at this address." }));
    }

    async fn every_answer_is_guarded_by_headers(app: &TestApp) {
        let event = app.event(json!({})).await;
        for path in [event.page(""), event.api(""), "/nowhere".to_owned(), "/healthz".to_owned()] {
            let answer = app.get(&path, "").await;
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("x-request-id").len(), 16);
        }
        let secret = app.get(&event.page(&format!("/admin/{}", event.token)), "").await;
        assert_eq!(secret.header("referrer-policy"), "no-referrer");
        assert_eq!(secret.header("cache-control"), "no-store");
    }

    async fn a_body_too_large_is_refused(app: &TestApp) {
        let body = json!({ "title": "x".repeat(300_000), "start_time": "2026-06-13" });
        let answer = app.post("/api/v1/events", "", body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text);
    }

    async fn whoever_sends_too_much_reads_why(app: &TestApp) {
        let address = app.base.strip_prefix("http://").expect("plain");
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let head = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 600000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("sent");
        // Slowly, so that the limit is passed long before the end.
        for _ in 0..6 {
            stream.write_all(&[b'x'; 100_000]).await.expect("the connection stands");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }

    async fn the_api_describes_itself(app: &TestApp) {
        let document = app.get("/api/openapi.json", "").await.expect(StatusCode::OK);
        assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
        for path in [
            "/api/v1/events", "/api/v1/events/{event_id}", "/api/v1/events/{event_id}/event.ics",
            "/api/v1/events/{event_id}/rsvps", "/api/v1/events/{event_id}/rsvps/self",
            "/api/v1/events/{event_id}/rsvps/{rsvp_id}/approve", "/api/v1/channels/{slug}",
        ] {
            assert!(document["paths"].get(path).is_some(), "{path} is missing");
        }
    }
}
