//! What other sites and programs are told about an event's page: nothing that the page hides.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::domain::event::EventSummary;
use crate::domain::{markdown, time};
use crate::web::views::parts::EventFacts;

/// Longest line in a preview of a page, in characters.
const PREVIEW_MAX: usize = 200;
/// Longest description for programs, in characters.
const DESCRIPTION_MAX: usize = 1_000;

/// One line about an event for previews of its page.
pub(super) fn preview(summary: &EventSummary, facts: &EventFacts) -> String {
    let about = about(summary);
    let place = facts.location.as_deref().unwrap_or_default();
    let when = format!("{} {}", facts.when.date_line, facts.when.zone);
    let parts = [when.as_str(), place, about.as_str()];
    let line = parts
        .iter()
        .flat_map(|part| part.lines())
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" · ");
    shortened(&line, PREVIEW_MAX)
}

/// The event as linked data (schema.org), ready to stand inside a script element; blank for an
/// event that is on no list. `facts` are those of a reader who knows nothing but the address.
pub(super) fn json_ld(
    summary: &EventSummary,
    facts: &EventFacts,
    url: &str,
    image: &str,
) -> String {
    let event = &summary.event;
    if event.is_private {
        return String::new();
    }
    let mut data = json!({
        "@context": "https://schema.org",
        "@type": "Event",
        "name": facts.title,
        "startDate": local(event.starts_at, &event.zone),
        "eventStatus": "https://schema.org/EventScheduled",
        "url": url,
        "image": image,
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            data[key] = value;
        }
    };
    set("endDate", event.ends_at.map(|end| local(end, &event.zone).into()));
    let description = shortened(&about(summary), DESCRIPTION_MAX);
    set("description", Some(description).filter(|text| !text.is_empty()).map(Value::from));
    let place = facts.location.as_deref();
    set("location", place.map(|at| json!({ "@type": "Place", "name": at, "address": at })));
    embeddable(&data)
}

/// JSON in which nothing can end a script element or begin a comment.
fn embeddable(data: &Value) -> String {
    data.to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn about(summary: &EventSummary) -> String {
    summary.event.description.as_deref().map(markdown::to_plain).unwrap_or_default()
}

fn local(at: Timestamp, zone: &str) -> String {
    let zone = time::zone(zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_script_it_stands_in() {
        for text in
            ["</script><script>alert(1)", "<!--", "<script", "]]>", "\u{2028}&amp;", "</SCRIPT >"]
        {
            let data = json!({ "name": text });
            let embedded = embeddable(&data);
            assert!(!embedded.contains(['<', '>', '&', '\u{2028}']), "{embedded}");
            assert_eq!(serde_json::from_str::<Value>(&embedded).expect("JSON"), data);
        }
    }
}
