//! What one client may do in what time, and forms that no person filled in.

use std::time::Duration;

use jiff::SignedDuration;
use openrsvp::domain::limit::Quota;
use openrsvp::domain::stamp::StampKey;
use openrsvp::services::limits::{LimitOptions, exchange, forget};
use openrsvp::store::db::{Engine, Query};
use reqwest::{Method, StatusCode};
use scraper::{Html, Selector};
use serde_json::json;

use crate::support::rows::{number, query};
use crate::support::{Answer, INSTANCE_TOKEN, TestApp, client, postgres};

const TYPING: SignedDuration = SignedDuration::from_secs(5);

fn quota(burst: u32) -> Quota {
    Quota { burst, per_hour: 60 }
}

fn limits() -> LimitOptions {
    LimitOptions {
        create_event: quota(3),
        answer: quota(2),
        change: quota(2),
        search: quota(2),
        minimum_fill: Duration::from_secs(2),
        stamp_key: StampKey::derive(b"a secret"),
    }
}

/// Declares tests that run on each engine, with limits.
macro_rules! limited_on_both {
    ($(async fn $name:ident($app:ident: &TestApp) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn check($app: &TestApp) $body

            async fn run(engine: Engine) {
                let app = TestApp::start_limited(engine, Some(limits())).await;
                check(&app).await;
                app.stop().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if !postgres::is_skipped() {
                    run(Engine::Postgres).await;
                }
            }
        }
    )*};
}

/// The fields that a page's first `form` would send, as a browser without script sends them.
fn fields_of(page: &Answer, form: &str) -> Vec<(String, String)> {
    let html = Html::parse_document(&page.text);
    let selector = Selector::parse(&format!("{form} input[name], {form} textarea")).expect("valid");
    let is_sent = |field: &scraper::ElementRef| {
        let kind = field.attr("type").unwrap_or_default();
        !matches!(kind, "radio" | "checkbox") || field.attr("checked").is_some()
    };
    html.select(&selector)
        .filter(is_sent)
        .map(|field| {
            let typed = field.attr("value").map_or_else(|| field.text().collect(), str::to_owned);
            (field.attr("name").unwrap_or_default().to_owned(), typed)
        })
        .collect()
}

fn set(fields: &mut Vec<(String, String)>, name: &str, value: &str) {
    fields.retain(|(there, _)| there != name);
    fields.push((name.to_owned(), value.to_owned()));
}

async fn send(app: &TestApp, path: &str, fields: &[(String, String)]) -> Answer {
    let request = app.request(Method::POST, path).form(fields);
    Answer::of(request.send().await.expect("an answer")).await
}

fn guest(name: &str) -> serde_json::Value {
    json!({ "name": name, "attendance_status": "yes" })
}

limited_on_both! {
    async fn too_much_of_one_thing_is_refused_for_a_while(app: &TestApp) {
        let event = app.event(json!({})).await;
        let rsvps = event.api("/rsvps");
        for name in ["Ana", "Ben"] {
            app.post(&rsvps, "", guest(name)).await.expect(StatusCode::CREATED);
        }
        let refused = app.post(&rsvps, "", guest("Cem")).await;
        assert_eq!(refused.header("retry-after"), "60");
        let said = refused.expect(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            said,
            json!({ "detail": "Too many requests came from your address. Try again in 60 seconds." })
        );

        // Other things, reading, and the owner's programs are not held up.
        app.post(&event.api("/messages"), &event.token, json!({ "content": "Hello" })).await
            .expect(StatusCode::CREATED);
        app.get(&event.api(""), "").await.expect(StatusCode::OK);
        app.post(&rsvps, INSTANCE_TOKEN, guest("Dora")).await.expect(StatusCode::CREATED);

        app.clock.advance(SignedDuration::from_secs(60));
        app.post(&rsvps, "", guest("Cem")).await.expect(StatusCode::CREATED);
        app.post(&rsvps, "", guest("Eve")).await.expect(StatusCode::TOO_MANY_REQUESTS);
        let seen = app.get(&event.api(""), "").await.expect(StatusCode::OK);
        assert_eq!(seen["event"]["yes_count"], 4);
    }

    async fn a_form_that_came_too_soon_is_sent_again_whole(app: &TestApp) {
        let event = app.event(json!({})).await;
        let page = app.get(&event.page(""), "").await;
        let mut fields = fields_of(&page, "form[data-answer]");
        app.clock.advance(TYPING);
        let note = "I bring <cake> & \"more\"\nand a chair";
        for (name, value) in [("name", "Ana"), ("attendance_status", "yes"), ("note", note)] {
            set(&mut fields, name, value);
        }
        for _ in 0..2 {
            let sent = send(app, &event.page("/rsvp"), &fields).await;
            assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
        }
        let refused = send(app, &event.page("/rsvp"), &fields).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.header("retry-after"), "60");
        let mut kept = fields_of(&refused, "form[method=post]");
        kept.sort();
        fields.sort();
        assert_eq!(kept, fields);
        app.clock.advance(SignedDuration::from_secs(60));
        let sent = send(app, &event.page("/rsvp"), &kept).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    }

    async fn every_way_of_writing_is_limited(app: &TestApp) {
        let event = app.event(json!({})).await;
        let token = app.answer(&event, "Ana", json!({})).await;
        let own = event.api("/rsvps/self");
        for _ in 0..2 {
            app.patch(&own, &token, json!({ "guest_count": 1 })).await.expect(StatusCode::OK);
        }
        let refused = app.patch(&own, &token, json!({ "guest_count": 2 })).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        for (method, path) in [
            (Method::DELETE, own.clone()),
            (Method::PATCH, event.api("")),
            (Method::DELETE, event.api("")),
            (Method::POST, event.api("/messages")),
            (Method::POST, event.page(&format!("/admin/{}", event.token))),
            (Method::POST, event.page(&format!("/admin/{}/delete", event.token))),
            (Method::POST, event.page(&format!("/rsvp/{token}/delete"))),
            (Method::POST, "/admin/anything/events/1/delete".to_owned()),
        ] {
            let refused = app.send(method, &path, "", json!({})).await;
            assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        }
        for path in ["/events", "/api/v1/events"] {
            let body = json!({ "title": "One", "start_time": "2026-06-13T17:00:00" });
            while app.post(path, "", body.clone()).await.status != StatusCode::TOO_MANY_REQUESTS {}
        }
    }

    async fn names_cannot_be_guessed_all_day(app: &TestApp) {
        for path in ["/channel/p/a", "/?channel=b", "/channels/discover?q=c", "/api/v1/channels?q=d"] {
            app.clock.advance(SignedDuration::from_hours(1));
            for _ in 0..2 {
                assert_ne!(app.get(path, "").await.status, StatusCode::TOO_MANY_REQUESTS);
            }
            assert_eq!(app.get(path, "").await.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        }
        for _ in 0..5 {
            for path in ["/", "/channels/discover", "/api/v1/channels"] {
                assert_eq!(app.get(path, "").await.status, StatusCode::OK, "{path}");
            }
        }
    }

    async fn processes_share_what_they_let_pass(app: &TestApp) {
        let event = app.event(json!({})).await;
        for name in ["Ana", "Ben"] {
            app.post(&event.api("/rsvps"), "", guest(name)).await.expect(StatusCode::CREATED);
        }
        exchange(&app.running().site).await.expect("shared");
        let other = app.beside(Some(limits())).await;
        let answer = async |name: &str| {
            let url = format!("http://{}{}", other.address, event.api("/rsvps"));
            client().post(url).json(&guest(name)).send().await.expect("an answer").status()
        };
        // It learns of the client with its next exchange.
        assert_eq!(answer("Cem").await, StatusCode::CREATED);
        exchange(&other.site).await.expect("shared");
        assert_eq!(answer("Dora").await, StatusCode::TOO_MANY_REQUESTS);
        app.clock.advance(SignedDuration::from_secs(60));
        assert_eq!(answer("Dora").await, StatusCode::CREATED, "what was too much is forgiven");
        other.stop().await;

        query!(CLIENTS, "SELECT COUNT(*) FROM limits");
        let db = &app.running().site.db;
        assert!(number(db, &CLIENTS).await > 0);
        app.clock.advance(SignedDuration::from_hours(1));
        forget(&app.running().site).await.expect("forgotten");
        assert_eq!(number(db, &CLIENTS).await, 0);
    }

    async fn visitors_behind_a_proxy_nobody_named_are_not_locked_out(app: &TestApp) {
        let event = app.event(json!({})).await;
        for name in ["Ana", "Ben", "Cem", "Dora"] {
            let request = app.request(Method::POST, &event.api("/rsvps"));
            let request = request.header("x-forwarded-for", "192.0.2.1").json(&guest(name));
            let answer = Answer::of(request.send().await.expect("an answer")).await;
            answer.expect(StatusCode::CREATED);
        }
    }

    async fn what_people_do_not_see_stays_empty(app: &TestApp) {
        let event = app.event(json!({})).await;
        let page = app.get(&event.page(""), "").await;
        let mut fields = fields_of(&page, "form[data-answer]");
        app.clock.advance(TYPING);
        for (name, value) in
            [("name", "Ana"), ("attendance_status", "yes"), ("website", "https://example.org")]
        {
            set(&mut fields, name, value);
        }
        let refused = send(app, &event.page("/rsvp"), &fields).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text.contains("people do not see"));
        let kept = fields_of(&refused, "form[data-answer]");
        assert!(kept.contains(&("name".to_owned(), "Ana".to_owned())));
        assert!(kept.contains(&("website".to_owned(), String::new())));
        let sent = send(app, &event.page("/rsvp"), &kept).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    }

    async fn a_form_takes_time_to_fill_in(app: &TestApp) {
        let page = app.get("/event/create", "").await;
        let mut fields = fields_of(&page, "form[data-event]");
        set(&mut fields, "title", "Summer table");
        set(&mut fields, "start_time", "2026-06-13T17:00");
        let refused = send(app, "/events", &fields).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text.contains("very fast") && refused.text.contains("Summer table"));
        app.clock.advance(TYPING);
        let kept = fields_of(&refused, "form[data-event]");
        assert_eq!(send(app, "/events", &kept).await.status, StatusCode::SEE_OTHER);

        app.clock.advance(SignedDuration::from_hours(1));
        // A page from before the owner's secret changed gets a new stamp.
        set(&mut fields, "started", "1780000000.00112233445566778899aabbccddeeff");
        let refused = send(app, "/events", &fields).await;
        assert!(refused.text.contains("lay open for too long"));
        app.clock.advance(TYPING);
        let kept = fields_of(&refused, "form[data-event]");
        assert_eq!(send(app, "/events", &kept).await.status, StatusCode::SEE_OTHER);
        // Without a stamp it is a program's, or a form of version 0.16.
        fields.retain(|(name, _)| name != "started");
        app.clock.advance(SignedDuration::from_hours(1));
        assert_eq!(send(app, "/events", &fields).await.status, StatusCode::SEE_OTHER);
    }
}
