//! Giving an answer.

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::events::event_page;
use super::{for_form, form_fields, render, see_other};
use crate::domain::rsvp::Reply;
use crate::domain::text::{clean_block, clean_line};
use crate::services::events;
use crate::services::rsvps::{self, Answer, Entry};
use crate::services::{Error, Field, FieldError};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::views::forms::{AnswerForm, FormErrors};

/// Gives an answer; then the guest's own page.
#[handler]
pub async fn create_answer(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let mut form = AnswerForm::read(form_fields(request).await?);
    let (site, client) = (site(depot)?, ClientInfo::of(depot));
    let id = path_param(request, "event_id");
    let given = match answer_of(&form) {
        Ok((answer, note)) => {
            rsvps::submit(site, id, answer, Some(&note), Entry::Ordinary).await
        }
        Err(error) => Err(error),
    };
    let error = match given {
        Ok(submitted) => {
            let path = format!("/e/{id}/rsvp/{}?new=1", submitted.token.reveal());
            return see_other(response, &path);
        }
        Err(error) => error,
    };
    let (status, errors) = refusal(error)?;
    form.errors = errors;
    let view = events::view(site, id, None, false).await?;
    response.status_code(status);
    render(response, &event_page(site, &client, &view, form))
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
pub(super) fn refusal(error: Error) -> Result<(StatusCode, FormErrors), Problem> {
    let on_answer = |message: &str| vec![("attendance_status", message.to_owned())];
    match error {
        Error::Full => Ok((
            StatusCode::BAD_REQUEST,
            on_answer("There are not enough places left for all of you. Bring fewer people, or choose Maybe."),
        )),
        Error::Closed => {
            Ok((StatusCode::FORBIDDEN, on_answer("The host takes no new answers any more.")))
        }
        other => for_form(other),
    }
}
