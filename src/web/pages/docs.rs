//! The reader's page of the API.

use std::sync::Arc;

use askama::Template;
use salvo::http::header::{CONTENT_TYPE, HeaderValue};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, async_trait};
use serde_json::{Map, Value};

use crate::web::views::api::{ApiAnswer, ApiField, ApiGroup, ApiOperation, ApiPage};

/// Methods in the order they are shown.
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

/// Serves the page, rendered once: the document changes only with the program.
pub struct ServeDocs(Arc<str>);

impl ServeDocs {
    /// The page of this OpenAPI document.
    #[must_use]
    pub fn new(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let page = ApiPage {
            title: text(&document["info"]["title"]),
            version: text(&document["info"]["version"]),
            description: text(&document["info"]["description"]),
            document_href: "/api/openapi.json".to_owned(),
            groups: groups(&document),
        };
        Self(page.render().unwrap_or_default().into())
    }
}

#[async_trait]
impl Handler for ServeDocs {
    async fn handle(&self, _: &mut Request, _: &mut Depot, response: &mut Response, _: &mut FlowCtrl) {
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response.replace_body(self.0.to_string().into());
    }
}

fn groups(document: &Value) -> Vec<ApiGroup> {
    let names = document["tags"].as_array().into_iter().flatten();
    names
        .filter_map(|tag| tag["name"].as_str())
        .map(|name| ApiGroup { name: name.to_owned(), operations: operations(document, name) })
        .collect()
}

fn operations(document: &Value, tag: &str) -> Vec<ApiOperation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let operation = &methods[method];
            let tags = operation["tags"].as_array().into_iter().flatten();
            if tags.clone().any(|name| name == tag) {
                found.push(read_operation(document, path, method, operation));
            }
        }
    }
    found
}

fn read_operation(document: &Value, path: &str, method: &str, operation: &Value) -> ApiOperation {
    let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let answers = operation["responses"].as_object().into_iter().flatten();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    ApiOperation {
        id: format!("{method}-{}", path.trim_matches('/').replace(['/', '{', '}', '.'], "-")),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text("summary"),
        description: text("description"),
        parameters: parameters.map(read_parameter).collect(),
        body: fields(resolve(document, body)),
        answers: answers.map(|(status, answer)| read_answer(status, answer)).collect(),
    }
}

fn read_parameter(parameter: &Value) -> ApiField {
    let text = |name: &str| parameter[name].as_str().unwrap_or_default().to_owned();
    ApiField {
        name: text("name"),
        place: text("in"),
        kind: kind(&parameter["schema"]),
        is_required: parameter["required"].as_bool().unwrap_or(false),
        description: text("description"),
    }
}

fn read_answer(status: &str, answer: &Value) -> ApiAnswer {
    let content = answer["content"].as_object();
    let schema = content.and_then(|content| content.values().next()).map(|media| &media["schema"]);
    let name = schema
        .and_then(|schema| schema["$ref"].as_str())
        .and_then(|reference| reference.rsplit(['/', '.']).next());
    ApiAnswer {
        status: status.to_owned(),
        body: name.unwrap_or_default().to_owned(),
        description: answer["description"].as_str().unwrap_or_default().to_owned(),
    }
}

/// The schema that is meant: itself, or the one it refers to.
fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(schema)
}

fn fields(schema: &Value) -> Vec<ApiField> {
    let none = Map::new();
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().collect();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let field = |(name, property): (&String, &Value)| ApiField {
        name: name.clone(),
        place: String::new(),
        kind: kind(property),
        is_required: required.iter().any(|required| *required == name),
        description: property["description"].as_str().unwrap_or_default().to_owned(),
    };
    properties.iter().map(field).collect()
}

/// A type in words: `string`, `integer or null`.
fn kind(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "object".to_owned(),
    }
}
