//! The reader's page of the API: what the OpenAPI document says, for people.

use askama::Template;
use serde_json::Value;

mod document;

/// A parameter, or a field of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiField {
    /// Its name.
    pub name: String,
    /// `path`, `query`, `header`; blank for a field of a body.
    pub place: String,
    /// `string`, `integer or null`.
    pub kind: String,
    /// It must be there.
    pub is_required: bool,
    /// What it means.
    pub description: String,
}

/// One answer that may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiAnswer {
    /// `201`.
    pub status: String,
    /// What is in it; may be blank.
    pub body: String,
    /// When it comes.
    pub description: String,
}

/// One thing that can be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiOperation {
    /// Its name in the document, unique.
    pub id: String,
    /// `GET`.
    pub method: String,
    /// `/api/v1/events/{event_id}`.
    pub path: String,
    /// In one line.
    pub summary: String,
    /// In more; may be blank.
    pub description: String,
    /// What the path, the query and the headers hold.
    pub parameters: Vec<ApiField>,
    /// What the body holds.
    pub body: Vec<ApiField>,
    /// What may come back.
    pub answers: Vec<ApiAnswer>,
}

/// Operations that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiGroup {
    /// What they are about.
    pub name: String,
    /// The operations.
    pub operations: Vec<ApiOperation>,
}

/// The reader's page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/api.html")]
pub struct ApiPage {
    /// The product.
    pub title: String,
    /// Its version.
    pub version: String,
    /// How to begin; may be blank.
    pub description: String,
    /// The OpenAPI document.
    pub document_href: String,
    /// All operations.
    pub groups: Vec<ApiGroup>,
}

impl ApiPage {
    /// The page for an OpenAPI document that is served at `href`.
    #[must_use]
    pub fn from_document(document: &Value, href: &str) -> Self {
        document::read(document, href)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    fn field(name: &str, place: &str) -> ApiField {
        ApiField {
            name: name.to_owned(),
            place: place.to_owned(),
            kind: "string".to_owned(),
            is_required: true,
            description: "What it is about.".to_owned(),
        }
    }

    #[test]
    fn renders_every_state() {
        let answer = |status: &str, body: &str, description: &str| ApiAnswer {
            status: status.to_owned(),
            body: body.to_owned(),
            description: description.to_owned(),
        };
        let operation = |id: &str, method: &str, path: &str| ApiOperation {
            id: id.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            summary: "Make an event".to_owned(),
            description: "Whoever makes it gets the host’s link, once.".to_owned(),
            parameters: vec![field("event_id", "path")],
            body: vec![field("title", ""), field("start_time", "")],
            answers: vec![
                answer("201", "EventCreated", "Made"),
                answer("422", "", "Not the right form"),
            ],
        };
        let page = ApiPage {
            title: "OpenRSVP".to_owned(),
            version: "1.0.0".to_owned(),
            description: "Send a host’s or guest’s link as a bearer.".to_owned(),
            document_href: "/api/openapi.json".to_owned(),
            groups: vec![ApiGroup {
                name: "Events".to_owned(),
                operations: vec![
                    operation("create_event", "POST", "/api/v1/events"),
                    operation("get_event", "GET", "/api/v1/events/{event_id}"),
                ],
            }],
        };
        check("api", vec![("full", page), ("empty", ApiPage::default())]);
    }
}
