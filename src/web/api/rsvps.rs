//! A guest's own answer.

use salvo::http::StatusCode;
use salvo::prelude::Json;
use salvo::{Depot, Request, Response};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::{MessageBody, RsvpBody};
use super::fields::Fields;
use super::{bearer, path_param, site};
use crate::domain::rsvp::Reply;
use crate::domain::token::Token;
use crate::services::messages;
use crate::services::rsvps::{self, Answer, Entry, OwnAnswer};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;

/// An answer as it is given.
#[derive(Debug, ToSchema)]
pub struct RsvpInput {
    /// The guest's name, 1 to 120 characters.
    #[salvo(schema(min_length = 1, max_length = 120))]
    pub name: String,
    /// `yes`, `no` or `maybe`; blank is yes, another word is maybe.
    pub attendance_status: String,
    /// The guest's pronouns, at most 64 characters.
    pub pronouns: Option<String>,
    /// People beside the guest, 0 to 5; clamped.
    pub guest_count: Option<i64>,
    /// Counted, not named.
    pub is_private_rsvp: Option<bool>,
    /// For the host, at most 5,000 characters.
    pub note: Option<String>,
}

/// What of an answer shall change; what is left out stays.
#[derive(Debug, ToSchema)]
pub struct RsvpPatch {
    /// The guest's name, 1 to 120 characters.
    pub name: Option<String>,
    /// `yes`, `no` or `maybe`.
    pub attendance_status: Option<String>,
    /// The guest's pronouns; null clears.
    pub pronouns: Option<String>,
    /// People beside the guest, 0 to 5; clamped.
    pub guest_count: Option<i64>,
    /// Counted, not named.
    pub is_private_rsvp: Option<bool>,
    /// One more note for the host.
    pub note: Option<String>,
}

/// A message as it is written.
#[derive(Debug, ToSchema)]
pub struct NoteInput {
    /// Plain text, 1 to 5,000 characters.
    pub content: String,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneRsvp {
    /// The answer.
    pub rsvp: RsvpBody,
}

/// An answer just given.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewRsvp {
    /// The answer, with the guest's token, which is shown here and never again.
    pub rsvp: RsvpBody,
    /// Where it can be changed.
    pub links: RsvpLinks,
}

/// Where an answer can be changed, as paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct RsvpLinks {
    /// By the API, with the token as bearer.
    #[serde(rename = "self")]
    #[salvo(schema(rename = "self"))]
    pub own: String,
    /// By a person.
    pub html: String,
}

impl RsvpLinks {
    /// To the answer that this token opens.
    #[must_use]
    pub fn new(event_id: &str, token: &Token) -> Self {
        Self {
            own: format!("/api/v1/events/{event_id}/rsvps/self"),
            html: format!("/e/{event_id}/rsvp/{}", token.reveal()),
        }
    }
}

/// A message just written, and all that its writer may read, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewMessage {
    /// The message.
    pub message: MessageBody,
    /// All messages about this answer.
    pub messages: Vec<MessageBody>,
}

/// Gives an answer. Refused with 403 when the event takes none, with 400 when no seat is left.
#[endpoint(
    tags("rsvps"),
    request_body = RsvpInput,
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("force_accept" = Option<bool>, Query, description = "As an organizer: past the capacity and the closing."),
    ),
    responses((status_code = 201, description = "The answer and its guest's token", body = NewRsvp))
)]
pub async fn create_rsvp(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<Json<NewRsvp>, Problem> {
    let mut query = Fields::from_query(request);
    let forced = query.boolean("force_accept").value().unwrap_or(false);
    query.finish()?;
    let (answer, note) = new_answer(request_fields(request, false).await?)?;
    let entry =
        if forced { Entry::Forced(bearer(request).map(str::to_owned)) } else { Entry::Ordinary };
    let id = path_param(request, "event_id");
    let submitted = rsvps::submit(site(depot)?, id, answer, note.as_deref(), entry).await?;
    response.status_code(StatusCode::CREATED);
    let token = submitted.token.reveal();
    Ok(Json(NewRsvp {
        rsvp: RsvpBody::new(&submitted.rsvp).with_token(Some(token)),
        links: RsvpLinks::new(id, &submitted.token),
    }))
}

async fn request_fields(request: &mut Request, optional: bool) -> Result<Fields, Problem> {
    let mut fields = Fields::from_body(request, optional).await?;
    fields.alias("attendance_status", "status");
    fields.alias("note", "notes");
    fields.alias("is_private_rsvp", "is_private");
    Ok(fields)
}

fn new_answer(mut fields: Fields) -> Result<(Answer, Option<String>), Problem> {
    let name = fields.line("name");
    let reply = fields.line("attendance_status");
    let companions = fields.integer("guest_count");
    let is_private = fields.boolean("is_private_rsvp");
    let answer = Answer {
        name: fields.required("name", name, "string"),
        reply: Reply::lenient(&fields.required("attendance_status", reply, "string")),
        pronouns: fields.line("pronouns").value(),
        companions: fields.not_null("guest_count", companions, "integer").unwrap_or(0),
        is_private: fields.not_null("is_private_rsvp", is_private, "boolean").unwrap_or(false),
    };
    let note = fields.block("note").value();
    fields.finish()?;
    Ok((answer, note))
}

fn own_body(own: &OwnAnswer, token: Option<&str>) -> Json<OneRsvp> {
    let rsvp = RsvpBody::new(&own.rsvp).with_token(token).with_messages(&own.messages);
    Json(OneRsvp { rsvp })
}

/// Shows the caller's own answer.
#[endpoint(
    tags("rsvps"),
    security(("bearer" = [])),
    parameters(("event_id" = String, Path, description = "The event's id."))
)]
pub async fn get_own_rsvp(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneRsvp>, Problem> {
    let token = bearer(request);
    let own = rsvps::view_own(
        site(depot)?,
        path_param(request, "event_id"),
        token,
        ClientInfo::of(depot).is_person(),
    )
    .await?;
    Ok(own_body(&own, token))
}

/// Changes the caller's own answer.
#[endpoint(
    tags("rsvps"),
    security(("bearer" = [])),
    request_body = RsvpPatch,
    parameters(("event_id" = String, Path, description = "The event's id."))
)]
pub async fn update_own_rsvp(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<OneRsvp>, Problem> {
    let mut fields = request_fields(request, true).await?;
    let name = fields.line("name");
    let reply = fields.line("attendance_status");
    let companions = fields.integer("guest_count");
    let is_private = fields.boolean("is_private_rsvp");
    let name = fields.not_null("name", name, "string");
    let reply = fields.not_null("attendance_status", reply, "string");
    let companions = fields.not_null("guest_count", companions, "integer");
    let is_private = fields.not_null("is_private_rsvp", is_private, "boolean");
    let pronouns = fields.line("pronouns");
    let note = fields.block("note").value();
    fields.finish()?;
    let change = move |before: Answer| Answer {
        name: name.unwrap_or(before.name),
        pronouns: pronouns.over(before.pronouns),
        reply: reply.map_or(before.reply, |reply| Reply::lenient(&reply)),
        companions: companions.unwrap_or(before.companions),
        is_private: is_private.unwrap_or(before.is_private),
    };
    let token = bearer(request);
    let id = path_param(request, "event_id");
    let own = rsvps::edit_own(site(depot)?, id, token, note.as_deref(), change).await?;
    Ok(own_body(&own, token))
}

/// Takes the caller's own answer back, with its messages.
#[endpoint(
    tags("rsvps"),
    security(("bearer" = [])),
    parameters(("event_id" = String, Path, description = "The event's id.")),
    responses((status_code = 204, description = "Deleted"))
)]
pub async fn delete_own_rsvp(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    rsvps::withdraw(site(depot)?, path_param(request, "event_id"), bearer(request)).await?;
    response.status_code(StatusCode::NO_CONTENT);
    Ok(())
}

/// Writes to the host.
#[endpoint(
    tags("rsvps"),
    security(("bearer" = [])),
    request_body = NoteInput,
    parameters(("event_id" = String, Path, description = "The event's id.")),
    responses((status_code = 201, description = "The message and the conversation", body = NewMessage))
)]
pub async fn create_own_message(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<Json<NewMessage>, Problem> {
    let mut fields = Fields::from_body(request, false).await?;
    let content = fields.block("content");
    let content = fields.required("content", content, "string");
    fields.finish()?;
    let id = path_param(request, "event_id");
    let (message, conversation) =
        messages::post_by_guest(site(depot)?, id, bearer(request), &content).await?;
    response.status_code(StatusCode::CREATED);
    Ok(Json(NewMessage {
        message: MessageBody::new(&message),
        messages: conversation.iter().map(MessageBody::new).collect(),
    }))
}
