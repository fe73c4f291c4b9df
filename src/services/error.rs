//! Why a use case refuses. Every message is safe to show.

use std::fmt;
use std::time::Duration;

use crate::metrics::{Metrics, Refusal};
use crate::store::db::StoreError;

/// Why a use case refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was sent cannot be used as it is.
    #[error("invalid input: {}", join(.0))]
    Invalid(Vec<FieldError>),
    /// There is no such thing, or it may not be known here.
    #[error("{0} not found")]
    NotFound(Noun),
    /// The action needs a token, and none came.
    #[error("missing token")]
    MissingToken,
    /// The token that came does not open this.
    #[error("wrong token")]
    Forbidden,
    /// The event was edited since the sender read it.
    #[error("changed meanwhile")]
    Conflict,
    /// No seat is left for all these people.
    #[error("event is full")]
    Full,
    /// The organizer takes no new answers.
    #[error("event is closed")]
    Closed,
    /// The client did too much of this lately.
    #[error("too many requests")]
    TooMany {
        /// How long to wait before trying again.
        wait: Duration,
    },
    /// The database cannot answer now; trying again may help.
    #[error("database unavailable: {0}")]
    Busy(#[source] StoreError),
    /// A fault of ours.
    #[error("internal error: {0}")]
    Internal(#[source] StoreError),
}

impl Error {
    /// Counts what the rules of an event refuse, on its way to whoever asked.
    #[must_use]
    pub fn counted(self, metrics: &Metrics) -> Self {
        match self {
            Self::Full => metrics.refused(Refusal::Full),
            Self::Closed => metrics.refused(Refusal::Closed),
            _ => {}
        }
        self
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::Busy(error) } else { Self::Internal(error) }
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Self::Invalid(vec![error])
    }
}

/// What can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// An event.
    Event,
    /// An answer.
    Rsvp,
    /// A channel.
    Channel,
    /// A webhook, or something that it sent.
    Webhook,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "Event",
            Self::Rsvp => "RSVP",
            Self::Channel => "Channel",
            Self::Webhook => "Webhook",
        })
    }
}

/// What a person can fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Title of an event.
    Title,
    /// Description of an event.
    Description,
    /// Start of an event.
    Start,
    /// End of an event.
    End,
    /// Time zone of an event.
    Zone,
    /// Place of an event.
    Location,
    /// Name of a channel.
    Channel,
    /// Visibility of a channel.
    ChannelVisibility,
    /// Capacity of an event.
    Capacity,
    /// When an event takes no more answers.
    CloseAt,
    /// Name of a guest.
    Name,
    /// Pronouns of a guest.
    Pronouns,
    /// A guest's note.
    Note,
    /// People a guest brings.
    Companions,
    /// Text of a message.
    Content,
    /// Reason of a decision.
    Reason,
    /// Address of a webhook.
    Url,
    /// The form as it was sent, not one of its fields.
    Whole,
}

/// One field that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Which one.
    pub field: Field,
    /// What to do about it: a sentence.
    pub message: String,
}

impl FieldError {
    /// A field and what to do about it.
    pub fn new(field: Field, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

fn join(errors: &[FieldError]) -> String {
    errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" ")
}
