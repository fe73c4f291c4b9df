//! Reads an OpenAPI document for the reader's page.

use serde_json::Value;

use super::{ApiAnswer, ApiField, ApiGroup, ApiOperation, ApiPage};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page for a document that is served at `href`. What the document does not say stays blank.
pub(super) fn read(document: &Value, href: &str) -> ApiPage {
    let info = &document["info"];
    ApiPage {
        title: text(&info["title"]),
        version: text(&info["version"]),
        description: text(&info["description"]),
        document_href: href.to_owned(),
        groups: groups(document),
    }
}

/// Groups in the order of the document's tags, operations in the order of its paths.
fn groups(document: &Value) -> Vec<ApiGroup> {
    let mut groups: Vec<(String, ApiGroup)> = items(&document["tags"])
        .map(|tag| (text(&tag["name"]), ApiGroup { name: heading(tag), operations: Vec::new() }))
        .collect();
    for (path, methods) in members(&document["paths"]) {
        for method in METHODS {
            let Some(operation) = methods.get(method) else { continue };
            let tag = text(&operation["tags"][0]);
            let read = self::operation(document, path, method, operation);
            match groups.iter_mut().find(|(name, _)| *name == tag) {
                Some((_, group)) => group.operations.push(read),
                None => groups.push((tag.clone(), ApiGroup { name: tag, operations: vec![read] })),
            }
        }
    }
    groups
        .into_iter()
        .map(|(_, group)| group)
        .filter(|group| !group.operations.is_empty())
        .collect()
}

/// A tag's name with a capital: `events` heads its group as `Events`.
fn heading(tag: &Value) -> String {
    let name = text(&tag["name"]);
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn operation(document: &Value, path: &str, method: &str, operation: &Value) -> ApiOperation {
    let id = text(&operation["operationId"]);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    ApiOperation {
        // Ids on a page are unique even where the document's are not.
        id: format!(
            "{method}-{}-{}",
            id.replace(['.', ':'], "-"),
            path.replace(['/', '{', '}'], "-")
        ),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        description: text(&operation["description"]),
        parameters: items(&operation["parameters"]).map(parameter).collect(),
        body: fields(document, body),
        answers: members(&operation["responses"])
            .map(|(status, answer)| ApiAnswer {
                status: status.to_owned(),
                body: items_of(&answer["content"])
                    .map(|content| kind(&content["schema"]))
                    .collect(),
                description: text(&answer["description"]),
            })
            .collect(),
    }
}

fn parameter(parameter: &Value) -> ApiField {
    ApiField {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        is_required: parameter["required"] == true,
        description: text(&parameter["description"]),
    }
}

/// The fields of an object, those of its parts included.
fn fields(document: &Value, schema: &Value) -> Vec<ApiField> {
    let schema = resolve(document, schema);
    let is_required = |name: &str| items(&schema["required"]).any(|required| required == name);
    let mut fields: Vec<_> = members(&schema["properties"])
        .map(|(name, field)| ApiField {
            name: name.to_owned(),
            place: String::new(),
            kind: kind(field),
            is_required: is_required(name),
            description: text(&field["description"]),
        })
        .collect();
    for part in items(&schema["allOf"]) {
        fields.extend(self::fields(document, part));
    }
    fields
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    schema["$ref"]
        .as_str()
        .and_then(|reference| document.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// The type of a value in words: `string or null`, `list of EventBody`.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return name.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let choices: Vec<_> = ["oneOf", "anyOf", "allOf"]
        .iter()
        .flat_map(|word| items(&schema[word]))
        .map(kind)
        .collect();
    if !choices.is_empty() {
        return choices.join(" or ");
    }
    let word = |word: &Value| match word.as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some(word) => word.to_owned(),
        None => "anything".to_owned(),
    };
    match &schema["type"] {
        Value::Array(words) => words.iter().map(word).collect::<Vec<_>>().join(" or "),
        one => word(one),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn items_of(value: &Value) -> impl Iterator<Item = &Value> {
    members(value).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::samples::check;
    use super::*;

    #[test]
    fn reads_a_document() {
        let document = json!({
            "info": {"title": "OpenRSVP", "version": "1.0.0", "description": "Send a link."},
            "tags": [{"name": "events"}],
            "paths": {"/api/v1/events": {"post": {
                "tags": ["events"], "operationId": "create_event", "summary": "Makes an event.",
                "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/api.NewEvent"}}}},
                "responses": {"201": {"description": "Made", "content": {
                    "application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}}}
            }}},
            "components": {"schemas": {"api.NewEvent": {"type": "object", "required": ["title"],
                "properties": {"title": {"type": "string", "description": "One line."},
                    "end_time": {"type": ["string", "null"]}}}}}
        });
        let page = read(&document, "/api/openapi.json");
        let operation = &page.groups[0].operations[0];
        assert_eq!((page.groups[0].name.as_str(), operation.method.as_str()), ("Events", "POST"));
        assert_eq!(operation.parameters[0].kind, "integer");
        let body: Vec<_> = operation
            .body
            .iter()
            .map(|field| (field.name.as_str(), field.kind.as_str(), field.is_required))
            .collect();
        assert!(body.contains(&("title", "string", true)));
        assert!(body.contains(&("end_time", "string or null", false)));
        assert_eq!(operation.answers[0].body, "list of string");
        check("api", vec![("read", page)]);
    }
}
