//! Messages: announcements, and the conversation between host and guest.

use jiff::Timestamp;

use super::access;
use super::error::Noun;
use super::{Error, Field, FieldError, Site};
use crate::domain::id;
use crate::domain::message::{Audience, CONTENT_MAX, Message, MessageKind};
use crate::domain::text;
use crate::store::db::Tx;
use crate::store::{events, messages, rsvps};

/// A message as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// What it is.
    pub kind: MessageKind,
    /// Who may read it.
    pub audience: Audience,
    /// What it says.
    pub content: String,
}

/// The content as it is kept, or why it cannot be.
pub(super) fn checked(field: Field, content: &str) -> Result<String, Error> {
    let content = content.trim();
    if text::is_blank(content) {
        return Err(FieldError::new(field, "Write a message first.").into());
    }
    if content.chars().count() > CONTENT_MAX {
        let message = format!("A message can have at most {CONTENT_MAX} characters.");
        return Err(FieldError::new(field, message).into());
    }
    Ok(content.to_owned())
}

/// Adds a message about `event_id` and, where given, one of its answers. Call it with the event
/// locked: else either may be deleted in between.
pub(super) async fn record(
    tx: &mut Tx,
    site: &Site,
    event_id: &str,
    rsvp_id: Option<&str>,
    new: NewMessage,
    now: Timestamp,
) -> Result<Message, Error> {
    let by_guest = new.kind == MessageKind::UserNote;
    let message = Message {
        id: id::row_id(now, &site.entropy),
        event_id: event_id.to_owned(),
        rsvp_id: rsvp_id.map(str::to_owned),
        author_id: rsvp_id.filter(|_| by_guest).map(str::to_owned),
        kind: new.kind,
        audience: new.audience,
        content: new.content,
        created_at: now,
    };
    messages::insert(tx, &message).await?;
    Ok(message)
}

/// Writes an announcement or a note about the event, as its organizer.
pub async fn post_to_event(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    mut new: NewMessage,
) -> Result<Message, Error> {
    let (event_id, token, site_in) = (event_id.to_owned(), token.map(str::to_owned), site.clone());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                access::require_organizer(tx, &site_in.rules, &event, token.as_deref()).await?;
                new.content = checked(Field::Content, &new.content)?;
                record(tx, &site_in, &event_id, None, new, site_in.clock.now()).await
            })
        })
        .await
}

/// Writes to or about one guest, as the organizer; answers with the message and all messages
/// about that guest, newest first.
pub async fn post_to_guest(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    rsvp_id: &str,
    mut new: NewMessage,
) -> Result<(Message, Vec<Message>), Error> {
    let (event_id, token, site_in) = (event_id.to_owned(), token.map(str::to_owned), site.clone());
    let rsvp_id = rsvp_id.to_owned();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                access::require_organizer(tx, &site_in.rules, &event, token.as_deref()).await?;
                let rsvp = rsvps::by_id(tx, &event_id, &rsvp_id)
                    .await?
                    .ok_or(Error::NotFound(Noun::Rsvp))?;
                new.content = checked(Field::Content, &new.content)?;
                let now = site_in.clock.now();
                let message = record(tx, &site_in, &event_id, Some(&rsvp.id), new, now).await?;
                Ok((message, messages::list_of_rsvp(tx, &rsvp.id).await?))
            })
        })
        .await
}

/// Writes to the organizer, as a guest; answers with the message and all messages the guest may
/// read, newest first.
pub async fn post_by_guest(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    content: &str,
) -> Result<(Message, Vec<Message>), Error> {
    let (event_id, token, site_in) = (event_id.to_owned(), token.map(str::to_owned), site.clone());
    let content = content.to_owned();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                events::lock(tx, &event_id).await?;
                let rsvp = super::rsvps::own(tx, &event_id, token.as_deref()).await?;
                let content = checked(Field::Content, &content)?;
                let new =
                    NewMessage { kind: MessageKind::UserNote, audience: Audience::Guest, content };
                let now = site_in.clock.now();
                let message = record(tx, &site_in, &event_id, Some(&rsvp.id), new, now).await?;
                Ok((message, super::rsvps::conversation(tx, &rsvp.id).await?))
            })
        })
        .await
}
