//! Messages: announcements, notes between host and guest, and records of what happened.

use jiff::Timestamp;

use super::rsvp::{Approval, Reply, Rsvp};

/// Longest content, in characters.
pub const CONTENT_MAX: usize = 5_000;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// The organizer tells something about the event.
    EventUpdate,
    /// The organizer notes something about the event.
    EventInternal,
    /// The guest writes to the organizer.
    UserNote,
    /// The organizer notes something about the guest.
    AdminNote,
    /// The organizer writes to the guest.
    AdminMessage,
    /// Why the organizer declined.
    RejectionReason,
    /// Record: the guest answered.
    RsvpCreated,
    /// Record: the organizer decided.
    RsvpStatusChange,
    /// Record: let in past the capacity.
    ForceAccept,
}

impl MessageKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::EventUpdate,
        Self::EventInternal,
        Self::UserNote,
        Self::AdminNote,
        Self::AdminMessage,
        Self::RejectionReason,
        Self::RsvpCreated,
        Self::RsvpStatusChange,
        Self::ForceAccept,
    ];

    /// The stored and v1 word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventUpdate => "event_update",
            Self::EventInternal => "event_internal",
            Self::UserNote => "user_note",
            Self::AdminNote => "admin_note",
            Self::AdminMessage => "admin_message",
            Self::RejectionReason => "rejection_reason",
            Self::RsvpCreated => "rsvp_created",
            Self::RsvpStatusChange => "rsvp_status_change",
            Self::ForceAccept => "force_accept",
        }
    }

    /// The kind for a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Who may read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Everybody who sees the event.
    Public,
    /// The guest it is about, and organizers.
    Guest,
    /// Organizers only.
    Organizer,
}

impl Audience {
    /// Every audience.
    pub const ALL: [Self; 3] = [Self::Public, Self::Guest, Self::Organizer];

    /// The stored and v1 word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Guest => "attendee",
            Self::Organizer => "admin",
        }
    }

    /// The audience for a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|audience| audience.as_str() == word)
    }
}

/// One message as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// UUID text.
    pub id: String,
    /// The event it belongs to.
    pub event_id: String,
    /// The answer it is about; `None` for messages about the event.
    pub rsvp_id: Option<String>,
    /// The id of the answer whose guest wrote it; `None` when the organizer or the program did.
    pub author_id: Option<String>,
    /// What it is.
    pub kind: MessageKind,
    /// Who may read it.
    pub audience: Audience,
    /// Plain text, at most [`CONTENT_MAX`] characters.
    pub content: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// The record of a new answer.
#[must_use]
pub fn created_record(rsvp: &Rsvp) -> String {
    let reply = match rsvp.reply {
        Reply::Yes => "Yes",
        Reply::Maybe => "Maybe",
        Reply::No => "No",
    };
    let companions = match rsvp.companions {
        0 => "no guests".to_owned(),
        1 => "1 guest".to_owned(),
        more => format!("{more} guests"),
    };
    format!("RSVP created ({reply}; approval {}; {companions})", rsvp.approval)
}

/// The record of an organizer's decision.
#[must_use]
pub fn decision_record(approval: Approval) -> String {
    format!("RSVP marked as {approval}")
}

/// The record of a guest let in past the capacity; `seated` counts the people with that guest.
#[must_use]
pub fn force_accept_record(name: &str, seated: i64, capacity: i64) -> String {
    format!("Force accepted RSVP for {name} (capacity {seated}/{capacity})")
}

/// What a guest reads when the organizer declines without a reason.
pub const DEFAULT_REJECTION: &str = "This RSVP was rejected by the organizer.";
