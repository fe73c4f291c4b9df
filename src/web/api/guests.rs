//! The guest list, for the organizer.

use salvo::http::StatusCode;
use salvo::prelude::Json;
use salvo::{Depot, Request, Response};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::{EventBody, RsvpBody, RsvpStats};
use super::fields::Fields;
use super::rsvps::{NewRsvp, OneRsvp, RsvpLinks};
use super::{bearer, path_param, site};
use crate::domain::rsvp::Approval;
use crate::services::guests;
use crate::web::error::Problem;

/// Why, in the organizer's words.
#[derive(Debug, ToSchema)]
pub struct DecisionInput {
    /// Told to the guest when the answer is rejected; at most 5,000 characters.
    pub reason: Option<String>,
}

/// Every answer of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct RosterBody {
    /// The event.
    pub event: EventBody,
    /// The answers, oldest first, with their ids.
    pub rsvps: Vec<RsvpBody>,
    /// The approved ones in numbers.
    pub stats: RsvpStats,
}

/// Lists every answer, as the organizer.
#[endpoint(
    tags("guests"),
    security(("bearer" = [])),
    parameters(("event_id" = String, Path, description = "The event's id."))
)]
pub async fn list_rsvps(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<RosterBody>, Problem> {
    let site = site(depot)?;
    let token = bearer(request);
    let roster = guests::roster(site, path_param(request, "event_id"), token).await?;
    let event =
        EventBody::new(&roster.summary, roster.viewer, &site.rules.fading, site.clock.now())
            .with_admin_link(roster.viewer, token);
    Ok(Json(RosterBody {
        event,
        rsvps: roster.rsvps.iter().map(|rsvp| RsvpBody::new(rsvp).with_id(rsvp)).collect(),
        stats: RsvpStats::new(&roster.tally),
    }))
}

/// Removes a guest, named by id or by the guest's token, as the organizer.
#[endpoint(
    tags("guests"),
    security(("bearer" = [])),
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("rsvp_id" = String, Path, description = "The answer's id, or its guest's token."),
    ),
    responses((status_code = 204, description = "Deleted"))
)]
pub async fn delete_rsvp(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let (event, rsvp) = (path_param(request, "event_id"), path_param(request, "rsvp_id"));
    guests::remove(site(depot)?, event, bearer(request), rsvp).await?;
    response.status_code(StatusCode::NO_CONTENT);
    Ok(())
}

/// Approves a guest.
#[endpoint(
    tags("guests"),
    security(("bearer" = [])),
    request_body = DecisionInput,
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("rsvp_id" = String, Path, description = "The answer's id."),
    )
)]
pub async fn approve_rsvp(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneRsvp>, Problem> {
    decide(request, depot, Approval::Approved).await
}

/// Rejects a guest, and tells them why.
#[endpoint(
    tags("guests"),
    security(("bearer" = [])),
    request_body = DecisionInput,
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("rsvp_id" = String, Path, description = "The answer's id."),
    )
)]
pub async fn reject_rsvp(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneRsvp>, Problem> {
    decide(request, depot, Approval::Rejected).await
}

/// Sets a guest back to waiting for a decision.
#[endpoint(
    tags("guests"),
    security(("bearer" = [])),
    request_body = DecisionInput,
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("rsvp_id" = String, Path, description = "The answer's id."),
    )
)]
pub async fn set_rsvp_pending(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneRsvp>, Problem> {
    decide(request, depot, Approval::Pending).await
}

async fn decide(
    request: &mut Request,
    depot: &Depot,
    approval: Approval,
) -> Result<Json<OneRsvp>, Problem> {
    let mut fields = Fields::from_body(request, true).await?;
    let reason = fields.block("reason").value();
    fields.finish()?;
    let (event, rsvp) = (path_param(request, "event_id"), path_param(request, "rsvp_id"));
    let site = site(depot)?;
    let change =
        guests::decide(site, event, bearer(request), rsvp, approval, reason.as_deref()).await?;
    let card = &change.card;
    let rsvp = RsvpBody::new(&card.rsvp).with_id(&card.rsvp).with_messages(&card.messages);
    Ok(Json(OneRsvp { rsvp }))
}

/// Makes a new link for a guest in place of a lost one. The one before opens nothing from then
/// on.
#[endpoint(
    tags("guests"),
    security(("bearer" = [])),
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("rsvp_id" = String, Path, description = "The answer's id."),
    )
)]
pub async fn reissue_rsvp_link(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<NewRsvp>, Problem> {
    let (event, rsvp) = (path_param(request, "event_id"), path_param(request, "rsvp_id"));
    let (change, token) = guests::reissue_link(site(depot)?, event, bearer(request), rsvp).await?;
    let own = &change.card.rsvp;
    Ok(Json(NewRsvp {
        rsvp: RsvpBody::new(own).with_id(own).with_token(Some(token.reveal())),
        links: RsvpLinks::new(event, &token),
    }))
}
