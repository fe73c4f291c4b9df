//! What holds for every page: colours that can be read, text in any direction, a small first visit.

use reqwest::{Method, StatusCode};
use scraper::{ElementRef, Html, Selector};
use serde_json::json;

use crate::support::{INSTANCE_TOKEN, on_both};

const STYLE: &str = include_str!("../../assets/static/app.css");
const THEMES: [&str; 4] = ["latte", "frappe", "macchiato", "mocha"];

/// The colour that a block of the style sheet gives a variable.
fn colour(block: &str, name: &str) -> [f64; 3] {
    let text = block.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("no {name}"));
    let part = |at: usize| f64::from(u8::from_str_radix(&text[at..at + 2], 16).expect("a colour"));
    [part(0), part(2), part(4)]
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [r, g, b] = colour.map(|part| {
        let part = part / 255.0;
        if part <= 0.039_28 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(block: &str, one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(colour(block, one)), luminance(colour(block, other)));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_theme_can_be_read() {
    let block = |start: &str| {
        let rest = STYLE.split(start).nth(1).unwrap_or_else(|| panic!("{start} is missing"));
        rest.split('}').next().expect("its end").to_owned()
    };
    let mut blocks: Vec<_> =
        THEMES.map(|theme| (theme, block(&format!(":root[data-theme=\"{theme}\"] {{")))).into();
    blocks.push(("light", block("\n:root {")));
    blocks.push(("dark", block("@media (prefers-color-scheme: dark) {\n  :root {")));
    for (theme, block) in &blocks {
        for (text, grounds) in [
            ("ink", vec!["paper", "panel", "sunk", "accent-wash", "alarm-wash"]),
            ("soft", vec!["paper", "panel", "sunk"]),
            ("accent", vec!["paper", "panel"]),
            ("accent-strong", vec!["paper", "panel", "accent-wash"]),
            ("accent-ink", vec!["accent", "accent-strong"]),
            ("alarm", vec!["paper", "panel", "alarm-wash"]),
        ] {
            for ground in grounds {
                let contrast = contrast(block, text, ground);
                assert!(contrast >= 4.5, "{theme}: {text} on {ground} is {contrast:.2}");
            }
        }
        assert!(contrast(block, "edge", "panel") >= 3.0, "{theme}: the edges of fields");
    }
}

/// Every text of this test's people contains this word.
const WORD: &str = "سلام";

/// The texts of a page that hold the word and stand in nothing that finds out their direction.
fn undirected(html: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let is_auto = |element: ElementRef<'_>| element.attr("dir") == Some("auto");
    let mut found = Vec::new();
    for element in document.select(&Selector::parse("body *").expect("a selector")) {
        let name = element.value().name();
        let typed = ["value", "placeholder"].iter().filter_map(|key| element.attr(key));
        // What is only read aloud, or sent unseen, has no direction.
        let is_shown =
            element.attr("type") != Some("hidden") && element.attr("class") != Some("sr");
        let own_text = element.text().collect::<String>();
        let is_leaf = element
            .children()
            .any(|child| child.value().as_text().is_some_and(|text| text.contains(WORD)));
        if typed.into_iter().any(|text| text.contains(WORD)) && is_shown && !is_auto(element) {
            found.push(format!("<{name} id={:?}>", element.attr("id")));
        }
        let directed =
            is_auto(element) || element.ancestors().filter_map(ElementRef::wrap).any(is_auto);
        if is_leaf && is_shown && !matches!(name, "script" | "title") && !directed {
            found.push(format!("<{name}> {own_text}"));
        }
    }
    found
}

on_both! {
    async fn text_of_people_finds_its_own_direction(app: &TestApp) {
        let said = |what: &str| format!("{WORD} {what}");
        let event = app.event(json!({
            "title": said("title"), "description": said("about"), "location": said("place"),
            "channel_name": format!("{} lane", said("channel")),
        })).await;
        let own = app.answer(&event, &said("name"), json!({ "pronouns": said("they"), "note": said("note") })).await;
        let (host, own) = (event.page(&format!("/admin/{}", event.token)), event.page(&format!("/rsvp/{own}")));
        let roster = app.get(&event.api("/rsvps"), &event.token).await.json();
        let id = roster["rsvps"][0]["id"].as_str().expect("an id").to_owned();
        for (path, text) in [
            (format!("{host}/messages"), "news"), (format!("{own}/messages"), "question"),
            (format!("{host}/rsvp/{id}/message"), "reply"), (format!("{host}/rsvp/{id}/note"), "remark"),
        ] {
            assert_eq!(app.form(&path, &[("content", &said(text))]).await.status, StatusCode::SEE_OTHER, "{path}");
        }
        let mut shown = 0;
        for path in [
            "/".to_owned(), event.page(""), event.page("/rsvp"), own.clone(), format!("{own}?new=1"), host.clone(),
            format!("{host}?new=1"), "/channel/lane".to_owned(), "/channels/discover".to_owned(),
            format!("/admin/{INSTANCE_TOKEN}"), format!("/admin/{INSTANCE_TOKEN}/events"),
            format!("/admin/{INSTANCE_TOKEN}/channels"),
        ] {
            let page = app.get(&path, "").await;
            shown += usize::from(page.text.contains(WORD));
            assert_eq!(undirected(&page.text), [""; 0], "{path}");
        }
        assert!(shown >= 8, "the pages show what was written");
        let unknown = app.get(&format!("/?channel={WORD}%20nothing"), "").await;
        assert!(unknown.status == StatusCode::NOT_FOUND && unknown.text.contains(WORD));
        assert_eq!(undirected(&unknown.text), [""; 0]);
        let long = said(&"x".repeat(300));
        for refused in [
            app.form("/events", &[("title", &long), ("description", &said("about")), ("location", &said("place")), ("start_time", "soon")]).await,
            app.form(&event.page("/rsvp"), &[("name", &long), ("note", &said("note"))]).await,
            app.form(&format!("{own}/messages"), &[("content", &said(&"y".repeat(6_000)))]).await,
        ] {
            assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains(WORD));
            assert_eq!(undirected(&refused.text), [""; 0]);
        }
    }

    async fn a_first_visit_is_small(app: &TestApp) {
        let event = app.event(json!({ "description": "A long table. ".repeat(100) })).await;
        for n in 0..20 {
            app.answer(&event, &format!("Guest {n}"), json!({})).await;
        }
        let weigh = async |path: &str| {
            let request = app.request(Method::GET, path).header("accept-encoding", "br");
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            answer.bytes().await.expect("a body").len()
        };
        let html = app.get(&event.page(""), "").await.text;
        let document = Html::parse_document(&html);
        let mut total = weigh(&event.page("")).await;
        let files = Selector::parse("link[rel=stylesheet], script[src], link[rel=icon]").expect("a selector");
        for file in document.select(&files) {
            total += weigh(file.attr("href").or(file.attr("src")).expect("an address")).await;
        }
        assert!(total < 30_000, "{total} bytes");
    }
}
