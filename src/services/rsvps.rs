//! Answers: giving, changing and taking them back as a guest.

use super::access;
use super::error::Noun;
use super::messages::{self as notes, NewMessage};
use super::touches::BOOST_ANSWER;
use super::{Error, Field, FieldError, Site, webhooks};
use crate::domain::capacity;
use crate::domain::event::{Event, EventSummary};
use crate::domain::id;
use crate::domain::message::{self, Audience, CONTENT_MAX, Message, MessageKind};
use crate::domain::rsvp::{Approval, NAME_MAX, PRONOUNS_MAX, Reply, Rsvp};
use crate::domain::text;
use crate::domain::token::{Token, hash};
use crate::store::db::Tx;
use crate::store::{events, messages, rsvps};

/// All that a guest can set on an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The guest's name.
    pub name: String,
    /// The guest's pronouns.
    pub pronouns: Option<String>,
    /// What the guest says.
    pub reply: Reply,
    /// People beside the guest; clamped into what is allowed.
    pub companions: i64,
    /// Counted, not named.
    pub is_private: bool,
}

impl Answer {
    /// What a guest who saves an untouched form sends.
    #[must_use]
    pub fn of(rsvp: &Rsvp) -> Self {
        Self {
            name: rsvp.name.clone(),
            pronouns: rsvp.pronouns.clone(),
            reply: rsvp.reply,
            companions: rsvp.companions,
            is_private: rsvp.is_private,
        }
    }

    /// The answer as it is kept, or every field that cannot be used. What `before` holds already
    /// may stay as it is: imported names can be longer than what may be written today.
    fn checked(mut self, before: Option<&Rsvp>, max_companions: i64) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let name_kept = before.is_some_and(|rsvp| rsvp.name == self.name);
        if !name_kept {
            self.name = self.name.trim().to_owned();
            if text::is_blank(&self.name) {
                errors.push(FieldError::new(Field::Name, "Tell the host your name."));
            } else if self.name.chars().count() > NAME_MAX {
                let message = format!("A name can have at most {NAME_MAX} characters.");
                errors.push(FieldError::new(Field::Name, message));
            }
        }
        let too_long =
            self.pronouns.as_ref().is_some_and(|text| text.chars().count() > PRONOUNS_MAX);
        if too_long && before.is_none_or(|rsvp| rsvp.pronouns != self.pronouns) {
            let message = format!("Pronouns can have at most {PRONOUNS_MAX} characters.");
            errors.push(FieldError::new(Field::Pronouns, message));
        }
        if before.is_none_or(|rsvp| rsvp.companions != self.companions) {
            self.companions = self.companions.clamp(0, max_companions);
        }
        if errors.is_empty() { Ok(self) } else { Err(Error::Invalid(errors)) }
    }

    fn apply(self, rsvp: &mut Rsvp) {
        rsvp.name = self.name;
        rsvp.pronouns = self.pronouns;
        rsvp.reply = self.reply;
        rsvp.companions = self.companions;
        rsvp.is_private = self.is_private;
    }
}

/// An answer just given, and the one time its guest's token can be read.
#[derive(Debug)]
pub struct Submitted {
    /// The answer.
    pub rsvp: Rsvp,
    /// The guest's token.
    pub token: Token,
}

/// How a new answer gets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// By the rules.
    Ordinary,
    /// Past the capacity and the closing, where this token is an organizer's.
    Forced(Option<String>),
}

/// Gives an answer to an event. `note` is for the host.
///
/// Never more people than the capacity hold a seat: the event is locked while they are counted.
pub async fn submit(
    site: &Site,
    event_id: &str,
    answer: Answer,
    note: Option<&str>,
    entry: Entry,
) -> Result<Submitted, Error> {
    let answer = answer.checked(None, site.rules.max_companions)?;
    let note = note_of(note)?;
    let (event_id, site_in) = (event_id.to_owned(), site.clone());
    let token = Token::generate(&site.entropy);
    let token_hash = token.hash();
    let (rsvp, is_watched) = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let now = site_in.clock.now();
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                let approval =
                    if event.approval_required { Approval::Pending } else { Approval::Approved };
                let rsvp = Rsvp {
                    id: id::row_id(now, &site_in.entropy),
                    event_id: event.id.clone(),
                    token: token_hash,
                    name: answer.name,
                    pronouns: answer.pronouns,
                    reply: answer.reply,
                    approval,
                    companions: answer.companions,
                    is_private: answer.is_private,
                    created_at: now,
                    modified_at: now,
                };
                let forced = admit(tx, &site_in, &event, &rsvp, entry).await?;
                let is_watched = rsvps::insert_watched(tx, &rsvp).await?;
                record_new(tx, &site_in, &rsvp, note).await?;
                if let Some(seated) = forced {
                    record_forced(tx, &site_in, &event, &rsvp, seated).await?;
                }
                if is_watched {
                    webhooks::announce(tx, &site_in, &rsvp).await?;
                }
                Ok::<_, Error>((rsvp, is_watched))
            })
        })
        .await
        .map_err(|error| error.counted(&site.metrics))?;
    if is_watched {
        site.bell.ring();
    }
    site.metrics.answer_given(rsvp.reply);
    site.touches.event(&rsvp.event_id, BOOST_ANSWER);
    Ok(Submitted { rsvp, token })
}

/// Lets a new answer in or refuses it. Answers with the people seated, this guest's included,
/// when an organizer let them in past the capacity.
async fn admit(
    tx: &mut Tx,
    site: &Site,
    event: &Event,
    rsvp: &Rsvp,
    entry: Entry,
) -> Result<Option<i64>, Error> {
    let closed = event.is_closed(site.clock.now());
    let (fits, seated) = seats_for(tx, event, rsvp, 0).await?;
    if !closed && fits {
        return Ok(None);
    }
    match entry {
        Entry::Forced(token) => {
            access::require_organizer(tx, &site.rules, event, token.as_deref()).await?;
            Ok((!fits).then_some(seated))
        }
        Entry::Ordinary if closed => Err(Error::Closed),
        Entry::Ordinary => Err(Error::Full),
    }
}

/// Whether the seats this answer takes are there, given that it holds `held` already; and the
/// people seated with it.
pub(super) async fn seats_for(
    tx: &mut Tx,
    event: &Event,
    rsvp: &Rsvp,
    held: i64,
) -> Result<(bool, i64), Error> {
    let wanted = capacity::seats(rsvp.reply, rsvp.approval, rsvp.companions);
    if event.capacity.is_none() || wanted <= held {
        return Ok((true, 0));
    }
    let others = rsvps::seated(tx, &event.id).await? - held;
    Ok((capacity::fits(event.capacity, others, wanted, held), others + wanted))
}

async fn record_new(
    tx: &mut Tx,
    site: &Site,
    rsvp: &Rsvp,
    note: Option<String>,
) -> Result<(), Error> {
    let created = NewMessage {
        kind: MessageKind::RsvpCreated,
        audience: Audience::Organizer,
        content: message::created_record(rsvp),
    };
    notes::record(tx, site, &rsvp.event_id, Some(&rsvp.id), created, rsvp.created_at).await?;
    record_note(tx, site, rsvp, note).await
}

async fn record_note(
    tx: &mut Tx,
    site: &Site,
    rsvp: &Rsvp,
    note: Option<String>,
) -> Result<(), Error> {
    if let Some(content) = note {
        let new = NewMessage { kind: MessageKind::UserNote, audience: Audience::Guest, content };
        notes::record(tx, site, &rsvp.event_id, Some(&rsvp.id), new, rsvp.modified_at).await?;
    }
    Ok(())
}

/// Records that an organizer let this guest in past the capacity.
pub(super) async fn record_forced(
    tx: &mut Tx,
    site: &Site,
    event: &Event,
    rsvp: &Rsvp,
    seated: i64,
) -> Result<(), Error> {
    let capacity = event.capacity.unwrap_or(0);
    let new = NewMessage {
        kind: MessageKind::ForceAccept,
        audience: Audience::Organizer,
        content: message::force_accept_record(&rsvp.name, seated, capacity),
    };
    notes::record(tx, site, &event.id, Some(&rsvp.id), new, site.clock.now()).await?;
    Ok(())
}

/// A guest's note as it is kept; a blank one is none.
fn note_of(note: Option<&str>) -> Result<Option<String>, Error> {
    let note = note.map(str::trim).filter(|note| !text::is_blank(note));
    if note.is_some_and(|note| note.chars().count() > CONTENT_MAX) {
        let message = format!("A note can have at most {CONTENT_MAX} characters.");
        return Err(FieldError::new(Field::Note, message).into());
    }
    Ok(note.map(str::to_owned))
}

/// A guest's own answer.
#[derive(Debug, Clone)]
pub struct OwnAnswer {
    /// The answer.
    pub rsvp: Rsvp,
    /// The event.
    pub summary: EventSummary,
    /// What host and guest wrote to each other, newest first.
    pub messages: Vec<Message>,
    /// What the host announced to everybody, newest first.
    pub announcements: Vec<Message>,
}

/// The answer that `token` opens. Counts as a visit to the event when `by_person`.
pub async fn view_own(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    by_person: bool,
) -> Result<OwnAnswer, Error> {
    let (event_id, token) = (event_id.to_owned(), token.map(str::to_owned));
    let own = site
        .db
        .read(move |tx| {
            Box::pin(async move {
                let rsvp = own(tx, &event_id, token.as_deref()).await?;
                own_answer(tx, rsvp).await
            })
        })
        .await?;
    if by_person {
        super::events::count_visit(site, &own.summary);
    }
    Ok(own)
}

/// An answer with all that its guest may read beside it.
async fn own_answer(tx: &mut Tx, rsvp: Rsvp) -> Result<OwnAnswer, Error> {
    let summary = super::events::summary(tx, &rsvp.event_id).await?;
    let messages = conversation(tx, &rsvp.id).await?;
    let announcements = messages::list_public(tx, &rsvp.event_id).await?;
    Ok(OwnAnswer { rsvp, summary, messages, announcements })
}

/// The answer that `token` opens at this event.
pub(super) async fn own(tx: &mut Tx, event_id: &str, token: Option<&str>) -> Result<Rsvp, Error> {
    if events::by_id(tx, event_id).await?.is_none() {
        return Err(Error::NotFound(Noun::Event));
    }
    let hash = hash(token.ok_or(Error::MissingToken)?);
    rsvps::by_token(tx, event_id, &hash).await?.ok_or(Error::NotFound(Noun::Rsvp))
}

/// What a guest may read of the messages about their answer, newest first.
pub(super) async fn conversation(tx: &mut Tx, rsvp_id: &str) -> Result<Vec<Message>, Error> {
    let mut messages = messages::list_of_rsvp(tx, rsvp_id).await?;
    messages.retain(|message| message.audience == Audience::Guest);
    Ok(messages)
}

/// Changes the answer that `token` opens. `change` receives what is there and returns what shall
/// be there; it runs inside the transaction, so it must be quick and pure. Seats held stay held
/// when the change is refused; the host's decision stays.
pub async fn edit_own(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    note: Option<&str>,
    change: impl FnOnce(Answer) -> Answer + Send + 'static,
) -> Result<OwnAnswer, Error> {
    let note = note_of(note)?;
    let (event_id, token, site_in) = (event_id.to_owned(), token.map(str::to_owned), site.clone());
    let own = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                let before = own(tx, &event_id, token.as_deref()).await?;
                let mut rsvp = before.clone();
                change(Answer::of(&before))
                    .checked(Some(&before), site_in.rules.max_companions)?
                    .apply(&mut rsvp);
                let held = capacity::seats(before.reply, before.approval, before.companions);
                if !seats_for(tx, &event, &rsvp, held).await?.0 {
                    return Err(Error::Full);
                }
                if rsvp != before || note.is_some() {
                    rsvp.modified_at = site_in.clock.now();
                    if !rsvps::update(tx, &rsvp).await? {
                        return Err(Error::NotFound(Noun::Rsvp));
                    }
                    record_note(tx, &site_in, &rsvp, note).await?;
                }
                own_answer(tx, rsvp).await
            })
        })
        .await
        .map_err(|error| error.counted(&site.metrics))?;
    site.touches.event(&own.rsvp.event_id, BOOST_ANSWER);
    Ok(own)
}

/// Takes back the answer that `token` opens, with its messages.
pub async fn withdraw(site: &Site, event_id: &str, token: Option<&str>) -> Result<(), Error> {
    let (event_id, token) = (event_id.to_owned(), token.map(str::to_owned));
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let rsvp = own(tx, &event_id, token.as_deref()).await?;
                rsvps::delete(tx, &rsvp.id).await?;
                Ok(())
            })
        })
        .await
}
