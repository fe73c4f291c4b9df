//! An event stays when its host put it, in every zone and season.

use reqwest::StatusCode;
use scraper::{Html, Selector};
use serde_json::json;

use crate::support::on_both;

/// What a browser without scripts sends for the untouched form of an event.
fn untouched(html: &str) -> Vec<(String, String)> {
    let document = Html::parse_document(html);
    let selector =
        Selector::parse("form[data-event] :is(input, textarea, select)").expect("a selector");
    let mut fields = Vec::new();
    for element in document.select(&selector) {
        let Some(name) = element.attr("name") else { continue };
        let kind = element.attr("type").unwrap_or_default();
        if matches!(kind, "checkbox" | "radio") && element.attr("checked").is_none() {
            continue;
        }
        let value = match element.value().name() {
            // As browsers send it.
            "textarea" => {
                element.text().collect::<String>().trim_start_matches('\n').replace('\n', "\r\n")
            }
            "select" => {
                let chosen = Selector::parse("option[selected]").expect("a selector");
                let first = Selector::parse("option").expect("a selector");
                let option =
                    element.select(&chosen).next().or_else(|| element.select(&first).next());
                option.and_then(|option| option.attr("value")).unwrap_or_default().to_owned()
            }
            _ => element.attr("value").unwrap_or_default().to_owned(),
        };
        fields.push((name.to_owned(), value));
    }
    fields
}

/// Zones and instants (UTC) that are hard: folds, gaps, half hours, a day that never was.
const HARD: &[(&str, &str)] = &[
    ("Europe/Berlin", "2026-10-25T00:30:40.000123"),
    ("Europe/Berlin", "2026-10-25T01:30:00"),
    ("Europe/Berlin", "2026-03-29T01:00:00"),
    ("America/New_York", "2026-11-01T06:30:59"),
    ("Australia/Lord_Howe", "2026-04-04T15:15:00"),
    ("Pacific/Apia", "2030-12-30T10:00:00"),
    ("Africa/Casablanca", "2027-02-07T02:30:00"),
    ("Europe/Dublin", "2026-10-25T00:59:59"),
    ("Asia/Kathmandu", "2026-07-01T00:00:01"),
    ("America/St_Johns", "2026-11-01T04:10:00"),
    ("UTC", "2026-06-13T17:00:30"),
];

on_both! {
    async fn an_untouched_form_changes_nothing_anywhere(app: &TestApp) {
        for (zone, start) in HARD {
            let event = app.event(json!({
                "start_time": format!("{start}Z"), "timezone": zone, "description": "\nOne\ntwo\n", "location": "Hall",
                "rsvp_close_at": format!("{start}Z"), "is_private": true, "max_attendees": 7,
                "channel_name": "Inner circle", "channel_visibility": "private",
            })).await;
            let host = event.page(&format!("/admin/{}", event.token));
            let before = app.get(&event.api("/rsvps"), &event.token).await.json();
            let page = app.get(&host, "").await;
            let fields = untouched(&page.text);
            assert!(fields.contains(&("timezone".to_owned(), (*zone).to_owned())), "{fields:?}");
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let saved = app.form(&host, &fields).await;
            assert!(saved.status.is_success() || saved.status == StatusCode::SEE_OTHER, "{zone}: {}", saved.text);
            let after = app.get(&event.api("/rsvps"), &event.token).await.json();
            assert_eq!(before["event"], after["event"], "{zone} {start}");
        }
    }

    async fn a_form_means_the_clock_of_its_zone(app: &TestApp) {
        for (zone, local, utc) in [
            ("Europe/Berlin", "2026-07-01T19:00", "2026-07-01T17:00:00"),
            ("Europe/Berlin", "2026-12-01T19:00", "2026-12-01T18:00:00"),
            ("europe/berlin", "2026-12-01T19:00", "2026-12-01T18:00:00"),
            // What the clocks skip moves on; what they show twice is the first.
            ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:30:00"),
            ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00"),
            ("Asia/Kathmandu", "2026-12-01T19:00", "2026-12-01T13:15:00"),
            ("", "2026-12-01T19:00", "2026-12-01T19:00:00"),
        ] {
            // A stale offset loses to the zone.
            let offset = if zone.is_empty() { "0" } else { "300" };
            let made = app.form("/events", &[
                ("title", "Table"), ("start_time", local), ("timezone", zone), ("timezone_offset_minutes", offset),
            ]).await;
            assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
            let id = made.header("location").split('/').nth(2).expect("an id").to_owned();
            let event = app.get(&format!("/api/v1/events/{id}"), "").await.json();
            assert_eq!(event["event"]["start_time"], utc, "{zone} {local}");
        }
    }

    async fn pages_name_the_zone_and_take_no_unknown_one(app: &TestApp) {
        let form = app.get("/event/create", "").await.text;
        let document = Html::parse_document(&form);
        let options = Selector::parse("datalist#zones option").expect("a selector");
        assert!(document.select(&options).count() > 300);
        let field = Selector::parse("input[name=timezone][list=zones]").expect("a selector");
        assert_eq!(document.select(&field).count(), 1);

        let event = app.event(json!({ "timezone": "Asia/Kathmandu" })).await;
        let page = app.get(&event.page(""), "").await.text;
        assert!(page.contains("Asia/Kathmandu time") && page.contains("data-viewer-time"));

        for unknown in ["Mars/Olympus", "../../etc/passwd", "Europe/Berlin\u{200b}"] {
            let refused = app.form("/events", &[
                ("title", "Kept title"), ("start_time", "2026-07-01T19:00"), ("timezone", unknown),
            ]).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{unknown}");
            assert!(refused.text.contains("Kept title") && refused.text.contains("2026-07-01T19:00"));
        }
    }
}
