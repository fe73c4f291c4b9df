//! Faults of the original that must not come back, where no other file has them.

use jiff::SignedDuration;
use openrsvp::store::db::{Engine, StoreOptions};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::support::{INSTANCE_TOKEN, TestApp, TestEvent, client, on_both};

const START: &str = "2026-06-13T17:00:00";

async fn guest_id(app: &TestApp, event: &TestEvent) -> String {
    let roster = app.get(&event.api("/rsvps"), &event.token).await.json();
    roster["rsvps"][0]["id"].as_str().expect("an id").to_owned()
}

async fn made(app: &TestApp, body: Value) -> Value {
    app.post("/api/v1/events", "", body).await.expect(StatusCode::CREATED)["event"].clone()
}

on_both! {
    async fn the_instance_token_opens_every_organizer_route(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true })).await;
        app.answer(&event, "Ana", json!({})).await;
        let id = guest_id(app, &event).await;
        let guest = |below: &str| event.api(&format!("/rsvps/{id}/{below}"));
        let content = json!({ "content": "Hello" });
        for (method, path, body, status) in [
            (Method::GET, event.api("/rsvps"), Value::Null, 200),
            (Method::POST, guest("approve"), json!({}), 200),
            (Method::POST, guest("reject"), json!({ "reason": "No" }), 200),
            (Method::POST, guest("pending"), json!({}), 200),
            (Method::POST, guest("messages"), content.clone(), 201),
            (Method::POST, event.api("/messages"), content, 201),
            (Method::PATCH, event.api(""), json!({ "title": "Owned" }), 200),
            (Method::DELETE, event.api(&format!("/rsvps/{id}")), Value::Null, 204),
            (Method::DELETE, event.api(""), Value::Null, 204),
        ] {
            let answer = app.send(method.clone(), &path, INSTANCE_TOKEN, body).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
            assert!(!answer.text.contains(INSTANCE_TOKEN), "{method} {path} shows the token");
        }
    }

    async fn zoned_and_plain_times_mix(app: &TestApp) {
        let event = made(app, json!({
            "title": "t", "start_time": "2026-06-13T19:00:00+02:00", "end_time": "2026-06-13T20:00:00",
            "timezone_offset_minutes": 60,
        })).await;
        assert_eq!(event["start_time"], START, "an offset of its own is not shifted again");
        assert_eq!(event["end_time"], "2026-06-13T21:00:00");
        let event = made(app, json!({
            "title": "t", "start_time": "2026-06-13T19:00:00", "timezone": "Europe/Berlin", "timezone_offset_minutes": 300,
        })).await;
        assert_eq!(event["start_time"], START, "the zone wins over the offset");
        let event = made(app, json!({ "title": "t", "start_time": "2026-06-13T17:00:00.250000Z" })).await;
        assert_eq!(event["start_time"], "2026-06-13T17:00:00.250000", "microseconds only where there are some");
    }

    async fn no_time_breaks_it(app: &TestApp) {
        for time in [
            "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00", "-001-01-01",
            "2026-02-30T00:00:00", "2026-06-13T25:00:00", "2026-06-13T17:00:00+99:99", "2026-06-13T17:00:00+24:00",
            "now", "1e400", "２０２６-06-13T17:00:00",
        ] {
            let answer = app.post("/api/v1/events", "", json!({ "title": "t", "start_time": time })).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{time}: {}", answer.text);
            let form = app.form("/events", &[("title", "t"), ("start_time", time)]).await;
            assert_eq!(form.status, StatusCode::BAD_REQUEST, "{time}");
        }
        for offset in [json!(1e300), json!("x"), json!(-99_999), json!(i64::MAX), json!([]), json!({})] {
            let body = json!({ "title": "t", "start_time": START, "timezone_offset_minutes": offset });
            let answer = app.post("/api/v1/events", "", body).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{offset}: {}", answer.text);
        }
        for edge in ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"] {
            let answer = app.post("/api/v1/events", "", json!({ "title": "t", "start_time": edge })).await;
            assert!(answer.status.as_u16() < 500, "{edge}: {}", answer.text);
            assert!(app.get("/", "").await.status.is_success());
            if answer.status == StatusCode::CREATED {
                let id = answer.json()["event"]["id"].as_str().expect("an id").to_owned();
                for path in [format!("/e/{id}"), format!("/api/v1/events/{id}"), format!("/api/v1/events/{id}/event.ics")] {
                    assert_eq!(app.get(&path, "").await.status, StatusCode::OK, "{edge} at {path}");
                }
            }
        }
    }

    async fn null_is_refused_where_something_must_stand(app: &TestApp) {
        let event = app.event(json!({})).await;
        for field in ["title", "is_private", "admin_approval_required", "rsvps_closed"] {
            let answer = app.patch(&event.api(""), &event.token, json!({ field: null })).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", answer.text);
            assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", field]));
        }
        let token = app.answer(&event, "Ana", json!({ "attendance_status": "no" })).await;
        for field in ["name", "attendance_status", "guest_count"] {
            let answer = app.patch(&event.api("/rsvps/self"), &token, json!({ field: null })).await;
            assert!([400, 422].contains(&answer.status.as_u16()), "{field}: {} {}", answer.status, answer.text);
        }
        let own = app.get(&event.api("/rsvps/self"), &token).await.json();
        assert_eq!(own["rsvp"]["attendance_status"], "no");
    }

    async fn any_content_type_is_answered(app: &TestApp) {
        let event = app.event(json!({})).await;
        let types = ["text/plain", "application/xml", "multipart/form-data", "application/x-www-form-urlencoded", "nonsense", ""];
        let bodies: [&[u8]; 5] = [b"{}", b"", b"a=b&c", b"\xff\xfe\x00", b"--x\r\n"];
        for kind in types {
            for body in bodies {
                for path in ["/api/v1/events".to_owned(), "/events".to_owned(), event.api("/rsvps"), event.page("/rsvp")] {
                    let request = app.request(Method::POST, &path).header("content-type", kind).body(body);
                    let answer = request.send().await.expect("an answer");
                    assert!(answer.status().is_client_error(), "{kind} to {path}: {}", answer.status());
                }
            }
        }
    }

    async fn control_characters_are_not_stored(app: &TestApp) {
        let event = app.event(json!({
            "title": "Sum\u{0}mer\u{1b}[31m", "description": "One\u{0}\u{8}\ntwo", "location": "Linden\r\nhof",
            "channel_name": "Gar\u{7}den",
        })).await;
        let shown = app.get(&event.api(""), "").await.json()["event"].clone();
        assert_eq!(shown["title"], "Summer[31m");
        assert_eq!(shown["description"], "One\ntwo");
        assert_eq!(shown["location"], "Linden hof");
        assert_eq!(shown["channel"]["name"], "Garden");
        let token = app.answer(&event, "A\u{0}na\nB", json!({ "note": "x\u{0}y" })).await;
        let own = app.get(&event.api("/rsvps/self"), &token).await.json();
        assert_eq!((&own["rsvp"]["name"], &own["rsvp"]["messages"][0]["content"]), (&json!("Ana B"), &json!("xy")));
    }

    async fn a_name_that_nobody_sees_is_blank(app: &TestApp) {
        let event = app.event(json!({})).await;
        for name in ["", " ", "\u{a0}\u{2003}", "\u{200b}", "\u{0}\u{1}", "\u{2060}\u{feff}"] {
            let body = json!({ "name": name, "attendance_status": "yes" });
            let answer = app.post(&event.api("/rsvps"), "", body).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
            let form = app.form(&event.page("/rsvp"), &[("name", name), ("attendance_status", "yes")]).await;
            assert_eq!(form.status, StatusCode::BAD_REQUEST, "{name:?}");
            let titled = app.post("/api/v1/events", "", json!({ "title": name, "start_time": START })).await;
            assert_eq!(titled.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        }
    }

    async fn waiting_people_leave_no_trace(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true, "max_attendees": 5 })).await;
        app.answer(&event, "Approved Ana", json!({})).await;
        let id = guest_id(app, &event).await;
        app.post(&event.api(&format!("/rsvps/{id}/approve")), &event.token, json!({})).await.expect(StatusCode::OK);
        let look = async || (
            without_score(app.get(&event.api(""), "").await.json()),
            app.get(&event.page(""), "").await.text,
            app.get(&event.page("/rsvp"), "").await.text,
            app.get("/api/v1/events", "").await.json()["events"][0]["yes_count"].clone(),
            app.get("/", "").await.text,
        );
        let before = look().await;
        assert_eq!(before.3, 1);
        app.answer(&event, "Waiting Bo", json!({ "guest_count": 1 })).await;
        assert_eq!(before, look().await);
    }

    async fn what_is_deleted_is_gone(app: &TestApp) {
        let event = app.event(json!({ "title": "Gone" })).await;
        let ana = app.answer(&event, "Ana", json!({ "note": "Forget me" })).await;
        app.answer(&event, "Bo", json!({ "note": "Me too" })).await;
        app.post(&event.api("/messages"), &event.token, json!({ "content": "News" })).await.expect(StatusCode::CREATED);
        app.delete(&event.api("/rsvps/self"), &ana).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(messages(app).await, 3, "Bo's note, the record of Bo's answer, and the news");
        app.delete(&event.api(""), &event.token).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(messages(app).await, 0);
    }

    async fn no_text_becomes_a_banner(app: &TestApp) {
        let event = app.event(json!({})).await;
        let host = event.page(&format!("/admin/{}", event.token));
        for path in ["/".to_owned(), "/event/create".to_owned(), event.page(""), host] {
            for name in ["message", "notice", "error", "success", "flash"] {
                let page = app.get(&format!("{path}?{name}=You+won+a+prize"), "").await;
                assert!(page.status.is_success() && !page.text.contains("won a prize"), "{path}?{name}");
            }
        }
    }

    async fn routes_without_the_prefix_answer_json(app: &TestApp) {
        let event = app.event(json!({})).await;
        for below in ["rsvps/x/approve", "rsvps/x/reject", "rsvps/x/pending", "rsvps/x/messages", "messages"] {
            let path = format!("/events/{}/{below}", event.id);
            for (token, status, detail) in [
                ("", 401, "Missing bearer token"),
                ("wrong", 403, "Invalid admin token"),
            ] {
                let answer = app.post(&path, token, json!({ "content": "x" })).await;
                assert_eq!((answer.status.as_u16(), &answer.json()["detail"]), (status, &json!(detail)), "{path}");
            }
        }
        let unknown = app.post("/events/nothing/messages", "x", json!({ "content": "x" })).await;
        assert_eq!((unknown.status, unknown.json()), (StatusCode::NOT_FOUND, json!({ "detail": "Event not found" })));
    }

    async fn equal_times_are_paged_without_gaps(app: &TestApp) {
        for number in 0..12 {
            app.event(json!({ "title": format!("Same {number}") })).await;
        }
        let mut seen = std::collections::HashSet::new();
        for page in 1..=4 {
            let list = app.get(&format!("/api/v1/events?per_page=3&page={page}"), "").await.json();
            for event in list["events"].as_array().expect("a list") {
                assert!(seen.insert(event["id"].to_string()), "twice: {event}");
            }
        }
        assert_eq!(seen.len(), 12);
    }

    async fn forwarded_headers_are_believed_from_nobody(app: &TestApp) {
        let event = app.event(json!({})).await;
        let request = app.request(Method::GET, &event.page(""))
            .header("x-forwarded-host", "evil.example").header("x-forwarded-proto", "https")
            .header("forwarded", "host=evil.example;proto=https").header("x-forwarded-for", "6.6.6.6");
        let page = request.send().await.expect("an answer").text().await.expect("text");
        assert!(!page.contains("evil.example") && page.contains(&format!("{}{}", app.base, event.page(""))));
        let request = app.request(Method::GET, &event.page("")).header("host", "evil.example/path\"onload=");
        let answer = request.send().await.expect("an answer");
        assert!(!answer.text().await.expect("text").contains("onload="));
    }

    async fn calendars_read_what_was_written(app: &TestApp) {
        let event = app.event(json!({
            "title": "Wine; cheese, bread \\ <b>more</b>", "description": format!("Line one\nLine two, <script> & {}", "é".repeat(90)),
            "location": "Hof 4; rear",
        })).await;
        let file = app.get(&event.api("/event.ics"), "").await.text;
        assert!(file.lines().all(|line| line.len() <= 75) && !file.replace("\r\n", "").contains('\n'));
        let whole = file.replace("\r\n ", "");
        assert!(whole.contains("SUMMARY:Wine\\; cheese\\, bread \\\\ <b>more</b>\r\n"), "{whole}");
        assert!(whole.contains("LOCATION:Hof 4\\; rear\r\n") && whole.contains("Line one"), "{whole}");
        assert!(whole.contains(&"é".repeat(90)), "letters are not cut in two");
    }

    async fn eight_writers_of_everything_meet_no_error(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": 12, "channel_name": "Busy" })).await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (base, event_path, token) = (app.base.clone(), event.api(""), event.token.clone());
            writers.spawn(async move { write_everything(&base, &event_path, &token, writer).await });
        }
        while let Some(done) = writers.join_next().await {
            done.expect("no panic");
        }
        let shown = app.get(&event.api(""), "").await.json();
        assert!(shown["event"]["yes_count"].as_i64().is_some_and(|people| people <= 12), "{shown}");
    }

    async fn looking_changes_no_edit_time(app: &TestApp) {
        let event = app.event(json!({ "channel_name": "Garden" })).await;
        let token = app.answer(&event, "Ana", json!({})).await;
        let edited = async || (
            app.get(&event.api(""), "").await.json()["event"]["last_modified"].clone(),
            app.get(&event.api("/rsvps/self"), &token).await.json()["rsvp"]["last_modified"].clone(),
        );
        let before = edited().await;
        app.clock.advance(SignedDuration::from_hours(30));
        for path in [event.page(""), event.page(&format!("/rsvp/{token}")), event.page(&format!("/admin/{}", event.token)), "/channel/garden".to_owned()] {
            assert_eq!(app.get(&path, "").await.status, StatusCode::OK, "{path}");
        }
        app.flush_touches().await;
        assert_eq!(before, edited().await);
        // Setting what is set already is no edit either.
        app.patch(&event.api(""), &event.token, json!({ "title": "Summer table" })).await.expect(StatusCode::OK);
        assert_eq!(before, edited().await);
    }
}

/// The shown event without what every look and answer may change.
fn without_score(mut shown: Value) -> Value {
    for field in ["score", "last_accessed"] {
        shown["event"][field] = Value::Null;
    }
    shown
}

/// One client among many: answers, edits and takes back, writes and reads.
async fn write_everything(base: &str, event: &str, organizer: &str, writer: usize) {
    let client = client();
    let send = async |method: Method, below: &str, token: &str, body: Value| {
        let request = client.request(method, format!("{base}{event}{below}")).bearer_auth(token);
        let answer = request.json(&body).send().await.expect("an answer");
        let status = answer.status();
        assert!(!status.is_server_error(), "{below}: {status}");
        answer.json::<Value>().await.unwrap_or_default()
    };
    for round in 0..6 {
        let body = json!({ "name": format!("Guest {writer}-{round}"), "attendance_status": "yes", "note": "Hello" });
        let given = send(Method::POST, "/rsvps", "", body).await;
        send(Method::PATCH, "", organizer, json!({ "title": format!("Title {writer}-{round}"), "channel_name": format!("Channel {}", round % 3) })).await;
        let Some(token) = given["rsvp"]["rsvp_token"].as_str() else { continue };
        send(Method::PATCH, "/rsvps/self", token, json!({ "guest_count": round })).await;
        send(Method::POST, "/rsvps/self/messages", token, json!({ "content": "More" })).await;
        send(Method::GET, "/rsvps", organizer, Value::Null).await;
        if round % 2 == 0 {
            send(Method::DELETE, "/rsvps/self", token, Value::Null).await;
        }
    }
}

/// Messages in the database, whoever may see them.
async fn messages(app: &TestApp) -> i64 {
    let sql = "SELECT COUNT(*) FROM messages";
    match app.options() {
        StoreOptions::Sqlite(options) => {
            assert_eq!(app.running().site.db.engine(), Engine::Sqlite);
            let connection = rusqlite::Connection::open(&options.path).unwrap();
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        }
        StoreOptions::Postgres(options) => {
            let mut connection = sqlx::PgConnection::connect(&options.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }
    }
}
