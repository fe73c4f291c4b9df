//! Making, reading, editing and deleting an event.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Target, event_body, shapes, text};

pub async fn makes(at: &Target) {
    let body = event_body(json!({
        "description": "d", "location": "l", "end_time": "2131-05-10T19:00:00.250000",
        "channel_name": "Conformance makes", "max_attendees": 7, "admin_approval_required": false,
    }));
    let made = at.post("/api/v1/events", "", body).await.expect(StatusCode::CREATED);
    shapes::keys(&made, &["admin_token", "event"]);
    let (event, token) = (&made["event"], text(&made["admin_token"]));
    shapes::event(event, "", "admin:s");
    assert_eq!(token.len(), 43);
    let id = text(&event["id"]);
    assert_eq!(id.len(), 36);
    assert_eq!(event["links"]["admin"], format!("/e/{id}/admin/{token}"));
    assert_eq!(event["start_time"], "2131-05-10T17:00:00");
    assert_eq!(event["end_time"], "2131-05-10T19:00:00.250000");
    assert_eq!((&event["score"], &event["yes_count"]), (&json!(100.0), &json!(0)));
    assert_eq!((&event["max_attendees"], &event["is_private"]), (&json!(7), &json!(false)));
    assert_eq!(event["channel"]["slug"], "conformance-makes");
    assert_eq!(event["channel"]["visibility"], "public");
    let plain = at.post("/api/v1/events", "", event_body(json!({}))).await.json();
    assert!(plain["event"].get("channel").is_none(), "absent, never null: {plain}");
}

pub async fn reads(at: &Target) {
    let event = at.event(json!({ "location": "l", "admin_approval_required": true })).await;
    at.guest(&event, json!({ "guest_count": 2 })).await;
    let before = at.get(&event.api(""), "").await.expect(StatusCode::OK);
    shapes::keys(&before, &["event"]);
    shapes::event_detail(&before["event"]);
    assert_eq!(before["event"]["location"], Value::Null, "before the host's word");
    assert_eq!((&before["event"]["rsvps"], &before["event"]["yes_count"]), (&json!([]), &json!(0)));
    let host = at.get(&event.api(""), &event.token).await.expect(StatusCode::OK);
    assert_eq!((&host["event"]["location"], &host["event"]["yes_count"]), (&json!("l"), &json!(3)));
    let owner = at.get(&event.api(""), &at.instance_token).await.expect(StatusCode::OK);
    assert_eq!(owner["event"]["location"], "l");
    assert!(!owner.to_string().contains(&at.instance_token));
    let id = at.guest_id(&event).await;
    at.post(&event.api(&format!("/rsvps/{id}/approve")), &event.token, Value::Null).await;
    let after = at.get(&event.api(""), "").await.expect(StatusCode::OK);
    shapes::event_detail(&after["event"]);
    let counts = json!({
        "public": 1, "private": 0, "public_party_size": 3, "private_party_size": 0,
    });
    assert_eq!(after["event"]["rsvp_counts"], counts);
    assert_eq!(after["event"]["rsvps"][0]["name"], "Ana");
    assert_eq!(after["event"]["last_modified"], before["event"]["last_modified"]);
}

pub async fn edits(at: &Target) {
    let all = json!({
        "description": "d", "location": "l", "end_time": "2131-05-10T19:00:00",
        "max_attendees": 3, "rsvp_close_at": "2131-05-09T00:00:00", "channel_name": "Conformance edits",
    });
    let event = at.event(all).await;
    let patch = async |token: &str, body: Value| {
        let changed = at.send(Method::PATCH, &event.api(""), token, body).await;
        let changed = changed.expect(StatusCode::OK);
        shapes::keys(&changed, &["event"]);
        changed["event"].clone()
    };
    let changed = patch(&event.token, json!({ "title": "New" })).await;
    shapes::event(&changed, "", "admin:s");
    assert_eq!((&changed["title"], &changed["location"]), (&json!("New"), &json!("l")));
    let owner = patch(&at.instance_token, json!({ "title": "Owner" })).await;
    assert!(!owner.to_string().contains(&at.instance_token));
    let kept = patch(&event.token, json!({ "channel_visibility": "public" })).await;
    assert_eq!(
        kept["channel"]["slug"], "conformance-edits",
        "the visibility alone removes nothing"
    );
    let same = patch(&event.token, json!({ "start_time": null })).await;
    assert_eq!(same["start_time"], "2131-05-10T17:00:00", "a null start is passed over");
    let cleared = patch(
        &event.token,
        json!({
            "description": null, "location": null, "end_time": null, "max_attendees": null,
            "rsvp_close_at": null, "channel_name": null,
        }),
    )
    .await;
    for key in ["description", "location", "end_time", "max_attendees", "rsvp_close_at"] {
        assert_eq!(cleared[key], Value::Null, "{key}");
    }
    assert!(cleared.get("channel").is_none());
    let backwards = json!({ "end_time": "2131-05-10T16:00:00" });
    let refused = at.send(Method::PATCH, &event.api(""), &event.token, backwards).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    shapes::keys(&refused.json(), &["detail"]);
}

pub async fn takes_what_clients_send(at: &Target) {
    for (sent, kept) in [
        (json!("2131-05-10"), "2131-05-10T00:00:00"),
        (json!("2131-05-10 17:30"), "2131-05-10T17:30:00"),
        (json!("2131-05-10T17:30:00Z"), "2131-05-10T17:30:00"),
        (json!("2131-05-10T17:30:00+02:00"), "2131-05-10T15:30:00"),
        (json!("21310510T1730"), "2131-05-10T17:30:00"),
    ] {
        let body = event_body(json!({ "start_time": sent }));
        let made = at.post("/api/v1/events", "", body).await.expect(StatusCode::CREATED);
        assert_eq!(made["event"]["start_time"], kept, "{sent}");
    }
    let lenient = event_body(json!({
        "max_attendees": "7", "is_private": "yes", "rsvps_closed": 1, "unheard_of": [1],
        "timezone_offset_minutes": -120.0,
    }));
    let bare = at.request(Method::POST, "/api/v1/events").body(lenient.to_string()).send().await;
    let made = crate::support::Answer::of(bare.expect("an answer")).await;
    let made = made.expect(StatusCode::CREATED);
    assert_eq!(made["event"]["max_attendees"], 7);
    assert_eq!(
        (&made["event"]["is_private"], &made["event"]["rsvps_closed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(made["event"]["start_time"], "2131-05-10T15:00:00", "local plus the offset is UTC");
}

pub async fn deletes(at: &Target) {
    let event = at.event(json!({})).await;
    let gone = at.send(Method::DELETE, &event.api(""), &event.token, Value::Null).await;
    assert_eq!((gone.status, gone.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(at.get(&event.api(""), "").await.status, StatusCode::NOT_FOUND);
    let other = at.event(json!({})).await;
    let gone = at.send(Method::DELETE, &other.api(""), &at.instance_token, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

pub async fn gives_a_calendar(at: &Target) {
    let event = at.event(json!({ "title": "Cake; tea, more", "location": "l" })).await;
    let file = at.get(&event.api("/event.ics"), "").await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(file.header("content-type"), "text/calendar; charset=utf-8");
    let name = format!("attachment; filename=\"event_{}.ics\"", event.id);
    assert_eq!(file.header("content-disposition"), name);
    for line in [
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        &format!("UID:{}@openrsvp", event.id),
        "DTSTART:21310510T170000Z",
        r"SUMMARY:Cake\; tea\, more",
        "LOCATION:l",
        "END:VCALENDAR",
    ] {
        assert!(file.text.split("\r\n").any(|found| found == line), "{line} in {}", file.text);
    }
}
