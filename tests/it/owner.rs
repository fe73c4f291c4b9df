//! The instance owner's pages.

use jiff::SignedDuration;
use openrsvp::domain::job::Job;
use openrsvp::store::db::{Engine, Query};
use reqwest::{Method, StatusCode};
use scraper::{Html, Selector};
use serde_json::json;

use crate::support::rows::{change, query, ran};
use crate::support::{Answer, INSTANCE_TOKEN, TestApp, on_both};

fn texts(page: &Answer, selector: &str) -> Vec<String> {
    let html = Html::parse_document(&page.text);
    let selector = Selector::parse(selector).expect("a selector");
    html.select(&selector).map(|found| found.text().collect::<String>().trim().to_owned()).collect()
}

async fn found(app: &TestApp, query: &str) -> Vec<String> {
    let asked =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("q", query).finish();
    let page = app.get(&format!("/admin/{INSTANCE_TOKEN}/events?{asked}"), "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    texts(&page, "tbody th > a")
}

query!(OLD, "UPDATE events SET search_text = NULL");

on_both! {
    async fn events_are_found_by_a_part_of_their_title_or_by_their_link(app: &TestApp) {
        let mut ids = Vec::new();
        for title in ["Sommerfest GRÜNE Straße", "100 % Käse_fest", "Board games", "Ёлка", "Private"] {
            app.clock.advance(SignedDuration::from_secs(1));
            ids.push(app.event(json!({ "title": title, "is_private": title == "Private" })).await.id);
        }
        assert_eq!(found(app, "").await.len(), 5);
        for (query, titles) in [
            ("fest", vec!["100 % Käse_fest", "Sommerfest GRÜNE Straße"]),
            ("grüne strasse", vec!["Sommerfest GRÜNE Straße"]),
            ("%", vec!["100 % Käse_fest"]),
            ("_", vec!["100 % Käse_fest"]),
            ("ёлка", vec!["Ёлка"]),
            ("PRIV", vec!["Private"]),
            (ids[2].as_str(), vec!["Board games"]),
            ("nothing like it", vec![]),
        ] {
            assert_eq!(found(app, query).await, titles, "{query}");
        }
        let link = format!("https://rsvp.example.org/e/{}/rsvp?new=1", ids[3]);
        assert_eq!(found(app, &link).await, ["Ёлка"]);

        // A new title is found, the old one is not; what an older version wrote is, after a start.
        let event = app.event(json!({ "title": "Before" })).await;
        app.patch(&event.api(""), &event.token, json!({ "title": "Afterwards" })).await.expect(StatusCode::OK);
        assert_eq!(found(app, "before").await, [""; 0]);
        assert_eq!(found(app, "afterw").await, ["Afterwards"]);
        change(&app.running().site.db, &OLD).await;
        openrsvp::services::folding::settle(&app.running().site).await.expect("folded");
        assert_eq!(found(app, "afterw").await, ["Afterwards"]);
    }

    async fn a_search_is_paged(app: &TestApp) {
        for number in 0..30 {
            app.event(json!({ "title": format!("Party {number}") })).await;
        }
        let page = app.get(&format!("/admin/{INSTANCE_TOKEN}/events?q=party&page=2"), "").await;
        assert_eq!(texts(&page, "tbody th > a").len(), 5);
        assert!(page.text.contains("30 events") && page.text.contains("q=party"));
    }

    async fn the_status_page_tells_how_everything_is(app: &TestApp) {
        let event = app.event(json!({})).await;
        app.answer(&event, "Ana", json!({})).await;
        let path = format!("/admin/{INSTANCE_TOKEN}/status");
        let page = app.get(&path, "").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let facts: Vec<_> =
            texts(&page, ".known dt").into_iter().zip(texts(&page, ".known dd")).collect();
        let fact = |what: &str| {
            facts.iter().find(|(name, _)| name == what).map(|(_, how)| how.as_str()).unwrap_or_default()
        };
        assert_eq!(fact("Version"), env!("CARGO_PKG_VERSION"));
        assert!(fact("Engine").starts_with("SQLite 3.") || fact("Engine").starts_with("PostgreSQL 1"));
        assert_eq!((fact("Events"), fact("Answers")), ("1", "1"));
        assert!(fact("Size").ends_with('B') && fact("Memory used here").ends_with("MB"), "{facts:?}");
        assert_eq!(page.text.matches("never").count(), 2, "no job ran yet");
        assert!(page.text.contains("server.base_url is not set"));
        let is_sqlite = app.running().site.db.engine() == Engine::Sqlite;
        assert_eq!(page.text.contains("No backups are kept. Set <code>backup.replicas"), is_sqlite);
        assert!(!page.text.contains("trusted_proxies"));

        ran(&app.running().site, Job::DecayCycle).await;
        app.clock.advance(SignedDuration::from_hours(5));
        let request = app.request(Method::GET, &path).header("x-forwarded-for", "192.0.2.1");
        let page = Answer::of(request.send().await.expect("an answer")).await;
        assert!(page.text.contains("decay-cycle ran last 5 hours ago."), "{}", page.text);
        assert!(page.text.contains("server.trusted_proxies does not name"));
    }

    async fn only_the_owner_sees_them(app: &TestApp) {
        let event = app.event(json!({})).await;
        for token in ["wrong", event.token.as_str()] {
            for page in ["", "/events", "/channels", "/status", "/events?q=a"] {
                let answer = app.get(&format!("/admin/{token}{page}"), "").await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{page}");
                assert!(!answer.text.contains("Summer table"));
            }
        }
        let head = app.request(Method::HEAD, &format!("/admin/{INSTANCE_TOKEN}/status"));
        assert_eq!(head.send().await.expect("an answer").status(), StatusCode::OK);
    }
}
