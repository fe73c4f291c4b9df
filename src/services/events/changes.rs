//! Editing and deleting events, and making a lost link anew.

use jiff::Timestamp;

use super::super::access;
use super::super::error::Noun;
use super::super::touches::BOOST_EDIT;
use super::super::{Error, Site};
use super::{EventDetails, join, summary};
use crate::domain::event::{Event, EventSummary, Viewer};
use crate::domain::token::Token;
use crate::store::db::Tx;
use crate::store::events;

/// Edits an event as its organizer. `change` receives what is there and returns what shall be
/// there; it runs inside the transaction, so it must be quick and pure. With `revision`, the
/// edit is refused as [`Error::Conflict`] when somebody edited the event since.
pub async fn edit(
    site: &Site,
    id: &str,
    token: Option<&str>,
    revision: Option<i64>,
    change: impl FnOnce(EventDetails) -> Result<EventDetails, Error> + Send + 'static,
) -> Result<(EventSummary, Viewer), Error> {
    let (id, token, site_in) = (id.to_owned(), token.map(str::to_owned), site.clone());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let now = site_in.clock.now();
                let mut event = events::lock(tx, &id).await?.ok_or(Error::NotFound(Noun::Event))?;
                event.close_if_due(now);
                let viewer =
                    access::require_organizer(tx, &site_in.rules, &event, token.as_deref()).await?;
                if revision.is_some_and(|revision| revision != event.revision) {
                    return Err(Error::Conflict);
                }
                let mut before = summary(tx, &id).await?;
                before.event.close_if_due(now);
                let kept = EventDetails::of(&before);
                let details = change(kept.clone())?;
                let errors = details.errors(Some(&event));
                if !errors.is_empty() {
                    return Err(Error::Invalid(errors));
                }
                let channel_id = if details.channel == kept.channel {
                    event.channel_id.clone()
                } else {
                    join(tx, &site_in, details.channel.as_ref(), now).await?
                };
                save(tx, &site_in, &mut event, details, channel_id, now).await?;
                Ok((summary(tx, &id).await?, viewer))
            })
        })
        .await
}

async fn save(
    tx: &mut Tx,
    site: &Site,
    event: &mut Event,
    details: EventDetails,
    channel_id: Option<String>,
    now: Timestamp,
) -> Result<(), Error> {
    let before = event.clone();
    details.apply(event, channel_id);
    event.close_if_due(now);
    if *event == before {
        return Ok(());
    }
    let moved = (before.starts_at, before.ends_at, &before.location)
        != (event.starts_at, event.ends_at, &event.location);
    event.sequence += i64::from(moved);
    event.revision += 1;
    event.modified_at = now;
    let fading = &site.rules.fading;
    event.score = fading.touch(event.score, event.scored_at, now, BOOST_EDIT);
    event.scored_at = now;
    event.accessed_at = now;
    events::update(tx, event, fading.fades(event)).await?;
    Ok(())
}

/// Deletes an event with its answers and messages, as its organizer.
pub async fn delete(site: &Site, id: &str, token: Option<&str>) -> Result<Event, Error> {
    let (id, token, rules) = (id.to_owned(), token.map(str::to_owned), site.rules.clone());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let event = events::lock(tx, &id).await?.ok_or(Error::NotFound(Noun::Event))?;
                access::require_organizer(tx, &rules, &event, token.as_deref()).await?;
                events::delete(tx, &id).await?;
                Ok(event)
            })
        })
        .await
}

/// Deletes an event with its answers and messages, as the instance owner.
pub async fn delete_as_instance(site: &Site, id: &str, token: &str) -> Result<(), Error> {
    let (id, token, rules) = (id.to_owned(), token.to_owned(), site.rules.clone());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                access::require_instance(tx, &rules, Some(&token)).await?;
                let found = events::delete(tx, &id).await?;
                if found { Ok(()) } else { Err(Error::NotFound(Noun::Event)) }
            })
        })
        .await
}

/// Makes a new organizer's link in place of a lost one, as the instance owner: the old one opens
/// nothing from then on.
pub async fn reissue_link(site: &Site, id: &str, token: &str) -> Result<Token, Error> {
    let (id, token, site_in) = (id.to_owned(), token.to_owned(), site.clone());
    let fresh = Token::generate(&site.entropy);
    let hash = fresh.hash();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                access::require_instance(tx, &site_in.rules, Some(&token)).await?;
                let event = events::lock(tx, &id).await?.ok_or(Error::NotFound(Noun::Event))?;
                let event = Event { organizer_token: hash, ..event };
                events::update(tx, &event, site_in.rules.fading.fades(&event)).await?;
                Ok::<_, Error>(())
            })
        })
        .await?;
    Ok(fresh)
}
