//! Answers, their sums, and messages.

use salvo_oapi::ToSchema;
use serde::Serialize;

use crate::domain::message::Message;
use crate::domain::rsvp::{Reply, Rsvp, Tally};
use crate::domain::time;

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct RsvpBody {
    /// UUID; to organizers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub id: Option<String>,
    /// The event answered.
    pub event_id: String,
    /// The guest's name.
    pub name: String,
    /// The guest's pronouns.
    pub pronouns: Option<String>,
    /// The same as `approval_status`.
    pub status: String,
    /// `pending`, `approved` or `rejected`.
    pub approval_status: String,
    /// `yes`, `no` or `maybe`.
    pub attendance_status: String,
    /// People beside the guest.
    pub guest_count: i64,
    /// Counted, not named.
    pub is_private: bool,
    /// UTC, ISO 8601 without offset.
    pub created_at: String,
    /// UTC, ISO 8601 without offset.
    pub last_modified: String,
    /// The guest's token; to the guest alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub rsvp_token: Option<String>,
    /// Messages the caller may read, newest first; where said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub messages: Option<Vec<MessageBody>>,
}

impl RsvpBody {
    /// An answer as everybody may read it.
    #[must_use]
    pub fn new(rsvp: &Rsvp) -> Self {
        Self {
            id: None,
            event_id: rsvp.event_id.clone(),
            name: rsvp.name.clone(),
            pronouns: rsvp.pronouns.clone(),
            status: rsvp.approval.as_str().to_owned(),
            approval_status: rsvp.approval.as_str().to_owned(),
            attendance_status: rsvp.reply.as_str().to_owned(),
            guest_count: rsvp.companions,
            is_private: rsvp.is_private,
            created_at: time::naive(rsvp.created_at),
            last_modified: time::naive(rsvp.modified_at),
            rsvp_token: None,
            messages: None,
        }
    }

    /// Adds the id, for an organizer.
    #[must_use]
    pub fn with_id(mut self, rsvp: &Rsvp) -> Self {
        self.id = Some(rsvp.id.clone());
        self
    }

    /// Adds the token, for the guest.
    #[must_use]
    pub fn with_token(mut self, token: Option<&str>) -> Self {
        self.rsvp_token = token.map(str::to_owned);
        self
    }

    /// Adds messages.
    #[must_use]
    pub fn with_messages(mut self, messages: &[Message]) -> Self {
        self.messages = Some(messages.iter().map(MessageBody::new).collect());
        self
    }
}

/// Approved answers by reply: answers, companions, and people.
#[derive(Debug, Serialize, ToSchema)]
pub struct RsvpStats {
    /// Answers that say yes.
    pub yes_count: i64,
    /// Companions of those.
    pub yes_guest_count: i64,
    /// People of those.
    pub yes_total: i64,
    /// Answers that say maybe.
    pub maybe_count: i64,
    /// Companions of those.
    pub maybe_guest_count: i64,
    /// People of those.
    pub maybe_total: i64,
    /// Answers that say no.
    pub no_count: i64,
    /// Companions of those.
    pub no_guest_count: i64,
    /// People of those.
    pub no_total: i64,
}

impl RsvpStats {
    /// The approved answers of a tally.
    #[must_use]
    pub fn new(tally: &Tally) -> Self {
        let (yes_count, yes_total) = tally.approved(Reply::Yes);
        let (maybe_count, maybe_total) = tally.approved(Reply::Maybe);
        let (no_count, no_total) = tally.approved(Reply::No);
        Self {
            yes_count,
            yes_guest_count: yes_total - yes_count,
            yes_total,
            maybe_count,
            maybe_guest_count: maybe_total - maybe_count,
            maybe_total,
            no_count,
            no_guest_count: no_total - no_count,
            no_total,
        }
    }
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBody {
    /// UUID.
    pub id: String,
    /// The event it belongs to.
    pub event_id: String,
    /// The answer it is about.
    pub rsvp_id: Option<String>,
    /// The id of the answer whose guest wrote it.
    pub author_id: Option<String>,
    /// What it is.
    pub message_type: String,
    /// `public`, `attendee` or `admin`.
    pub visibility: String,
    /// Plain text.
    pub content: String,
    /// UTC, ISO 8601 without offset.
    pub created_at: String,
}

impl MessageBody {
    /// A message.
    #[must_use]
    pub fn new(message: &Message) -> Self {
        Self {
            id: message.id.clone(),
            event_id: message.event_id.clone(),
            rsvp_id: message.rsvp_id.clone(),
            author_id: message.author_id.clone(),
            message_type: message.kind.as_str().to_owned(),
            visibility: message.audience.as_str().to_owned(),
            content: message.content.clone(),
            created_at: time::naive(message.created_at),
        }
    }
}
