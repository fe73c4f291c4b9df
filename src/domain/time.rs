//! Times as people and clients write them, and as they are printed.
//!
//! Inside, a time is a [`Timestamp`] of whole microseconds between the years 1 and 9999. (The very
//! last is 9999-12-30T22:00:00Z, where [`Timestamp`] ends.)

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

mod parse;

/// The zones this program was built with, not the machine's: the same wall time must be the same
/// instant in every process, whichever machine it runs on.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The furthest an offset may be from UTC, in minutes.
const OFFSET_MAX: i64 = 24 * 60;

/// 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-30T22:00:00Z.
const LAST_SECOND: i64 = 253_402_207_200;

/// Why a time cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// No date and time, or not one of any calendar (the 30th of February, 25 o'clock).
    #[error("is not a date and time, such as 2031-05-10T18:00")]
    Unreadable,
    /// Outside the years 1 to 9999.
    #[error("is outside the years 1 to 9999")]
    OutOfRange,
    /// The offset from UTC is a day or more.
    #[error("has an offset of a day or more")]
    Offset,
    /// No IANA zone has this name.
    #[error("names an unknown time zone: {0}")]
    UnknownZone(String),
}

/// The zone with this IANA name, in any case. Its [`TimeZone::iana_name`] has the right spelling.
pub fn zone(name: &str) -> Result<TimeZone, TimeError> {
    let unknown = || TimeError::UnknownZone(name.chars().take(64).collect());
    ZONES.get(name.trim()).map_err(|_| unknown())
}

/// Where the clock hung that a time without an offset was read from: an IANA zone wins over
/// JavaScript's `getTimezoneOffset`, and without either it is UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// IANA name; blank is none.
    pub zone: Option<&'a str>,
    /// Minutes from the local time to UTC: 300 in New York in winter.
    pub offset_minutes: Option<i64>,
}

impl Whereabouts<'_> {
    /// The instant that `text` means here. An offset in the text itself counts alone, and once.
    ///
    /// A local time that the clocks skip in spring is moved on by what they skip (02:30 becomes
    /// 03:30); one that they show twice in autumn is the first of the two (RFC 5545, 3.3.5).
    pub fn resolve(&self, text: &str) -> Result<Timestamp, TimeError> {
        let written = parse::parse(text)?;
        let zone = match written.offset_seconds {
            Some(seconds) => fixed(seconds)?,
            None => self.time_zone()?,
        };
        instant(written.local, &zone)
    }

    /// As [`Self::resolve`], for a bound: one beyond the first or last instant is that instant, so
    /// that `9999-12-31` bounds nothing.
    pub fn resolve_bound(&self, text: &str) -> Result<Timestamp, TimeError> {
        match self.resolve(text) {
            Err(TimeError::OutOfRange) => {
                let is_late = parse::parse(text)?.local.year() > 1;
                Timestamp::from_second(if is_late { LAST_SECOND } else { FIRST_SECOND })
                    .map_err(|_| TimeError::OutOfRange)
            }
            resolved => resolved,
        }
    }

    /// As [`Self::resolve`], for a form whose field was filled with [`local`]: where the text is
    /// still what was printed for `kept`, it means `kept`. So saving an untouched form changes
    /// nothing, though the field shows no seconds and does not tell the second 02:30 of an autumn
    /// night from the first.
    pub fn resolve_kept(&self, text: &str, kept: Timestamp) -> Result<Timestamp, TimeError> {
        let written = parse::parse(text)?;
        if written.offset_seconds.is_none() {
            let shown = parse::parse(&local(kept, &self.time_zone()?));
            if shown.is_ok_and(|shown| shown == written) {
                return Ok(kept);
            }
        }
        self.resolve(text)
    }

    /// The zone these whereabouts mean.
    pub fn time_zone(&self) -> Result<TimeZone, TimeError> {
        match (self.zone.map(str::trim).filter(|name| !name.is_empty()), self.offset_minutes) {
            (Some(name), _) => zone(name),
            (None, Some(minutes)) if minutes.abs_diff(0) > OFFSET_MAX.unsigned_abs() => {
                Err(TimeError::Offset)
            }
            (None, Some(minutes)) => {
                fixed(i32::try_from(-minutes * 60).map_err(|_| TimeError::Offset)?)
            }
            (None, None) => Ok(TimeZone::UTC),
        }
    }
}

fn fixed(seconds: i32) -> Result<TimeZone, TimeError> {
    Offset::from_seconds(seconds).map(Offset::to_time_zone).map_err(|_| TimeError::Offset)
}

fn instant(local: DateTime, zone: &TimeZone) -> Result<Timestamp, TimeError> {
    let at = zone.to_ambiguous_timestamp(local).compatible().map_err(|_| TimeError::OutOfRange)?;
    if is_in_range(at) { Ok(at) } else { Err(TimeError::OutOfRange) }
}

/// True within the years that may be stored.
#[must_use]
pub fn is_in_range(at: Timestamp) -> bool {
    at.to_zoned(TimeZone::UTC).year() >= 1
}

/// As the first API prints times: UTC without a zone, a fraction only when there is one.
#[must_use]
pub fn naive(at: Timestamp) -> String {
    iso(&at.to_zoned(TimeZone::UTC))
}

/// RFC 3339 in UTC, a fraction only when there is one.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    naive(at) + "Z"
}

/// The wall time in `zone` as a `datetime-local` field takes it: without seconds, which browsers
/// would refuse to send back.
#[must_use]
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string()
}

fn iso(at: &Zoned) -> String {
    let whole = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    match at.subsec_nanosecond() / 1000 {
        0 => whole,
        micros => format!("{whole}.{micros:06}"),
    }
}

#[cfg(test)]
mod tests;
