//! Messages: who reads which, on every route; what is recorded by itself; and what goes with what.

use openrsvp::services::Error;
use openrsvp::store::messages;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{INSTANCE_TOKEN, TestApp, TestEvent, on_both};

/// An event with two guests and a message of every kind and visibility.
struct Scene {
    event: TestEvent,
    ana: String,
    bo: String,
    ana_id: String,
    bo_id: String,
}

/// Every text of the scene: no other answer of the program has these words.
const TEXTS: [&str; 12] = [
    "update-for-all",
    "internal-for-all",
    "update-for-hosts",
    "internal-for-hosts",
    "message-to-ana",
    "note-on-ana",
    "note-by-ana",
    "reason-for-ana",
    "message-to-bo",
    "note-on-bo",
    "note-by-bo",
    "reason-for-bo",
];
const NEWS: [&str; 2] = ["update-for-all", "internal-for-all"];
const OF_ANA: [&str; 3] = ["message-to-ana", "note-by-ana", "reason-for-ana"];
const OF_BO: [&str; 3] = ["message-to-bo", "note-by-bo", "reason-for-bo"];

async fn guest_id(app: &TestApp, event: &TestEvent, name: &str) -> String {
    let roster = app.get(&event.api("/rsvps"), &event.token).await.expect(StatusCode::OK);
    let all = roster["rsvps"].as_array().expect("a list").clone();
    let found = all.iter().find(|rsvp| rsvp["name"] == name).expect("the guest");
    found["id"].as_str().expect("an id").to_owned()
}

impl Scene {
    async fn set(app: &TestApp) -> Self {
        let event = app.event(json!({ "channel_name": "Garden" })).await;
        let ana = app.answer(&event, "Ana", json!({ "note": "note-by-ana" })).await;
        let bo = app.answer(&event, "Bo", json!({ "note": "note-by-bo" })).await;
        let (ana_id, bo_id) =
            (guest_id(app, &event, "Ana").await, guest_id(app, &event, "Bo").await);
        for (content, visibility, kind) in [
            ("update-for-all", "public", "event_update"),
            ("internal-for-all", "Public", "event_internal"),
            ("update-for-hosts", "ADMIN", "event_update"),
            ("internal-for-hosts", "admin", "event_internal"),
        ] {
            let body =
                json!({ "content": content, "visibility": visibility, "message_type": kind });
            app.post(&event.api("/messages"), &event.token, body).await.expect(StatusCode::CREATED);
        }
        for (name, id) in [("ana", &ana_id), ("bo", &bo_id)] {
            for (content, kind) in [
                ("message-to", "admin_message"),
                ("note-on", "admin_note"),
                ("reason-for", "rejection_reason"),
            ] {
                let body = json!({ "content": format!("{content}-{name}"), "message_type": kind });
                app.post(&event.api(&format!("/rsvps/{id}/messages")), &event.token, body)
                    .await
                    .expect(StatusCode::CREATED);
            }
        }
        Self { event, ana, bo, ana_id, bo_id }
    }
}

/// Which of the scene's texts stand in an answer.
fn found(text: &str) -> Vec<&'static str> {
    TEXTS.into_iter().filter(|known| text.contains(known)).collect()
}

fn sorted(texts: &[&[&'static str]]) -> Vec<&'static str> {
    TEXTS.into_iter().filter(|known| texts.iter().any(|some| some.contains(known))).collect()
}

async fn is_stored(app: &TestApp, id: &str) -> bool {
    let id = id.to_owned();
    let read = app.running().site.db.read(move |tx| {
        Box::pin(async move { Ok::<_, Error>(messages::by_id(tx, &id).await?.is_some()) })
    });
    read.await.unwrap()
}

on_both! {
    async fn what_is_open_shows_everybody_the_same(app: &TestApp) {
        let Scene { event, ana, bo, .. } = Scene::set(app).await;
        let viewers = [("", "nobody"), (&*ana, "Ana"), (&*bo, "Bo"), (&*event.token, "the host"), (INSTANCE_TOKEN, "the owner"), ("wrong", "a liar")];
        // What everybody may ask for shows everybody the same, whatever they hold.
        for (token, who) in viewers {
            for (path, expected) in [
                (event.api(""), &NEWS[..]), (event.page(""), &NEWS[..]), (event.page("/rsvp"), &[]), (event.api("/event.ics"), &[]),
                ("/api/v1/events".to_owned(), &[]), ("/api/v1/channels/garden".to_owned(), &[]), ("/".to_owned(), &[]), ("/channel/garden".to_owned(), &[]),
            ] {
                let shown = app.get(&path, token).await;
                assert_eq!(shown.status, StatusCode::OK, "{who} at {path}");
                assert_eq!(found(&shown.text), expected, "{who} at {path}");
            }
        }
    }

    async fn a_link_opens_what_its_holder_may_read(app: &TestApp) {
        let Scene { event, ana, bo, ana_id, .. } = Scene::set(app).await;
        let all: &[&str] = &TEXTS;
        // What a link opens: page, and routes of the API with the token.
        let own = |token: &str| event.page(&format!("/rsvp/{token}"));
        let host = |token: &str| event.page(&format!("/admin/{token}"));
        for (path, token, status, expected) in [
            (own(&ana), "", 200, sorted(&[&NEWS, &OF_ANA])), (own(&bo), "", 200, sorted(&[&NEWS, &OF_BO])),
            (own(&event.token), "", 404, vec![]), (own(INSTANCE_TOKEN), "", 404, vec![]), (own(&ana_id), "", 404, vec![]),
            (host(&event.token), "", 200, sorted(&[all])), (host(INSTANCE_TOKEN), "", 200, sorted(&[all])),
            (host(&ana), "", 403, vec![]), (host("wrong"), "", 403, vec![]), (host(&event.id), "", 403, vec![]),
            (event.api("/rsvps/self"), &*ana, 200, sorted(&[&OF_ANA])), (event.api("/rsvps/self"), &*bo, 200, sorted(&[&OF_BO])),
            (event.api("/rsvps/self"), "", 401, vec![]), (event.api("/rsvps/self"), &*event.token, 404, vec![]),
            (event.api("/rsvps/self"), INSTANCE_TOKEN, 404, vec![]), (event.api("/rsvps/self"), "wrong", 404, vec![]),
            (event.api("/rsvps"), "", 401, vec![]), (event.api("/rsvps"), &*ana, 403, vec![]), (event.api("/rsvps"), "wrong", 403, vec![]),
            (event.api("/rsvps"), &*event.token, 200, vec![]), (event.api("/rsvps"), INSTANCE_TOKEN, 200, vec![]),
        ] {
            let shown = app.get(&path, token).await;
            assert_eq!((shown.status.as_u16(), found(&shown.text)), (status, expected), "{path} with {token:?}");
        }
    }

    async fn routes_that_write_answer_with_what_their_caller_may_read(app: &TestApp) {
        let Scene { event, ana, bo, ana_id, bo_id } = Scene::set(app).await;
        // The same with and without the prefix.
        let of = |name: &str| -> Vec<_> { TEXTS.into_iter().filter(|text| text.ends_with(name)).collect() };
        for prefix in ["/api/v1", ""] {
            for (id, name) in [(&ana_id, "ana"), (&bo_id, "bo")] {
                for verdict in ["reject", "pending", "approve"] {
                    let path = format!("{prefix}/events/{}/rsvps/{id}/{verdict}", event.id);
                    for (token, status) in [("", 401), (&*ana, 403), (&*bo, 403), ("wrong", 403)] {
                        let refused = app.post(&path, token, json!({})).await;
                        assert_eq!((refused.status.as_u16(), found(&refused.text)), (status, vec![]), "{path}");
                    }
                    for token in [&*event.token, INSTANCE_TOKEN] {
                        let shown = app.post(&path, token, json!({})).await;
                        assert_eq!((shown.status.as_u16(), found(&shown.text)), (200, of(name)), "{path}");
                    }
                }
                let path = format!("{prefix}/events/{}/rsvps/{id}/messages", event.id);
                for (token, status) in [("", 401), (&*ana, 403), (&*bo, 403), ("wrong", 403)] {
                    assert_eq!(app.post(&path, token, json!({ "content": "x" })).await.status.as_u16(), status, "{path}");
                }
                let shown = app.post(&path, INSTANCE_TOKEN, json!({ "content": "one more" })).await;
                assert_eq!((shown.status.as_u16(), found(&shown.text)), (201, of(name)), "{path}");
            }
            let path = format!("{prefix}/events/{}/messages", event.id);
            for (token, status) in [("", 401), (&*ana, 403), ("wrong", 403), (&*event.token, 201), (INSTANCE_TOKEN, 201)] {
                let shown = app.post(&path, token, json!({ "content": "one more", "visibility": "admin" })).await;
                assert_eq!((shown.status.as_u16(), found(&shown.text)), (status, vec![]), "{path}");
            }
        }
        let path = event.api("/rsvps/self/messages");
        for (token, status, expected) in [
            (&*ana, 201, sorted(&[&OF_ANA])), (&*bo, 201, sorted(&[&OF_BO])), ("", 401, vec![]), ("wrong", 404, vec![]),
            (&*event.token, 404, vec![]), (INSTANCE_TOKEN, 404, vec![]),
        ] {
            let shown = app.post(&path, token, json!({ "content": "one more" })).await;
            assert_eq!((shown.status.as_u16(), found(&shown.text)), (status, expected), "{path}");
        }
    }

    async fn guests_and_hosts_of_another_event_are_strangers(app: &TestApp) {
        let Scene { event, ana_id, .. } = Scene::set(app).await;
        let other = app.event(json!({})).await;
        let cy = app.answer(&other, "Cy", json!({})).await;
        for token in [&*cy, &*other.token] {
            assert_eq!(app.get(&event.api("/rsvps/self"), token).await.status, StatusCode::NOT_FOUND);
            assert_eq!(app.get(&event.api("/rsvps"), token).await.status, StatusCode::FORBIDDEN);
            let path = other.api(&format!("/rsvps/{ana_id}/messages"));
            let crossed = app.post(&path, &other.token, json!({ "content": "x" })).await;
            assert_eq!((crossed.status, found(&crossed.text)), (StatusCode::NOT_FOUND, vec![]), "ids of other events open nothing");
        }
    }

    async fn what_was_refused_is_not_kept(app: &TestApp) {
        let Scene { event, ana, ana_id, .. } = Scene::set(app).await;
        let (to_event, to_guest) = (event.api("/messages"), event.api(&format!("/rsvps/{ana_id}/messages")));
        let own = event.api("/rsvps/self/messages");
        for (path, token, body, field) in [
            (&to_event, &event.token, json!({ "content": " " }), "content"), (&to_event, &event.token, json!({}), "content"),
            (&to_event, &event.token, json!({ "content": "x".repeat(5_001) }), "content"),
            (&to_event, &event.token, json!({ "content": "x", "visibility": "attendee" }), "visibility"),
            (&to_event, &event.token, json!({ "content": "x", "message_type": "user_note" }), "message_type"),
            (&to_guest, &event.token, json!({ "content": "x", "visibility": "public" }), "visibility"),
            (&to_guest, &event.token, json!({ "content": "x", "message_type": "event_update" }), "message_type"),
            (&to_guest, &event.token, json!({ "content": "x", "message_type": "force_accept" }), "message_type"),
            (&to_guest, &event.token, json!({ "content": "x", "message_type": "admin_note", "visibility": "attendee" }), "visibility"),
            (&to_guest, &event.token, json!({ "content": "x", "message_type": "admin_message", "visibility": "admin" }), "visibility"),
            (&own, &ana, json!({ "content": null }), "content"), (&own, &ana, json!({ "content": "\u{200b}" }), "content"),
            (&own, &ana, json!({ "content": "x".repeat(5_001) }), "content"),
        ] {
            let refused = app.post(path, token, body.clone()).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", refused.text);
            assert_eq!(refused.json()["detail"][0]["loc"], json!(["body", field]), "{}", refused.text);
        }
        let shown = app.post(&own, &ana, json!({ "content": " last\u{0} " })).await.expect(StatusCode::CREATED);
        assert_eq!(shown["message"]["content"], "last");
        assert_eq!(shown["message"]["author_id"], json!(ana_id));
        assert_eq!(shown["messages"].as_array().expect("a list").len(), 4, "nothing refused was kept");
        assert_eq!(shown["messages"][0], shown["message"], "newest first");
    }

    async fn what_happens_is_recorded_for_the_host(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": 3 })).await;
        app.answer(&event, "Ana", json!({ "guest_count": 2 })).await;
        let bo = app.answer(&event, "Bo", json!({ "attendance_status": "maybe" })).await;
        let bo_id = guest_id(app, &event, "Bo").await;
        let act = |verdict: &str| event.api(&format!("/rsvps/{bo_id}/{verdict}"));
        app.post(&act("reject"), &event.token, json!({ "reason": " Too small a table " })).await.expect(StatusCode::OK);
        app.post(&act("reject"), &event.token, json!({})).await.expect(StatusCode::OK);
        app.post(&act("pending"), &event.token, json!({})).await.expect(StatusCode::OK);
        let forced = event.page(&format!("/admin/{}/rsvp/{bo_id}/force_accept", event.token));
        assert_eq!(app.form(&forced, &[]).await.status, StatusCode::SEE_OTHER);
        let shown = app.post(&act("approve"), &event.token, json!({})).await.expect(StatusCode::OK);
        let told: Vec<_> = shown["rsvp"]["messages"].as_array().expect("a list").iter().rev()
            .map(|m| ["message_type", "visibility", "content"].map(|key| m[key].as_str().expect("a word")).join(" | ")).collect();
        let status = |words: &str| format!("rsvp_status_change | admin | RSVP marked as {words}");
        assert_eq!(told, [
            "rsvp_created | admin | RSVP created (Maybe; approval approved; no guests)".to_owned(),
            status("rejected"), "rejection_reason | attendee | Too small a table".to_owned(),
            status("pending"), status("approved"), "force_accept | admin | Force accepted RSVP for Bo (capacity 4/3)".to_owned(),
        ]);
        let own = app.get(&event.api("/rsvps/self"), &bo).await.json();
        let read: Vec<_> = own["rsvp"]["messages"].as_array().expect("a list").iter().map(|m| m["message_type"].clone()).collect();
        assert_eq!(read, ["rejection_reason"], "records are the host's; what was decided already is decided once");
        // Within the capacity nothing was forced.
        let roomy = app.event(json!({ "max_attendees": 9 })).await;
        app.answer(&roomy, "Cy", json!({ "attendance_status": "no", "guest_count": 1 })).await;
        let cy = guest_id(app, &roomy, "Cy").await;
        app.form(&roomy.page(&format!("/admin/{}/rsvp/{cy}/force_accept", roomy.token)), &[]).await;
        let shown = app.post(&roomy.api(&format!("/rsvps/{cy}/approve")), &roomy.token, Value::Null).await.expect(StatusCode::OK);
        assert!(!shown.to_string().contains("Force accepted") && shown.to_string().contains("RSVP created (No; approval approved; 1 guest)"), "{shown}");
        let forced = app.post(&roomy.api("/rsvps?force_accept=true"), &roomy.token, json!({ "name": "Di", "attendance_status": "yes", "guest_count": 5 })).await;
        assert_eq!(forced.status, StatusCode::CREATED);
        let di = guest_id(app, &roomy, "Di").await;
        let shown = app.post(&roomy.api(&format!("/rsvps/{di}/approve")), &roomy.token, Value::Null).await.expect(StatusCode::OK);
        assert!(!shown.to_string().contains("Force accepted"), "{shown}");
    }

    async fn messages_go_with_their_answer_and_their_event(app: &TestApp) {
        for way in ["guest", "guest's page", "host", "host's page"] {
            let Scene { event, ana, bo, ana_id, .. } = Scene::set(app).await;
            let kept = |answer: Value| answer["message"]["id"].as_str().expect("an id").to_owned();
            let write = |path: String, token: String| async move {
                kept(app.post(&path, &token, json!({ "content": "x" })).await.expect(StatusCode::CREATED))
            };
            let of_event = write(event.api("/messages"), event.token.clone()).await;
            let of_ana = write(event.api(&format!("/rsvps/{ana_id}/messages")), event.token.clone()).await;
            let by_ana = write(event.api("/rsvps/self/messages"), ana.clone()).await;
            let by_bo = write(event.api("/rsvps/self/messages"), bo.clone()).await;
            let gone = match way {
                "guest" => app.delete(&event.api("/rsvps/self"), &ana).await,
                "guest's page" => app.form(&event.page(&format!("/rsvp/{ana}/delete")), &[]).await,
                "host" => app.delete(&event.api(&format!("/rsvps/{ana_id}")), &event.token).await,
                _ => app.form(&event.page(&format!("/admin/{}/rsvp/{ana_id}/delete", event.token)), &[]).await,
            };
            assert!(gone.status.is_success() || gone.status.is_redirection(), "{way}: {}", gone.status);
            assert_eq!((is_stored(app, &of_ana).await, is_stored(app, &by_ana).await), (false, false), "{way}");
            assert_eq!((is_stored(app, &of_event).await, is_stored(app, &by_bo).await), (true, true), "{way}");
            let page = app.get(&event.page(&format!("/admin/{}", event.token)), "").await;
            assert!(!page.text.contains("-ana") && page.text.contains("note-by-bo"), "{way}");
            let gone = match way {
                "guest" | "host" => app.delete(&event.api(""), &event.token).await,
                "guest's page" => app.form(&event.page(&format!("/admin/{}/delete", event.token)), &[]).await,
                _ => app.form(&format!("/admin/{INSTANCE_TOKEN}/events/{}/delete", event.id), &[]).await,
            };
            assert!(gone.status.is_success() || gone.status.is_redirection(), "{way}: {}", gone.status);
            assert_eq!((is_stored(app, &of_event).await, is_stored(app, &by_bo).await), (false, false), "{way}");
        }
    }
}
