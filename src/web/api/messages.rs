//! Messages by the organizer.

use salvo::http::StatusCode;
use salvo::prelude::Json;
use salvo::{Depot, Request, Response};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::MessageBody;
use super::fields::{Fields, Sent};
use super::rsvps::NewMessage;
use super::{bearer, path_param, site};
use crate::domain::message::{Audience, MessageKind};
use crate::services::messages::{self, NewMessage as Draft};
use crate::web::error::Problem;

/// A message about an event as it is written.
#[derive(Debug, ToSchema)]
pub struct EventMessageInput {
    /// Plain text, 1 to 5,000 characters.
    pub content: String,
    /// `public` (default) or `admin`.
    pub visibility: Option<String>,
    /// `event_update` (default) or `event_internal`.
    pub message_type: Option<String>,
}

/// A message to or about a guest as it is written.
#[derive(Debug, ToSchema)]
pub struct GuestMessageInput {
    /// Plain text, 1 to 5,000 characters.
    pub content: String,
    /// `attendee` or `admin`; follows from the type when left out.
    pub visibility: Option<String>,
    /// `admin_message` (default, to the guest), `admin_note` (for organizers), `rejection_reason`
    /// or `user_note`.
    pub message_type: Option<String>,
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneMessage {
    /// The message.
    pub message: MessageBody,
}

/// Writes an announcement or an internal note about the event.
#[endpoint(
    tags("messages"),
    security(("bearer" = [])),
    request_body = EventMessageInput,
    parameters(("event_id" = String, Path, description = "The event's id.")),
    responses((status_code = 201, description = "The message", body = OneMessage))
)]
pub async fn create_event_message(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<Json<OneMessage>, Problem> {
    let mut fields = Fields::from_body(request, false).await?;
    let content = content_of(&mut fields);
    let kinds = [MessageKind::EventUpdate, MessageKind::EventInternal];
    let kind = one_of(&mut fields, "message_type", &kinds, MessageKind::as_str);
    let audiences = [Audience::Public, Audience::Organizer];
    let audience = one_of(&mut fields, "visibility", &audiences, Audience::as_str);
    fields.finish()?;
    let draft = Draft {
        kind: kind.unwrap_or(MessageKind::EventUpdate),
        audience: audience.unwrap_or(Audience::Public),
        content,
    };
    let id = path_param(request, "event_id");
    let message = messages::post_to_event(site(depot)?, id, bearer(request), draft).await?;
    response.status_code(StatusCode::CREATED);
    Ok(Json(OneMessage { message: MessageBody::new(&message) }))
}

/// Writes to or about one guest.
#[endpoint(
    tags("messages"),
    security(("bearer" = [])),
    request_body = GuestMessageInput,
    parameters(
        ("event_id" = String, Path, description = "The event's id."),
        ("rsvp_id" = String, Path, description = "The answer's id."),
    ),
    responses((status_code = 201, description = "The message and all about this guest", body = NewMessage))
)]
pub async fn create_rsvp_message(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<Json<NewMessage>, Problem> {
    let mut fields = Fields::from_body(request, false).await?;
    let content = content_of(&mut fields);
    let kinds = [
        MessageKind::AdminMessage,
        MessageKind::AdminNote,
        MessageKind::RejectionReason,
        MessageKind::UserNote,
    ];
    let kind = one_of(&mut fields, "message_type", &kinds, MessageKind::as_str);
    let audiences = [Audience::Guest, Audience::Organizer];
    let audience = one_of(&mut fields, "visibility", &audiences, Audience::as_str);
    let (kind, audience) = guest_message(&mut fields, kind, audience);
    fields.finish()?;
    let (event, rsvp) = (path_param(request, "event_id"), path_param(request, "rsvp_id"));
    let draft = Draft { kind, audience, content };
    let (message, about) =
        messages::post_to_guest(site(depot)?, event, bearer(request), rsvp, draft).await?;
    response.status_code(StatusCode::CREATED);
    Ok(Json(NewMessage {
        message: MessageBody::new(&message),
        messages: about.iter().map(MessageBody::new).collect(),
    }))
}

/// The kind and audience of a message about a guest: each follows from the other where it was
/// left out, a note is never the guest's to read, and a message always is.
fn guest_message(
    fields: &mut Fields,
    kind: Option<MessageKind>,
    audience: Option<Audience>,
) -> (MessageKind, Audience) {
    let kind = kind.unwrap_or(match audience {
        Some(Audience::Organizer) => MessageKind::AdminNote,
        _ => MessageKind::AdminMessage,
    });
    let only = match kind {
        MessageKind::AdminNote => Some(Audience::Organizer),
        MessageKind::AdminMessage => Some(Audience::Guest),
        _ => None,
    };
    if let (Some(only), Some(sent)) = (only, audience)
        && only != sent
    {
        let message =
            format!("A message of type {} has the visibility '{}'", kind.as_str(), only.as_str());
        fields.refuse::<()>("visibility", &message, "value_error");
    }
    (kind, only.or(audience).unwrap_or(Audience::Guest))
}

fn content_of(fields: &mut Fields) -> String {
    let content = fields.block("content");
    fields.required("content", content, "string")
}

/// The one of `allowed` whose word came under `name`; case does not count, blank is none.
fn one_of<T: Copy>(
    fields: &mut Fields,
    name: &str,
    allowed: &[T],
    word: impl Fn(T) -> &'static str,
) -> Option<T> {
    let sent = match fields.line(name) {
        Sent::Value(sent) if !sent.trim().is_empty() => sent.trim().to_lowercase(),
        _ => return None,
    };
    let found = allowed.iter().copied().find(|option| word(*option) == sent);
    if found.is_none() {
        let words: Vec<String> =
            allowed.iter().map(|option| format!("'{}'", word(*option))).collect();
        let message = format!("Input should be {}", words.join(" or "));
        fields.refuse::<T>(name, &message, "literal_error");
    }
    found
}
