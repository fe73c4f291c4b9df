//! Reading ISO 8601 as clients of the original write it: what Python 3.11's
//! `datetime.fromisoformat` takes, with `T` or a blank between date and time.

use jiff::civil::{Date, DateTime, ISOWeekDate, Time, Weekday};

use super::TimeError;

/// A time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Date and time on the wall, cut to microseconds.
    pub(super) local: DateTime,
    /// Seconds east of UTC, where the text says so.
    pub(super) offset_seconds: Option<i32>,
}

/// Reads a date, or a date and a time, or those and an offset.
pub(super) fn parse(text: &str) -> Result<Written, TimeError> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = date_of(date.as_bytes())?;
    let (time, offset_seconds) = time.map_or(Ok((Time::midnight(), None)), time_and_offset)?;
    Ok(Written { local: date.to_datetime(time), offset_seconds })
}

fn date_of(text: &[u8]) -> Result<Date, TimeError> {
    let unreadable = TimeError::Unreadable;
    let (year, rest) = text.split_at_checked(4).ok_or(unreadable)?;
    let year = number(year)?;
    if year == 0 {
        return Err(TimeError::OutOfRange);
    }
    let year = i16::try_from(year).map_err(|_| TimeError::OutOfRange)?;
    match *rest {
        [b'-', b'W', w1, w2, b'-', day] | [b'W', w1, w2, day] => week(year, &[w1, w2], &[day]),
        [b'-', b'W', w1, w2] | [b'W', w1, w2] => week(year, &[w1, w2], b"1"),
        [b'-', m1, m2, b'-', d1, d2] | [m1, m2, d1, d2] => {
            let (month, day) = (small(&[m1, m2])?, small(&[d1, d2])?);
            Date::new(year, month, day).map_err(|_| TimeError::Unreadable)
        }
        _ => Err(TimeError::Unreadable),
    }
}

/// A day of an ISO week; the first and last of all weeks may lie outside the years.
fn week(year: i16, week: &[u8], day: &[u8]) -> Result<Date, TimeError> {
    let weekday =
        Weekday::from_monday_one_offset(small(day)?).map_err(|_| TimeError::Unreadable)?;
    let date =
        ISOWeekDate::new(year, small(week)?, weekday).map_err(|_| TimeError::Unreadable)?.date();
    if date.year() < 1 { Err(TimeError::OutOfRange) } else { Ok(date) }
}

fn time_and_offset(text: &str) -> Result<(Time, Option<i32>), TimeError> {
    let (clock, offset) = match text.find(['+', '-', 'Z', 'z']) {
        None => (text, None),
        Some(at) => {
            let (clock, offset) = text.split_at(at);
            (clock, Some(offset_of(offset)?))
        }
    };
    let Clock { hour, minute, second, micros } = clock_of(clock)?;
    let time = Time::new(hour, minute, second, micros * 1000).map_err(|_| TimeError::Unreadable)?;
    Ok((time, offset))
}

fn offset_of(text: &str) -> Result<i32, TimeError> {
    let sign = match text.as_bytes() {
        b"Z" | b"z" => return Ok(0),
        [b'-', ..] => -1,
        [b'+', ..] => 1,
        _ => return Err(TimeError::Unreadable),
    };
    let Clock { hour, minute, second, micros } = clock_of(&text[1..])?;
    if hour > 23 {
        return Err(TimeError::Offset);
    }
    // No zone ever had a fraction of a second.
    if minute > 59 || second > 59 || micros > 0 {
        return Err(TimeError::Unreadable);
    }
    Ok(sign * (i32::from(hour) * 3600 + i32::from(minute) * 60 + i32::from(second)))
}

struct Clock {
    hour: i8,
    minute: i8,
    second: i8,
    micros: i32,
}

/// `HH`, `HH:MM`, `HH:MM:SS`, `HH:MM:SS.f`, or those without colons; a comma is a point.
fn clock_of(text: &str) -> Result<Clock, TimeError> {
    let (whole, micros) = match text.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole.as_bytes(), Some(micros(fraction.as_bytes())?)),
        None => (text.as_bytes(), None),
    };
    let (hour, minute, second) = match *whole {
        [a, b, b':', c, d, b':', e, f] | [a, b, c, d, e, f] => ([a, b], [c, d], [e, f]),
        [a, b, b':', c, d] | [a, b, c, d] if micros.is_none() => ([a, b], [c, d], *b"00"),
        [a, b] if micros.is_none() => ([a, b], *b"00", *b"00"),
        _ => return Err(TimeError::Unreadable),
    };
    Ok(Clock {
        hour: small(&hour)?,
        minute: small(&minute)?,
        second: small(&second)?,
        micros: micros.unwrap_or(0),
    })
}

/// The first six digits of a fraction of a second, as microseconds.
fn micros(fraction: &[u8]) -> Result<i32, TimeError> {
    if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
        return Err(TimeError::Unreadable);
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Ok(digits.fold(0, |value, digit| value * 10 + i32::from(digit - b'0')))
}

/// At most four ASCII digits as a number.
fn number(digits: &[u8]) -> Result<u16, TimeError> {
    digits.iter().try_fold(0, |value: u16, digit| {
        if digit.is_ascii_digit() {
            Ok(value * 10 + u16::from(digit - b'0'))
        } else {
            Err(TimeError::Unreadable)
        }
    })
}

/// At most two ASCII digits as a number.
fn small(digits: &[u8]) -> Result<i8, TimeError> {
    i8::try_from(number(digits)?).map_err(|_| TimeError::Unreadable)
}
