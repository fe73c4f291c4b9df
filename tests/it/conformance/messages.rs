//! Messages by guests and organizers, and who reads them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Target, shapes};

pub async fn by_a_guest(at: &Target) {
    let event = at.event(json!({})).await;
    let token = at.guest(&event, json!({})).await;
    let path = event.api("/rsvps/self/messages");
    let said = at.post(&path, &token, json!({ "content": " Hello " })).await;
    let said = said.expect(StatusCode::CREATED);
    shapes::keys(&said, &["message", "messages"]);
    shapes::message(&said["message"]);
    shapes::each(&said["messages"], shapes::message);
    let message = &said["message"];
    assert_eq!(
        (&message["content"], &message["message_type"]),
        (&json!("Hello"), &json!("user_note"))
    );
    assert_eq!(message["author_id"], message["rsvp_id"]);
    assert_eq!(message["visibility"], "attendee");
}

pub async fn about_an_event(at: &Target) {
    let event = at.event(json!({})).await;
    for prefix in ["/api/v1", ""] {
        let path = format!("{prefix}/events/{}/messages", event.id);
        for (visibility, kind, is_seen) in
            [("Public", "event_update", true), ("admin", "event_internal", false)]
        {
            let content = format!("{prefix} {visibility}").trim().to_owned();
            let body =
                json!({ "content": content, "visibility": visibility, "message_type": kind });
            let said = at.post(&path, &event.token, body).await.expect(StatusCode::CREATED);
            shapes::keys(&said, &["message"]);
            shapes::message(&said["message"]);
            assert_eq!(said["message"]["visibility"], visibility.to_lowercase());
            assert_eq!(said["message"]["message_type"], kind);
            assert_eq!(said["message"]["rsvp_id"], Value::Null);
            let seen = at.get(&event.api(""), "").await.json()["event"]["messages"].clone();
            let has =
                seen.as_array().expect("a list").iter().any(|seen| seen["content"] == content);
            assert_eq!(has, is_seen, "{seen}");
        }
        let wrong = json!({ "content": "x", "visibility": "attendee" });
        let wrong = at.post(&path, &event.token, wrong).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let seen = at.get(&event.api(""), "").await.json();
    assert_eq!(seen["event"]["messages"][0]["content"], "Public", "newest first");
}

pub async fn about_a_guest(at: &Target) {
    let event = at.event(json!({})).await;
    let token = at.guest(&event, json!({})).await;
    let id = at.guest_id(&event).await;
    for prefix in ["/api/v1", ""] {
        let path = format!("{prefix}/events/{}/rsvps/{id}/messages", event.id);
        for (kind, visibility, is_seen) in [
            ("admin_note", "admin", false),
            ("admin_message", "attendee", true),
            ("rejection_reason", "attendee", true),
            ("user_note", "admin", false),
        ] {
            let content = format!("{prefix} {kind}").trim().to_owned();
            let body =
                json!({ "content": content, "visibility": visibility, "message_type": kind });
            let said = at.post(&path, &event.token, body).await.expect(StatusCode::CREATED);
            shapes::keys(&said, &["message", "messages"]);
            shapes::message(&said["message"]);
            shapes::each(&said["messages"], shapes::message);
            assert_eq!(said["message"]["rsvp_id"], id);
            let own = at.get(&event.api("/rsvps/self"), &token).await.json();
            let own = own["rsvp"]["messages"].as_array().expect("a list").clone();
            assert_eq!(own.iter().any(|own| own["content"] == content), is_seen, "{kind}: {own:?}");
        }
        let told =
            json!({ "content": "x", "visibility": "attendee", "message_type": "admin_note" });
        let told = at.post(&path, &event.token, told).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "a note is never the guest's");
    }
}
