//! The key sets and types of everything that the JSON API answers with.

use serde_json::Value;

/// What was added to the original's sets; nothing else may be there.
const ADDED: &[(&str, &str)] = &[
    // The IANA zone that the event keeps.
    ("event", "timezone"),
    // For edits that must not overwrite another's.
    ("event", "revision"),
];

const EVENT: &str = "id:s title:s description:s? start_time:t end_time:t? location:s? is_private:b \
    admin_approval_required:b score:f max_attendees:i? yes_count:i rsvps_closed:b rsvp_close_at:t? \
    created_at:t last_modified:t last_accessed:t links:o";
const RSVP: &str = "event_id:s name:s pronouns:s? status:s approval_status:s attendance_status:s \
    guest_count:i is_private:b created_at:t last_modified:t";
const MESSAGE: &str = "id:s event_id:s rsvp_id:s? author_id:s? message_type:s visibility:s content:s \
    created_at:t";
const CHANNEL: &str = "id:s name:s slug:s visibility:s score:f created_at:t last_used_at:t";
const EVENT_CHANNEL: &str = "id:s name:s slug:s visibility:s";
const PAGINATION: &str = "page:i per_page:i total_pages:i total_events:i has_prev:b has_next:b \
    prev_page:i? next_page:i?";
const COUNTS: &str = "public:i private:i public_party_size:i private_party_size:i";
const STATS: &str = "yes_count:i yes_guest_count:i yes_total:i maybe_count:i maybe_guest_count:i \
    maybe_total:i no_count:i no_guest_count:i no_total:i";

/// Asserts that `value` has exactly the keys of `set` and of `more`, each of its type.
#[track_caller]
pub fn has(value: &Value, kind: &str, set: &str, more: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("no {kind}: {value}"));
    let wanted: Vec<(&str, &str)> = set
        .split_whitespace()
        .chain(more.split_whitespace())
        .map(|key| key.split_once(':').expect("key:type"))
        .collect();
    for (key, shape) in &wanted {
        let found = object.get(*key).unwrap_or_else(|| panic!("{kind}.{key} is missing: {value}"));
        assert!(is(found, shape), "{kind}.{key} should be {shape}: {found}");
    }
    for key in object.keys() {
        let is_known = wanted.iter().any(|(name, _)| name == key);
        assert!(is_known || ADDED.contains(&(kind, key)), "{kind}.{key} is new: {value}");
    }
}

/// `s` text, `t` time, `i` whole number, `f` number, `b` truth, `o` object, `l` list; `?` or null.
fn is(value: &Value, shape: &str) -> bool {
    if let Some(shape) = shape.strip_suffix('?') {
        return value.is_null() || is(value, shape);
    }
    match shape {
        "s" => value.is_string(),
        "t" => value.as_str().is_some_and(is_naive_time),
        "i" => value.is_i64(),
        "f" => value.is_f64(),
        "b" => value.is_boolean(),
        "o" => value.is_object(),
        "l" => value.is_array(),
        _ => panic!("no such shape: {shape}"),
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.ffffff]`, the fraction only when there is one.
fn is_naive_time(text: &str) -> bool {
    let pattern = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(found, wanted)| match wanted {
                b'0' => found.is_ascii_digit(),
                _ => found == wanted,
            })
    };
    let whole = "0000-00-00T00:00:00";
    pattern(text, whole)
        || (pattern(text, &format!("{whole}.000000")) && !text.ends_with(".000000"))
}

#[track_caller]
fn links(event: &Value, more: &str) {
    has(&event["links"], "links", "public:s", more);
    assert_eq!(event["links"]["public"], format!("/e/{}", event["id"].as_str().expect("an id")));
}

/// An event with `more` keys; its channel, where it has one, is looked at too.
#[track_caller]
pub fn event(value: &Value, more: &str, link: &str) {
    let channel = if value.get("channel").is_some() { " channel:o" } else { "" };
    has(value, "event", EVENT, &format!("{more}{channel}"));
    links(value, link);
    if let Some(channel) = value.get("channel") {
        has(channel, "channel", EVENT_CHANNEL, "");
    }
}

/// An event with all that its own route tells.
#[track_caller]
pub fn event_detail(value: &Value) {
    event(value, "rsvps:l rsvp_counts:o messages:l", "");
    has(&value["rsvp_counts"], "rsvp_counts", COUNTS, "");
    each(&value["rsvps"], |guest| rsvp(guest, ""));
    each(&value["messages"], message);
}

/// An answer with `more` keys.
#[track_caller]
pub fn rsvp(value: &Value, more: &str) {
    has(value, "rsvp", RSVP, more);
    assert_eq!(value["status"], value["approval_status"]);
    if let Some(messages) = value.get("messages") {
        each(messages, message);
    }
}

/// A message.
#[track_caller]
pub fn message(value: &Value) {
    has(value, "message", MESSAGE, "");
}

/// A channel.
#[track_caller]
pub fn channel(value: &Value) {
    has(value, "channel", CHANNEL, "");
}

/// The numbers of a guest list.
#[track_caller]
pub fn stats(value: &Value) {
    has(value, "stats", STATS, "");
}

/// Where a page stands.
#[track_caller]
pub fn pagination(value: &Value, more: &str) {
    has(value, "pagination", PAGINATION, more);
}

/// An answer of these keys and no others.
#[track_caller]
pub fn keys(value: &Value, wanted: &[&str]) {
    let mut found: Vec<&str> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, wanted, "{value}");
}

/// Looks at each of a list.
#[track_caller]
pub fn each(list: &Value, look: impl Fn(&Value)) {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().for_each(look);
}
