//! Giving an answer, and the guest's own page.

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::events::{NAMES, event_page};
use super::{for_form, form_fields, guard, is_new, render, see_other, show};
use crate::domain::event::{EventSummary, Viewer};
use crate::domain::message::{Message, MessageKind};
use crate::domain::rsvp::Reply;
use crate::domain::text::{clean_block, clean_line};
use crate::services::rsvps::{self, Answer, Entry, OwnAnswer};
use crate::services::{Error, Field, FieldError, Site};
use crate::services::{events, messages};
use crate::web::api::calendar::calendar_file;
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::views::answer::{AnswerState, AnsweredPage};
use crate::web::views::deleted::DeletedPage;
use crate::web::views::forms::{AnswerForm, FormErrors, MessageForm};
use crate::web::views::manage::ManagePage;
use crate::web::views::parts::{EventFacts, KeepLink};

/// Gives an answer; then the guest's own page.
#[handler]
pub async fn create_answer(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let fields = form_fields(request).await?;
    let mut form = AnswerForm::read(&fields);
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let id = path_param(request, "event_id");
    let guarded = guard::check(site, &fields, &mut form.started);
    let given = match guarded.and_then(|()| answer_of(&form)) {
        Ok((answer, note)) => rsvps::submit(site, id, answer, Some(&note), Entry::Ordinary).await,
        Err(error) => Err(error),
    };
    let error = match given {
        Ok(submitted) => {
            let path = format!("/e/{id}/rsvp/{}?new=1", submitted.token.reveal());
            return see_other(response, &path);
        }
        Err(error) => error,
    };
    let view = events::look(site, id, NAMES).await?;
    let (status, errors) = refusal(error, &view.summary)?;
    form.errors = errors;
    response.status_code(status);
    render(response, &event_page(site, &client, &view, form))
}

/// Shows a guest their own answer; right after it was given, with the link to keep first.
#[handler]
pub async fn show_own_answer(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let place = OwnPlace::of(request, &client);
    let own = rsvps::view_own(site, &place.event, Some(&place.token), client.is_person()).await?;
    if !is_new(request) {
        return render(response, &manage_page(site, &place, &own, None, None));
    }
    let page = manage_page(site, &place, &own, None, None);
    let page = AnsweredPage {
        facts: page.facts,
        state: page.state,
        link: page.link,
        manage_href: page.base,
    };
    render(response, &page)
}

/// The event as a calendar file, with the place where the holder of this link may see it: no
/// browser sends the token of a page as a header.
#[handler]
pub async fn show_calendar(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    calendar_file(request, response, depot, Some(path_param(request, "token"))).await
}

/// Changes a guest's own answer.
#[handler]
pub async fn update_own_answer(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let mut form = AnswerForm::read(form_fields(request).await?);
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let place = OwnPlace::of(request, &client);
    let changed = match answer_of(&form) {
        Ok((answer, note)) => {
            let token = Some(place.token.as_str());
            let keep = move |before: Answer| kept(answer, before);
            rsvps::edit_own(site, &place.event, token, Some(&note), keep).await
        }
        Err(error) => Err(error),
    };
    let error = match changed {
        Ok(own) => {
            let notice = "Saved. The host sees your new answer.".to_owned();
            return render(response, &manage_page(site, &place, &own, None, Some(notice)));
        }
        Err(error) => error,
    };
    let own = rsvps::view_own(site, &place.event, Some(&place.token), client.is_person()).await?;
    let (status, errors) = refusal(error, &own.summary)?;
    form.errors = errors;
    response.status_code(status);
    render(response, &manage_page(site, &place, &own, Some(form), None))
}

/// What a guest's form means, given what is there: a text that was not touched stays as it is.
fn kept(mut answer: Answer, before: Answer) -> Answer {
    if answer.name == clean_line(&before.name) {
        answer.name = before.name;
    }
    let pronouns = before.pronouns.as_deref().unwrap_or_default();
    if answer.pronouns.as_deref().unwrap_or_default() == clean_line(pronouns) {
        answer.pronouns = before.pronouns;
    }
    answer
}

/// Writes to the host.
#[handler]
pub async fn create_own_message(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let fields = form_fields(request).await?;
    let content = fields("content").unwrap_or_default();
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let place = OwnPlace::of(request, &client);
    let token = Some(place.token.as_str());
    let text = clean_block(&content);
    match messages::post_by_guest(site, &place.event, token, &text).await {
        Ok(_) => see_other(response, &format!("{}#messages", place.base)),
        Err(error) => {
            let (status, errors) = for_form(error)?;
            let own = rsvps::view_own(site, &place.event, token, false).await?;
            let mut page = manage_page(site, &place, &own, None, None);
            page.message = MessageForm { content, errors, ..MessageForm::default() };
            response.status_code(status);
            render(response, &page)
        }
    }
}

/// Takes a guest's own answer back.
#[handler]
pub async fn delete_own_answer(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let place = OwnPlace::of(request, &ClientInfo::of(depot));
    rsvps::withdraw(site(depot)?, &place.event, Some(&place.token)).await?;
    render(response, &DeletedPage::answer(&format!("/e/{}", place.event)))
}

/// Where a guest's own page is.
struct OwnPlace {
    event: String,
    token: String,
    base: String,
    url: String,
}

impl OwnPlace {
    fn of(request: &Request, client: &ClientInfo) -> Self {
        let event = path_param(request, "event_id").to_owned();
        let token = path_param(request, "token").to_owned();
        let base = format!("/e/{event}/rsvp/{token}");
        Self { url: client.absolute(&base), event, token, base }
    }
}

fn manage_page(
    site: &Site,
    place: &OwnPlace,
    own: &OwnAnswer,
    typed: Option<AnswerForm>,
    notice: Option<String>,
) -> ManagePage {
    let (rsvp, summary, now) = (&own.rsvp, &own.summary, site.clock.now());
    let viewer = Viewer::Guest { may_see_place: rsvp.may_see_place() };
    let is_reason = |message: &&Message| message.kind == MessageKind::RejectionReason;
    let reason = own.messages.iter().find(is_reason).map(|message| message.content.clone());
    let form = typed.unwrap_or_else(|| show::answer_form(rsvp));
    let zone = &summary.event.zone;
    let calendar_href = format!("{}/event.ics", place.base);
    ManagePage {
        facts: EventFacts { calendar_href, ..show::facts(summary, viewer, now) },
        state: AnswerState::of(rsvp.reply, rsvp.approval, rsvp.people(), reason),
        answer: show::edit_block(summary, &site.rules, rsvp, place.base.clone(), form, now),
        messages: own.messages.iter().rev().map(|m| show::message(m, zone, None)).collect(),
        announcements: own.announcements.iter().map(|m| show::message(m, zone, None)).collect(),
        message: MessageForm::default(),
        link: KeepLink::new("own-link", "Copy your link", &place.url),
        base: place.base.clone(),
        notice,
    }
}

/// What was typed as an answer and a note.
pub(super) fn answer_of(form: &AnswerForm) -> Result<(Answer, String), Error> {
    let companions = match form.guest_count.trim() {
        "" => 0,
        number => number.parse().map_err(|_| {
            FieldError::new(Field::Companions, "Write the number of people you bring in digits.")
        })?,
    };
    let answer = Answer {
        name: clean_line(&form.name),
        pronouns: Some(clean_line(&form.pronouns)).filter(|pronouns| !pronouns.is_empty()),
        reply: Reply::lenient(&form.attendance_status),
        companions,
        is_private: form.is_private_rsvp,
    };
    Ok((answer, clean_block(&form.note)))
}

/// What a refused answer means for its form: everything typed is kept there.
pub(super) fn refusal(
    error: Error,
    summary: &EventSummary,
) -> Result<(StatusCode, FormErrors), Problem> {
    let on_answer = |message: &str| vec![("attendance_status", message.to_owned())];
    match error {
        Error::Full if summary.seats_left() == Some(0) => Ok((
            StatusCode::BAD_REQUEST,
            on_answer("There is no place left. Choose Maybe, and look again later."),
        )),
        Error::Full => Ok((
            StatusCode::BAD_REQUEST,
            on_answer(
                "There are not enough places left for all of you. Bring fewer people, or choose Maybe.",
            ),
        )),
        Error::Closed => {
            Ok((StatusCode::FORBIDDEN, on_answer("The host takes no new answers any more.")))
        }
        other => for_form(other),
    }
}
