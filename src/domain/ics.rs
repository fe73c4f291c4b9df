//! The calendar file of one event (RFC 5545).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::event::over_at;
use super::markdown;

/// Longest line, in octets without the line break (RFC 5545, 3.1).
const LINE_OCTETS: usize = 75;

/// Whether the event takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Confirmed,
    /// It was called off.
    Cancelled,
}

/// What a calendar is told about an event, by somebody who may know all of it: the caller leaves
/// out a place that the reader may not see.
#[derive(Debug, Clone, PartialEq)]
pub struct CalendarEvent {
    /// The event's id.
    pub id: String,
    /// The title.
    pub summary: String,
    /// Markdown; calendars get it as plain text.
    pub description: Option<String>,
    /// The place.
    pub location: Option<String>,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends; without, the calendar shows the three hours after which we take it as over.
    pub ends_at: Option<Timestamp>,
    /// Absolute address of the event's page.
    pub url: Option<String>,
    /// Counts changes of time and place.
    pub sequence: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub modified_at: Timestamp,
    /// Whether it takes place.
    pub status: Status,
    /// When this file was made.
    pub stamped_at: Timestamp,
}

impl CalendarEvent {
    /// The name by which calendars know the event again.
    #[must_use]
    pub fn uid(&self) -> String {
        format!("{}@openrsvp", self.id)
    }

    /// The calendar file.
    #[must_use]
    pub fn render(&self) -> String {
        let mut file = File::default();
        file.line("BEGIN", "VCALENDAR");
        file.line("VERSION", "2.0");
        file.line("PRODID", "-//OpenRSVP//EN");
        file.line("CALSCALE", "GREGORIAN");
        file.line("BEGIN", "VEVENT");
        file.text("UID", &self.uid());
        file.time("DTSTAMP", self.stamped_at);
        file.time("DTSTART", self.starts_at);
        file.time("DTEND", self.calendar_end());
        file.text("SUMMARY", &self.summary);
        // These two stand there even when empty: readers of the original's files expect them.
        let description = self.description.as_deref().unwrap_or_default();
        file.text("DESCRIPTION", &markdown::to_plain(description));
        file.text("LOCATION", self.location.as_deref().unwrap_or_default());
        if let Some(url) = &self.url {
            file.line("URL", url);
        }
        file.line("SEQUENCE", &self.sequence.max(0).to_string());
        file.line(
            "STATUS",
            match self.status {
                Status::Confirmed => "CONFIRMED",
                Status::Cancelled => "CANCELLED",
            },
        );
        file.time("CREATED", self.created_at);
        file.time("LAST-MODIFIED", self.modified_at);
        file.line("END", "VEVENT");
        file.line("END", "VCALENDAR");
        file.0
    }

    /// The end, at least a second after the start: calendars refuse others, and imported events
    /// may have them.
    fn calendar_end(&self) -> Timestamp {
        let end = self.ends_at.filter(|end| end.as_second() > self.starts_at.as_second());
        over_at(self.starts_at, end)
    }
}

/// A calendar file being written.
#[derive(Default)]
struct File(String);

impl File {
    /// A property whose value is text.
    fn text(&mut self, name: &str, value: &str) {
        self.line(name, &escape(value));
    }

    /// A property whose value is a time: UTC, whole seconds.
    fn time(&mut self, name: &str, value: Timestamp) {
        let utc = value.to_zoned(TimeZone::UTC);
        self.line(name, &utc.strftime("%Y%m%dT%H%M%SZ").to_string());
    }

    /// A property as it stands, folded between characters into lines of [`LINE_OCTETS`]. What
    /// could end the line is left out.
    fn line(&mut self, name: &str, value: &str) {
        let mut octets = 0;
        let signs = name.chars().chain([':']).chain(value.chars());
        for sign in signs.filter(|sign| !sign.is_control() || *sign == '\t') {
            if octets + sign.len_utf8() > LINE_OCTETS {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(sign);
            octets += sign.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// Text with what means something to calendars escaped (RFC 5545, 3.3.11).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.replace("\r\n", "\n").chars() {
        match sign {
            '\\' | ';' | ',' => escaped.extend(['\\', sign]),
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => escaped.push_str("\\n"),
            sign => escaped.push(sign),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
