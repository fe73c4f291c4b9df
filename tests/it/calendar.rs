//! The calendar file, read by two parsers that know nothing of each other.

use calcard::icalendar::{ICalendarComponentType, ICalendarValue};
use calcard::{Entry, Parser};
use icalendar::parser::{read_calendar, unfold};
use openrsvp::domain::ics::{CalendarEvent, Status};
use openrsvp::domain::markdown;
use proptest::prelude::*;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::on_both;

/// Name and text of each property of the only event in a file, as icalendar reads it.
fn by_icalendar(file: &str) -> Vec<(String, String)> {
    let unfolded = unfold(file);
    let calendar = read_calendar(&unfolded).expect("icalendar reads it");
    assert_eq!(calendar.components.len(), 1);
    let event = &calendar.components[0];
    assert_eq!(event.name.as_str(), "VEVENT");
    let properties = event.properties.iter();
    properties.map(|p| (p.name.to_string(), p.val.to_string())).collect()
}

/// The same as calcard reads it; what is no text reads as blank.
fn by_calcard(file: &str) -> Vec<(String, String)> {
    // Its strict mode takes no component inside another; what it skips, the count of properties shows.
    let mut parser = Parser::new(file);
    let Entry::ICalendar(calendar) = parser.entry() else {
        panic!("calcard reads no calendar: {file}");
    };
    assert_eq!(parser.entry(), Entry::Eof);
    let mut events = calendar
        .components
        .iter()
        .filter(|component| component.component_type == ICalendarComponentType::VEvent);
    let event = events.next().expect("an event");
    assert!(events.next().is_none());
    let text = |value: Option<&ICalendarValue>| match value {
        Some(ICalendarValue::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let entries = event.entries.iter();
    entries.map(|entry| (entry.name.as_str().to_owned(), text(entry.values.first()))).collect()
}

fn value(properties: &[(String, String)], name: &str) -> String {
    let found: Vec<_> = properties.iter().filter(|(found, _)| found == name).collect();
    assert_eq!(found.len(), 1, "{name} in {properties:?}");
    found[0].1.clone()
}

fn event(title: &str, description: &str, location: &str) -> CalendarEvent {
    let at = |text: &str| text.parse().expect("a time");
    CalendarEvent {
        id: "6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f".to_owned(),
        summary: title.to_owned(),
        description: Some(description.to_owned()),
        location: Some(location.to_owned()),
        starts_at: at("2031-05-10T18:00:00Z"),
        ends_at: None,
        url: Some("https://example.org/e/6f1c8a1e".to_owned()),
        sequence: 0,
        created_at: at("2031-05-01T08:00:00Z"),
        modified_at: at("2031-05-02T08:00:00Z"),
        status: Status::Confirmed,
        stamped_at: at("2031-05-03T08:00:00Z"),
    }
}

/// Both parsers find what was written, once, and no property that was not.
fn assert_read(title: &str, description: &str, location: &str) {
    let file = event(title, description, location).render();
    let expected = [
        ("UID", "6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f@openrsvp".to_owned()),
        ("SUMMARY", title.to_owned()),
        ("DESCRIPTION", markdown::to_plain(description)),
        ("LOCATION", location.to_owned()),
    ];
    for (parser, properties) in [("icalendar", by_icalendar(&file)), ("calcard", by_calcard(&file))]
    {
        assert_eq!(properties.len(), 12, "{parser} finds {properties:?}");
        for (name, text) in &expected {
            // Parsers may trim the ends of a line.
            assert_eq!(value(&properties, name).trim(), text.trim(), "{parser}: {name} of {file}");
        }
    }
}

#[test]
fn hostile_texts_stay_texts() {
    for text in [
        "a;b,c\\d:e\"f",
        "\\n is no line break",
        "\\\\;",
        "trailing \\",
        "BEGIN:VEVENT",
        "END:VCALENDAR",
        "x\nATTENDEE:mailto:eve@example.org",
        "x\nBEGIN:VALARM\nEND:VALARM",
        "\n\nEND:VEVENT",
        "=0D=0AX:1",
        "\"quoted\";VALUE=DATE:1",
        "日本語のとても長い題名".repeat(20).as_str(),
        "👩\u{200d}🍳".repeat(60).as_str(),
        "<b>eaten?</b> <3 <jo@example.org>",
        "مرحبا، أهلا؛ وسهلا",
        "e\u{301}".repeat(120).as_str(),
        " ".repeat(3).as_str(),
        "{{7*7}} ${HOME} %0d%0a",
    ] {
        let line = text.replace('\n', " ");
        assert_read(&line, text, text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_read_by_both(
        title in "[\\PC--[\u{2028}\u{2029}\u{feff}]]{1,120}",
        description in "[a-zA-Z0-9 é漢👋\\\\;,:\"<>&\n]{0,300}",
        location in "[\\\\;,:\"nN a-zé漢👋-]{0,160}",
    ) {
        assert_read(&title, &description, &location);
    }
}

on_both! {
    async fn the_file_of_an_event_follows_its_rules(app: &TestApp) {
        let event = app.event(json!({
            "title": "Dinner; wine, and \\cheese", "location": "Lindenhof 4, garden", "timezone": "Europe/Berlin",
            "admin_approval_required": true, "description": "Bring **dice**, I <3 games",
        })).await;
        let path = event.api("/event.ics");
        let public = app.get(&path, "").await;
        assert_eq!(public.header("content-type"), "text/calendar; charset=utf-8");
        assert_eq!(public.header("content-disposition"), format!("attachment; filename=\"event_{}.ics\"", event.id));
        for properties in [by_icalendar(&public.text), by_calcard(&public.text)] {
            assert_eq!(value(&properties, "UID"), format!("{}@openrsvp", event.id));
            assert_eq!(value(&properties, "SUMMARY"), "Dinner; wine, and \\cheese");
            assert_eq!(value(&properties, "DESCRIPTION"), "Bring dice, I <3 games");
            assert_eq!(value(&properties, "LOCATION"), "", "the place is for guests who may come");
        }
        let host = app.get(&path, &event.token).await;
        assert_eq!(value(&by_icalendar(&host.text), "LOCATION"), "Lindenhof 4, garden");
        let raw = |text: &str, name: &str| value(&by_icalendar(text), name);
        assert_eq!(raw(&public.text, "DTSTART"), "20260613T150000Z");
        assert_eq!(raw(&public.text, "DTEND"), "20260613T180000Z", "three hours, for want of an end");
        assert_eq!(raw(&public.text, "URL"), format!("{}{}", app.base, event.page("")));
        assert_eq!(raw(&public.text, "STATUS"), "CONFIRMED");

        let sequence = async || raw(&app.get(&path, "").await.text, "SEQUENCE").parse::<i64>().expect("a number");
        let before = sequence().await;
        app.clock.advance(jiff::SignedDuration::from_hours(1));
        app.patch(&event.api(""), &event.token, json!({ "title": "Supper" })).await.expect(StatusCode::OK);
        assert_eq!(sequence().await, before, "a new title is no new time or place");
        let modified = raw(&app.get(&path, "").await.text, "LAST-MODIFIED");
        assert_eq!(modified, "20260601T130000Z");
        app.patch(&event.api(""), &event.token, json!({ "location": "Lindenhof 5" })).await.expect(StatusCode::OK);
        assert_eq!(sequence().await, before + 1);
    }
}
