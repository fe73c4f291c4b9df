//! Events: making and reading them; [`changes`] edits and deletes them.

mod changes;

pub use changes::{delete, delete_as_instance, edit, reissue_link};

use jiff::Timestamp;

use super::access::{self, Holder};
use super::channels::{self, ChannelChoice};
use super::error::Noun;
use super::touches::BOOST_VIEW;
use super::{Error, Field, FieldError, Site};
use crate::domain::event::{
    CAPACITY_MAX, DESCRIPTION_MAX, Event, EventSummary, LOCATION_MAX, TITLE_MAX, Viewer,
};
use crate::domain::id;
use crate::domain::message::Message;
use crate::domain::rsvp::{Rsvp, Tally};
use crate::domain::text;
use crate::domain::token::Token;
use crate::store::db::Tx;
use crate::store::{events, messages, rsvps};

/// All that an organizer can set on an event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDetails {
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: Option<String>,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// IANA name of the zone.
    pub zone: String,
    /// Where it is.
    pub location: Option<String>,
    /// The channel it is announced in.
    pub channel: Option<ChannelChoice>,
    /// On no list.
    pub is_private: bool,
    /// New answers wait for the organizer.
    pub approval_required: bool,
    /// Takes no new answers.
    pub rsvps_closed: bool,
    /// Takes no new answers from then on.
    pub rsvps_close_at: Option<Timestamp>,
    /// How many people may come.
    pub capacity: Option<i64>,
}

impl EventDetails {
    /// What an organizer who saves an untouched form sends.
    #[must_use]
    pub fn of(summary: &EventSummary) -> Self {
        let event = &summary.event;
        Self {
            title: event.title.clone(),
            description: event.description.clone(),
            starts_at: event.starts_at,
            ends_at: event.ends_at,
            zone: event.zone.clone(),
            location: event.location.clone(),
            channel: summary.channel.as_ref().map(|channel| ChannelChoice {
                name: channel.name.clone(),
                visibility: channel.visibility,
            }),
            is_private: event.is_private,
            approval_required: event.approval_required,
            rsvps_closed: event.rsvps_closed,
            rsvps_close_at: event.rsvps_close_at,
            capacity: event.capacity,
        }
    }

    /// Every field that cannot be used as it is. A text that `before` holds already may stay as
    /// it is: imported ones can be longer than what may be written today.
    fn errors(&self, before: Option<&Event>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if text::is_blank(&self.title) && before.is_none_or(|event| event.title != self.title) {
            errors.push(FieldError::new(Field::Title, "Give the event a title."));
        }
        let texts = [
            (Field::Title, "The title", Some(&self.title), TITLE_MAX, before.map(|e| &e.title)),
            (
                Field::Description,
                "The description",
                self.description.as_ref(),
                DESCRIPTION_MAX,
                before.and_then(|e| e.description.as_ref()),
            ),
            (
                Field::Location,
                "The place",
                self.location.as_ref(),
                LOCATION_MAX,
                before.and_then(|e| e.location.as_ref()),
            ),
        ];
        for (field, what, text, longest, kept) in texts {
            if text.is_some_and(|text| text.chars().count() > longest) && text != kept {
                let message = format!("{what} can have at most {longest} characters.");
                errors.push(FieldError::new(field, message));
            }
        }
        if self.ends_at.is_some_and(|end| end <= self.starts_at)
            && before.is_none_or(|e| (e.starts_at, e.ends_at) != (self.starts_at, self.ends_at))
        {
            errors.push(FieldError::new(Field::End, "The end must be after the start."));
        }
        if self.capacity.is_some_and(|capacity| !(1..=CAPACITY_MAX).contains(&capacity))
            && before.is_none_or(|event| event.capacity != self.capacity)
        {
            let message = format!("The number of places must be between 1 and {CAPACITY_MAX}.");
            errors.push(FieldError::new(Field::Capacity, message));
        }
        errors
    }

    fn apply(self, event: &mut Event, channel_id: Option<String>) {
        event.channel_id = channel_id;
        event.title = self.title;
        event.description = self.description;
        event.starts_at = self.starts_at;
        event.ends_at = self.ends_at;
        event.zone = self.zone;
        event.location = self.location;
        event.is_private = self.is_private;
        event.approval_required = self.approval_required;
        event.rsvps_closed = self.rsvps_closed;
        event.rsvps_close_at = self.rsvps_close_at;
        event.capacity = self.capacity;
    }
}

/// An event just made, and the one time its organizer's token can be read.
#[derive(Debug)]
pub struct CreatedEvent {
    /// The event.
    pub summary: EventSummary,
    /// The organizer's token.
    pub token: Token,
}

/// Makes an event.
pub async fn create(site: &Site, details: EventDetails) -> Result<CreatedEvent, Error> {
    let errors = details.errors(None);
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    let now = site.clock.now();
    let token = Token::generate(&site.entropy);
    let mut event = Event {
        id: id::event_id(&site.entropy),
        organizer_token: token.hash(),
        channel_id: None,
        title: String::new(),
        description: None,
        starts_at: details.starts_at,
        ends_at: None,
        zone: String::new(),
        location: None,
        is_private: false,
        approval_required: false,
        rsvps_closed: false,
        rsvps_close_at: None,
        capacity: None,
        score: site.rules.initial_event_score,
        scored_at: now,
        created_at: now,
        modified_at: now,
        accessed_at: now,
        revision: 1,
        sequence: 0,
    };
    let site_in = site.clone();
    let summary = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let channel_id = join(tx, &site_in, details.channel.as_ref(), now).await?;
                details.apply(&mut event, channel_id);
                events::insert(tx, &event, site_in.rules.fading.fades(&event)).await?;
                summary(tx, &event.id).await
            })
        })
        .await?;
    site.metrics.events_made.inc();
    Ok(CreatedEvent { summary, token })
}

async fn join(
    tx: &mut Tx,
    site: &Site,
    choice: Option<&ChannelChoice>,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    match choice {
        Some(choice) => Ok(Some(channels::join(tx, site, choice, now).await?.id)),
        None => Ok(None),
    }
}

pub(super) async fn summary(tx: &mut Tx, id: &str) -> Result<EventSummary, Error> {
    events::summary(tx, id).await?.ok_or(Error::NotFound(Noun::Event))
}

/// An event as one person sees it.
#[derive(Debug, Clone)]
pub struct EventView {
    /// The event.
    pub summary: EventSummary,
    /// Its answers in numbers.
    pub tally: Tally,
    /// The answers everybody may read, oldest first: all of them, or the first of those who come.
    pub guests: Vec<Rsvp>,
    /// The messages everybody may read, newest first.
    pub announcements: Vec<Message>,
    /// Who looks.
    pub viewer: Viewer,
    /// Their own answer, when they are a guest.
    pub own: Option<Rsvp>,
}

/// The event with this id, as the holder of `token` sees it. Counts as a visit when `by_person`.
pub async fn view(
    site: &Site,
    id: &str,
    token: Option<&str>,
    by_person: bool,
) -> Result<EventView, Error> {
    let (id, token, rules) = (id.to_owned(), token.map(str::to_owned), site.rules.clone());
    let view = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                let summary = summary(tx, &id).await?;
                let Holder { viewer, rsvp: own } =
                    access::holder(tx, &rules, &summary.event, token.as_deref()).await?;
                let tally = rsvps::tally(tx, &id).await?;
                let guests = rsvps::list_named(tx, &id).await?;
                let announcements = messages::list_public(tx, &id).await?;
                Ok::<_, Error>(EventView { summary, tally, guests, announcements, viewer, own })
            })
        })
        .await?;
    if by_person {
        count_visit(site, &view.summary);
    }
    Ok(view)
}

/// The event with this id as its page shows it to everybody: names up to `names`.
pub async fn look(site: &Site, id: &str, names: i64) -> Result<EventView, Error> {
    let id = id.to_owned();
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let summary = summary(tx, &id).await?;
                let tally = rsvps::tally(tx, &id).await?;
                let guests = rsvps::list_coming(tx, &id, names).await?;
                let announcements = messages::list_public(tx, &id).await?;
                let (viewer, own) = (Viewer::Public, None);
                Ok::<_, Error>(EventView { summary, tally, guests, announcements, viewer, own })
            })
        })
        .await
}

/// The event with this id alone, as the holder of `token` sees it. Counts as a visit when
/// `by_person`.
pub async fn glance(
    site: &Site,
    id: &str,
    token: Option<&str>,
    by_person: bool,
) -> Result<(EventSummary, Viewer), Error> {
    let (id, token, rules) = (id.to_owned(), token.map(str::to_owned), site.rules.clone());
    let (summary, viewer) = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                let summary = summary(tx, &id).await?;
                let holder = access::holder(tx, &rules, &summary.event, token.as_deref()).await?;
                Ok::<_, Error>((summary, holder.viewer))
            })
        })
        .await?;
    if by_person {
        count_visit(site, &summary);
    }
    Ok((summary, viewer))
}

/// Notes that a person looked at an event, and with it at its channel.
pub fn count_visit(site: &Site, summary: &EventSummary) {
    site.touches.event(&summary.event.id, BOOST_VIEW);
    if let Some(channel) = &summary.channel {
        site.touches.channel(&channel.id, BOOST_VIEW);
    }
}
