//! From the form of an event to its details and back.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::channel::Visibility;
use crate::domain::event::EventSummary;
use crate::domain::text::{clean_block, clean_line, is_same_block};
use crate::domain::time::{self, Whereabouts};
use crate::services::channels::ChannelChoice;
use crate::services::events::EventDetails;
use crate::services::{Error, Field, FieldError};
use crate::web::views::forms::EventForm;

/// What the form says, or every field that cannot be read. `before` is what the form was filled
/// with: what nobody touched stays exactly as it is, however it was shown.
pub(super) fn details(
    form: &EventForm,
    offset_minutes: Option<String>,
    before: Option<&EventDetails>,
) -> Result<EventDetails, Error> {
    let mut errors = Vec::new();
    let named = read_zone(form, &mut errors);
    let offset_minutes = offset_minutes.and_then(|minutes| minutes.trim().parse().ok());
    // Forms of the original name no zone: the event keeps its own, and times without even an
    // offset are read as they were shown.
    let kept = before.map(|kept| kept.zone.clone());
    let zone = named.clone().or(kept.clone()).unwrap_or_else(|| "UTC".to_owned());
    let shown = named.or_else(|| kept.filter(|_| offset_minutes.is_none()));
    let here = Whereabouts { zone: shown.as_deref(), offset_minutes };
    let mut time = |field, text: &str, kept: Option<Timestamp>| {
        read_time(&here, text, kept).unwrap_or_else(|message| {
            errors.push(FieldError::new(field, message));
            None
        })
    };
    let starts_at = time(Field::Start, &form.start_time, before.map(|kept| kept.starts_at));
    let ends_at = time(Field::End, &form.end_time, before.and_then(|kept| kept.ends_at));
    let rsvps_close_at =
        time(Field::CloseAt, &form.rsvp_close_at, before.and_then(|kept| kept.rsvps_close_at));
    let capacity = read_capacity(&form.max_attendees).unwrap_or_else(|message| {
        errors.push(FieldError::new(Field::Capacity, message));
        None
    });
    let Some(starts_at) = starts_at else {
        if errors.iter().all(|error| error.field != Field::Start) {
            errors.push(FieldError::new(Field::Start, "Say when it starts."));
        }
        return Err(Error::Invalid(errors));
    };
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    Ok(EventDetails {
        title: line(&form.title, before.map(|kept| kept.title.as_str())).unwrap_or_default(),
        description: block(&form.description, before.and_then(|kept| kept.description.as_deref())),
        starts_at,
        ends_at,
        zone,
        location: line(&form.location, before.and_then(|kept| kept.location.as_deref())),
        channel: channel(form, before),
        is_private: form.is_private,
        approval_required: form.admin_approval_required,
        rsvps_closed: form.rsvps_closed,
        rsvps_close_at,
        capacity,
    })
}

/// The form as it is filled for an event.
pub(super) fn filled(summary: &EventSummary, now: Timestamp) -> EventForm {
    let mut event = summary.event.clone();
    event.close_if_due(now);
    let zone = time::zone(&event.zone).unwrap_or(TimeZone::UTC);
    let local = |at: Option<Timestamp>| at.map(|at| time::local(at, &zone)).unwrap_or_default();
    let channel = summary.channel.as_ref();
    EventForm {
        title: event.title,
        description: event.description.unwrap_or_default(),
        start_time: local(Some(event.starts_at)),
        end_time: local(event.ends_at),
        timezone: event.zone,
        location: event.location.unwrap_or_default(),
        channel_name: channel.map(|channel| channel.name.clone()).unwrap_or_default(),
        channel_visibility: channel
            .map(|channel| channel.visibility.as_str().to_owned())
            .unwrap_or_default(),
        is_private: event.is_private,
        admin_approval_required: event.approval_required,
        max_attendees: event.capacity.map(|places| places.to_string()).unwrap_or_default(),
        rsvps_closed: event.rsvps_closed,
        rsvp_close_at: local(event.rsvps_close_at),
        revision: event.revision.to_string(),
        started: String::new(),
        errors: Vec::new(),
    }
}

fn read_zone(form: &EventForm, errors: &mut Vec<FieldError>) -> Option<String> {
    let named = Some(form.timezone.trim()).filter(|name| !name.is_empty())?;
    let zone = time::zone(named).ok().and_then(|zone| zone.iana_name().map(str::to_owned));
    if zone.is_none() {
        let message = "Choose a time zone from the list, such as Europe/Berlin.";
        errors.push(FieldError::new(Field::Zone, message));
    }
    zone
}

fn read_time(
    here: &Whereabouts<'_>,
    text: &str,
    kept: Option<Timestamp>,
) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let read = match kept {
        Some(kept) => here.resolve_kept(text, kept),
        None => here.resolve(text),
    };
    read.map(Some).map_err(|error| format!("This {error}."))
}

/// Blank, zero and less mean no limit.
fn read_capacity(text: &str) -> Result<Option<i64>, &'static str> {
    match text.trim() {
        "" => Ok(None),
        number => number
            .parse()
            .map(|places: i64| Some(places).filter(|places| *places > 0))
            .map_err(|_| "Write the number of places in digits, or leave it blank."),
    }
}

fn line(typed: &str, kept: Option<&str>) -> Option<String> {
    let typed = clean_line(typed);
    match kept {
        Some(kept) if clean_line(kept) == typed => Some(kept.to_owned()),
        _ => Some(typed).filter(|typed| !typed.is_empty()),
    }
}

fn block(typed: &str, kept: Option<&str>) -> Option<String> {
    match kept {
        Some(kept) if is_same_block(kept, typed) => Some(kept.to_owned()),
        _ => Some(clean_block(typed)).filter(|typed| !typed.is_empty()),
    }
}

fn channel(form: &EventForm, before: Option<&EventDetails>) -> Option<ChannelChoice> {
    let name = clean_line(&form.channel_name);
    if name.is_empty() {
        return None;
    }
    let visibility = match form.channel_visibility.trim() {
        "private" => Visibility::Private,
        _ => Visibility::Public,
    };
    let typed = ChannelChoice { name, visibility };
    let kept = before.and_then(|kept| kept.channel.clone());
    kept.filter(|kept| clean_line(&kept.name) == typed.name && kept.visibility == typed.visibility)
        .or(Some(typed))
}

#[cfg(test)]
mod tests;
