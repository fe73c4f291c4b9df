//! The JSON API under `/api/v1`, in the words and shapes of the original.

pub mod bodies;
pub mod calendar;
pub mod channels;
pub mod event_input;
pub mod events;
pub mod fields;
pub mod guests;
pub mod messages;
pub mod openapi;
pub mod rsvps;

use salvo::http::header::AUTHORIZATION;
use salvo::{Depot, Request};

use super::error::Problem;
use crate::services::Site;

/// The site a request is for.
pub(super) fn site(depot: &Depot) -> Result<&Site, Problem> {
    depot.get_typed::<Site>().map_err(|_| Problem::internal("no site in the depot"))
}

/// The token of `Authorization: Bearer TOKEN`; `None` for another scheme or a blank token.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// A path parameter; the route table guarantees it.
pub(super) fn path_param<'r>(request: &'r Request, name: &str) -> &'r str {
    request.params().get(name).map_or("", |value| value.as_str())
}
