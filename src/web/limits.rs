//! The limits by client address, at the routes.

use std::sync::atomic::{AtomicBool, Ordering};

use salvo::http::Method;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};

use super::api::{bearer, site};
use super::client::ClientInfo;
use super::error::Problem;
use crate::domain::limit::Action;
use crate::domain::token;
use crate::metrics::Refusal;
use crate::services::Site;

/// Counts the requests of a route that do something, and refuses those that are too many.
pub(super) struct Limit(pub(super) Action);

#[async_trait]
impl Handler for Limit {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        if !self.counts(request) {
            return;
        }
        let taken = site(depot).and_then(|site| self.take(site, request, &ClientInfo::of(depot)));
        if let Err(problem) = taken {
            problem.write(request, depot, response).await;
            flow.skip_rest();
        }
    }
}

impl Limit {
    /// Of what is looked for, reading counts; of all else, what is not reading.
    fn counts(&self, request: &Request) -> bool {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let asks = |name| request.query::<&str>(name).is_some_and(|text| !text.trim().is_empty());
        match self.0 {
            Action::Search => request.params().contains_key("slug") || asks("q") || asks("channel"),
            _ => !reads,
        }
    }

    fn take(&self, site: &Site, request: &Request, client: &ClientInfo) -> Result<(), Problem> {
        let Some(ip) = client.ip else { return Ok(()) };
        if client.is_behind_unknown_proxy() {
            warn_of_unknown_proxy();
            return Ok(());
        }
        match site.limits.take(ip, self.0, site.clock.now()) {
            Err(_) if is_owner(site, request) => Ok(()),
            taken => taken.map_err(|error| {
                site.metrics.refused(Refusal::Limit(self.0));
                Problem::from(error)
            }),
        }
    }
}

/// True when the instance owner's token came as bearer: their programs are not limited.
fn is_owner(site: &Site, request: &Request) -> bool {
    bearer(request).is_some_and(|sent| token::hash(sent) == site.rules.instance_token)
}

/// All visitors would count as one: better no limit than to lock everybody out.
fn warn_of_unknown_proxy() {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "requests come through a proxy that server.trusted_proxies does not name: visitors \
             cannot be told apart, and rate limits do not hold"
        );
    }
}
