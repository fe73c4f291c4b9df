//! Lists of events: for everybody, for the front page, for the instance owner.

use jiff::Timestamp;

use super::{Error, Site, access, pages};
use crate::domain::event::{self, EventSummary};
use crate::domain::text;
use crate::store::events::{self, Starts};

/// Past public events shown on the home page.
const RECENT: i64 = 5;

/// One page of a list of events.
#[derive(Debug, Clone)]
pub struct EventList {
    /// Its events.
    pub events: Vec<EventSummary>,
    /// How many there are in all.
    pub total: i64,
    /// Its number, from 1: the last one when a later one was asked for.
    pub page: i64,
}

/// One page of the public events on lists, past and upcoming, soonest start first.
pub async fn list(
    site: &Site,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    page: i64,
    per_page: i64,
) -> Result<EventList, Error> {
    let now = site.clock.now();
    let starts =
        Starts { after: after.unwrap_or(Timestamp::MIN), before: before.unwrap_or(Timestamp::MAX) };
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let total = events::count_public(tx, now, starts).await?;
                let (page, slice) = pages::slice(page, per_page, total);
                let events = events::list_public(tx, now, starts, slice).await?;
                Ok(EventList { events, total, page })
            })
        })
        .await
}

/// What the home page shows.
#[derive(Debug, Clone)]
pub struct Home {
    /// One page of what is to come, soonest start first.
    pub upcoming: EventList,
    /// The last few that are over.
    pub recent: Vec<EventSummary>,
}

/// What the home page shows.
pub async fn home(site: &Site, page: i64, per_page: i64) -> Result<Home, Error> {
    let now = site.clock.now();
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let (total, first) = events::count_upcoming(tx, now).await?;
                let (page, slice) = pages::slice(page, per_page, total);
                let events = events::list_upcoming(tx, now, first, slice).await?;
                let recent = events::list_past(tx, now, RECENT).await?;
                Ok(Home { upcoming: EventList { events, total, page }, recent })
            })
        })
        .await
}

/// One page of every event, or of those found by a part of their title or by their link, newest
/// first, for the instance owner.
pub async fn list_all(
    site: &Site,
    token: Option<&str>,
    query: &str,
    page: i64,
    per_page: i64,
) -> Result<EventList, Error> {
    let (token, rules) = (token.map(str::to_owned), site.rules.clone());
    let pattern = text::pattern(event::id_in_link(query));
    site.db
        .read(move |tx| {
            Box::pin(async move {
                access::require_instance(tx, &rules, token.as_deref()).await?;
                let Some(pattern) = pattern else {
                    let total = events::count_all(tx).await?;
                    let (page, slice) = pages::slice(page, per_page, total);
                    let events = events::list_newest(tx, slice).await?;
                    return Ok(EventList { events, total, page });
                };
                let slice = |total| pages::slice(page, per_page, total).1;
                let (events, total) = events::list_found(tx, &pattern, slice).await?;
                let (page, _) = pages::slice(page, per_page, total);
                Ok(EventList { events, total, page })
            })
        })
        .await
}
