//! The shapes of v1: what the API answers, and what it takes.

mod guests;

use jiff::Timestamp;
use salvo_oapi::ToSchema;
use serde::Serialize;

use crate::domain::channel::Channel;
use crate::domain::decay::Fading;
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::rsvp::Tally;
use crate::domain::time;
use crate::services::events::EventView;
use crate::services::pages::page_count;

pub use guests::{MessageBody, RsvpBody, RsvpStats};

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventBody {
    /// UUID; knowing it is the key to a private event.
    pub id: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: Option<String>,
    /// UTC, ISO 8601 without offset.
    pub start_time: String,
    /// UTC, ISO 8601 without offset.
    pub end_time: Option<String>,
    /// The place; null while it is hidden from the caller.
    pub location: Option<String>,
    /// On no list.
    pub is_private: bool,
    /// New answers wait for the organizer.
    pub admin_approval_required: bool,
    /// Attention now, 0 to 100.
    pub score: f64,
    /// How many people may come; null is unlimited.
    pub max_attendees: Option<i64>,
    /// People who come.
    pub yes_count: i64,
    /// Takes no new answers now.
    pub rsvps_closed: bool,
    /// Takes no new answers from then on; UTC without offset.
    pub rsvp_close_at: Option<String>,
    /// UTC, ISO 8601 without offset.
    pub created_at: String,
    /// Last edit by an organizer; UTC without offset.
    pub last_modified: String,
    /// Last look by a person; UTC without offset.
    pub last_accessed: String,
    /// IANA name of the zone the organizer thinks in.
    pub timezone: String,
    /// Counts edits.
    pub revision: i64,
    /// Where its pages are.
    pub links: EventLinks,
    /// Its channel, where the caller may know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub channel: Option<EventChannel>,
    /// The answers everybody may read; only where one event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub rsvps: Option<Vec<RsvpBody>>,
    /// The approved answers in numbers; only where one event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub rsvp_counts: Option<RsvpCounts>,
    /// Public messages, newest first; only where one event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub messages: Option<Vec<MessageBody>>,
}

/// Where an event's pages are, as paths.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventLinks {
    /// The event's page.
    pub public: String,
    /// The organizer's page, for the organizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub admin: Option<String>,
}

/// A channel beside an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventChannel {
    /// UUID.
    pub id: String,
    /// As first spelled.
    pub name: String,
    /// Unique.
    pub slug: String,
    /// `public` or `private`.
    pub visibility: String,
}

/// Approved answers of any reply, in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub struct RsvpCounts {
    /// Answers with a name.
    pub public: i64,
    /// Answers that are counted only.
    pub private: i64,
    /// People of the named answers.
    pub public_party_size: i64,
    /// People of the answers that are counted only.
    pub private_party_size: i64,
}

impl EventBody {
    /// An event in a list.
    #[must_use]
    pub fn new(summary: &EventSummary, viewer: Viewer, fading: &Fading, now: Timestamp) -> Self {
        let event = &summary.event;
        Self {
            id: event.id.clone(),
            title: event.title.clone(),
            description: event.description.clone(),
            start_time: time::naive(event.starts_at),
            end_time: event.ends_at.map(time::naive),
            location: summary.visible_location(viewer).map(str::to_owned),
            is_private: event.is_private,
            admin_approval_required: event.approval_required,
            score: fading.effective(event.score, event.scored_at, now),
            max_attendees: event.capacity,
            yes_count: summary.visible_yes_count(viewer),
            rsvps_closed: event.is_closed(now),
            rsvp_close_at: event.pending_close_at(now).map(time::naive),
            created_at: time::naive(event.created_at),
            last_modified: time::naive(event.modified_at),
            last_accessed: time::naive(event.accessed_at),
            timezone: event.zone.clone(),
            revision: event.revision,
            links: EventLinks { public: format!("/e/{}", event.id), admin: None },
            channel: summary.visible_channel(viewer).map(EventChannel::new),
            rsvps: None,
            rsvp_counts: None,
            messages: None,
        }
    }

    /// Adds the organizer's link with the token that the organizer sent; the instance owner's
    /// token is never put into a link.
    #[must_use]
    pub fn with_admin_link(mut self, viewer: Viewer, token: Option<&str>) -> Self {
        if let (Viewer::Organizer, Some(token)) = (viewer, token) {
            self.links.admin = Some(format!("/e/{}/admin/{token}", self.id));
        }
        self
    }

    /// An event with its answers and messages.
    #[must_use]
    pub fn detail(view: &EventView, fading: &Fading, now: Timestamp) -> Self {
        let mut body = Self::new(&view.summary, view.viewer, fading, now);
        body.rsvps = Some(view.guests.iter().map(RsvpBody::new).collect());
        body.rsvp_counts = Some(RsvpCounts::new(&view.tally));
        body.messages = Some(view.announcements.iter().map(MessageBody::new).collect());
        body
    }
}

impl EventChannel {
    fn new(channel: &Channel) -> Self {
        Self {
            id: channel.id.clone(),
            name: channel.name.clone(),
            slug: channel.slug.clone(),
            visibility: channel.visibility.as_str().to_owned(),
        }
    }
}

impl RsvpCounts {
    fn new(tally: &Tally) -> Self {
        use crate::domain::rsvp::Approval::Approved;
        let (public, public_party_size) =
            tally.sum(|line| line.approval == Approved && !line.is_private);
        let (private, private_party_size) =
            tally.sum(|line| line.approval == Approved && line.is_private);
        Self { public, private, public_party_size, private_party_size }
    }
}

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelBody {
    /// UUID.
    pub id: String,
    /// As first spelled.
    pub name: String,
    /// Unique.
    pub slug: String,
    /// `public` or `private`.
    pub visibility: String,
    /// Attention now, 0 to 100.
    pub score: f64,
    /// UTC, ISO 8601 without offset.
    pub created_at: String,
    /// UTC, ISO 8601 without offset.
    pub last_used_at: String,
}

impl ChannelBody {
    /// A channel.
    #[must_use]
    pub fn new(channel: &Channel, fading: &Fading, now: Timestamp) -> Self {
        Self {
            id: channel.id.clone(),
            name: channel.name.clone(),
            slug: channel.slug.clone(),
            visibility: channel.visibility.as_str().to_owned(),
            score: fading.effective(channel.score, channel.scored_at, now),
            created_at: time::naive(channel.created_at),
            last_used_at: time::naive(channel.last_used_at),
        }
    }
}

/// Where a page stands in its list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// From 1.
    pub page: i64,
    /// Rows a page.
    pub per_page: i64,
    /// At least 1.
    pub total_pages: i64,
    /// Rows in all.
    pub total_events: i64,
    /// Whether a page comes before.
    pub has_prev: bool,
    /// Whether a page comes after.
    pub has_next: bool,
    /// The page before.
    pub prev_page: Option<i64>,
    /// The page after.
    pub next_page: Option<i64>,
    /// What was searched for, where the route searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[salvo(schema(nullable = false))]
    pub query: Option<String>,
}

impl Pagination {
    /// Page `page` of `total` rows.
    #[must_use]
    pub fn new(page: i64, per_page: i64, total: i64) -> Self {
        let total_pages = page_count(total, per_page);
        Self {
            page,
            per_page,
            total_pages,
            total_events: total,
            has_prev: page > 1,
            has_next: page < total_pages,
            prev_page: (page > 1).then_some(page - 1),
            next_page: (page < total_pages).then_some(page + 1),
            query: None,
        }
    }
}
