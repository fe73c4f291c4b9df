//! What the organizer does about one guest: as a plain form, which leads back to the page, and as
//! a fragment for `HX-Request: true`, which holds what changed there.

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::organizer::{Place, numbers, organizer_page};
use super::{for_form, form_fields, render, see_other, show};
use crate::domain::event::EventSummary;
use crate::domain::message::{Audience, MessageKind};
use crate::domain::rsvp::{Approval, Reply, Tally};
use crate::domain::text::clean_block;
use crate::domain::token::Token;
use crate::services::desk::{self, Desk, Shown};
use crate::services::error::Noun;
use crate::services::guests::{self, GuestCard};
use crate::services::messages::{self, NewMessage};
use crate::services::{Error, Site};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::relative;
use crate::web::views::guests::{GuestChange, GuestList, GuestRow, Refused};
use crate::web::views::organizer::FreshLink;
use crate::web::views::parts::{KeepLink, Link};

/// Fewer guests than this are found by looking.
const SEARCHABLE: i64 = 8;

/// What can be done about a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Approve,
    Reject,
    SetBack,
    ForceAccept,
    Note,
    Message,
    Remove,
    Reissue,
}

impl Act {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "approve" => Self::Approve,
            "reject" => Self::Reject,
            "pending" => Self::SetBack,
            "force_accept" => Self::ForceAccept,
            "note" => Self::Note,
            "message" => Self::Message,
            "delete" => Self::Remove,
            "link" => Self::Reissue,
            _ => return None,
        })
    }

    /// What was done to whom, in a sentence.
    fn said(self, name: &str) -> String {
        match self {
            Self::Approve => format!("You said yes to {name}."),
            Self::Reject => format!("You declined {name}."),
            Self::SetBack => format!("{name} waits for you again."),
            Self::ForceAccept => format!("{name} has a place now."),
            Self::Note => format!("Your note about {name} is kept."),
            Self::Message => format!("{name} can read your message now."),
            Self::Remove => format!("{name} is removed."),
            Self::Reissue => format!("Here is a new link for {name}. The old one no longer works."),
        }
    }
}

/// One guest of one event, and what was typed about them.
struct Target<'r> {
    site: &'r Site,
    client: ClientInfo,
    place: Place,
    rsvp: String,
    act: Act,
    word: String,
    typed: String,
}

/// What an act left behind beside the guest's card.
#[derive(Default)]
struct Done {
    /// The name of a guest who is gone.
    removed: Option<String>,
    /// The token of a new link.
    token: Option<Token>,
}

/// Does something about one guest: approve, reject, set back, let in, note, write, remove, or
/// make a new link.
#[handler]
pub async fn act_on_guest(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let fields = form_fields(request).await?;
    let word = path_param(request, "action").to_owned();
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.");
    let act = Act::of(&word).ok_or_else(nothing)?;
    let field = if act == Act::Reject { "reason" } else { "content" };
    let target = Target {
        site: site(depot)?,
        client: ClientInfo::of(depot),
        place: Place::of(request),
        rsvp: path_param(request, "rsvp_id").to_owned(),
        act,
        word,
        typed: fields(field).unwrap_or_default(),
    };
    let done = target.run().await;
    let is_fragment = request.headers().get("hx-request").is_some_and(|value| value == "true");
    match done {
        done if is_fragment => target.answer_fragment(response, done).await,
        Ok(Done { token: Some(token), .. }) => target.show_fresh_link(response, &token).await,
        Ok(_) => {
            let place = &target.place;
            let goal = match act {
                Act::Note | Act::Message => format!("guest-{}", target.rsvp),
                _ => "guests".to_owned(),
            };
            see_other(response, &format!("{}{}#{goal}", place.base, place.address()))
        }
        Err(error) => target.refuse_on_page(response, error).await,
    }
}

impl Target<'_> {
    async fn run(&self) -> Result<Done, Error> {
        let (site, rsvp) = (self.site, self.rsvp.as_str());
        let (event, token) = (self.place.event.as_str(), Some(self.place.token.as_str()));
        let text = clean_block(&self.typed);
        let decide = async |approval, reason: Option<&str>| {
            guests::decide(site, event, token, rsvp, approval, reason).await.map(drop)
        };
        let write = async |kind, audience, content| {
            let new = NewMessage { kind, audience, content };
            messages::post_to_guest(site, event, token, rsvp, new).await.map(drop)
        };
        match self.act {
            Act::Approve => decide(Approval::Approved, None).await?,
            Act::Reject => decide(Approval::Rejected, Some(&text)).await?,
            Act::SetBack => decide(Approval::Pending, None).await?,
            Act::ForceAccept => guests::force_accept(site, event, token, rsvp).await.map(drop)?,
            Act::Note => write(MessageKind::AdminNote, Audience::Organizer, text).await?,
            Act::Message => write(MessageKind::AdminMessage, Audience::Guest, text).await?,
            Act::Remove => {
                let removed = guests::remove(site, event, token, rsvp).await?;
                return Ok(Done { removed: Some(removed.name), token: None });
            }
            Act::Reissue => {
                let (_, fresh) = guests::reissue_link(site, event, token, rsvp).await?;
                return Ok(Done { removed: None, token: Some(fresh) });
            }
        }
        Ok(Done::default())
    }

    fn fresh_link(&self, id: &str, token: &Token) -> KeepLink {
        let path = format!("/e/{}/rsvp/{}", self.place.event, token.reveal());
        KeepLink::new(id, "Copy their link", &self.client.absolute(&path))
    }

    async fn beside(&self) -> Result<Desk, Error> {
        let token = Some(self.place.token.as_str());
        desk::beside(self.site, &self.place.event, token, &self.place.sight, &self.rsvp).await
    }

    /// The changed card, or its removal, and the numbers.
    async fn answer_fragment(
        &self,
        response: &mut Response,
        done: Result<Done, Error>,
    ) -> Result<(), Problem> {
        let (done, refusal) = match done {
            Ok(done) => (done, None),
            // Somebody else removed the guest meanwhile: the card goes too.
            Err(Error::NotFound(Noun::Rsvp)) => {
                let sentence = "This answer is no longer there.".to_owned();
                (Done::default(), Some((StatusCode::NOT_FOUND, sentence)))
            }
            Err(error) => (Done::default(), Some(refusal(error)?)),
        };
        let desk = self.beside().await?;
        let now = self.site.clock.now();
        let mut guest =
            desk.guests.first().map(|card| guest_row(card, &desk.summary, &self.place, now));
        if let Some(row) = &mut guest {
            row.fresh = done
                .token
                .map(|token| self.fresh_link(&format!("fresh-link-{}", self.rsvp), &token));
            row.refused = refusal.as_ref().map(|(_, sentence)| self.refused(sentence));
        }
        let name = done.removed.or_else(|| guest.as_ref().map(|row| row.name.clone()));
        let said = match &refusal {
            Some((status, sentence)) => {
                response.status_code(*status);
                sentence.clone()
            }
            None => self.act.said(&name.unwrap_or_default()),
        };
        let change = GuestChange {
            base: self.place.base.clone(),
            id: self.rsvp.clone(),
            guest,
            numbers: numbers(&desk.summary, &desk.tally),
            list: guest_list(&desk, &self.place),
            said,
            is_refused: refusal.is_some(),
        };
        render(response, &change)
    }

    fn refused(&self, sentence: &str) -> Refused {
        Refused {
            action: self.word.clone(),
            typed: self.typed.clone(),
            sentence: sentence.to_owned(),
        }
    }

    /// Says on the page why an act was refused, with what was typed at its place.
    async fn refuse_on_page(&self, response: &mut Response, error: Error) -> Result<(), Problem> {
        let (status, sentence) = refusal(error)?;
        let desk = self.place.desk(self.site).await?;
        let mut page = organizer_page(self.site, &self.client, &self.place, &desk);
        if !page.guests.iter().any(|row| row.id == self.rsvp) {
            let beside = self.beside().await?;
            let now = self.site.clock.now();
            let row = |card| guest_row(card, &beside.summary, &self.place, now);
            page.guests.splice(0..0, beside.guests.iter().map(row));
        }
        if let Some(row) = page.guests.iter_mut().find(|row| row.id == self.rsvp) {
            row.refused = Some(self.refused(&sentence));
        }
        page.notice = Some(sentence);
        response.status_code(status);
        render(response, &page)
    }

    async fn show_fresh_link(&self, response: &mut Response, token: &Token) -> Result<(), Problem> {
        let name = self.beside().await?.guests.pop().map(|card| card.rsvp.name);
        let desk = self.place.desk(self.site).await?;
        let mut page = organizer_page(self.site, &self.client, &self.place, &desk);
        page.fresh_link = Some(FreshLink {
            name: name.unwrap_or_default(),
            link: self.fresh_link("fresh-link", token),
        });
        render(response, &page)
    }
}

/// What a refused act means here: status and sentence.
fn refusal(error: Error) -> Result<(StatusCode, String), Problem> {
    if matches!(error, Error::Full) {
        let sentence = "There is no place left for them. “Let in anyway” passes the limit.";
        return Ok((StatusCode::BAD_REQUEST, sentence.to_owned()));
    }
    let (status, errors) = for_form(error)?;
    let sentences: Vec<_> = errors.into_iter().map(|(_, message)| message).collect();
    Ok((status, sentences.join(" ")))
}

/// Which guests the list shows, and what else it could show.
pub(super) fn guest_list(desk: &Desk, place: &Place) -> GuestList {
    let sight = &place.sight;
    let (shown, query) = (sight.shown, sight.query.trim());
    let of_shown = |tally: &Tally| tally.sum(|line| shown.includes(line.approval, line.reply));
    let (all, _) = desk.tally.sum(|_| true);
    let is_narrowed = shown != Shown::All || !query.is_empty();
    let (answers, people) = of_shown(&desk.found);
    GuestList {
        address: place.address(),
        filters: filters(&desk.found, place),
        shown: (shown != Shown::All).then(|| shown.as_str()),
        query: query.to_owned(),
        offers_search: all >= SEARCHABLE || !query.is_empty(),
        found: if is_narrowed || all >= SEARCHABLE {
            GuestList::found_words(answers, people)
        } else {
            String::new()
        },
        all_href: if is_narrowed { format!("{}#guests", place.base) } else { String::new() },
    }
}

/// One link for each group that occurs, with its people.
fn filters(found: &Tally, place: &Place) -> Vec<Link> {
    let mut links = Vec::new();
    for (shown, label) in [
        (Shown::All, "All"),
        (Shown::Waiting, "Waiting"),
        (Shown::Coming, "Coming"),
        (Shown::Maybe, "Maybe"),
        (Shown::Cannot, "Can’t come"),
        (Shown::Rejected, "Declined"),
    ] {
        let (answers, people) = found.sum(|line| shown.includes(line.approval, line.reply));
        let is_current = place.sight.shown == shown;
        if answers > 0 || is_current || shown == Shown::All {
            let href = format!("{}{}#guests", place.base, place.address_of(shown, 1));
            links.push(Link { href, label: format!("{label} {people}"), is_current });
        }
    }
    // A single group beside "All" filters nothing.
    if links.len() <= 2 && place.sight.shown == Shown::All {
        links.clear();
    }
    links
}

/// A guest as the host sees them.
pub(super) fn guest_row(
    card: &GuestCard,
    summary: &EventSummary,
    place: &Place,
    now: jiff::Timestamp,
) -> GuestRow {
    let (rsvp, event) = (&card.rsvp, &summary.event);
    let has_seat = rsvp.reply == Reply::Yes && rsvp.approval != Approval::Rejected;
    let told = |kind: MessageKind| kind != MessageKind::RsvpCreated;
    GuestRow {
        id: rsvp.id.clone(),
        name: rsvp.name.clone(),
        pronouns: rsvp.pronouns.clone().filter(|pronouns| !pronouns.is_empty()),
        reply: rsvp.reply,
        approval: rsvp.approval,
        companions: rsvp.companions,
        is_private: rsvp.is_private,
        answered: relative(rsvp.modified_at, now),
        iso: crate::domain::time::rfc3339(rsvp.modified_at),
        messages: card
            .messages
            .iter()
            .rev()
            .filter(|message| told(message.kind))
            .map(|message| show::message(message, &event.zone, Some(&rsvp.name)))
            .collect(),
        earlier_href: if card.has_earlier && place.sight.whole != rsvp.id {
            format!("{}{}#guest-{}", place.base, place.address_with(&rsvp.id), rsvp.id)
        } else {
            String::new()
        },
        offers_pending: event.approval_required,
        offers_force: !has_seat && summary.seats_left().is_some_and(|left| left < rsvp.people()),
        refused: None,
        fresh: None,
    }
}
