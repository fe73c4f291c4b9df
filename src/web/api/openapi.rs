//! The OpenAPI 3.1 document, made from the handlers and their types.

use std::sync::Arc;

use salvo::http::header::{CONTENT_TYPE, HeaderValue};
use salvo::routing::Router;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use salvo_oapi::security::{Http, HttpAuthScheme};
use salvo_oapi::{Info, License, OpenApi, SecurityScheme, Tag};

/// The document of all routes below `router`.
pub(crate) fn document(router: &Router) -> OpenApi {
    let info = Info::new("OpenRSVP", env!("CARGO_PKG_VERSION"))
        .description(
            "Events and answers without accounts. Whoever holds a link may do what it allows: \
             send its token as `Authorization: Bearer TOKEN`. Times are UTC, ISO 8601 without an \
             offset.",
        )
        .license(License::new("MIT"));
    let bearer = Http::new(HttpAuthScheme::Bearer)
        .description("The token of an organizer's, a guest's or the instance owner's link.");
    let tags = [
        ("events", "Making, reading, editing and deleting events."),
        ("rsvps", "A guest's own answer."),
        ("guests", "The guest list, for the organizer."),
        ("messages", "Messages by the organizer."),
        ("channels", "Names that gather events."),
    ];
    OpenApi::with_info(info)
        .add_security_scheme("bearer", SecurityScheme::Http(bearer))
        .tags(tags.map(|(name, description)| Tag::new(name).description(description)))
        .merge_router(router)
}

/// Serves the document.
pub(crate) struct ServeDocument(pub(crate) Arc<str>);

#[async_trait]
impl Handler for ServeDocument {
    async fn handle(
        &self,
        _: &mut Request,
        _: &mut Depot,
        response: &mut Response,
        _: &mut FlowCtrl,
    ) {
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response.replace_body(self.0.to_string().into());
    }
}
