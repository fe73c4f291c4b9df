//! Giving, changing and deciding answers through the API.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, TestEvent, on_both};

async fn roster(app: &TestApp, event: &TestEvent) -> Value {
    app.get(&event.api("/rsvps"), &event.token).await.expect(StatusCode::OK)
}

async fn id_of(app: &TestApp, event: &TestEvent, name: &str) -> String {
    let roster = roster(app, event).await;
    let all = roster["rsvps"].as_array().expect("a list").clone();
    let found = all.iter().find(|rsvp| rsvp["name"] == name).expect("the guest");
    found["id"].as_str().expect("an id").to_owned()
}

on_both! {
    async fn an_answer_is_given_read_changed_and_taken_back(app: &TestApp) {
        let event = app.event(json!({})).await;
        let body = json!({ "name": " Ana ", "attendance_status": "YES", "guest_count": "2", "pronouns": "she/her", "note": "Vegetarian" });
        let given = app.post(&event.api("/rsvps"), "", body).await.expect(StatusCode::CREATED);
        let token = given["rsvp"]["rsvp_token"].as_str().expect("a token").to_owned();
        assert_eq!(given["links"]["html"], event.page(&format!("/rsvp/{token}")));
        assert_eq!(given["rsvp"]["name"], "Ana");
        assert_eq!(given["rsvp"]["approval_status"], "approved");
        let own = event.api("/rsvps/self");
        let shown = app.get(&own, &token).await.expect(StatusCode::OK);
        assert_eq!(shown["rsvp"]["messages"][0]["content"], "Vegetarian");
        assert_eq!(shown["rsvp"]["messages"].as_array().expect("a list").len(), 1, "records are not the guest's");
        assert!(shown["rsvp"].get("id").is_none());
        let changed = app.patch(&own, &token, json!({ "attendance_status": "maybe" })).await.expect(StatusCode::OK);
        assert_eq!((&changed["rsvp"]["attendance_status"], &changed["rsvp"]["guest_count"]), (&json!("maybe"), &json!(2)));
        assert_eq!(app.delete(&own, &token).await.status, StatusCode::NO_CONTENT);
        let gone = app.get(&own, &token).await;
        assert_eq!((gone.status, gone.json()), (StatusCode::NOT_FOUND, json!({ "detail": "RSVP not found" })));
        assert_eq!(roster(app, &event).await["rsvps"], json!([]));
    }

    async fn what_is_meant_is_understood(app: &TestApp) {
        let event = app.event(json!({})).await;
        for (body, reply, companions) in [
            (json!({ "attendance_status": "" }), "yes", 0),
            (json!({ "attendance_status": "perhaps" }), "maybe", 0),
            (json!({ "attendance_status": "yes", "guest_count": 99 }), "yes", 5),
            (json!({ "attendance_status": "no", "guest_count": -3 }), "no", 0),
            (json!({ "status": "no", "notes": "by the old guide" }), "no", 0),
        ] {
            let mut body = body;
            body["name"] = json!("Guest");
            let given = app.post(&event.api("/rsvps"), "", body).await.expect(StatusCode::CREATED);
            assert_eq!(given["rsvp"]["attendance_status"], reply);
            assert_eq!(given["rsvp"]["guest_count"], companions);
        }
        for (body, field) in [
            (json!({ "attendance_status": "yes" }), "name"),
            (json!({ "name": "  ", "attendance_status": "yes" }), "name"),
            (json!({ "name": "x".repeat(121), "attendance_status": "yes" }), "name"),
            (json!({ "name": "Ana" }), "attendance_status"),
            (json!({ "name": "Ana", "attendance_status": null }), "attendance_status"),
            (json!({ "name": "Ana", "attendance_status": "yes", "guest_count": 1.5 }), "guest_count"),
            (json!({ "name": "Ana", "attendance_status": "yes", "pronouns": "x".repeat(65) }), "pronouns"),
            (json!({ "name": "Ana", "attendance_status": "yes", "note": "x".repeat(5_001) }), "note"),
        ] {
            let refused = app.post(&event.api("/rsvps"), "", body).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
            assert_eq!(refused.json()["detail"][0]["loc"][1], field);
        }
    }

    async fn a_closed_event_takes_no_new_answer_and_lets_guests_change_theirs(app: &TestApp) {
        let event = app.event(json!({ "rsvp_close_at": "2026-06-02T12:00:00" })).await;
        let ana = app.answer(&event, "Ana", json!({ "attendance_status": "no" })).await;
        app.clock.advance(jiff::SignedDuration::from_hours(24));
        let shown = app.get(&event.api(""), "").await.json();
        assert_eq!((&shown["event"]["rsvps_closed"], &shown["event"]["rsvp_close_at"]), (&json!(true), &Value::Null));
        let late = json!({ "name": "Late", "attendance_status": "no" });
        let refused = app.post(&event.api("/rsvps"), "", late.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(refused.json(), json!({ "error": "RSVPsClosed", "message": "This organizer closed new RSVPs for this event." }));
        let own = event.api("/rsvps/self");
        assert_eq!(app.patch(&own, &ana, json!({ "attendance_status": "yes" })).await.status, StatusCode::OK);
        let forced = event.api("/rsvps?force_accept=true");
        assert_eq!(app.post(&forced, &event.token, late).await.status, StatusCode::CREATED);
        assert_eq!(app.delete(&own, &ana).await.status, StatusCode::NO_CONTENT);
    }

    async fn the_host_decides_and_each_decision_is_recorded(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true, "location": "Lindenhof 4", "max_attendees": 1 })).await;
        let ana = app.answer(&event, "Ana", json!({})).await;
        let id = id_of(app, &event, "Ana").await;
        let act = |verdict: &str| event.api(&format!("/rsvps/{id}/{verdict}"));
        let place = async |token: &str| app.get(&event.api(""), token).await.json()["event"]["location"].clone();
        assert_eq!((place("").await, place(&ana).await), (Value::Null, Value::Null));
        assert_eq!(place(&event.token).await, "Lindenhof 4");

        assert_eq!(app.post(&act("approve"), "", json!({})).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(app.post(&act("approve"), &ana, json!({})).await.status, StatusCode::FORBIDDEN);
        let approved = app.post(&act("approve"), &event.token, Value::Null).await.expect(StatusCode::OK);
        assert_eq!(approved["rsvp"]["approval_status"], "approved");
        assert_eq!(approved["rsvp"]["messages"][0]["content"], "RSVP marked as approved");
        assert!(approved["rsvp"].get("rsvp_token").is_none());
        assert_eq!((place(&ana).await, place("").await), (json!("Lindenhof 4"), Value::Null));

        let rejected = app.post(&act("reject"), &event.token, json!({ "reason": "Too small a table" })).await;
        assert_eq!(rejected.expect(StatusCode::OK)["rsvp"]["approval_status"], "rejected");
        let own = app.get(&event.api("/rsvps/self"), &ana).await.json();
        assert_eq!(own["rsvp"]["messages"][0]["content"], "Too small a table");
        // The rejected guest's seat is free, and taken: coming back needs force.
        app.answer(&event, "Bo", json!({})).await;
        assert_eq!(app.post(&act("pending"), &event.token, json!({})).await.status, StatusCode::BAD_REQUEST);
        // The same routes without the prefix, as the original had them.
        let bare = format!("/events/{}/rsvps/{id}/approve", event.id);
        assert_eq!(app.post(&bare, "wrong", json!({})).await.json(), json!({ "detail": "Invalid admin token" }));
        assert_eq!(app.post(&event.api("/rsvps/nobody/approve"), &event.token, json!({})).await.json(), json!({ "detail": "RSVP not found" }));
    }

    async fn names_are_shown_to_whom_they_may_be(app: &TestApp) {
        let event = app.event(json!({})).await;
        app.answer(&event, "Open Ana", json!({ "guest_count": 1 })).await;
        app.answer(&event, "Hidden Bo", json!({ "is_private_rsvp": true })).await;
        app.answer(&event, "Declined Cy", json!({})).await;
        let id = id_of(app, &event, "Declined Cy").await;
        app.post(&event.api(&format!("/rsvps/{id}/reject")), &event.token, json!({})).await.expect(StatusCode::OK);
        let shown = app.get(&event.api(""), "").await;
        let page = app.get(&event.page(""), "").await;
        for text in [&shown.text, &page.text] {
            assert!(text.contains("Open Ana") && !text.contains("Hidden Bo") && !text.contains("Declined Cy"));
        }
        let shown = shown.json();
        assert!(shown["event"]["rsvps"][0].get("id").is_none());
        assert_eq!(shown["event"]["rsvp_counts"], json!({ "public": 1, "private": 1, "public_party_size": 2, "private_party_size": 1 }));
        assert_eq!(shown["event"]["yes_count"], 4, "v1 counts every yes where no approval is required");
        let roster = roster(app, &event).await;
        assert_eq!(roster["rsvps"].as_array().expect("a list").len(), 3);
        assert!(roster["rsvps"][0].get("rsvp_token").is_none(), "nobody else's token is shown");
        assert_eq!(roster["stats"], json!({
            "yes_count": 2, "yes_guest_count": 1, "yes_total": 3, "maybe_count": 0, "maybe_guest_count": 0,
            "maybe_total": 0, "no_count": 0, "no_guest_count": 0, "no_total": 0,
        }));
    }

    async fn host_and_guest_write_to_each_other(app: &TestApp) {
        let event = app.event(json!({})).await;
        let ana = app.answer(&event, "Ana", json!({})).await;
        let id = id_of(app, &event, "Ana").await;
        let note = app.post(&event.api("/rsvps/self/messages"), &ana, json!({ "content": " Is there parking? " })).await;
        let note = note.expect(StatusCode::CREATED);
        assert_eq!((&note["message"]["content"], &note["message"]["author_id"]), (&json!("Is there parking?"), &json!(id)));
        let path = event.api(&format!("/rsvps/{id}/messages"));
        app.post(&path, &event.token, json!({ "content": "Yes, behind the house." })).await.expect(StatusCode::CREATED);
        app.post(&path, &event.token, json!({ "content": "Owes me a chair.", "message_type": "admin_note" })).await.expect(StatusCode::CREATED);
        let leak = json!({ "content": "x", "message_type": "admin_note", "visibility": "attendee" });
        assert_eq!(app.post(&path, &event.token, leak).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let own = app.get(&event.api("/rsvps/self"), &ana).await;
        assert!(own.text.contains("behind the house") && !own.text.contains("chair"));
        assert_eq!(app.post(&path, &event.token, json!({ "content": "  " })).await.status, StatusCode::UNPROCESSABLE_ENTITY);

        let news = |audience: &str| json!({ "content": format!("News for {audience}"), "visibility": audience });
        for path in [event.api("/messages"), format!("/events/{}/messages", event.id)] {
            for audience in ["public", "admin"] {
                app.post(&path, &event.token, news(audience)).await.expect(StatusCode::CREATED);
            }
        }
        let shown = app.get(&event.api(""), "").await;
        assert!(shown.text.contains("News for public") && !shown.text.contains("News for admin"));
    }

    async fn a_removed_guest_takes_the_messages_along(app: &TestApp) {
        let event = app.event(json!({})).await;
        let ana = app.answer(&event, "Ana", json!({ "note": "Gone with me" })).await;
        let bo = app.answer(&event, "Bo", json!({})).await;
        let id = id_of(app, &event, "Ana").await;
        assert_eq!(app.delete(&event.api(&format!("/rsvps/{id}")), "").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(app.delete(&event.api(&format!("/rsvps/{id}")), &event.token).await.status, StatusCode::NO_CONTENT);
        assert_eq!(app.delete(&event.api(&format!("/rsvps/{bo}")), &event.token).await.status, StatusCode::NO_CONTENT);
        assert_eq!(app.get(&event.api("/rsvps/self"), &ana).await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.delete(&event.api(&format!("/rsvps/{id}")), &event.token).await.status, StatusCode::NOT_FOUND);
    }

    async fn a_guest_of_another_event_is_a_stranger(app: &TestApp) {
        let (one, two) = (app.event(json!({})).await, app.event(json!({})).await);
        let ana = app.answer(&one, "Ana", json!({})).await;
        assert_eq!(app.get(&two.api("/rsvps/self"), &ana).await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.get(&two.api("/rsvps"), &one.token).await.status, StatusCode::FORBIDDEN);
    }
}
