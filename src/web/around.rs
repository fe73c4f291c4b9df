//! What happens around every request: its id, its time limit, who asks, what the answer's headers
//! say, and one line in the log.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use salvo::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use salvo::http::{Method, ReqBody, StatusCode};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};

use super::body::Lingering;
use super::client::ClientInfo;
use super::error::Problem;
use super::ops::Readiness;
use crate::domain::clock::Entropy;
use crate::domain::id;
use crate::metrics::Metrics;
use crate::trace;

const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the web layer needs to know beside the site.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Base of absolute links, without a slash at the end; else what the client says.
    pub base_url: Option<String>,
    /// Proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Longest time for an answer.
    pub request_timeout: Duration,
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
}

/// Surrounds every request, known route or not.
pub(super) struct Around {
    pub(super) options: Arc<WebOptions>,
    pub(super) entropy: Entropy,
    pub(super) readiness: Readiness,
    pub(super) metrics: Arc<Metrics>,
}

#[async_trait]
impl Handler for Around {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        let started = tokio::time::Instant::now();
        let _under_way = self.metrics.http.begin();
        // The router says at once what it has no route for.
        let is_matched = response.status_code.is_none();
        let client = ClientInfo::read(
            request,
            &self.options.trusted_proxies,
            self.options.base_url.as_deref(),
        );
        let request_id = self.request_id(request, &client);
        limit_body(request, self.options.max_body_bytes);
        let cross_site = is_cross_site_form(request, &client);
        depot.insert_typed(client);

        if cross_site {
            let message = "This form was sent from another site. Open the page here and try again.";
            Problem::new(StatusCode::FORBIDDEN, message).render(request, response);
            flow.skip_rest();
        } else {
            let next = flow.call_next(request, depot, response);
            if tokio::time::timeout(self.options.request_timeout, next).await.is_err() {
                let message = "This took too long. Please try again.";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).render(request, response);
                flow.skip_rest();
            }
        }
        explain_status(request, response);
        let path = Redacted(request.uri().path());
        add_headers(request, response, &request_id);
        if !self.readiness.stands() {
            // The process stops: whoever keeps connections open shall open the next one elsewhere.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let trace_id = trace::current_id();
        let (took, status) = (started.elapsed(), response.status_code.unwrap_or_default().as_u16());
        let route = request.matched_path();
        let route = Some(route).filter(|route| is_matched && !route.starts_with("{*"));
        self.metrics.http.answered(request.method().as_str(), route, status, took);
        tracing::info!(
            method = %request.method(),
            path = %path,
            status,
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            request_id,
            trace_id,
            "request"
        );
    }
}

impl Around {
    /// The id under which a trusted proxy knows the request, or a new one.
    fn request_id(&self, request: &Request, client: &ClientInfo) -> String {
        let told = request
            .headers()
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .filter(|_| client.is_behind_trusted_proxy())
            .filter(|id| (8..=64).contains(&id.len()))
            .filter(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
        told.map_or_else(
            || {
                let mut bytes = [0; 8];
                self.entropy.fill(&mut bytes);
                format!("{:016x}", u64::from_be_bytes(bytes))
            },
            str::to_owned,
        )
    }
}

/// Refuses what is too large, and lets whoever sends it read why.
fn limit_body(request: &mut Request, limit: usize) {
    let body = request.take_body();
    if !body.is_none() {
        let inner = Box::pin(Lingering::new(body, limit));
        request.replace_body(ReqBody::Boxed { inner, fuse_config: None });
    }
    request.limit_body(limit);
}

/// True for a form that a page of another site sends: without cookies it could do nothing that
/// its sender may not do anyway, but a visitor's address would stand behind it. A request with a
/// token in a header is a program's, and no page can send one to another site unasked.
fn is_cross_site_form(request: &Request, client: &ClientInfo) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || request.headers().contains_key(AUTHORIZATION) {
        return false;
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    match (header("sec-fetch-site"), header(ORIGIN.as_str())) {
        (Some(site), _) => site == "cross-site",
        (None, Some(origin)) => origin != "null" && !client.is_at(origin),
        (None, None) => false,
    }
}

/// Gives a status that came without words its page or its JSON.
fn explain_status(request: &Request, response: &mut Response) {
    let Some(status) = response.status_code else { return };
    if !response.body.is_none() || !(status.is_client_error() || status.is_server_error()) {
        return;
    }
    let message = match status {
        StatusCode::NOT_FOUND => "There is nothing at this address.",
        StatusCode::METHOD_NOT_ALLOWED => "This address cannot be used that way.",
        StatusCode::PAYLOAD_TOO_LARGE => "What you sent is too large.",
        _ if status.is_client_error() => "This request cannot be answered.",
        _ => "Something went wrong on our side.",
    };
    Problem::new(status, message).render(request, response);
}

fn add_headers(request: &Request, response: &mut Response, request_id: &str) {
    let secret = holds_secret(request);
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, if secret { "no-referrer" } else { "same-origin" });
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if secret {
        set(CACHE_CONTROL, "no-store");
        set(HeaderName::from_static("x-robots-tag"), "noindex, nofollow");
    } else {
        set_default(headers, CACHE_CONTROL, "no-cache");
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert_with(|| HeaderValue::from_static(value));
}

/// True when the answer is for one person's eyes: a token is in the address or in a header, or a
/// form was sent whose answer may show one.
fn holds_secret(request: &Request) -> bool {
    request.headers().contains_key(AUTHORIZATION)
        || request.method() == Method::POST
        || Redacted(request.uri().path()).segments().any(|(_, secret)| secret)
}

/// A path with its tokens blacked out.
struct Redacted<'p>(&'p str);

impl Redacted<'_> {
    /// The path's segments, and whether each may be a token: read as the router reads them, who
    /// decodes them and passes over blank ones, and rather once too often, for people mistype.
    fn segments(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut before = String::new();
        self.0.split('/').map(move |raw| {
            let segment = percent_decode_str(raw).decode_utf8_lossy().to_lowercase();
            if segment.is_empty() {
                return (raw, false);
            }
            let secret = match before.as_str() {
                "admin" | "p" => true,
                "rsvp" | "rsvps" => segment != "self" && !id::is_uuid(&segment),
                "channel" | "channels" | "static" => false,
                _ => segment.len() > id::UUID_LENGTH,
            };
            before = segment;
            (raw, secret)
        })
    }
}

impl std::fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (segment, secret)) in self.segments().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(if secret { "…" } else { segment })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_blacked_out() {
        let token = "a".repeat(43);
        for (path, shown) in [
            (format!("/e/1/admin/{token}"), "/e/1/admin/…"),
            (format!("/e/1/admin/{token}/rsvp/22/approve"), "/e/1/admin/…/rsvp/…/approve"),
            (format!("/e/1/rsvp/{token}/delete"), "/e/1/rsvp/…/delete"),
            ("/admin/short/events".to_owned(), "/admin/…/events"),
            (format!("/api/v1/events/1/rsvps/{token}"), "/api/v1/events/1/rsvps/…"),
            ("/api/v1/events/1/rsvps/self".to_owned(), "/api/v1/events/1/rsvps/self"),
            ("/e/1/rsvp".to_owned(), "/e/1/rsvp"),
            (format!("/e/1/admin//{token}"), "/e/1/admin//…"),
            (format!("/e/1/%61dmin/{token}"), "/e/1/%61dmin/…"),
            (format!("/e/1/ADMIN/{token}"), "/e/1/ADMIN/…"),
            (format!("/e/1/admon/{token}"), "/e/1/admon/…"),
            (format!("/{token}"), "/…"),
            ("/e/1/rsvp/cut-short".to_owned(), "/e/1/rsvp/…"),
            ("/channel/p/garden".to_owned(), "/channel/p/…"),
            (format!("/channel/{token}"), &format!("/channel/{token}")),
            (
                "/api/v1/events/1/rsvps/0198b2f0-0000-7000-8000-000000000000/approve".to_owned(),
                "/api/v1/events/1/rsvps/0198b2f0-0000-7000-8000-000000000000/approve",
            ),
        ] {
            assert_eq!(Redacted(&path).to_string(), shown);
        }
    }
}
