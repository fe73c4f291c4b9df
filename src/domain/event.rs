//! The event: what is planned, when, where, and who may come.

use jiff::{SignedDuration, Timestamp};

use super::channel::Channel;
use super::text;
use super::token::TokenHash;

/// Longest title, in characters.
pub const TITLE_MAX: usize = 255;
/// Longest description, in characters.
pub const DESCRIPTION_MAX: usize = 20_000;
/// Longest location, in characters.
pub const LOCATION_MAX: usize = 255;
/// Largest capacity an organizer may set.
pub const CAPACITY_MAX: i64 = 1_000_000;

/// How long an event without an end is taken to last.
const ASSUMED_LENGTH: SignedDuration = SignedDuration::from_hours(3);

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// UUID text; knowing it is the key to a private event.
    pub id: String,
    /// SHA-256 of the organizer's token.
    pub organizer_token: TokenHash,
    /// The channel it is announced in.
    pub channel_id: Option<String>,
    /// One line, 1 to [`TITLE_MAX`] characters (imported ones may be longer or blank).
    pub title: String,
    /// Markdown.
    pub description: Option<String>,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends; after the start.
    pub ends_at: Option<Timestamp>,
    /// IANA name of the zone the organizer thinks in; `UTC` for imported events.
    pub zone: String,
    /// Where it is, in the organizer's words.
    pub location: Option<String>,
    /// On no list; its address is its key.
    pub is_private: bool,
    /// New answers wait for the organizer, and the place is shown only to guests who may come.
    pub approval_required: bool,
    /// The organizer takes no new answers. See [`Event::is_closed`].
    pub rsvps_closed: bool,
    /// From this moment on no new answers are taken.
    pub rsvps_close_at: Option<Timestamp>,
    /// How many people may come; `None` is unlimited.
    pub capacity: Option<i64>,
    /// Attention at [`Event::scored_at`], 0 to 100; fades from there.
    pub score: f64,
    /// When [`Event::score`] was set.
    pub scored_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an organizer last edited it.
    pub modified_at: Timestamp,
    /// When a person last looked at it.
    pub accessed_at: Timestamp,
    /// Counts edits; an edit names the revision it started from.
    pub revision: i64,
    /// Counts changes of time or place (RFC 5545, SEQUENCE).
    pub sequence: i64,
}

impl Event {
    /// Title and id as they are searched.
    #[must_use]
    pub fn search_text(&self) -> String {
        search_text(&self.title, &self.id)
    }

    /// True when no new answers are taken at `now`, by hand or by schedule. Derived, so that a
    /// closing time holds whether or not any job has run.
    #[must_use]
    pub fn is_closed(&self, now: Timestamp) -> bool {
        self.rsvps_closed || self.rsvps_close_at.is_some_and(|at| at <= now)
    }

    /// Makes a closing time that has passed what it means: closed. Nobody sees a difference, but
    /// whoever changes the event then starts from the same, whether or not the job has run.
    pub fn close_if_due(&mut self, now: Timestamp) {
        if !self.rsvps_closed && self.rsvps_close_at.is_some_and(|at| at <= now) {
            self.rsvps_closed = true;
            self.rsvps_close_at = None;
        }
    }

    /// The closing time while it still lies ahead or was overtaken by closing by hand; a schedule
    /// that has done its work reads as none.
    #[must_use]
    pub fn pending_close_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.rsvps_close_at.filter(|at| *at > now)
    }

    /// When the event is over: its end, or three hours after the start.
    #[must_use]
    pub fn over_at(&self) -> Timestamp {
        over_at(self.starts_at, self.ends_at)
    }
}

/// When an event with this start and end is over.
#[must_use]
pub fn over_at(starts_at: Timestamp, ends_at: Option<Timestamp>) -> Timestamp {
    ends_at.unwrap_or_else(|| starts_at.saturating_add(ASSUMED_LENGTH).unwrap_or(Timestamp::MAX))
}

/// What an event of this title and id is searched by.
#[must_use]
pub fn search_text(title: &str, id: &str) -> String {
    format!("{}\n{id}", text::fold(title))
}

/// A part of what an event is searched by, when `query` is the event's link: its id.
#[must_use]
pub fn id_in_link(query: &str) -> &str {
    let path = query.split_once("/e/").map_or(query, |(_, path)| path);
    path.split(['/', '?', '#']).next().unwrap_or(path)
}

/// How many people an event has, by what they may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headcount {
    /// People of every `yes`, whatever the organizer decided.
    pub yes: i64,
    /// People of every approved `yes`.
    pub approved: i64,
    /// People who hold a seat: every `yes` that is not rejected.
    pub seated: i64,
    /// Answers, not people, that wait for the organizer.
    pub waiting: i64,
}

/// An event with what a list or page shows beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSummary {
    /// The event.
    pub event: Event,
    /// Its channel, whether or not the viewer may see it; see [`EventSummary::visible_channel`].
    pub channel: Option<Channel>,
    /// Its people.
    pub headcount: Headcount,
}

impl EventSummary {
    /// The channel as `viewer` may see it: a private one is shown to organizers only.
    #[must_use]
    pub fn visible_channel(&self, viewer: Viewer) -> Option<&Channel> {
        self.channel.as_ref().filter(|channel| channel.is_public() || viewer.is_organizer())
    }

    /// The place as `viewer` may see it.
    #[must_use]
    pub fn visible_location(&self, viewer: Viewer) -> Option<&str> {
        let hidden = self.event.approval_required && !viewer.may_see_place();
        self.event.location.as_deref().filter(|_| !hidden)
    }

    /// The people who come, as `viewer` may count them.
    #[must_use]
    pub fn visible_yes_count(&self, viewer: Viewer) -> i64 {
        if self.event.approval_required && !viewer.is_organizer() {
            self.headcount.approved
        } else {
            self.headcount.yes
        }
    }

    /// Seats left, never below zero; `None` without a capacity.
    #[must_use]
    pub fn seats_left(&self) -> Option<i64> {
        self.event.capacity.map(|capacity| (capacity - self.headcount.seated).max(0))
    }

    /// Seats left as the public may know: people who wait for the organizer's approval hold seats,
    /// yet nobody else is to learn of them.
    #[must_use]
    pub fn public_seats_left(&self) -> Option<i64> {
        let shown = if self.event.approval_required {
            self.headcount.approved
        } else {
            self.headcount.seated
        };
        self.event.capacity.map(|capacity| (capacity - shown).max(0))
    }
}

/// Who looks at an event, as far as their link tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Anybody with the address.
    Public,
    /// A guest of this event.
    Guest {
        /// Approved and coming.
        may_see_place: bool,
    },
    /// Holds the organizer's link.
    Organizer,
    /// Holds the instance owner's link.
    Instance,
}

impl Viewer {
    /// True for the organizer and the instance owner.
    #[must_use]
    pub fn is_organizer(self) -> bool {
        matches!(self, Self::Organizer | Self::Instance)
    }

    /// True for those who may see the place of an event that requires approval.
    #[must_use]
    pub fn may_see_place(self) -> bool {
        self.is_organizer() || matches!(self, Self::Guest { may_see_place: true })
    }
}
