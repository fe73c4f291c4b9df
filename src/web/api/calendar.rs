//! The calendar file of an event.

use salvo::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use salvo::{Depot, Request, Response};
use salvo_oapi::endpoint;

use super::{bearer, path_param, site};
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::ics::{CalendarEvent, Status};
use crate::services::Site;
use crate::services::events;
use crate::web::client::ClientInfo;
use crate::web::error::Problem;

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
