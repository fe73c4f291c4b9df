//! What is answered when a request cannot be: the one place where errors become statuses and
//! words. JSON for the API and for clients that ask for it, a page for people.

use std::fmt::Display;
use std::time::Duration;

use salvo::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use salvo::http::{ParseError, StatusCode};
use salvo::{Depot, Request, Response, Writer, async_trait};
use salvo_oapi::schema::OneOf;
use salvo_oapi::{Components, EndpointOutRegister, Operation, RefOr, ToSchema};
use serde::Serialize;

use super::views;
use crate::services::error::Noun;
use crate::services::{Error, Field, FieldError};

/// Why a request is refused. All that it holds is safe to show.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: Body,
    /// What a page says, where the API's words are for programs.
    sentence: Option<&'static str>,
    /// When trying again may help.
    retry_after_seconds: Option<u64>,
}

#[derive(Debug)]
enum Body {
    Detail(String),
    Named { error: &'static str, message: &'static str },
    Invalid(Vec<Invalid>),
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Invalid {
    /// Where: `body` or `query`, then the field.
    loc: Vec<String>,
    /// What is wrong.
    msg: String,
    /// A word for programs.
    #[serde(rename = "type")]
    #[salvo(schema(rename = "type"))]
    kind: String,
}

impl Invalid {
    /// Something wrong at `loc`.
    #[must_use]
    pub fn new(loc: &[&str], msg: &str, kind: &str) -> Self {
        Self {
            loc: loc.iter().map(|&part| part.to_owned()).collect(),
            msg: msg.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// Something that should be at `loc` and is not.
    #[must_use]
    pub fn missing(loc: &[&str]) -> Self {
        Self::new(loc, "Field required", "missing")
    }

    /// Whether it is about `loc`.
    #[must_use]
    pub fn is_at(&self, loc: &[&str]) -> bool {
        self.loc.iter().eq(loc.iter())
    }
}

/// The answer to a request that is refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct DetailBody {
    /// Why.
    pub detail: String,
}

/// The answer to an event that takes no more people or answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedBody {
    /// `EventFull` or `RSVPsClosed`.
    pub error: &'static str,
    /// Why.
    pub message: &'static str,
}

/// The answer to a request that does not have the right form.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvalidBody {
    /// Everything that is wrong.
    pub detail: Vec<Invalid>,
}

const FULL: Body = Body::Named {
    error: "EventFull",
    message: "This event has reached its maximum number of attendees.",
};
const CLOSED: Body = Body::Named {
    error: "RSVPsClosed",
    message: "This organizer closed new RSVPs for this event.",
};

impl Problem {
    /// A status with a sentence.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let retry_after_seconds = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(2);
        Self { status, body: Body::Detail(detail.into()), sentence: None, retry_after_seconds }
    }

    /// What was sent does not have the right form.
    #[must_use]
    pub fn invalid(invalid: Vec<Invalid>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { status, body: Body::Invalid(invalid), sentence: None, retry_after_seconds: None }
    }

    /// Too much of this came from the client's address.
    fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let again = if seconds < 120 {
            format!("{seconds} seconds")
        } else {
            format!("{} minutes", seconds.div_ceil(60))
        };
        let message = format!("Too many requests came from your address. Try again in {again}.");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, message);
        Self { retry_after_seconds: Some(seconds), ..problem }
    }

    /// A fault of ours; the cause goes to the log, not to the visitor.
    #[must_use]
    pub fn internal(cause: impl Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.")
    }

    /// The body did not arrive, or is too large.
    #[must_use]
    pub fn from_body_error(error: ParseError) -> Self {
        match error {
            ParseError::PayloadTooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "What you sent is too large.")
            }
            _ => Self::new(StatusCode::BAD_REQUEST, "The request did not arrive whole."),
        }
    }

    /// The same, with another sentence where a person reads it on a page.
    #[must_use]
    fn for_people(self, sentence: &'static str) -> Self {
        Self { sentence: Some(sentence), ..self }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence for a person.
    #[must_use]
    pub fn message(&self) -> String {
        if let Some(sentence) = self.sentence {
            return sentence.to_owned();
        }
        match &self.body {
            Body::Detail(detail) => detail.clone(),
            Body::Named { message, .. } => (*message).to_owned(),
            Body::Invalid(invalid) => {
                invalid.iter().map(|invalid| invalid.msg.as_str()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn json(&self) -> String {
        let json = match &self.body {
            Body::Detail(detail) => serde_json::to_string(&DetailBody { detail: detail.clone() }),
            Body::Named { error, message } => {
                serde_json::to_string(&RefusedBody { error, message })
            }
            Body::Invalid(invalid) => {
                serde_json::to_string(&InvalidBody { detail: invalid.clone() })
            }
        };
        // Strings always serialize.
        json.unwrap_or_default()
    }

    /// Writes the answer in the form that this client reads.
    pub fn render(&self, request: &Request, response: &mut Response) {
        self.render_with(request, response, Vec::new());
    }

    /// The same; `again` are the fields of the form that was sent, to be sent again from there.
    fn render_with(
        &self,
        request: &Request,
        response: &mut Response,
        again: Vec<(String, String)>,
    ) {
        response.status_code(self.status);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let (kind, body) = if wants_json(request) {
            ("application/json", self.json())
        } else {
            let page = views::error::page(self.status, &self.message(), again);
            ("text/html; charset=utf-8", page)
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response.replace_body(body.into());
    }
}

/// True for the API, and for clients that ask for JSON and not for a page.
#[must_use]
pub fn wants_json(request: &Request) -> bool {
    let path = request.uri().path();
    let accept =
        request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    path.starts_with("/api/")
        || path.starts_with("/events/")
        || (accept.contains("application/json") && !accept.contains("text/html"))
}

#[async_trait]
impl Writer for Problem {
    async fn write(self, request: &mut Request, _: &mut Depot, response: &mut Response) {
        // Where trying again may help, a form's page goes with it: nothing typed is lost.
        let is_form = self.retry_after_seconds.is_some() && !wants_json(request);
        let again = if is_form { sent_fields(request).await } else { Vec::new() };
        self.render_with(request, response, again);
    }
}

/// The fields of the form that was sent, in their order; none of anything else.
async fn sent_fields(request: &mut Request) -> Vec<(String, String)> {
    let is_form = request.content_type().is_some_and(|kind| {
        kind.essence_str() == "application/x-www-form-urlencoded" || kind.type_() == "multipart"
    });
    if !is_form {
        return Vec::new();
    }
    match request.form_data().await {
        Ok(data) => data.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Err(_) => Vec::new(),
    }
}

/// A full or closed event is told in another shape than all else.
fn refused(components: &mut Components) -> RefOr<salvo_oapi::schema::Schema> {
    let (detail, named) = (DetailBody::to_schema(components), RefusedBody::to_schema(components));
    RefOr::Type(OneOf::new().item(detail).item(named).into())
}

impl EndpointOutRegister for Problem {
    fn register(components: &mut Components, operation: &mut Operation) {
        type Schema = fn(&mut Components) -> RefOr<salvo_oapi::schema::Schema>;
        let answers: [(&str, &str, Schema); 8] = [
            ("400", "Refused; the event may be full", refused),
            ("401", "No token came", DetailBody::to_schema),
            ("403", "The token does not open this, or the event is closed", refused),
            ("404", "There is no such thing", DetailBody::to_schema),
            ("413", "What was sent is too large", DetailBody::to_schema),
            ("422", "What was sent does not have the right form", InvalidBody::to_schema),
            ("429", "Too much of this came from the client's address", DetailBody::to_schema),
            ("503", "The database cannot answer now", DetailBody::to_schema),
        ];
        for (status, description, schema) in answers {
            let content = salvo_oapi::Content::new(schema(components));
            let response =
                salvo_oapi::Response::new(description).add_content("application/json", content);
            operation.responses.insert(status, response);
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(fields) => from_fields(&fields),
            Error::NotFound(noun) => Self::new(StatusCode::NOT_FOUND, format!("{noun} not found"))
                .for_people(match noun {
                    Noun::Event => "There is no event at this link. It may have been deleted.",
                    Noun::Rsvp => "There is no answer at this link. It may have been taken back.",
                    Noun::Channel => "There is no channel at this link.",
                    Noun::Webhook => "It is not there any more. Go back to the event’s page.",
                }),
            Error::MissingToken => Self::new(StatusCode::UNAUTHORIZED, "Missing bearer token")
                .for_people("Open this with the whole link that you were given."),
            Error::Forbidden => Self::new(StatusCode::FORBIDDEN, "Invalid admin token").for_people(
                "This link opens nothing. It may be cut short, or replaced by another.",
            ),
            Error::Conflict => Self::new(
                StatusCode::CONFLICT,
                "Somebody changed this event while you were editing it.",
            ),
            Error::Full => Self {
                status: StatusCode::BAD_REQUEST,
                body: FULL,
                sentence: None,
                retry_after_seconds: None,
            },
            Error::Closed => Self {
                status: StatusCode::FORBIDDEN,
                body: CLOSED,
                sentence: None,
                retry_after_seconds: None,
            },
            Error::TooMany { wait } => Self::too_many(wait),
            Error::Busy(cause) => {
                tracing::warn!(%cause, "database unavailable");
                let message = "We cannot reach our records for a moment. Please try again.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
            }
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}

/// A rule about what was said is 400 with a sentence, as in the original; a text too long or
/// missing is 422 with the field.
fn from_fields(fields: &[FieldError]) -> Problem {
    let rule = |field| matches!(field, Field::Channel | Field::ChannelVisibility | Field::End);
    if fields.iter().all(|error| rule(error.field)) {
        let sentences: Vec<_> = fields.iter().map(|error| error.message.as_str()).collect();
        return Problem::new(StatusCode::BAD_REQUEST, sentences.join(" "));
    }
    let invalid = |error: &FieldError| {
        Invalid::new(&["body", v1_name(error.field)], &error.message, "value_error")
    };
    Problem::invalid(fields.iter().map(invalid).collect())
}

/// The name of a field in v1 JSON and in forms.
#[must_use]
pub fn v1_name(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Description => "description",
        Field::Start => "start_time",
        Field::End => "end_time",
        Field::Zone => "timezone",
        Field::Location => "location",
        Field::Channel => "channel_name",
        Field::ChannelVisibility => "channel_visibility",
        Field::Capacity => "max_attendees",
        Field::CloseAt => "rsvp_close_at",
        Field::Name => "name",
        Field::Pronouns => "pronouns",
        Field::Note => "note",
        Field::Companions => "guest_count",
        Field::Content => "content",
        Field::Reason => "reason",
        Field::Url => "url",
        Field::Whole => "send",
    }
}
