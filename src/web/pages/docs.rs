//! The reader's page of the API.

use std::sync::Arc;

use askama::Template;
use salvo::http::header::{CONTENT_TYPE, HeaderValue};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};

use crate::web::views::api::ApiPage;

/// Serves the page, rendered once: the document changes only with the program.
pub struct ServeDocs(Arc<str>);

impl ServeDocs {
    /// The page of this OpenAPI document.
    #[must_use]
    pub fn new(document: &str) -> Self {
        let document = serde_json::from_str(document).unwrap_or_default();
        let page = ApiPage::from_document(&document, "/api/openapi.json");
        Self(page.render().unwrap_or_default().into())
    }
}

#[async_trait]
impl Handler for ServeDocs {
    async fn handle(
        &self,
        _: &mut Request,
        _: &mut Depot,
        response: &mut Response,
        _: &mut FlowCtrl,
    ) {
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response.replace_body(self.0.to_string().into());
    }
}
