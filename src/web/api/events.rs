//! Events.

use jiff::Timestamp;
use salvo::http::StatusCode;
use salvo::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use salvo::prelude::Json;
use salvo::{Depot, Request, Response};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::{EventBody, Pagination};
use super::fields::{Fields, Sent};
use super::{bearer, path_param, site};
use crate::domain::channel::Visibility;
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::ics::{CalendarEvent, Status};
use crate::domain::time::{self, Whereabouts};
use crate::services::Site;
use crate::services::channels::ChannelChoice;
use crate::services::events::{self, EventDetails};
use crate::web::client::ClientInfo;
use crate::web::error::{DetailBody, Problem};

/// Most events a page.
pub(super) const PER_PAGE_MAX: i64 = 50;

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

/// One event.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneEvent {
    /// The event.
    pub event: EventBody,
}

/// An event just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewEvent {
    /// The event.
    pub event: EventBody,
    /// The organizer's token; it is shown here and never again.
    pub admin_token: String,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// Soonest start first.
    pub events: Vec<EventBody>,
    /// Where the page stands.
    pub pagination: Pagination,
    /// The bounds as they were understood.
    pub filters: EventFilters,
}

/// Bounds on the start, inclusive.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventFilters {
    /// Not before; UTC without offset.
    pub start_after: Option<String>,
    /// Not after; UTC without offset.
    pub start_before: Option<String>,
}

/// Lists public events, soonest start first.
#[endpoint(
    tags("events"),
    parameters(
        ("page" = Option<i64>, Query, description = "From 1; one past the end is the last."),
        ("per_page" = Option<i64>, Query, description = "1 to 50."),
        ("start_after" = Option<String>, Query, description = "ISO 8601, inclusive."),
        ("start_before" = Option<String>, Query, description = "ISO 8601, inclusive."),
    )
)]
pub async fn list_events(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<EventPage>, Problem> {
    let site = site(depot)?;
    let mut fields = Fields::from_query(request);
    let (page, per_page) = page_of(&mut fields, site.rules.events_per_page);
    let utc = Whereabouts::default();
    let after = fields.time("start_after", &utc).value();
    let before = fields.time("start_before", &utc).value();
    fields.finish()?;
    let list = events::list(site, after, before, page, per_page).await?;
    let now = site.clock.now();
    let body = |summary| EventBody::new(summary, Viewer::Public, &site.rules.fading, now);
    Ok(Json(EventPage {
        events: list.events.iter().map(body).collect(),
        pagination: Pagination::new(list.page, per_page, list.total),
        filters: EventFilters {
            start_after: after.map(time::naive),
            start_before: before.map(time::naive),
        },
    }))
}

/// The page asked for and its length.
pub(super) fn page_of(fields: &mut Fields, default: i64) -> (i64, i64) {
    let page = fields.integer("page").value().unwrap_or(1);
    let per_page = fields.integer("per_page").value().unwrap_or(default);
    if page < 1 {
        fields.refuse::<i64>(
            "page",
            "Input should be greater than or equal to 1",
            "greater_than_equal",
        );
    }
    if !(1..=PER_PAGE_MAX).contains(&per_page) {
        fields.refuse::<i64>("per_page", "Input should be between 1 and 50", "value_error");
    }
    (page, per_page.clamp(1, PER_PAGE_MAX))
}

/// Makes an event. The answer holds the organizer's token, which is shown only now.
#[endpoint(tags("events"), request_body = EventInput, responses(
    (status_code = 201, description = "The event and its organizer's token", body = NewEvent),
))]
pub async fn create_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<Json<NewEvent>, Problem> {
    let site = site(depot)?;
    let mut fields = Fields::from_body(request, false).await?;
    let details = new_details(&mut fields);
    fields.finish()?;
    let created = events::create(site, details).await?;
    response.status_code(StatusCode::CREATED);
    let viewer = Viewer::Organizer;
    let token = created.token.reveal();
    // As it was at that moment: with all of its first attention.
    let made_at = created.summary.event.created_at;
    let event = EventBody::new(&created.summary, viewer, &site.rules.fading, made_at)
        .with_admin_link(viewer, Some(token));
    Ok(Json(NewEvent { event, admin_token: token.to_owned() }))
}

fn new_details(fields: &mut Fields) -> EventDetails {
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

/// Shows an event with its public answers and messages.
#[endpoint(tags("events"), parameters(("event_id" = String, Path, description = "The event's id.")))]
pub async fn get_event(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneEvent>, Problem> {
    let site = site(depot)?;
    let by_person = ClientInfo::of(depot).is_person();
    let view =
        events::view(site, path_param(request, "event_id"), bearer(request), by_person).await?;
    let event = EventBody::detail(&view, &site.rules.fading, site.clock.now());
    Ok(Json(OneEvent { event }))
}

/// Changes an event, as its organizer.
#[endpoint(
    tags("events"),
    security(("bearer" = [])),
    request_body = EventPatch,
    parameters(("event_id" = String, Path, description = "The event's id.")),
    responses((status_code = 409, description = "It has another revision by now", body = DetailBody))
)]
pub async fn update_event(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneEvent>, Problem> {
    let site = site(depot)?;
    let mut fields = Fields::from_body(request, true).await?;
    let id = path_param(request, "event_id");
    let token = bearer(request);
    let revision = fields.integer("revision").value();
    let patch = Patch::read(&mut fields);
    fields.finish()?;
    let (summary, viewer) =
        events::edit(site, id, token, revision, move |before| Ok(patch.apply(before))).await?;
    let event = EventBody::new(&summary, viewer, &site.rules.fading, site.clock.now())
        .with_admin_link(viewer, token);
    Ok(Json(OneEvent { event }))
}

/// What a PATCH says about each field.
struct Patch {
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
    fn read(fields: &mut Fields) -> Self {
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

    fn apply(self, before: EventDetails) -> EventDetails {
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

/// Deletes an event with its answers and messages, as its organizer.
#[endpoint(
    tags("events"),
    security(("bearer" = [])),
    parameters(("event_id" = String, Path, description = "The event's id.")),
    responses((status_code = 204, description = "Deleted"))
)]
pub async fn delete_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    events::delete(site(depot)?, path_param(request, "event_id"), bearer(request)).await?;
    response.status_code(StatusCode::NO_CONTENT);
    Ok(())
}

/// The event as a calendar file (RFC 5545).
#[endpoint(
    tags("events"),
    parameters(("event_id" = String, Path, description = "The event's id.")),
    responses((status_code = 200, description = "A calendar with this event", content_type = "text/calendar", body = String))
)]
pub async fn get_event_calendar(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    calendar_file(request, response, depot, bearer(request)).await
}

/// Answers with the calendar file of the event in the path, as the holder of `token` may see it.
pub(in crate::web) async fn calendar_file(
    request: &Request,
    response: &mut Response,
    depot: &Depot,
    token: Option<&str>,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let client = ClientInfo::of(depot);
    let id = path_param(request, "event_id");
    let (summary, viewer) = events::glance(site, id, token, client.is_person()).await?;
    let calendar = calendar_event(site, &summary, viewer, &client).render();
    let name = format!("attachment; filename=\"event_{}.ics\"", summary.event.id);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    response.write_body(calendar).map_err(Problem::internal)
}

fn calendar_event(
    site: &Site,
    summary: &EventSummary,
    viewer: Viewer,
    client: &ClientInfo,
) -> CalendarEvent {
    let event = &summary.event;
    CalendarEvent {
        id: event.id.clone(),
        summary: event.title.clone(),
        description: event.description.clone(),
        location: summary.visible_location(viewer).map(str::to_owned),
        starts_at: event.starts_at,
        ends_at: event.ends_at,
        url: Some(client.absolute(&format!("/e/{}", event.id))),
        sequence: event.sequence,
        created_at: event.created_at,
        modified_at: event.modified_at,
        status: Status::Confirmed,
        stamped_at: site.clock.now(),
    }
}
