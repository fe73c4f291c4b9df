//! The event's page.

use salvo::{Depot, Request, Response, handler};

use super::{render, show};
use crate::domain::event::Viewer;
use crate::domain::rsvp::{Approval, Reply, Rsvp};
use crate::services::Site;
use crate::services::events::{self, EventView};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::markdown;
use crate::web::views::event::{EventPage, GuestName, WhoComes};
use crate::web::views::forms::AnswerForm;

/// Shows an event with the form that answers it.
#[handler]
pub async fn show_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let client = ClientInfo::of(depot);
    let view = events::view(site, path_param(request, "event_id"), None, client.is_person()).await?;
    render(response, &event_page(site, &client, &view, AnswerForm::default()))
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
    EventPage {
        preview: show::preview(summary, &facts),
        public_url: client.absolute(&facts.href),
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
    WhoComes {
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
