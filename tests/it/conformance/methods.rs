//! `HEAD`, `OPTIONS`, and methods that a path does not take.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::Target;

pub async fn are_told(at: &Target) {
    let event = at.event(json!({ "channel_name": "Conformance methods" })).await;
    let token = at.guest(&event, json!({})).await;
    let id = at.guest_id(&event).await;
    let below = |prefix: &str, path: &str| format!("{prefix}/events/{}/{path}", event.id);
    let mut paths = vec![
        ("/".to_owned(), "GET"),
        ("/event/create".to_owned(), "GET"),
        ("/events".to_owned(), "POST"),
        (event.page(""), "GET"),
        (event.page("/rsvp"), "GET POST"),
        (event.page(&format!("/rsvp/{token}")), "GET POST"),
        (event.page(&format!("/rsvp/{token}/messages")), "POST"),
        (event.page(&format!("/rsvp/{token}/delete")), "POST"),
        (event.host(""), "GET POST"),
        (event.host("/delete"), "POST"),
        (event.host("/messages"), "POST"),
        (event.host(&format!("/rsvp/{id}/approve")), "POST"),
        (format!("/admin/{}", at.instance_token), "GET"),
        (format!("/admin/{}/events", at.instance_token), "GET"),
        (format!("/admin/{}/events/{}/delete", at.instance_token, event.id), "POST"),
        (format!("/admin/{}/channels", at.instance_token), "GET"),
        (format!("/admin/{}/status", at.instance_token), "GET"),
        (event.host("/link"), "POST"),
        (event.host(&format!("/rsvp/{id}/link")), "POST"),
        ("/channels/discover".to_owned(), "GET"),
        ("/my-events".to_owned(), "GET"),
        ("/my-rsvps".to_owned(), "GET"),
        ("/help".to_owned(), "GET"),
        ("/api/v1/channels".to_owned(), "GET"),
        ("/channel/conformance-methods".to_owned(), "GET"),
        ("/favicon.ico".to_owned(), "GET"),
        ("/site.webmanifest".to_owned(), "GET"),
        ("/api/v1/events".to_owned(), "GET POST"),
        ("/api/v1/channels/conformance-methods".to_owned(), "GET"),
        (event.api(""), "GET PATCH DELETE"),
        (event.api("/event.ics"), "GET"),
        (event.api("/rsvps"), "GET POST"),
        (event.api("/rsvps/self"), "GET PATCH DELETE"),
        (event.api("/rsvps/self/messages"), "POST"),
        (event.api(&format!("/rsvps/{id}")), "DELETE"),
        (event.api(&format!("/rsvps/{id}/link")), "POST"),
        (event.api("/link"), "POST"),
    ];
    for prefix in ["/api/v1", ""] {
        paths.push((below(prefix, "messages"), "POST"));
        for word in ["approve", "reject", "pending", "messages"] {
            paths.push((below(prefix, &format!("rsvps/{id}/{word}")), "POST"));
        }
    }
    for (path, methods) in &paths {
        one(at, path, &methods.split(' ').collect::<Vec<_>>(), &event.token, &token).await;
    }
}

async fn one(at: &Target, path: &str, methods: &[&str], host: &str, guest: &str) {
    let token = if path.contains("/self") { guest } else { host };
    let allows = async |method: Method, status: StatusCode| {
        let answer = at.request(method.clone(), path).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{method} {path}");
        let allowed = answer.headers().get("allow").map(|allow| allow.to_str().expect("text"));
        let allowed = allowed.unwrap_or_else(|| panic!("{method} {path} without Allow"));
        for method in methods {
            assert!(allowed.split(", ").any(|allowed| allowed == *method), "{path}: {allowed}");
        }
    };
    allows(Method::OPTIONS, StatusCode::NO_CONTENT).await;
    allows(Method::PUT, StatusCode::METHOD_NOT_ALLOWED).await;
    let request = |method| at.request(method, path).bearer_auth(token).send();
    if methods.contains(&"GET") {
        let get = request(Method::GET).await.expect("an answer");
        let head = request(Method::HEAD).await.expect("an answer");
        assert_eq!((get.status(), head.status()), (StatusCode::OK, StatusCode::OK), "{path}");
        assert_eq!(get.headers().get("content-type"), head.headers().get("content-type"), "{path}");
        for header in ["content-security-policy", "x-content-type-options", "referrer-policy"] {
            assert!(get.headers().contains_key(header), "{path} without {header}");
        }
        assert_eq!(head.bytes().await.expect("a body").len(), 0, "HEAD {path}");
    } else {
        allows(Method::HEAD, StatusCode::METHOD_NOT_ALLOWED).await;
        allows(Method::GET, StatusCode::METHOD_NOT_ALLOWED).await;
    }
}
