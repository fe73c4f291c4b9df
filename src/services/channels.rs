//! Channels: joining one by name, and reading them.

use jiff::Timestamp;

pub use crate::store::channels::{Order, Search};

use super::access;
use super::error::Noun;
use super::touches::BOOST_VIEW;
use super::{Error, Field, FieldError, Site};
use crate::domain::channel::{Channel, NAME_MAX, Visibility};
use crate::domain::event::EventSummary;
use crate::domain::{id, slug};
use crate::store::db::Tx;
use crate::store::{channels, events};

/// A channel as an organizer names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelChoice {
    /// Its name, not blank.
    pub name: String,
    /// Who may find it.
    pub visibility: Visibility,
}

/// The channel that `choice` names: the one that has its slug, or a new one.
pub(super) async fn join(
    tx: &mut Tx,
    site: &Site,
    choice: &ChannelChoice,
    now: Timestamp,
) -> Result<Channel, Error> {
    let name = choice.name.trim();
    if name.chars().count() > NAME_MAX {
        return Err(FieldError::new(
            Field::Channel,
            format!("Channel names must be at most {NAME_MAX} characters."),
        )
        .into());
    }
    let slug = slug::slug(name);
    if slug.is_empty() {
        return Err(FieldError::new(
            Field::Channel,
            "Channel names must include at least one letter or number.",
        )
        .into());
    }
    let fresh = Channel {
        id: id::row_id(now, &site.entropy),
        name: name.to_owned(),
        slug,
        visibility: choice.visibility,
        score: site.rules.initial_channel_score,
        scored_at: now,
        created_at: now,
        last_used_at: now,
    };
    let purgeable_at = site.rules.fading.channel_purgeable_at(&fresh);
    let existing = loop {
        if channels::insert(tx, &fresh, purgeable_at).await? {
            return Ok(fresh);
        }
        // One that was there a moment ago may just have been purged: then there is room for ours.
        if let Some(existing) = channels::lock_by_slug(tx, &fresh.slug).await? {
            break existing;
        }
    };
    if existing.visibility != choice.visibility {
        let other = existing.visibility.as_str();
        return Err(FieldError::new(
            Field::ChannelVisibility,
            format!("A {other} channel with this name exists already. Choose another name, or make the channel {other}."),
        )
        .into());
    }
    site.touches.channel(&existing.id, BOOST_VIEW);
    Ok(existing)
}

/// One page of the public channels that were looked for.
#[derive(Debug, Clone)]
pub struct Found {
    /// The channels, each with how many of its listed events lie ahead.
    pub channels: Vec<(Channel, i64)>,
    /// How many there are in all.
    pub total: i64,
    /// The page's number, from 1.
    pub page: i64,
}

/// Longest text that is searched for, in characters; what is longer is cut.
const QUERY_MAX: usize = 100;

/// Looks for public channels.
pub async fn find(
    site: &Site,
    mut search: Search,
    page: i64,
    per_page: i64,
) -> Result<Found, Error> {
    search.query = search.query.chars().take(QUERY_MAX).collect();
    let now = site.clock.now();
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let total = channels::count_found(tx, &search, now).await?;
                let (page, slice) = super::pages::slice(page, per_page, total);
                let channels = channels::find(tx, &search, now, slice).await?;
                Ok(Found { channels, total, page })
            })
        })
        .await
}

/// One page of all channels, private ones too, as the instance owner: those that hold `query`.
pub async fn list_all(
    site: &Site,
    token: &str,
    query: &str,
    page: i64,
    per_page: i64,
) -> Result<Found, Error> {
    let (token, rules) = (token.to_owned(), site.rules.clone());
    let query: String = query.chars().take(QUERY_MAX).collect();
    site.db
        .read(move |tx| {
            Box::pin(async move {
                access::require_instance(tx, &rules, Some(&token)).await?;
                let slice = |total| super::pages::slice(page, per_page, total);
                let (channels, total) =
                    channels::list_all(tx, &query, |total| slice(total).1).await?;
                Ok(Found { channels, total, page: slice(total).0 })
            })
        })
        .await
}

/// Deletes a channel as the instance owner; its events stay, in no channel.
pub async fn delete(site: &Site, id: &str, token: &str) -> Result<(), Error> {
    let (id, token, rules) = (id.to_owned(), token.to_owned(), site.rules.clone());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                access::require_instance(tx, &rules, Some(&token)).await?;
                // Locked first: who puts an event into it waits, and then finds it gone.
                channels::lock(tx, &id).await?.ok_or(Error::NotFound(Noun::Channel))?;
                channels::leave(tx, &id).await?;
                channels::delete(tx, &id).await?;
                Ok(())
            })
        })
        .await
}

/// A channel with one page of its events.
#[derive(Debug, Clone)]
pub struct ChannelView {
    /// The channel.
    pub channel: Channel,
    /// Events of the page, latest start first.
    pub events: Vec<EventSummary>,
    /// How many there are in all.
    pub total: i64,
    /// The page's number, from 1.
    pub page: i64,
}

/// The channel with this slug and its events; a private channel's own page lists its private
/// events too. With `visibility`, a channel of the other kind is not found: its address would
/// otherwise tell that it exists. Counts as a visit when `by_person`.
pub async fn view(
    site: &Site,
    slug: &str,
    visibility: Option<Visibility>,
    page: i64,
    per_page: i64,
    by_person: bool,
) -> Result<ChannelView, Error> {
    let now = site.clock.now();
    let slug = slug.trim().to_lowercase();
    let view = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                let channel = channels::by_slug(tx, &slug)
                    .await?
                    .filter(|channel| visibility.is_none_or(|wanted| wanted == channel.visibility))
                    .ok_or(Error::NotFound(Noun::Channel))?;
                let private = !channel.is_public();
                let total = events::count_of_channel(tx, &channel.id, now, private).await?;
                let (page, slice) = super::pages::slice(page, per_page, total);
                let events = events::list_of_channel(tx, &channel.id, now, private, slice).await?;
                Ok::<_, Error>(ChannelView { channel, events, total, page })
            })
        })
        .await?;
    if by_person {
        site.touches.channel(&view.channel.id, BOOST_VIEW);
    }
    Ok(view)
}
