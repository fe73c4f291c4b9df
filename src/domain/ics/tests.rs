//! Calendar files read back the way RFC 5545 says.

use proptest::prelude::*;

use super::*;

fn event() -> CalendarEvent {
    CalendarEvent {
        id: "6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f".to_owned(),
        summary: "Board games".to_owned(),
        description: Some(
            "# Rules\n\nBring **dice**; cards, and `C:\\tmp`\r\nI <3 games".to_owned(),
        ),
        location: Some("Main St. 1, Berlin".to_owned()),
        starts_at: "2031-05-10T18:00:00.5Z".parse().unwrap(),
        ends_at: Some("2031-05-10T21:30:00Z".parse().unwrap()),
        url: Some("https://example.org/e/6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f".to_owned()),
        sequence: 2,
        created_at: "2031-05-01T08:00:00Z".parse().unwrap(),
        modified_at: "2031-05-02T08:00:00Z".parse().unwrap(),
        status: Status::Confirmed,
        stamped_at: "2031-05-03T08:00:00Z".parse().unwrap(),
    }
}

/// The properties of a file, unfolded and unescaped.
fn read(file: &str) -> Vec<(String, String)> {
    let unfolded = file.replace("\r\n ", "").replace("\r\n\t", "");
    unfolded
        .split_terminator("\r\n")
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), unescape(value)))
        .collect()
}

fn unescape(value: &str) -> String {
    let mut signs = value.chars();
    let mut text = String::new();
    while let Some(sign) = signs.next() {
        match (sign, sign == '\\') {
            (_, true) => match signs.next().unwrap() {
                'n' | 'N' => text.push('\n'),
                escaped => text.push(escaped),
            },
            (sign, false) => text.push(sign),
        }
    }
    text
}

fn value(file: &str, name: &str) -> Option<String> {
    read(file).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

#[test]
fn the_file_of_an_event() {
    let expected = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//OpenRSVP//EN",
        "CALSCALE:GREGORIAN",
        "BEGIN:VEVENT",
        "UID:6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f@openrsvp",
        "DTSTAMP:20310503T080000Z",
        "DTSTART:20310510T180000Z",
        "DTEND:20310510T213000Z",
        "SUMMARY:Board games",
        "DESCRIPTION:Rules\\n\\nBring dice\\; cards\\, and C:\\\\tmp\\nI <3 games",
        "LOCATION:Main St. 1\\, Berlin",
        "URL:https://example.org/e/6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f",
        "SEQUENCE:2",
        "STATUS:CONFIRMED",
        "CREATED:20310501T080000Z",
        "LAST-MODIFIED:20310502T080000Z",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ];
    assert_eq!(event().render(), expected.join("\r\n"));
}

#[test]
fn what_is_missing_is_empty_or_absent() {
    let bare = CalendarEvent {
        description: None,
        location: None,
        ends_at: None,
        url: None,
        status: Status::Cancelled,
        sequence: -1,
        ..event()
    };
    let file = bare.render();
    assert_eq!(value(&file, "DTEND").unwrap(), "20310510T210000Z");
    assert_eq!(value(&file, "DESCRIPTION").unwrap(), "");
    assert_eq!(value(&file, "LOCATION").unwrap(), "");
    assert_eq!(value(&file, "URL"), None);
    assert_eq!(value(&file, "STATUS").unwrap(), "CANCELLED");
    assert_eq!(value(&file, "SEQUENCE").unwrap(), "0");
}

#[test]
fn an_end_within_the_second_of_the_start_or_before_it_is_none() {
    for end in ["2031-05-10T18:00:00.9Z", "2031-05-09T00:00:00Z"] {
        let event = CalendarEvent { ends_at: Some(end.parse().unwrap()), ..event() };
        assert_eq!(value(&event.render(), "DTEND").unwrap(), "20310510T210000Z");
    }
}

#[test]
fn long_lines_fold_between_characters() {
    for unit in ["a", "é", "สวัสดี ", "👩\u{200d}🍳", "漢"] {
        let summary = unit.repeat(200);
        let event = CalendarEvent { summary: summary.trim().to_owned(), ..event() };
        let file = event.render();
        assert!(file.split("\r\n").all(|line| line.len() <= 75), "{file}");
        assert!(file.split("\r\n").any(|line| line.len() > 71), "{file}");
        assert_eq!(value(&file, "SUMMARY").unwrap(), summary.trim());
    }
}

#[test]
fn every_kind_of_line_break_is_one_to_a_calendar() {
    let event = CalendarEvent { location: Some("a\r\nb\rc\nd\u{2028}e".to_owned()), ..event() };
    assert_eq!(value(&event.render(), "LOCATION").unwrap(), "a\nb\nc\nd\ne");
}

#[test]
fn no_text_can_add_a_property() {
    let hostile = "x\r\nATTENDEE:mailto:a@b.c\rX:1\nY:2\u{2028}Z:3\0\u{b}";
    let event = CalendarEvent {
        id: hostile.to_owned(),
        summary: hostile.to_owned(),
        description: Some(hostile.to_owned()),
        location: Some(hostile.to_owned()),
        url: Some(hostile.to_owned()),
        ..event()
    };
    assert_eq!(read(&event.render()).len(), read(&self::event().render()).len());
}

/// Anything but control characters and the breaks that come back as `\n`.
const LINE: &str = "[\\PC--[\u{2028}\u{2029}]]{0,200}";
const LINES: &str = "[\\PC\n\\\\;,:--[\u{2028}\u{2029}]]{0,200}";

proptest! {
    #[test]
    fn text_comes_back_as_it_was(summary in LINE, location in LINES) {
        let event = CalendarEvent {
            summary: summary.clone(),
            location: Some(location.clone()),
            ..event()
        };
        let file = event.render();
        prop_assert_eq!(value(&file, "SUMMARY").unwrap(), summary);
        prop_assert_eq!(value(&file, "LOCATION").unwrap(), location);
    }

    #[test]
    fn every_line_is_short_and_ends_with_crlf(text in any::<String>()) {
        let event = CalendarEvent { summary: text.clone(), description: Some(text), ..event() };
        let file = event.render();
        prop_assert!(file.ends_with("END:VCALENDAR\r\n"));
        let bare = file.replace("\r\n", "");
        prop_assert!(!bare.contains(['\r', '\n']));
        prop_assert!(file.split("\r\n").all(|line| line.len() <= 75));
    }
}
