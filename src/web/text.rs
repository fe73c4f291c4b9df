//! Text as people read it: times in words, counts, and the organizer's Markdown as safe HTML.

use std::collections::HashSet;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, Zoned};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use crate::domain::time;

/// When an event is, ready to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// `Sat 14 June 2026, 19:00–23:00`, in the event's zone.
    pub date_line: String,
    /// `Sat 14 June 2026`.
    pub date: String,
    /// `19:00–23:00`; with the day of the end where that is another.
    pub hours: String,
    /// `Sat`.
    pub weekday: String,
    /// `14`.
    pub day: String,
    /// `Jun`.
    pub month: String,
    /// `2026`.
    pub year: String,
    /// `19:00`.
    pub start_time: String,
    /// IANA name of the event's zone.
    pub zone: String,
    /// RFC 3339 in UTC.
    pub iso_start: String,
    /// RFC 3339 in UTC.
    pub iso_end: Option<String>,
    /// `in 3 days`, `now`, `2 weeks ago`.
    pub relative: String,
}

/// The time of an event in words. A zone that nobody knows reads as UTC.
#[must_use]
pub fn when(start: Timestamp, end: Option<Timestamp>, zone: &str, now: Timestamp) -> When {
    let zone = time::zone(zone).unwrap_or(TimeZone::UTC);
    let local = start.to_zoned(zone.clone());
    let print = |format| local.strftime(format).to_string();
    let date = print("%a %-d %B %Y");
    let mut hours = print("%H:%M");
    if let Some(end) = end {
        hours += &end_of_span(&local, &end.to_zoned(zone.clone()));
    }
    When {
        date_line: format!("{date}, {hours}"),
        date,
        hours,
        weekday: print("%a"),
        day: print("%-d"),
        month: print("%b"),
        year: print("%Y"),
        start_time: print("%H:%M"),
        zone: zone_name(&zone),
        iso_start: time::rfc3339(start),
        iso_end: end.map(time::rfc3339),
        relative: span_in_words(start, end, now),
    }
}

/// An end on the same day, or before the next noon of a night, needs no date.
fn end_of_span(start: &Zoned, end: &Zoned) -> String {
    let is_short =
        end.timestamp().duration_since(start.timestamp()) < SignedDuration::from_hours(12);
    let format = if start.date() == end.date() || is_short {
        "–%H:%M"
    } else if start.year() == end.year() {
        " – %a %-d %B, %H:%M"
    } else {
        " – %a %-d %B %Y, %H:%M"
    };
    end.strftime(format).to_string()
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

fn span_in_words(start: Timestamp, end: Option<Timestamp>, now: Timestamp) -> String {
    let end = end.unwrap_or(start);
    if start <= now && now < end {
        "happening now".to_owned()
    } else {
        relative(if now < start { start } else { end }, now)
    }
}

/// How far `at` is from `now`: `in 3 days`, `5 minutes ago`, `now`.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    let minutes = seconds.abs() / 60;
    let (count, unit) = match minutes {
        0 => return "now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1_440 => (minutes / 60, "hour"),
        1_440..20_160 => (minutes / 1_440, "day"),
        20_160..87_600 => (minutes / 10_080, "week"),
        87_600..1_051_200 => (minutes / 43_800, "month"),
        _ => (minutes / 525_600, "year"),
    };
    let counted = counted(count, unit);
    if seconds > 0 { format!("in {counted}") } else { format!("{counted} ago") }
}

/// A moment such as when a message was written: `Sat 14 June 2026, 19:00`.
#[must_use]
pub fn moment(at: Timestamp, zone: &str) -> String {
    let zone = time::zone(zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).strftime("%a %-d %B %Y, %H:%M").to_string()
}

/// `1 place`, `3 places`: for nouns that take an s.
#[must_use]
pub fn counted(count: i64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A number of bytes: `980 KB`, `12.5 MB`, `1.2 GB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let (divisor, unit) = match count {
        ..1_000_000 => (1e3, "KB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let number = count as f64 / divisor;
    if number >= 100.0 { format!("{number:.0} {unit}") } else { format!("{number:.1} {unit}") }
}

/// `1 person`, `3 people`.
#[must_use]
pub fn people(count: i64) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

/// The names of all time zones, for the fields that ask for one.
#[must_use]
pub fn zones() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let places = ["Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia"];
        let more_places = ["Europe", "Indian", "Pacific"];
        let names = TimeZoneDatabase::bundled();
        let mut names: Vec<_> = names
            .available()
            .map(|name| name.as_str().to_owned())
            .filter(|name| {
                let place = name.split('/').next().unwrap_or_default();
                name == "UTC" || places.contains(&place) || more_places.contains(&place)
            })
            .collect();
        names.sort();
        names
    });
    &NAMES
}

/// Markdown as HTML that is safe to put on a page: no pictures, no HTML of the writer's own.
#[must_use]
pub fn markdown(source: &str) -> String {
    let mut depth = Depth::default();
    let events = Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH).filter_map(|event| {
        if !depth.keeps(&event) {
            return None;
        }
        Some(match event {
            // What a picture is said to show stays, as text.
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
            // Shown as typed: what people write in angle brackets is seldom meant as HTML.
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            // People press Enter where they want a new line.
            Event::SoftBreak => Event::HardBreak,
            Event::Start(Tag::Heading { level, .. }) => Event::Start(Tag::Heading {
                level: lowered(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lowered(level))),
            other => other,
        })
    });
    let mut unsafe_html = String::with_capacity(source.len() * 3 / 2);
    html::push_html(&mut unsafe_html, events);
    SAFE.clean(&unsafe_html).to_string()
}

/// Boxes in boxes beyond this many are shown as one: whoever nests deeper means no box, and the
/// sanitizer's time grows with the square of the depth.
const DEPTH_MAX: u32 = 8;

/// How many elements are open around an event of the parser.
#[derive(Default)]
struct Depth(u32);

impl Depth {
    fn keeps(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Start(_) => {
                self.0 += 1;
                self.0 <= DEPTH_MAX
            }
            Event::End(_) => {
                self.0 = self.0.saturating_sub(1);
                self.0 < DEPTH_MAX
            }
            _ => true,
        }
    }
}

/// The page has its own first and second level.
fn lowered(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

static SAFE: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "p",
        "br",
        "hr",
        "h3",
        "h4",
        "h5",
        "h6",
        "em",
        "strong",
        "del",
        "a",
        "ul",
        "ol",
        "li",
        "blockquote",
        "code",
        "pre",
    ];
    let mut builder = ammonia::Builder::empty();
    builder
        .tags(HashSet::from(tags))
        .tag_attributes([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))].into())
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::PassThrough)
        .link_rel(Some("nofollow noopener noreferrer"));
    builder
});

#[cfg(test)]
mod tests;
