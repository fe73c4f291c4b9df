//! A span for each request, as part of the trace that its sender is in.

use salvo::{Depot, FlowCtrl, Handler, Request, Response, Service, async_trait};
use url::Url;

use super::client::ClientInfo;
use crate::trace;

/// Asked each few seconds by machines: nobody wants to know how long they took.
const UNTRACED: [&str; 3] = ["healthz", "readyz", "metrics"];

/// Has requests traced, where anything is.
pub(super) fn surround(service: Service) -> Service {
    if trace::is_on() { service.hoop(Traced) } else { service }
}

struct Traced;

#[async_trait]
impl Handler for Traced {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        if UNTRACED.contains(&request.matched_path()) {
            // What follows runs by itself.
            return;
        }
        let span = trace::request(request.method(), route(request), request.headers());
        span.around(flow.call_next(request, depot, response)).await;
        if let Some((scheme, host, port)) = place(&ClientInfo::of(depot)) {
            span.set("url.scheme", scheme);
            span.set("server.address", host);
            if let Some(port) = port {
                span.set("server.port", i64::from(port));
            }
        }
        let status = response.status_code.map_or(200, |status| status.as_u16());
        span.set("http.response.status_code", i64::from(status));
        if status >= 500 {
            span.set("error.type", status.to_string());
            span.fail("");
        }
    }
}

/// The template of the route that was found; of a path under which nothing is, nothing is told.
fn route(request: &Request) -> Option<String> {
    let found = request.matched_path();
    (!found.is_empty() || request.uri().path() == "/").then(|| format!("/{found}"))
}

/// Where the request was sent to, as links would say.
fn place(client: &ClientInfo) -> Option<(String, String, Option<u16>)> {
    let url = Url::parse(&client.absolute("/")).ok()?;
    Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port()))
}
