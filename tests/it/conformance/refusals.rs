//! Statuses and words of what is refused, and in which order reasons count.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Made, Target, event_body, rsvp_body, shapes};

/// Every route of the organizer, with a body that it takes.
fn organizer_routes(event: &Made, rsvp: &str) -> Vec<(Method, String, Value)> {
    let mut routes = vec![
        (Method::PATCH, event.api(""), json!({})),
        (Method::DELETE, event.api(""), Value::Null),
        (Method::GET, event.api("/rsvps"), Value::Null),
        (Method::DELETE, event.api(&format!("/rsvps/{rsvp}")), Value::Null),
    ];
    for prefix in ["/api/v1", ""] {
        let below = |path: &str| format!("{prefix}/events/{}/{path}", event.id);
        for word in ["approve", "reject", "pending"] {
            routes.push((Method::POST, below(&format!("rsvps/{rsvp}/{word}")), json!({})));
        }
        let content = json!({ "content": "x" });
        routes.push((Method::POST, below(&format!("rsvps/{rsvp}/messages")), content.clone()));
        routes.push((Method::POST, below("messages"), content));
    }
    routes
}

#[track_caller]
fn says(answer: &crate::support::Answer, status: u16, detail: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.json(), json!({ "detail": detail }));
    assert!(answer.header("content-type").starts_with("application/json"));
}

pub async fn without_the_right_token(at: &Target) {
    let event = at.event(json!({})).await;
    let guest = at.guest(&event, json!({})).await;
    let id = at.guest_id(&event).await;
    let stranger = at.event(json!({})).await.token;
    for (method, path, body) in organizer_routes(&event, &id) {
        says(&at.send(method.clone(), &path, "", body.clone()).await, 401, "Missing bearer token");
        for scheme in ["Basic abc", "Bearer", "Bearer "] {
            let request = at.request(method.clone(), &path).header("authorization", scheme);
            let answer = request.json(&body).send().await.expect("an answer");
            says(&crate::support::Answer::of(answer).await, 401, "Missing bearer token");
        }
        for wrong in ["wrong", stranger.as_str(), guest.as_str()] {
            let answer = at.send(method.clone(), &path, wrong, body.clone()).await;
            says(&answer, 403, "Invalid admin token");
        }
    }
    let own = event.api("/rsvps/self");
    for (method, path, body) in [
        (Method::GET, own.clone(), Value::Null),
        (Method::PATCH, own.clone(), json!({})),
        (Method::DELETE, own.clone(), Value::Null),
        (Method::POST, format!("{own}/messages"), json!({ "content": "x" })),
    ] {
        says(&at.send(method.clone(), &path, "", body.clone()).await, 401, "Missing bearer token");
        says(&at.send(method, &path, "wrong", body).await, 404, "RSVP not found");
    }
}

pub async fn what_is_not_there(at: &Target) {
    let nothing = Made { id: "00000000-0000-4000-8000-000000000000".into(), token: "x".into() };
    for (method, path, body) in organizer_routes(&nothing, "nobody") {
        says(&at.send(method, &path, "", body).await, 404, "Event not found");
    }
    for path in [nothing.api(""), nothing.api("/event.ics"), nothing.api("/rsvps/self")] {
        says(&at.get(&path, "").await, 404, "Event not found");
    }
    let answer = at.post(&nothing.api("/rsvps"), "", rsvp_body(json!({}))).await;
    says(&answer, 404, "Event not found");
    says(&at.get("/api/v1/channels/no-such-channel-here", "").await, 404, "Channel not found");
    let event = at.event(json!({})).await;
    for (method, path, body) in organizer_routes(&event, "nobody") {
        if path.contains("nobody") {
            says(&at.send(method, &path, &event.token, body).await, 404, "RSVP not found");
        }
    }
    let other = at.event(json!({})).await;
    at.guest(&other, json!({})).await;
    let stranger = at.guest_id(&other).await;
    let path = event.api(&format!("/rsvps/{stranger}/approve"));
    says(&at.post(&path, &event.token, Value::Null).await, 404, "RSVP not found");
}

/// Sends `body` and asserts that exactly `loc` is what is wrong with it.
async fn invalid(at: &Target, path: &str, body: Value, loc: &[&str]) {
    let answer = at.post(path, "", body.clone()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", answer.text);
    let refused = answer.json();
    shapes::keys(&refused, &["detail"]);
    let list = refused["detail"].as_array().expect("a list");
    assert!(list.iter().any(|one| one["loc"] == json!(loc)), "{body}: {refused}");
    for one in list {
        assert!(one["msg"].is_string() && one["type"].is_string(), "{refused}");
        let known = ["loc", "msg", "type", "input", "ctx"];
        assert!(
            one.as_object().expect("an object").keys().all(|key| known.contains(&key.as_str()))
        );
    }
}

pub async fn what_has_not_the_right_form(at: &Target) {
    let events = "/api/v1/events";
    invalid(at, events, json!({ "start_time": "2131-05-10" }), &["body", "title"]).await;
    invalid(at, events, json!({ "title": "t" }), &["body", "start_time"]).await;
    for (key, value) in [
        ("title", json!(null)),
        ("title", json!(7)),
        ("start_time", json!("soon")),
        ("start_time", json!(null)),
        ("end_time", json!("later")),
        ("max_attendees", json!(2.5)),
        ("max_attendees", json!("many")),
        ("is_private", json!("perhaps")),
        ("timezone_offset_minutes", json!("x")),
    ] {
        invalid(at, events, event_body(json!({ key: value })), &["body", key]).await;
    }
    invalid(at, events, json!([]), &["body"]).await;
    let event = at.event(json!({})).await;
    let rsvps = event.api("/rsvps");
    invalid(at, &rsvps, json!({ "attendance_status": "yes" }), &["body", "name"]).await;
    invalid(at, &rsvps, json!({ "name": "Ana" }), &["body", "attendance_status"]).await;
    invalid(at, &rsvps, rsvp_body(json!({ "guest_count": 2.5 })), &["body", "guest_count"]).await;
    // The form counts before the event, the event before the token.
    let nothing = "/api/v1/events/nothing/rsvps";
    invalid(at, nothing, json!({ "name": "Ana" }), &["body", "attendance_status"]).await;
}

pub async fn what_crashed_the_original(at: &Target) {
    let event = at.event(json!({})).await;
    let path = event.api("");
    for body in [
        r#"{"title":"\ud800","start_time":"2131-05-10"}"#,
        r#"{"title":"t","start_time":"0000-01-01"}"#,
        r#"{"title":"t","start_time":"2131-05-10","timezone_offset_minutes":99999999999}"#,
        r#"{"title":"t","start_time":"9999-12-31T23:59:59-14:00"}"#,
        r#"{"title":"t","start_time":"2131-05-10T10:00:00Z","end_time":"2131-05-10T09:00:00"}"#,
        r#"{"title":"t","start_time":"2131-05-10","max_attendees":1e300}"#,
        "{",
        "",
        "\u{0}",
        "title=t&start_time=2131-05-10",
    ] {
        for (method, path, token) in
            [(Method::POST, "/api/v1/events", ""), (Method::PATCH, path.as_str(), &*event.token)]
        {
            let request = at.request(method, path).body(body).bearer_auth(token);
            let answer =
                request.header("content-type", "text/plain").send().await.expect("an answer");
            let status = answer.status().as_u16();
            assert!(matches!(status, 200 | 201 | 400 | 422), "{status} to {body}");
        }
    }
}

pub async fn in_the_right_form_of_answer(at: &Target) {
    let get = async |path: &str, accept: &str| {
        let answer = at.request(Method::GET, path).header("accept", accept).send().await;
        crate::support::Answer::of(answer.expect("an answer")).await
    };
    for (path, accept, is_json) in [
        ("/api/v1/nothing", "text/html", true),
        ("/e/nothing", "application/json", true),
        ("/e/nothing", "text/html,application/json", false),
        ("/e/nothing", "*/*", false),
        ("/nothing", "text/html", false),
        ("/static/nothing.css", "*/*", false),
    ] {
        let answer = get(path, accept).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let kind = answer.header("content-type");
        let wanted = if is_json { "application/json" } else { "text/html" };
        assert!(kind.starts_with(wanted), "{path} for {accept}: {kind}");
    }
    let wrong_root = at.get("/admin/wrong", "").await;
    assert_eq!(wrong_root.status, StatusCode::FORBIDDEN);
}
