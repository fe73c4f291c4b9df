//! The organizer's page and all that can be done there.

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::{event_form, for_form, form_fields, is_new, page_number, render, see_other, show};
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::message::{Audience, MessageKind};
use crate::domain::rsvp::{Approval, Reply, Tally};
use crate::domain::text::clean_block;
use crate::services::guests::{self, Desk, GuestCard};
use crate::services::messages::{self, NewMessage};
use crate::services::{Error, Site, events};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::{relative, when};
use crate::web::views::create::CreatedPage;
use crate::web::views::deleted::DeletedPage;
use crate::web::views::forms::{EventForm, MessageForm};
use crate::web::views::organizer::{FreshLink, GuestRow, Numbers, OrganizerPage};
use crate::web::views::parts::{EventFacts, KeepLink, Link, MessageView};

/// The token and the address of an organizer's page.
struct Place {
    event: String,
    token: String,
    base: String,
    filter: Option<Approval>,
    page: i64,
}

impl Place {
    fn of(request: &Request) -> Self {
        let event = path_param(request, "event_id").to_owned();
        let token = path_param(request, "token").to_owned();
        Self {
            base: format!("/e/{event}/admin/{token}"),
            filter: request.query::<String>("show").and_then(|word| Approval::from_stored(&word)),
            page: page_number(request),
            event,
            token,
        }
    }

    async fn desk(&self, site: &Site) -> Result<Desk, Error> {
        let (token, per_page) = (Some(self.token.as_str()), site.rules.admin_rows_per_page);
        guests::desk(site, &self.event, token, self.filter, self.page, per_page).await
    }
}

/// Shows the organizer's page; right after the event was made, its two links.
#[handler]
pub async fn show_organizer(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let (site, client, place) = (site(depot)?, ClientInfo::of(depot), Place::of(request));
    let desk = place.desk(site).await?;
    if !is_new(request) {
        return render(response, &organizer_page(site, &client, &place, &desk));
    }
    let event = &desk.summary.event;
    let page = CreatedPage::new(
        &event.title,
        when(event.starts_at, event.ends_at, &event.zone, site.clock.now()),
        &client.absolute(&format!("/e/{}", event.id)),
        &client.absolute(&place.base),
    );
    render(response, &page)
}

/// Edits the event.
#[handler]
pub async fn update_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let fields = form_fields(request).await?;
    let form = EventForm::read(&fields);
    let (site, client, place) = (site(depot)?, ClientInfo::of(depot), Place::of(request));
    // A form without a revision is an old script's: the last one to save wins, as it always did.
    let revision = form.revision.trim().parse().ok();
    let (typed, offset) = (form.clone(), fields("timezone_offset_minutes"));
    let change = move |before| event_form::details(&typed, offset, Some(&before));
    let saved = events::edit(site, &place.event, Some(&place.token), revision, change).await;
    let error = saved.err();
    let desk = place.desk(site).await?;
    let mut page = organizer_page(site, &client, &place, &desk);
    match error {
        None => page.notice = Some("Saved.".to_owned()),
        Some(Error::Conflict) => {
            response.status_code(StatusCode::CONFLICT);
            let message = "Somebody else changed the event while you were editing. What you typed \
                           is still here: look it over and save again to replace their change.";
            let errors = vec![("title", message.to_owned())];
            page.edit = EventForm { revision: page.edit.revision, errors, ..form };
        }
        Some(error) => {
            let (status, errors) = for_form(error)?;
            response.status_code(status);
            page.edit = EventForm { errors, ..form };
        }
    }
    render(response, &page)
}

/// Deletes the event.
#[handler]
pub async fn delete_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let place = Place::of(request);
    events::delete(site(depot)?, &place.event, Some(&place.token)).await?;
    render(response, &DeletedPage::event())
}

/// Announces something, or notes it for the hosts.
#[handler]
pub async fn create_message(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let fields = form_fields(request).await?;
    let (site, client, place) = (site(depot)?, ClientInfo::of(depot), Place::of(request));
    let word = |name| fields(name).unwrap_or_default().trim().to_lowercase();
    let audience = match word("visibility").as_str() {
        "admin" => Audience::Organizer,
        _ => Audience::Public,
    };
    let kind = match (word("message_type").as_str(), audience) {
        ("event_internal", _) | ("", Audience::Organizer) => MessageKind::EventInternal,
        _ => MessageKind::EventUpdate,
    };
    let typed = fields("content").unwrap_or_default();
    let new = NewMessage { kind, audience, content: clean_block(&typed) };
    match messages::post_to_event(site, &place.event, Some(&place.token), new).await {
        Ok(_) => see_other(response, &format!("{}#messages", place.base)),
        Err(error) => {
            let (status, errors) = for_form(error)?;
            let desk = place.desk(site).await?;
            let mut page = organizer_page(site, &client, &place, &desk);
            let is_internal = audience == Audience::Organizer;
            page.message = MessageForm { content: typed, is_internal, errors };
            response.status_code(status);
            render(response, &page)
        }
    }
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
    let (site, client, place) = (site(depot)?, ClientInfo::of(depot), Place::of(request));
    let rsvp = path_param(request, "rsvp_id").to_owned();
    let text = |name| clean_block(&fields(name).unwrap_or_default());
    let (event, token) = (place.event.as_str(), Some(place.token.as_str()));
    let decide = async |approval, reason: Option<&str>| {
        guests::decide(site, event, token, &rsvp, approval, reason).await.map(drop)
    };
    let write = async |kind, audience| {
        let new = NewMessage { kind, audience, content: text("content") };
        messages::post_to_guest(site, event, token, &rsvp, new).await.map(drop)
    };
    let done = match path_param(request, "action") {
        "approve" => decide(Approval::Approved, None).await,
        "reject" => decide(Approval::Rejected, Some(&text("reason"))).await,
        "pending" => decide(Approval::Pending, None).await,
        "force_accept" => guests::force_accept(site, event, token, &rsvp).await.map(drop),
        "note" => write(MessageKind::AdminNote, Audience::Organizer).await,
        "message" => write(MessageKind::AdminMessage, Audience::Guest).await,
        "delete" => guests::remove(site, event, token, &rsvp).await.map(drop),
        "link" => return show_fresh_link(response, site, &client, &place, &rsvp).await,
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.")),
    };
    match done {
        Ok(()) => see_other(response, &format!("{}#guests", place.base)),
        Err(error) => refuse_on_page(response, site, &client, &place, error).await,
    }
}

/// Says on the page why an act was refused.
async fn refuse_on_page(
    response: &mut Response,
    site: &Site,
    client: &ClientInfo,
    place: &Place,
    error: Error,
) -> Result<(), Problem> {
    let (status, sentence) = match error {
        Error::Full => {
            let sentence = "There is no place left for them. “Let in anyway” passes the limit.";
            (StatusCode::BAD_REQUEST, sentence.to_owned())
        }
        other => {
            let (status, errors) = for_form(other)?;
            let sentences: Vec<_> = errors.into_iter().map(|(_, message)| message).collect();
            (status, sentences.join(" "))
        }
    };
    let desk = place.desk(site).await?;
    let mut page = organizer_page(site, client, place, &desk);
    page.notice = Some(sentence);
    response.status_code(status);
    render(response, &page)
}

async fn show_fresh_link(
    response: &mut Response,
    site: &Site,
    client: &ClientInfo,
    place: &Place,
    rsvp: &str,
) -> Result<(), Problem> {
    let (change, token) =
        guests::reissue_link(site, &place.event, Some(&place.token), rsvp).await?;
    let url = client.absolute(&format!("/e/{}/rsvp/{}", place.event, token.reveal()));
    let desk = place.desk(site).await?;
    let mut page = organizer_page(site, client, place, &desk);
    page.fresh_link = Some(FreshLink {
        name: change.card.rsvp.name,
        link: KeepLink::new("fresh-link", "Copy their link", &url),
    });
    render(response, &page)
}

fn organizer_page(site: &Site, client: &ClientInfo, place: &Place, desk: &Desk) -> OrganizerPage {
    let (summary, now) = (&desk.summary, site.clock.now());
    let calendar_href = format!("{}/event.ics", place.base);
    let facts = EventFacts { calendar_href, ..show::facts(summary, desk.viewer, now) };
    let (share, key) =
        OrganizerPage::links(&client.absolute(&facts.href), &client.absolute(&place.base));
    let per_page = site.rules.admin_rows_per_page;
    let list = place
        .filter
        .map_or_else(|| place.base.clone(), |approval| format!("{}?show={approval}", place.base));
    OrganizerPage {
        base: place.base.clone(),
        numbers: numbers(summary, &desk.tally),
        asks_approval: summary.event.approval_required,
        filters: filters(&desk.tally, place),
        guests: desk.guests.iter().map(|card| guest_row(card, summary, now)).collect(),
        pages: show::pages(&list, desk.page, per_page, desk.total),
        announcements: desk
            .messages
            .iter()
            .map(|message| {
                let shown = show::message(message, &summary.event.zone, Some(""));
                let is_hidden = message.audience == Audience::Organizer;
                let kind = if is_hidden { "Only for hosts" } else { "" }.to_owned();
                MessageView { kind, ..shown }
            })
            .collect(),
        message: MessageForm::default(),
        edit: event_form::filled(summary, now),
        share,
        // The instance owner's own link opens everything: it is not handed on.
        key: (desk.viewer == Viewer::Organizer).then_some(key),
        deletes: OrganizerPage::deletes(desk.tally.sum(|_| true).0),
        fresh_link: None,
        notice: None,
        facts,
    }
}

fn numbers(summary: &EventSummary, tally: &Tally) -> Numbers {
    Numbers {
        coming: tally.approved(Reply::Yes).1,
        maybe: tally.approved(Reply::Maybe).1,
        cannot: tally.approved(Reply::No).1,
        waiting: tally.with_approval(Approval::Pending).1,
        places: summary.event.capacity,
        left: summary.seats_left(),
    }
}

/// One link for each state that occurs, with its answers.
fn filters(tally: &Tally, place: &Place) -> Vec<Link> {
    let link = |label: &str, approval: Option<Approval>, answers: i64| Link {
        href: approval.map_or_else(
            || format!("{}#guests", place.base),
            |approval| format!("{}?show={approval}#guests", place.base),
        ),
        label: format!("{label} {answers}"),
        is_current: place.filter == approval,
    };
    let mut links = vec![link("All", None, tally.sum(|_| true).0)];
    for (label, approval) in [
        ("Waiting", Approval::Pending),
        ("Approved", Approval::Approved),
        ("Declined", Approval::Rejected),
    ] {
        let (answers, _) = tally.with_approval(approval);
        if answers > 0 || place.filter == Some(approval) {
            links.push(link(label, Some(approval), answers));
        }
    }
    // A single state beside "All" filters nothing.
    if links.len() == 2 && place.filter.is_none() {
        links.clear();
    }
    links
}

fn guest_row(card: &GuestCard, summary: &EventSummary, now: jiff::Timestamp) -> GuestRow {
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
        offers_pending: event.approval_required,
        offers_force: !has_seat && summary.seats_left().is_some_and(|left| left < rsvp.people()),
        is_open: false,
    }
}
