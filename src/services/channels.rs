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
use crate::store::events::Slice;
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

/// Most channels that are proposed where one is looked for.
const PROPOSED: i64 = 50;
/// Most channels that are shown where none has the name that was typed.
const ALIKE: i64 = 6;

/// The names of the public channels that are looked at most, to be proposed.
pub async fn liveliest(site: &Site) -> Result<Vec<String>, Error> {
    site.db.read(|tx| Box::pin(async move { Ok(channels::liveliest(tx, PROPOSED).await?) })).await
}

/// Where a name or a link leads.
#[derive(Debug, Clone)]
pub enum Jump {
    /// To this channel.
    To(Channel),
    /// Nowhere; these public ones are called something like it.
    Nowhere(Vec<(Channel, i64)>),
}

/// The channel that somebody means who types its name or link. A private one is found by its link
/// alone: its name leads nowhere, as one that nobody has.
pub async fn jump(site: &Site, typed: &str) -> Result<Jump, Error> {
    let now = site.clock.now();
    let (word, visibility) = meant(typed);
    let slug = slug::slug(&word);
    let search = Search { query: word.chars().take(QUERY_MAX).collect(), ..Search::default() };
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let named = channels::by_slug(tx, &slug).await?;
                if let Some(named) = named.filter(|channel| channel.visibility == visibility) {
                    return Ok(Jump::To(named));
                }
                let slice = Slice { limit: ALIKE, offset: 0 };
                Ok(Jump::Nowhere(channels::find(tx, &search, now, slice).await?))
            })
        })
        .await
}

/// Name and visibility of the channel that was typed, which may have been its link.
fn meant(typed: &str) -> (String, Visibility) {
    let Some((_, path)) = typed.split_once("/channel/") else {
        return (typed.trim().to_owned(), Visibility::Public);
    };
    let (path, visibility) = path
        .strip_prefix("p/")
        .map_or((path, Visibility::Public), |path| (path, Visibility::Private));
    let word = path.split(['/', '?', '#']).next().unwrap_or_default();
    (word.trim().to_owned(), visibility)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links_are_told_apart() {
        let public = |word: &str| (word.to_owned(), Visibility::Public);
        assert_eq!(meant(" Garden people "), public("Garden people"));
        for link in
            ["https://r.example/channel/garden?page=2", "/channel/garden#x", "/channel/garden/"]
        {
            assert_eq!(meant(link), public("garden"));
        }
        let private = ("garden".to_owned(), Visibility::Private);
        assert_eq!(meant("r.example/channel/p/garden"), private);
        assert_eq!(meant("/channel/"), public(""));
    }
}
