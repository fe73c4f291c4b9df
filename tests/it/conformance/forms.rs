//! The original's page addresses and form fields, as an old script posts them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Made, Target};
use crate::support::Answer;

/// A host and a guest, by forms alone.
pub async fn makes_and_answers(at: &Target) {
    let event = makes(at).await;
    answers(at, &event).await;
    edits(at, &event).await;
}

/// A save answers with the page or sends to it.
#[track_caller]
fn is_done(answer: &Answer) {
    let status = answer.status;
    assert!(matches!(status, StatusCode::OK | StatusCode::SEE_OTHER), "{status} {}", answer.text);
}

/// What stands between `start` and the next sign that no token has, in the page or its address.
fn token_after(answer: &Answer, start: &str) -> String {
    let all = format!("{} {}", answer.header("location"), answer.text);
    let (_, after) = all.split_once(start).unwrap_or_else(|| panic!("no {start} in {all}"));
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    after[..after.find(is_end).unwrap_or(after.len())].to_owned()
}

async fn makes(at: &Target) -> Made {
    let made = at
        .form(
            "/events",
            &[
                ("title", "By form"),
                ("description", "d"),
                ("start_time", "2131-05-10T17:00"),
                ("end_time", "2131-05-10T19:00"),
                ("location", "l"),
                ("channel_name", "Conformance forms"),
                ("channel_visibility", "public"),
                ("is_private", "on"),
                ("admin_approval_required", "on"),
                ("max_attendees", "7"),
                ("rsvp_close_at", "2131-05-09T17:00"),
                ("timezone_offset_minutes", "-120"),
            ],
        )
        .await;
    is_done(&made);
    let id = token_after(&made, "/e/");
    let event = Made { token: token_after(&made, &format!("/e/{id}/admin/")), id };
    let seen = at.get(&event.api(""), &event.token).await.json()["event"].clone();
    for (key, value) in [
        ("title", json!("By form")),
        ("description", json!("d")),
        ("location", json!("l")),
        ("start_time", json!("2131-05-10T15:00:00")),
        ("end_time", json!("2131-05-10T17:00:00")),
        ("is_private", json!(true)),
        ("admin_approval_required", json!(true)),
        ("max_attendees", json!(7)),
        ("rsvp_close_at", json!("2131-05-09T15:00:00")),
        ("rsvps_closed", json!(false)),
    ] {
        assert_eq!(seen[key], value, "{key}");
    }
    assert_eq!(seen["channel"]["slug"], "conformance-forms");
    for max in ["many", "2.5"] {
        let fields = [("title", "t"), ("start_time", "2131-05-10T17:00"), ("max_attendees", max)];
        assert_eq!(at.form("/events", &fields).await.status, StatusCode::BAD_REQUEST, "{max}");
    }
    event
}

async fn answers(at: &Target, event: &Made) {
    let given = at
        .form(
            &event.page("/rsvp"),
            &[
                ("name", "Ana"),
                ("pronouns", "she"),
                ("attendance_status", "yes"),
                ("guest_count", "2"),
                ("note", "Hello"),
                ("is_private_rsvp", "on"),
            ],
        )
        .await;
    is_done(&given);
    let token = token_after(&given, &event.page("/rsvp/"));
    let own = async || at.get(&event.api("/rsvps/self"), &token).await.json()["rsvp"].clone();
    let seen = own().await;
    for (key, value) in [
        ("name", json!("Ana")),
        ("pronouns", json!("she")),
        ("attendance_status", json!("yes")),
        ("guest_count", json!(2)),
        ("is_private", json!(true)),
        ("status", json!("pending")),
    ] {
        assert_eq!(seen[key], value, "{key}");
    }
    assert_eq!(seen["messages"][0]["content"], "Hello");
    let page = event.page(&format!("/rsvp/{token}"));
    is_done(
        &at.form(&page, &[("name", "Anne"), ("attendance_status", "no"), ("guest_count", "0")])
            .await,
    );
    let seen = own().await;
    assert_eq!(
        (&seen["name"], &seen["is_private"]),
        (&json!("Anne"), &json!(false)),
        "unchecked is false"
    );
    is_done(&at.form(&format!("{page}/messages"), &[("content", "One more")]).await);
    assert_eq!(own().await["messages"][0]["content"], "One more");
    is_done(&at.form(&format!("{page}/delete"), &[]).await);
    assert_eq!(at.get(&page, "").await.status, StatusCode::NOT_FOUND);
}

async fn edits(at: &Target, event: &Made) {
    is_done(
        &at.form(
            &event.host(""),
            &[
                ("title", "Edited"),
                ("start_time", "2131-06-10T17:00"),
                ("timezone_offset_minutes", "0"),
                ("max_attendees", "0"),
                ("channel_name", ""),
                ("rsvps_closed", "on"),
            ],
        )
        .await,
    );
    let seen = at.get(&event.api(""), &event.token).await.json()["event"].clone();
    for (key, value) in [
        ("title", json!("Edited")),
        ("start_time", json!("2131-06-10T17:00:00")),
        ("max_attendees", Value::Null),
        ("end_time", Value::Null),
        ("rsvp_close_at", Value::Null),
        ("is_private", json!(false)),
        ("admin_approval_required", json!(false)),
        ("rsvps_closed", json!(true)),
    ] {
        assert_eq!(seen[key], value, "{key}: what is not in the form is not on");
    }
    assert!(seen.get("channel").is_none(), "a blank channel is none");
    let said = [("content", "News"), ("visibility", "public"), ("message_type", "event_update")];
    is_done(&at.form(&event.host("/messages"), &said).await);
    assert_eq!(at.get(&event.api(""), "").await.json()["event"]["messages"][0]["content"], "News");
    let wrong = event.page("/admin/wrong");
    assert_eq!(at.get(&wrong, "").await.status, StatusCode::FORBIDDEN);
    let owner = event.page(&format!("/admin/{}", at.instance_token));
    assert_eq!(at.get(&owner, "").await.status, StatusCode::OK, "the owner's works as the host's");
}

pub async fn decides(at: &Target) {
    let event = at.event(json!({ "max_attendees": 1 })).await;
    at.guest(&event, json!({})).await;
    let token = at.guest(&event, json!({ "attendance_status": "maybe" })).await;
    let roster = at.get(&event.api("/rsvps"), &event.token).await.json();
    let maybe = roster["rsvps"].as_array().expect("a list").iter();
    let id = super::text(
        &maybe.clone().find(|rsvp| rsvp["attendance_status"] == "maybe").expect("one")["id"],
    );
    let act = |word: &str| event.host(&format!("/rsvp/{id}/{word}"));
    let own = async || at.get(&event.api("/rsvps/self"), &token).await.json()["rsvp"].clone();
    for (word, status) in [("reject", "rejected"), ("pending", "pending"), ("approve", "approved")]
    {
        let done = at.form(&act(word), &[("reason", "Small room")]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        assert!(done.header("location").contains(&event.host("")), "to the page it belongs to");
        assert_eq!(own().await["status"], status);
    }
    assert!(own().await["messages"].to_string().contains("Small room"));
    assert_eq!(at.form(&act("force_accept"), &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(own().await["attendance_status"], "yes");
    for (word, is_told) in [("note", false), ("message", true)] {
        let content = format!("By {word}");
        let done = at.form(&act(word), &[("content", &content)]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        assert_eq!(own().await["messages"].to_string().contains(&content), is_told);
    }
    assert_eq!(at.form(&act("delete"), &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(at.get(&event.api("/rsvps/self"), &token).await.status, StatusCode::NOT_FOUND);
}

pub async fn deletes(at: &Target) {
    let event = at.event(json!({})).await;
    is_done(&at.form(&event.host("/delete"), &[]).await);
    assert_eq!(at.get(&event.page(""), "").await.status, StatusCode::NOT_FOUND);
    let other = at.event(json!({})).await;
    let owner = format!("/admin/{}/events", at.instance_token);
    is_done(&at.form(&format!("{owner}/{}/delete", other.id), &[]).await);
    assert_eq!(at.get(&other.page(""), "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(at.get(&format!("{owner}?q=none&page=1"), "").await.status, StatusCode::OK);
}
