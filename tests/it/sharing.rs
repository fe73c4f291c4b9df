//! What a link tells before it is opened, and how it gets from one device to another.

use reqwest::StatusCode;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::support::{TestApp, TestEvent, on_both};

fn all(html: &str, selector: &str, attribute: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let selector = Selector::parse(selector).expect("a selector");
    let found = document.select(&selector);
    found.filter_map(|element| element.attr(attribute).map(str::to_owned)).collect()
}

/// The linked data of a page; null without.
fn linked_data(html: &str) -> Value {
    let document = Html::parse_document(html);
    let selector = Selector::parse("script[type='application/ld+json']").expect("a selector");
    let mut found = document.select(&selector);
    let text = found.next().map(|script| script.text().collect::<String>());
    assert!(found.next().is_none(), "only one");
    text.map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"))
}

async fn page(app: &TestApp, event: &TestEvent) -> String {
    let page = app.get(&event.page(""), "").await;
    assert_eq!(page.status, StatusCode::OK);
    page.text
}

on_both! {
    async fn a_public_event_says_what_it_is(app: &TestApp) {
        let event = app.event(json!({
            "title": "</script><script>alert(1)</script><!-- & \"dinner\"", "location": "Lindenhof <4>",
            "timezone": "Europe/Berlin", "end_time": "2026-06-13T21:00:00", "description": "</ScRiPt> **Bring** a dish",
        })).await;
        let html = page(app, &event).await;
        let url = format!("{}{}", app.base, event.page(""));
        assert_eq!(all(&html, "meta[property='og:url']", "content"), [url.as_str()]);
        assert_eq!(all(&html, "link[rel=canonical]", "href"), [url.as_str()]);
        assert_eq!(all(&html, "meta[property='og:image']", "content"), [format!("{}/icon-512.png", app.base)]);
        let preview = all(&html, "meta[property='og:description']", "content").join("");
        assert!(preview.contains("Europe/Berlin") && preview.contains("Lindenhof <4>"), "{preview}");
        let data = linked_data(&html);
        assert_eq!(data["name"], "</script><script>alert(1)</script><!-- & \"dinner\"");
        assert_eq!(data["startDate"], "2026-06-13T17:00:00+02:00");
        assert_eq!(data["endDate"], "2026-06-13T21:00:00+02:00");
        assert_eq!(data["location"]["name"], "Lindenhof <4>");
        assert_eq!(data["url"], url);
        assert!(data["description"].as_str().expect("a text").ends_with("Bring a dish"));
        assert!(all(&html, "script:not([src])", "type").iter().all(|kind| kind == "application/ld+json"));
        assert_eq!(all(&html, "[data-share]", "data-title").len(), 1);
    }

    async fn previews_tell_nothing_that_the_rules_hide(app: &TestApp) {
        let hidden = app.event(json!({
            "title": "Quiet dinner", "location": "Lindenhof 4", "admin_approval_required": true,
            "channel_name": "Hidden circle", "channel_visibility": "private",
        })).await;
        let own = app.answer(&hidden, "Ana Bär", json!({})).await;
        let html = page(app, &hidden).await;
        assert!(!html.contains("Lindenhof") && !html.to_lowercase().contains("hidden circle") && !html.contains("Ana"));
        assert_eq!(linked_data(&html)["location"], Value::Null);

        let private = app.event(json!({ "title": "Private dinner", "is_private": true })).await;
        let html = page(app, &private).await;
        assert_eq!(linked_data(&html), Value::Null);
        assert_eq!(all(&html, "meta[name=robots]", "content"), ["noindex, nofollow"]);

        for path in [
            hidden.page(&format!("/rsvp/{own}")), hidden.page(&format!("/rsvp/{own}?new=1")),
            hidden.page(&format!("/admin/{}", hidden.token)), hidden.page(&format!("/admin/{}?new=1", hidden.token)),
        ] {
            let page = app.get(&path, "").await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert_eq!(all(&page.text, "meta[property^='og:'], meta[name=description]", "content"), [""; 0], "{path}");
            assert_eq!(linked_data(&page.text), Value::Null, "{path}");
            assert!(!all(&page.text, "title", "class").iter().any(|title| title.contains("Quiet")), "{path}");
            assert_eq!(page.header("cache-control"), "no-store", "{path}");
            assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
        }
    }

    async fn each_link_has_a_code_to_scan_and_only_public_ones_go_round(app: &TestApp) {
        let event = app.event(json!({})).await;
        let own = app.answer(&event, "Ana", json!({})).await;
        let drawn = |html: &str| all(html, ".qr svg", "viewbox").len() + all(html, ".qr svg", "viewBox").len();
        let html = page(app, &event).await;
        assert_eq!(drawn(&html), 1);
        let own = app.get(&event.page(&format!("/rsvp/{own}")), "").await.text;
        assert_eq!(drawn(&own), 1, "the guest's own link");
        assert!(all(&own, "[data-share]", "data-share").is_empty(), "a key is not offered to be shared");
        let host = app.get(&event.page(&format!("/admin/{}", event.token)), "").await.text;
        assert!(drawn(&host) >= 2, "the guests' link and the host's");
        assert_eq!(all(&host, "[data-share]", "data-share"), ["share-link"]);
    }

    async fn the_device_keeps_links_and_the_server_does_not(app: &TestApp) {
        let event = app.event(json!({})).await;
        let own = app.answer(&event, "Ana", json!({})).await;
        for (path, kind) in [
            (event.page(&format!("/rsvp/{own}")), "rsvp"), (event.page(&format!("/rsvp/{own}?new=1")), "rsvp"),
            (event.page(&format!("/admin/{}", event.token)), "admin"),
            (event.page(&format!("/admin/{}?new=1", event.token)), "admin"),
        ] {
            let page = app.get(&path, "").await;
            assert_eq!(all(&page.text, "[data-remember]", "data-remember"), [kind], "{path}");
            let kept = all(&page.text, "[data-remember]", "data-path");
            assert_eq!(kept, [path.trim_end_matches("?new=1")]);
            assert_eq!(page.header("set-cookie"), "");
        }
        for path in ["/my-events", "/my-rsvps"] {
            let page = app.get(path, "").await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.text.contains("<noscript>"), "it says what is missing without scripts");
            assert!(!page.text.contains(&event.id));
        }
        let help = app.get("/help", "").await;
        assert!(help.status == StatusCode::OK && help.text.contains("Who sees my name?"));
    }
}
