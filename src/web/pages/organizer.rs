//! The organizer's page and all that can be done there.

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::guests::{guest_list, guest_row};
use super::webhooks::webhook_list;
use super::{event_form, for_form, form_fields, is_new, page_number, render, see_other, show};
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::message::{Audience, MessageKind};
use crate::domain::rsvp::{Approval, Reply, Tally};
use crate::domain::text::{clean_block, clean_line};
use crate::services::desk::{self, Desk, Shown, Sight};
use crate::services::messages::{self, NewMessage};
use crate::services::{Error, Site, events};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::when;
use crate::web::views::create::CreatedPage;
use crate::web::views::deleted::DeletedPage;
use crate::web::views::forms::{EventForm, MessageForm};
use crate::web::views::guests::Numbers;
use crate::web::views::organizer::{FreshLink, OrganizerPage};
use crate::web::views::parts::{EventFacts, KeepLink, MessageView};

/// The token and the address of an organizer's page, and what is looked at there.
pub(super) struct Place {
    pub(super) event: String,
    pub(super) token: String,
    pub(super) base: String,
    pub(super) sight: Sight,
}

impl Place {
    pub(super) fn of(request: &Request) -> Self {
        let event = path_param(request, "event_id").to_owned();
        let token = path_param(request, "token").to_owned();
        let word = |name| request.query::<String>(name).unwrap_or_default();
        Self {
            base: format!("/e/{event}/admin/{token}"),
            sight: Sight {
                shown: Shown::lenient(word("show").trim()),
                query: clean_line(&word("q")),
                page: page_number(request),
                whole: word("guest"),
            },
            event,
            token,
        }
    }

    pub(super) async fn desk(&self, site: &Site) -> Result<Desk, Error> {
        let (token, per_page) = (Some(self.token.as_str()), site.rules.admin_rows_per_page);
        desk::view(site, &self.event, token, &self.sight, per_page).await
    }

    /// What the address says about the list: `?show=waiting&q=ana&page=2`, or nothing.
    pub(super) fn address(&self) -> String {
        self.address_with(&self.sight.whole)
    }

    /// As [`Place::address`], with everything that was written about this guest; blank is none.
    pub(super) fn address_with(&self, guest: &str) -> String {
        let address = self.address_of(self.sight.shown, self.sight.page);
        if guest.is_empty() {
            return address;
        }
        let join = if address.is_empty() { '?' } else { '&' };
        let guest = url::form_urlencoded::byte_serialize(guest.as_bytes()).collect::<String>();
        format!("{address}{join}guest={guest}")
    }

    /// As [`Place::address`], with another group and page of what is searched for.
    pub(super) fn address_of(&self, shown: Shown, page: i64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if shown != Shown::All {
            query.append_pair("show", shown.as_str());
        }
        if !self.sight.query.is_empty() {
            query.append_pair("q", &self.sight.query);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
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

/// Makes a new link for the host who lost theirs, as the instance owner, and shows it once.
#[handler]
pub async fn reissue_link(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let (site, client, place) = (site(depot)?, ClientInfo::of(depot), Place::of(request));
    let token = events::reissue_link(site, &place.event, &place.token).await?;
    let url = client.absolute(&format!("/e/{}/admin/{}", place.event, token.reveal()));
    let desk = place.desk(site).await?;
    let mut page = organizer_page(site, &client, &place, &desk);
    page.fresh_link = Some(FreshLink {
        name: "the host".to_owned(),
        link: KeepLink::new("fresh-link", "Copy the host’s link", &url),
    });
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

/// The page, as it stands.
pub(super) fn organizer_page(
    site: &Site,
    client: &ClientInfo,
    place: &Place,
    desk: &Desk,
) -> OrganizerPage {
    let (summary, now) = (&desk.summary, site.clock.now());
    let calendar_href = format!("{}/event.ics", place.base);
    let facts = EventFacts { calendar_href, ..show::facts(summary, desk.viewer, now) };
    let (share, key) =
        OrganizerPage::links(&client.absolute(&facts.href), &client.absolute(&place.base));
    let per_page = site.rules.admin_rows_per_page;
    let (answers, heads) = desk.tally.sum(|_| true);
    let list = format!("{}{}", place.base, place.address_of(place.sight.shown, 1));
    OrganizerPage {
        base: place.base.clone(),
        numbers: numbers(summary, &desk.tally),
        list: guest_list(desk, place),
        guests: desk.guests.iter().map(|card| guest_row(card, summary, place, now)).collect(),
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
        // The key in the address is the site's: it is not shown as this event's.
        key: (desk.viewer == Viewer::Organizer).then_some(key),
        deletes: OrganizerPage::deletes(answers, heads),
        webhooks: desk.webhooks.as_ref().map(|sent| webhook_list(sent, now)),
        fresh_link: None,
        notice: None,
        facts,
    }
}

/// The people of an event.
pub(super) fn numbers(summary: &EventSummary, tally: &Tally) -> Numbers {
    Numbers {
        coming: tally.approved(Reply::Yes).1,
        maybe: tally.approved(Reply::Maybe).1,
        cannot: tally.approved(Reply::No).1,
        waiting: tally.with_approval(Approval::Pending).1,
        places: summary.event.capacity,
        left: summary.seats_left(),
        asks_approval: summary.event.approval_required,
    }
}
