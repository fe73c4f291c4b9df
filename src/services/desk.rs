//! What the organizer's page shows: the guests page by page, filtered and searched, and all in
//! numbers. Nothing here reads all guests.

use super::access;
use super::guests::GuestCard;
use super::{Error, Site, pages, webhooks};
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::message::Message;
use crate::domain::rsvp::{Approval, Reply, Rsvp, Tally};
use crate::domain::text;
use crate::store::db::Tx;
use crate::store::events::Slice;
use crate::store::{messages, rsvps};

/// Longest query that is searched for, in characters; what follows is not looked at.
const QUERY_MAX: usize = 200;

/// Messages that are shown with each guest.
const LATEST: usize = 6;
/// Most messages that are shown where all of one guest's are wanted.
const WHOLE: usize = 500;

/// Which guests are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shown {
    /// All of them.
    #[default]
    All,
    /// Those who wait for the organizer.
    Waiting,
    /// Those who come.
    Coming,
    /// Those who may come.
    Maybe,
    /// Those who cannot.
    Cannot,
    /// Those the organizer declined.
    Rejected,
}

impl Shown {
    /// Every choice, in the order people read them.
    pub const ALL: [Self; 6] =
        [Self::All, Self::Waiting, Self::Coming, Self::Maybe, Self::Cannot, Self::Rejected];

    /// The word in addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Waiting => "waiting",
            Self::Coming => "coming",
            Self::Maybe => "maybe",
            Self::Cannot => "cannot",
            Self::Rejected => "rejected",
        }
    }

    /// The choice for a word; an unknown one shows all.
    #[must_use]
    pub fn lenient(word: &str) -> Self {
        Self::ALL.into_iter().find(|shown| shown.as_str() == word).unwrap_or_default()
    }

    /// Whether guests with this approval and reply are among them.
    #[must_use]
    pub fn includes(self, approval: Approval, reply: Reply) -> bool {
        match self {
            Self::All => true,
            Self::Waiting => approval == Approval::Pending,
            Self::Rejected => approval == Approval::Rejected,
            Self::Coming => (approval, reply) == (Approval::Approved, Reply::Yes),
            Self::Maybe => (approval, reply) == (Approval::Approved, Reply::Maybe),
            Self::Cannot => (approval, reply) == (Approval::Approved, Reply::No),
        }
    }
}

/// What the organizer looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Which guests.
    pub shown: Shown,
    /// A part of their name; blank is any.
    pub query: String,
    /// The page, from 1.
    pub page: i64,
    /// The id of the guest with whom everything that was written is shown; with the others the
    /// latest.
    pub whole: String,
}

/// What the organizer's page shows.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The event.
    pub summary: EventSummary,
    /// All answers in numbers.
    pub tally: Tally,
    /// The answers that the search finds, in numbers; without a search, all.
    pub found: Tally,
    /// One page of the guests: those that wait first, then by their answer, oldest first.
    pub guests: Vec<GuestCard>,
    /// Guests in all that filter and search let through.
    pub total: i64,
    /// The page's number, from 1.
    pub page: i64,
    /// Announcements and notes about the event, newest first.
    pub messages: Vec<Message>,
    /// Where new answers are sent; `None` where webhooks are switched off.
    pub webhooks: Option<Vec<webhooks::Sent>>,
    /// Who looks.
    pub viewer: Viewer,
}

/// What the organizer's page shows, `per_page` guests at once.
pub async fn view(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    sight: &Sight,
    per_page: i64,
) -> Result<Desk, Error> {
    let (sight, has_webhooks) = (sight.clone(), site.webhooks.is_some());
    read(site, event_id, token, move |tx, event_id, mut desk| {
        Box::pin(async move {
            let pattern = pattern(&sight.query);
            if let Some(pattern) = &pattern {
                desk.found = rsvps::tally_found(tx, &event_id, pattern).await?;
            }
            let (total, _) = desk.found.sum(|line| sight.shown.includes(line.approval, line.reply));
            let (page, slice) = pages::slice(sight.page, per_page, total);
            let found = list(tx, &event_id, &desk.found, sight.shown, pattern, slice).await?;
            desk.guests = cards(tx, found, &sight.whole).await?;
            (desk.total, desk.page) = (total, page);
            desk.messages = messages::list_of_event(tx, &event_id).await?;
            if has_webhooks {
                desk.webhooks = Some(webhooks::list(tx, &event_id).await?);
            }
            Ok(desk)
        })
    })
    .await
}

/// The numbers of the organizer's page beside one guest: what an act on that guest changes there.
/// There is no guest in it when they are gone.
pub async fn beside(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    sight: &Sight,
    rsvp_id: &str,
) -> Result<Desk, Error> {
    let (sight, rsvp_id) = (sight.clone(), rsvp_id.to_owned());
    read(site, event_id, token, move |tx, event_id, mut desk| {
        Box::pin(async move {
            if let Some(pattern) = pattern(&sight.query) {
                desk.found = rsvps::tally_found(tx, &event_id, &pattern).await?;
            }
            let found = rsvps::by_id(tx, &event_id, &rsvp_id).await?;
            desk.guests = cards(tx, found.into_iter().collect(), &sight.whole).await?;
            Ok(desk)
        })
    })
    .await
}

type Step<'t> = std::pin::Pin<Box<dyn Future<Output = Result<Desk, Error>> + Send + 't>>;

/// Recognises the organizer, counts, and lets `step` fill in the rest.
async fn read<F>(site: &Site, event_id: &str, token: Option<&str>, step: F) -> Result<Desk, Error>
where
    F: for<'t> FnOnce(&'t mut Tx, String, Desk) -> Step<'t> + Send + 'static,
{
    let (event_id, token, rules) =
        (event_id.to_owned(), token.map(str::to_owned), site.rules.clone());
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let summary = super::events::summary(tx, &event_id).await?;
                let viewer =
                    access::require_organizer(tx, &rules, &summary.event, token.as_deref()).await?;
                let tally = rsvps::tally(tx, &event_id).await?;
                let desk = Desk {
                    summary,
                    found: tally.clone(),
                    tally,
                    guests: Vec::new(),
                    total: 0,
                    page: 1,
                    messages: Vec::new(),
                    webhooks: None,
                    viewer,
                };
                step(tx, event_id, desk).await
            })
        })
        .await
}

fn pattern(query: &str) -> Option<String> {
    text::pattern(&query.chars().take(QUERY_MAX).collect::<String>())
}

/// A slice of the guests in their order. What was counted tells in which of the groups that share
/// an approval and a reply it lies, so that only those are read, and each from the index.
async fn list(
    tx: &mut Tx,
    event_id: &str,
    counted: &Tally,
    shown: Shown,
    pattern: Option<String>,
    slice: Slice,
) -> Result<Vec<Rsvp>, Error> {
    let mut found = Vec::new();
    let (mut limit, mut offset) = (slice.limit, slice.offset);
    for approval in Approval::ALL {
        for reply in Reply::ALL {
            let (there, _) = counted.sum(|line| (line.approval, line.reply) == (approval, reply));
            if limit <= 0 || !shown.includes(approval, reply) {
                continue;
            }
            if offset >= there {
                offset -= there;
                continue;
            }
            let part = Slice { limit, offset };
            let group = (approval, reply);
            let rows = rsvps::list_slice(tx, event_id, group, pattern.as_deref(), part).await?;
            limit -= (there - offset).min(limit);
            offset = 0;
            found.extend(rows);
        }
    }
    Ok(found)
}

/// Puts each guest's latest messages beside them, with one statement for all; beside the guest
/// `whole`, all of them.
async fn cards(tx: &mut Tx, found: Vec<Rsvp>, whole: &str) -> Result<Vec<GuestCard>, Error> {
    let (alone, others): (Vec<&str>, Vec<&str>) =
        found.iter().map(|rsvp| rsvp.id.as_str()).partition(|id| *id == whole);
    let mut all = latest(tx, &others, LATEST).await?;
    all.extend(latest(tx, &alone, WHOLE).await?);
    let card = |rsvp: Rsvp| {
        let shown = if rsvp.id == whole { WHOLE } else { LATEST };
        let about = |message: &&Message| message.rsvp_id.as_deref() == Some(rsvp.id.as_str());
        let mut messages: Vec<Message> = all.iter().filter(about).cloned().collect();
        let has_earlier = messages.len() > shown;
        messages.truncate(shown);
        GuestCard { rsvp, messages, has_earlier }
    };
    Ok(found.into_iter().map(card).collect())
}

/// One more than are shown, to tell whether there are more.
async fn latest(tx: &mut Tx, ids: &[&str], shown: usize) -> Result<Vec<Message>, Error> {
    let limit = i64::try_from(shown + 1).unwrap_or(i64::MAX);
    Ok(messages::list_latest(tx, ids, limit).await?)
}
