//! The guest list, as the organizer works on it.

use super::access;
use super::error::Noun;
use super::messages::{self as notes, NewMessage};
use super::{Error, Field, FieldError, Site, rsvps as answers};
use crate::domain::capacity;
use crate::domain::event::{Event, EventSummary, Viewer};
use crate::domain::message::{
    self, Audience, CONTENT_MAX, DEFAULT_REJECTION, Message, MessageKind,
};
use crate::domain::rsvp::{Approval, Reply, Rsvp, Tally};
use crate::domain::token::{Token, hash};
use crate::store::db::Tx;
use crate::store::{events, messages, rsvps};

/// Every answer of an event.
#[derive(Debug, Clone)]
pub struct Roster {
    /// The event.
    pub summary: EventSummary,
    /// The answers in numbers.
    pub tally: Tally,
    /// The answers, oldest first.
    pub rsvps: Vec<Rsvp>,
    /// Who looks.
    pub viewer: Viewer,
}

/// Every answer of an event, for its organizer.
pub async fn roster(site: &Site, event_id: &str, token: Option<&str>) -> Result<Roster, Error> {
    let (event_id, token, rules) =
        (event_id.to_owned(), token.map(str::to_owned), site.rules.clone());
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let summary = super::events::summary(tx, &event_id).await?;
                let viewer =
                    access::require_organizer(tx, &rules, &summary.event, token.as_deref()).await?;
                let tally = rsvps::tally(tx, &event_id).await?;
                let rsvps = rsvps::list_all(tx, &event_id).await?;
                Ok(Roster { summary, tally, rsvps, viewer })
            })
        })
        .await
}

/// A guest with all that was written to, by and about them, newest first.
#[derive(Debug, Clone)]
pub struct GuestCard {
    /// The answer.
    pub rsvp: Rsvp,
    /// The messages.
    pub messages: Vec<Message>,
    /// There are earlier ones.
    pub has_earlier: bool,
}

/// One guest after an organizer's act, with all messages about them, newest first.
#[derive(Debug, Clone)]
pub struct GuestChange {
    /// The event.
    pub summary: EventSummary,
    /// The guest.
    pub card: GuestCard,
}

/// Approves, rejects or sets back a guest. A rejection tells the guest `reason`, or a plain
/// sentence.
///
/// Letting a rejected guest back in takes seats again, and is refused as [`Error::Full`] when
/// they are gone; [`force_accept`] passes.
pub async fn decide(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    rsvp_id: &str,
    approval: Approval,
    reason: Option<&str>,
) -> Result<GuestChange, Error> {
    let reason = reason_of(reason)?;
    act(site, event_id, token, rsvp_id, move |tx, site, event, before| {
        Box::pin(async move {
            if before.approval == approval && reason.is_none() {
                // Pressed twice: nothing was decided anew, so there is nothing to record.
                return Ok(());
            }
            let mut rsvp = before.clone();
            rsvp.approval = approval;
            let held = capacity::seats(before.reply, before.approval, before.companions);
            if !answers::seats_for(tx, event, &rsvp, held).await?.0 {
                return Err(Error::Full);
            }
            save(tx, site, &mut rsvp).await?;
            record_decision(tx, site, &rsvp).await?;
            if approval == Approval::Rejected {
                let new = NewMessage {
                    kind: MessageKind::RejectionReason,
                    audience: Audience::Guest,
                    content: reason.unwrap_or_else(|| DEFAULT_REJECTION.to_owned()),
                };
                notes::record(tx, site, &event.id, Some(&rsvp.id), new, rsvp.modified_at).await?;
            }
            Ok(())
        })
    })
    .await
    .map_err(|error| error.counted(&site.metrics))
}

/// Lets a guest come, past the capacity where needed; a message records it.
pub async fn force_accept(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    rsvp_id: &str,
) -> Result<GuestChange, Error> {
    act(site, event_id, token, rsvp_id, |tx, site, event, before| {
        Box::pin(async move {
            let mut rsvp = before.clone();
            rsvp.reply = Reply::Yes;
            rsvp.approval = Approval::Approved;
            let held = capacity::seats(before.reply, before.approval, before.companions);
            let (fits, seated) = answers::seats_for(tx, event, &rsvp, held).await?;
            save(tx, site, &mut rsvp).await?;
            record_decision(tx, site, &rsvp).await?;
            if !fits {
                answers::record_forced(tx, site, event, &rsvp, seated).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Makes a new link for a guest; the old one opens nothing from then on.
pub async fn reissue_link(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    rsvp_id: &str,
) -> Result<(GuestChange, Token), Error> {
    let fresh = Token::generate(&site.entropy);
    let fresh_hash = fresh.hash();
    let change = act(site, event_id, token, rsvp_id, move |tx, _, _, before| {
        Box::pin(async move {
            // The answer itself is as it was, and as old.
            let rsvp = Rsvp { token: fresh_hash, ..before.clone() };
            let kept = rsvps::update(tx, &rsvp).await?;
            if kept { Ok(()) } else { Err(Error::NotFound(Noun::Rsvp)) }
        })
    })
    .await?;
    Ok((change, fresh))
}

/// Removes a guest, named by id or by the guest's token, with all messages about them.
pub async fn remove(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    id_or_token: &str,
) -> Result<Rsvp, Error> {
    let (event_id, token, rules) =
        (event_id.to_owned(), token.map(str::to_owned), site.rules.clone());
    let id_or_token = id_or_token.to_owned();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                access::require_organizer(tx, &rules, &event, token.as_deref()).await?;
                let rsvp = match rsvps::by_id(tx, &event_id, &id_or_token).await? {
                    Some(rsvp) => Some(rsvp),
                    None => rsvps::by_token(tx, &event_id, &hash(&id_or_token)).await?,
                };
                let rsvp = rsvp.ok_or(Error::NotFound(Noun::Rsvp))?;
                rsvps::delete(tx, &rsvp.id).await?;
                Ok(rsvp)
            })
        })
        .await
}

type Step<'t> = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 't>>;

/// Runs `step` on one guest, with the event locked and its organizer recognised.
async fn act<F>(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    rsvp_id: &str,
    step: F,
) -> Result<GuestChange, Error>
where
    F: for<'t> FnOnce(&'t mut Tx, &'t Site, &'t Event, &'t Rsvp) -> Step<'t> + Send + 'static,
{
    let (event_id, token, site_in) = (event_id.to_owned(), token.map(str::to_owned), site.clone());
    let rsvp_id = rsvp_id.to_owned();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                access::require_organizer(tx, &site_in.rules, &event, token.as_deref()).await?;
                let gone = || Error::NotFound(Noun::Rsvp);
                let before = rsvps::by_id(tx, &event_id, &rsvp_id).await?.ok_or_else(gone)?;
                step(tx, &site_in, &event, &before).await?;
                let rsvp = rsvps::by_id(tx, &event_id, &rsvp_id).await?.ok_or_else(gone)?;
                let messages = messages::list_of_rsvp(tx, &rsvp.id).await?;
                let summary = super::events::summary(tx, &event_id).await?;
                Ok(GuestChange { summary, card: GuestCard { rsvp, messages, has_earlier: false } })
            })
        })
        .await
}

async fn save(tx: &mut Tx, site: &Site, rsvp: &mut Rsvp) -> Result<(), Error> {
    rsvp.modified_at = site.clock.now();
    if rsvps::update(tx, rsvp).await? { Ok(()) } else { Err(Error::NotFound(Noun::Rsvp)) }
}

async fn record_decision(tx: &mut Tx, site: &Site, rsvp: &Rsvp) -> Result<(), Error> {
    let new = NewMessage {
        kind: MessageKind::RsvpStatusChange,
        audience: Audience::Organizer,
        content: message::decision_record(rsvp.approval),
    };
    notes::record(tx, site, &rsvp.event_id, Some(&rsvp.id), new, rsvp.modified_at).await?;
    Ok(())
}

/// The reason of a rejection as it is kept; a blank one is none.
fn reason_of(reason: Option<&str>) -> Result<Option<String>, Error> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.chars().count() > CONTENT_MAX) {
        let message = format!("A reason can have at most {CONTENT_MAX} characters.");
        return Err(FieldError::new(Field::Reason, message).into());
    }
    Ok(reason.map(str::to_owned))
}
