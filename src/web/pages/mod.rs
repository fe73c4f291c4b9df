//! Pages for people: each handler reads the request, calls a use case, and shows a view.

pub mod answers;
pub mod docs;
pub mod event_form;
pub mod events;
mod guard;
pub mod guests;
pub mod kept;
pub mod lists;
pub mod organizer;
pub mod owner;
pub(super) mod rendered;
mod sharing;
mod show;
pub mod status;
pub mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use salvo::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use salvo::http::{ResBody, StatusCode};
use salvo::hyper::body::Bytes;
use salvo::{Depot, Request, Response};

use self::rendered::Rendered;
use super::error::{Problem, v1_name};
use super::views::forms::FormErrors;
use crate::services::{Error, FieldError};

/// Shows a view.
fn render(response: &mut Response, page: &impl Template) -> Result<(), Problem> {
    show_html(response, page.render().map_err(Problem::internal)?.into());
    Ok(())
}

/// The public pages that were made a moment ago.
fn rendered(depot: &Depot) -> Result<&Rendered, Problem> {
    let rendered = depot.get_typed::<Arc<Rendered>>();
    rendered.map(AsRef::as_ref).map_err(|_| Problem::internal("no pages in the depot"))
}

fn show_html(response: &mut Response, html: Bytes) {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.replace_body(ResBody::Once(html));
}

/// Sends the browser to another page with `GET`, so that reloading it sends nothing again.
fn see_other(response: &mut Response, path: &str) -> Result<(), Problem> {
    let location = HeaderValue::from_str(path).map_err(Problem::internal)?;
    response.status_code(StatusCode::SEE_OTHER);
    response.headers_mut().insert(LOCATION, location);
    Ok(())
}

/// The fields of a form, found by name; of a name that comes twice, the last.
async fn form_fields(
    request: &mut Request,
) -> Result<impl Fn(&str) -> Option<String> + use<>, Problem> {
    let is_form = request.content_type().is_some_and(|kind| {
        kind.essence_str() == "application/x-www-form-urlencoded" || kind.type_() == "multipart"
    });
    let mut fields = HashMap::new();
    if is_form {
        let data = request.form_data().await.map_err(Problem::from_body_error)?;
        fields.extend(data.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    } else if !request.payload().await.map_err(Problem::from_body_error)?.is_empty() {
        let message = "Send this as a form: application/x-www-form-urlencoded.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(move |name: &str| fields.get(name).cloned())
}

/// True when the page is shown for the first time, right after what it tells of was done.
fn is_new(request: &Request) -> bool {
    request.query::<&str>("new").is_some()
}

/// A page number in the query.
fn page_number(request: &Request) -> i64 {
    request.query::<String>("page").and_then(|page| page.parse().ok()).unwrap_or(1)
}

/// What a refusal means for a form, where it can be mended there: status and messages by field.
fn for_form(error: Error) -> Result<(StatusCode, FormErrors), Problem> {
    match error {
        Error::Invalid(fields) => Ok((StatusCode::BAD_REQUEST, by_name(&fields))),
        other => Err(other.into()),
    }
}

fn by_name(fields: &[FieldError]) -> FormErrors {
    fields.iter().map(|error| (v1_name(error.field), error.message.clone())).collect()
}
