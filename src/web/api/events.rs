//! Events.

use salvo::http::StatusCode;
use salvo::prelude::Json;
use salvo::{Depot, Request, Response};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::{EventBody, EventLinks, Pagination};
use super::event_input::{EventInput, EventPatch, Patch, new_details};
use super::fields::Fields;
use super::{bearer, path_param, site};
use crate::domain::event::Viewer;
use crate::domain::time;
use crate::services::{Error, events, listings};
use crate::web::client::ClientInfo;
use crate::web::error::{DetailBody, Problem};

/// Most events a page.
pub(super) const PER_PAGE_MAX: i64 = 50;

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
    let after = fields.bound("start_after").value();
    let before = fields.bound("start_before").value();
    fields.finish()?;
    let list = listings::list(site, after, before, page, per_page).await?;
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

/// A new organizer's link, the one before having been taken back.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewEventLink {
    /// The organizer's token; it is shown here and never again.
    pub admin_token: String,
    /// Where the event's pages are.
    pub links: EventLinks,
}

/// Makes a new organizer's link in place of a lost one, as the instance owner. The one before
/// opens nothing from then on.
#[endpoint(
    tags("events"),
    security(("bearer" = [])),
    parameters(("event_id" = String, Path, description = "The event's id."))
)]
pub async fn reissue_event_link(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<NewEventLink>, Problem> {
    let id = path_param(request, "event_id");
    let owner = bearer(request).ok_or(Error::MissingToken)?;
    let token = events::reissue_link(site(depot)?, id, owner).await?;
    let links = EventLinks {
        public: format!("/e/{id}"),
        admin: Some(format!("/e/{id}/admin/{}", token.reveal())),
    };
    Ok(Json(NewEventLink { admin_token: token.reveal().to_owned(), links }))
}
