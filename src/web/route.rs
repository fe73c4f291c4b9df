//! Building routes: a path with the handler of each method it takes.

use std::sync::Arc;

use salvo::http::header::{ALLOW, HeaderValue};
use salvo::http::{Method, StatusCode};
use salvo::routing::Router;
use salvo::routing::filters;
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};

use super::limits::Limit;
use crate::domain::limit::Action;

/// A path and the handlers of its methods. `HEAD` is answered by the handler of `GET`, `OPTIONS`
/// with what the path takes.
pub(super) struct Route {
    router: Router,
    allowed: Vec<Method>,
    limit: Action,
}

/// A route at `path`, relative to the router it is pushed into.
pub(super) fn at(path: &str) -> Route {
    // An empty path needs no filter; salvo would warn of one.
    let router = if path.is_empty() { Router::new() } else { Router::with_path(path) };
    Route { router, allowed: vec![Method::OPTIONS], limit: Action::Change }
}

impl Route {
    /// Answers `GET` and `HEAD`.
    pub(super) fn get<H: Handler>(mut self, handler: H) -> Self {
        let get = Router::with_filter(filters::get()).goal(handler);
        if let Some(same) = get.goal.clone() {
            let head = Router::with_filter(filters::head()).goal(Undocumented(same));
            self.router = self.router.push(head);
        }
        self.router = self.router.push(get);
        self.allowed.extend([Method::GET, Method::HEAD]);
        self
    }

    /// Answers `POST`.
    pub(super) fn post<H: Handler>(mut self, handler: H) -> Self {
        self.router = self.router.post(handler);
        self.allowed.push(Method::POST);
        self
    }

    /// Answers `PATCH`.
    pub(super) fn patch<H: Handler>(mut self, handler: H) -> Self {
        self.router = self.router.patch(handler);
        self.allowed.push(Method::PATCH);
        self
    }

    /// Answers `DELETE`.
    pub(super) fn delete<H: Handler>(mut self, handler: H) -> Self {
        self.router = self.router.delete(handler);
        self.allowed.push(Method::DELETE);
        self
    }

    /// As what the requests of this route count that do something; [`Action::Change`] unless told.
    pub(super) fn limit(mut self, action: Action) -> Self {
        self.limit = action;
        self
    }

    /// The route, ready to be pushed.
    pub(super) fn done(self) -> Router {
        let mut methods: Vec<&str> = self.allowed.iter().map(Method::as_str).collect();
        methods.sort_unstable();
        self.router.hoop(Limit(self.limit)).options(TellAllowed(methods.join(", ")))
    }
}

/// A handler that the OpenAPI document passes over: it stands there already, under `GET`.
struct Undocumented(Arc<dyn Handler>);

#[async_trait]
impl Handler for Undocumented {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        flow: &mut FlowCtrl,
    ) {
        self.0.handle(request, depot, response, flow).await;
    }
}

struct TellAllowed(String);

#[async_trait]
impl Handler for TellAllowed {
    async fn handle(
        &self,
        _: &mut Request,
        _: &mut Depot,
        response: &mut Response,
        _: &mut FlowCtrl,
    ) {
        response.status_code(StatusCode::NO_CONTENT);
        if let Ok(allowed) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(ALLOW, allowed);
        }
    }
}
