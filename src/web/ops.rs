//! What operators ask: is it alive, is it ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::error::Problem;
use crate::services::Site;

/// Whether this process wants requests. Cleared when it begins to stop.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<AtomicBool>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Readiness {
    /// From now on the process is not ready.
    pub fn withdraw(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether it does.
    pub fn stands(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The database does not answer yet.
#[handler]
pub(super) async fn wait_for_database(request: &mut Request, response: &mut Response) {
    let message = "We are just starting. Please try again in a moment.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).render(request, response);
}

/// The process is alive.
#[handler]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The process wants requests and reaches its database.
#[handler]
pub(super) async fn readyz(_: &mut Request, depot: &mut Depot, response: &mut Response) {
    let stands = depot.get_typed::<Readiness>().is_ok_and(Readiness::stands);
    let reason = match depot.get_typed::<Site>() {
        _ if !stands => Some("stopping\n"),
        Ok(site) if site.db.ping().await.is_ok() => None,
        _ => Some("the database does not answer\n"),
    };
    if reason.is_some() {
        response.status_code(StatusCode::SERVICE_UNAVAILABLE);
    }
    response.render(reason.unwrap_or("ready\n"));
}
