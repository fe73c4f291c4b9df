//! The event's page.

use salvo::{Depot, Request, Response, handler};

use super::rendered::Page;
use super::{
    event_form, for_form, form_fields, guard, render, rendered, see_other, sharing, show, show_html,
};
use crate::domain::event::Viewer;
use crate::domain::rsvp::{Approval, Reply, Rsvp};
use crate::services::Site;
use crate::services::events::{self, EventView};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::markdown;
use crate::web::views::answer::AnswerPage;
use crate::web::views::create::CreatePage;
use crate::web::views::event::{EventPage, GuestName, WhoComes};
use crate::web::views::forms::{AnswerForm, EventForm};
use crate::web::views::parts::KeepLink;

/// Most guests that the page of an event names.
pub(super) const NAMES: i64 = 200;

/// Shows an event with the form that answers it.
#[handler]
pub async fn show_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let id = path_param(request, "event_id");
    let address = client.absolute(&format!("/e/{id}"));
    let make = async || {
        let view = events::look(site, id, NAMES).await?;
        let page = event_page(site, &client, &view, new_answer(site));
        Page::render(&page, Some(view.summary))
    };
    let page = rendered(depot)?.page(address, site, make).await?;
    if let Some(event) = page.event.filter(|_| client.is_person()) {
        events::count_visit(site, &event);
    }
    show_html(response, page.html);
    Ok(())
}

/// Shows the form that answers an event on a page of its own.
#[handler]
pub async fn show_answer_form(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let by_person = ClientInfo::of(depot).is_person();
    let id = path_param(request, "event_id");
    let (summary, viewer) = events::glance(site, id, None, by_person).await?;
    let now = site.clock.now();
    let page = AnswerPage {
        facts: show::facts(&summary, viewer, now),
        answer: show::answer_block(&summary, &site.rules, new_answer(site), now),
    };
    render(response, &page)
}

/// Shows the form that makes an event.
#[handler]
pub async fn show_create_form(depot: &mut Depot, response: &mut Response) -> Result<(), Problem> {
    let site = site(depot)?;
    let started = site.limits.stamp(site.clock.now());
    let form = EventForm { timezone: "UTC".to_owned(), started, ..EventForm::default() };
    render(response, &CreatePage { form })
}

/// Makes an event; then its organizer's page, which shows the two links once.
#[handler]
pub async fn create_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let fields = form_fields(request).await?;
    let mut form = EventForm::read(&fields);
    let site = site(depot)?;
    let guarded = guard::check(site, &fields, &mut form.started);
    let offset = fields("timezone_offset_minutes");
    let made = match guarded.and_then(|()| event_form::details(&form, offset, None)) {
        Ok(details) => events::create(site, details).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            let (id, token) = (&made.summary.event.id, made.token.reveal());
            see_other(response, &format!("/e/{id}/admin/{token}?new=1"))
        }
        Err(error) => {
            let (status, errors) = for_form(error)?;
            form.errors = errors;
            response.status_code(status);
            render(response, &CreatePage { form })
        }
    }
}

/// An empty form for an answer.
fn new_answer(site: &Site) -> AnswerForm {
    AnswerForm { started: site.limits.stamp(site.clock.now()), ..AnswerForm::default() }
}

/// The page of an event, with what was typed into its form.
pub(super) fn event_page(
    site: &Site,
    client: &ClientInfo,
    view: &EventView,
    form: AnswerForm,
) -> EventPage {
    let (summary, now) = (&view.summary, site.clock.now());
    let facts = show::facts(summary, Viewer::Public, now);
    let url = client.absolute(&facts.href);
    let image_url = client.absolute("/icon-512.png");
    EventPage {
        preview: sharing::preview(summary, &facts),
        json_ld: sharing::json_ld(summary, &facts, &url, &image_url),
        share: KeepLink::new("share-link", "Copy the link", &url).shared_as(&facts.title),
        image_url,
        answer: show::answer_block(summary, &site.rules, form, now),
        description_html: summary.event.description.as_deref().map(markdown).unwrap_or_default(),
        who: who_comes(view),
        announcements: view
            .announcements
            .iter()
            .map(|message| show::message(message, &summary.event.zone, None))
            .collect(),
        facts,
    }
}

fn who_comes(view: &EventView) -> WhoComes {
    let with = |reply| {
        let named = |rsvp: &&Rsvp| rsvp.reply == reply;
        view.guests.iter().filter(named).map(guest_name).collect()
    };
    let (_, maybe) = view.tally.approved(Reply::Maybe);
    let (_, unnamed) = view.tally.sum(|line| {
        line.approval == Approval::Approved && line.is_private && line.reply != Reply::No
    });
    let capacity = view.summary.event.capacity;
    let (named, _) = view.tally.sum(|line| {
        line.approval == Approval::Approved && !line.is_private && line.reply != Reply::No
    });
    WhoComes {
        more: (named - i64::try_from(view.guests.len()).unwrap_or(i64::MAX)).max(0),
        coming: view.tally.approved(Reply::Yes).1,
        maybe,
        coming_names: with(Reply::Yes),
        maybe_names: with(Reply::Maybe),
        unnamed,
        places: capacity.map(|places| format!("of {places} places")).unwrap_or_default(),
    }
}

fn guest_name(rsvp: &Rsvp) -> GuestName {
    GuestName {
        name: rsvp.name.clone(),
        pronouns: rsvp.pronouns.clone().filter(|pronouns| !pronouns.is_empty()),
        companions: rsvp.companions,
    }
}
