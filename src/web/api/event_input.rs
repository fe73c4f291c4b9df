//! An event as clients send it, whole or in part.

use jiff::Timestamp;
use salvo_oapi::ToSchema;

use super::fields::{Fields, Sent};
use crate::domain::channel::Visibility;
use crate::domain::time::Whereabouts;
use crate::services::channels::ChannelChoice;
use crate::services::events::EventDetails;

/// An event as it is made. Times: ISO 8601; without an offset they are meant in `timezone`, else
/// shifted by `timezone_offset_minutes`, else UTC.
#[derive(Debug, ToSchema)]
pub struct EventInput {
    /// One line, 1 to 255 characters.
    #[salvo(schema(min_length = 1, max_length = 255))]
    pub title: String,
    /// When it starts.
    pub start_time: String,
    /// When it ends; after the start.
    pub end_time: Option<String>,
    /// Markdown, at most 20,000 characters.
    pub description: Option<String>,
    /// Where, at most 255 characters.
    pub location: Option<String>,
    /// The channel it is announced in; blank is none.
    pub channel_name: Option<String>,
    /// `public` (default) or `private`.
    pub channel_visibility: Option<String>,
    /// On no list.
    pub is_private: Option<bool>,
    /// New answers wait for the organizer.
    pub admin_approval_required: Option<bool>,
    /// How many people may come; null is unlimited.
    pub max_attendees: Option<i64>,
    /// Takes no new answers.
    pub rsvps_closed: Option<bool>,
    /// Takes no new answers from then on.
    pub rsvp_close_at: Option<String>,
    /// IANA name of the zone; wins over the offset.
    pub timezone: Option<String>,
    /// Minutes to add to local time to get UTC (JavaScript's getTimezoneOffset).
    pub timezone_offset_minutes: Option<i64>,
}

/// What of an event shall change; what is left out stays, null clears where a field may be empty.
#[derive(Debug, ToSchema)]
pub struct EventPatch {
    /// One line, 1 to 255 characters.
    pub title: Option<String>,
    /// When it starts.
    pub start_time: Option<String>,
    /// When it ends; after the start.
    pub end_time: Option<String>,
    /// Markdown, at most 20,000 characters.
    pub description: Option<String>,
    /// Where, at most 255 characters.
    pub location: Option<String>,
    /// The channel it is announced in; blank or null is none.
    pub channel_name: Option<String>,
    /// `public` or `private`; alone it changes nothing.
    pub channel_visibility: Option<String>,
    /// On no list.
    pub is_private: Option<bool>,
    /// New answers wait for the organizer.
    pub admin_approval_required: Option<bool>,
    /// How many people may come; null is unlimited.
    pub max_attendees: Option<i64>,
    /// Takes no new answers.
    pub rsvps_closed: Option<bool>,
    /// Takes no new answers from then on.
    pub rsvp_close_at: Option<String>,
    /// IANA name of the zone; wins over the offset.
    pub timezone: Option<String>,
    /// Minutes to add to local time to get UTC (JavaScript's getTimezoneOffset).
    pub timezone_offset_minutes: Option<i64>,
    /// The revision the change starts from; refused with 409 when the event has another by now.
    pub revision: Option<i64>,
}

/// Reads an event that is made; what was not sent is as for an ordinary one.
pub(super) fn new_details(fields: &mut Fields) -> EventDetails {
    let (zone, offset_minutes) = fields.whereabouts();
    let here = Whereabouts { zone: zone.as_deref(), offset_minutes };
    let title = fields.line("title");
    let starts_at = fields.time("start_time", &here);
    let is_private = fields.boolean("is_private");
    let approval_required = fields.boolean("admin_approval_required");
    let rsvps_closed = fields.boolean("rsvps_closed");
    EventDetails {
        title: fields.required("title", title, "string"),
        description: fields.block("description").value(),
        starts_at: fields.required("start_time", starts_at, "datetime"),
        ends_at: fields.time("end_time", &here).value(),
        location: fields.line("location").value(),
        channel: channel_choice(fields).value(),
        is_private: fields.not_null("is_private", is_private, "boolean").unwrap_or(false),
        approval_required: fields
            .not_null("admin_approval_required", approval_required, "boolean")
            .unwrap_or(false),
        rsvps_closed: fields.not_null("rsvps_closed", rsvps_closed, "boolean").unwrap_or(false),
        rsvps_close_at: fields.time("rsvp_close_at", &here).value(),
        capacity: fields.integer("max_attendees").value(),
        zone: zone.unwrap_or_else(|| "UTC".to_owned()),
    }
}

/// The channel that was named; `Null` when the event shall have none.
fn channel_choice(fields: &mut Fields) -> Sent<ChannelChoice> {
    let visibility = match fields.line("channel_visibility") {
        Sent::Value(word) if word.trim().is_empty() => Some(Visibility::Public),
        Sent::Value(word) => Visibility::from_stored(&word.trim().to_lowercase()),
        Sent::Absent | Sent::Null => Some(Visibility::Public),
    };
    let Some(visibility) = visibility else {
        let message = "Input should be 'public' or 'private'";
        return fields.refuse("channel_visibility", message, "literal_error");
    };
    match fields.line("channel_name") {
        Sent::Value(name) if name.trim().is_empty() => Sent::Null,
        Sent::Value(name) => Sent::Value(ChannelChoice { name, visibility }),
        Sent::Null => Sent::Null,
        Sent::Absent => Sent::Absent,
    }
}

/// What a PATCH says about each field.
pub(super) struct Patch {
    title: Option<String>,
    description: Sent<String>,
    starts_at: Option<Timestamp>,
    ends_at: Sent<Timestamp>,
    zone: Option<String>,
    location: Sent<String>,
    channel: Sent<ChannelChoice>,
    is_private: Option<bool>,
    approval_required: Option<bool>,
    rsvps_closed: Option<bool>,
    rsvps_close_at: Sent<Timestamp>,
    capacity: Sent<i64>,
}

impl Patch {
    /// Reads what was sent.
    pub(super) fn read(fields: &mut Fields) -> Self {
        let (zone, offset_minutes) = fields.whereabouts();
        let here = Whereabouts { zone: zone.as_deref(), offset_minutes };
        let title = fields.line("title");
        let is_private = fields.boolean("is_private");
        let approval_required = fields.boolean("admin_approval_required");
        let rsvps_closed = fields.boolean("rsvps_closed");
        Self {
            title: fields.not_null("title", title, "string"),
            description: fields.block("description"),
            starts_at: fields.time("start_time", &here).value(),
            ends_at: fields.time("end_time", &here),
            location: fields.line("location"),
            channel: channel_choice(fields),
            is_private: fields.not_null("is_private", is_private, "boolean"),
            approval_required: fields.not_null(
                "admin_approval_required",
                approval_required,
                "boolean",
            ),
            rsvps_closed: fields.not_null("rsvps_closed", rsvps_closed, "boolean"),
            rsvps_close_at: fields.time("rsvp_close_at", &here),
            capacity: fields.integer("max_attendees"),
            zone,
        }
    }

    /// What is there, with what was sent in its place.
    pub(super) fn apply(self, before: EventDetails) -> EventDetails {
        EventDetails {
            title: self.title.unwrap_or(before.title),
            description: self.description.over(before.description),
            starts_at: self.starts_at.unwrap_or(before.starts_at),
            ends_at: self.ends_at.over(before.ends_at),
            zone: self.zone.unwrap_or(before.zone),
            location: self.location.over(before.location),
            channel: self.channel.over(before.channel),
            is_private: self.is_private.unwrap_or(before.is_private),
            approval_required: self.approval_required.unwrap_or(before.approval_required),
            rsvps_closed: self.rsvps_closed.unwrap_or(before.rsvps_closed),
            rsvps_close_at: self.rsvps_close_at.over(before.rsvps_close_at),
            capacity: self.capacity.over(before.capacity),
        }
    }
}
