//! Small things that went wrong once, each where it hurt somebody.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{INSTANCE_TOKEN, on_both};

on_both! {
    async fn a_note_is_not_lost_when_the_host_closes_meanwhile(app: &TestApp) {
        let event = app.event(json!({})).await;
        app.patch(&event.api(""), &event.token, json!({ "rsvps_closed": true })).await.expect(StatusCode::OK);
        let fields = [("name", "Ana"), ("attendance_status", "yes"), ("note", "I wrote\n<this> for an hour")];
        let refused = app.form(&event.page("/rsvp"), &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.text.contains("I wrote\n&#60;this&#62; for an hour"), "{}", refused.text);
    }

    async fn a_refused_note_for_hosts_stays_for_hosts(app: &TestApp) {
        let event = app.event(json!({})).await;
        let long = "x".repeat(5_001);
        let path = event.page(&format!("/admin/{}/messages", event.token));
        let refused = app.form(&path, &[("content", &long), ("visibility", "admin")]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.text.contains(r#"value="admin" checked"#));
        assert!(!refused.text.contains(r#"value="public" checked"#));
    }

    async fn a_line_break_counts_once(app: &TestApp) {
        let event = app.event(json!({})).await;
        let path = event.page(&format!("/admin/{}/messages", event.token));
        let lines = "x\r\n".repeat(2_500);
        let posted = app.form(&path, &[("content", &lines), ("visibility", "public")]).await;
        assert_eq!(posted.status, StatusCode::SEE_OTHER, "{}", posted.text);
        let read = app.get(&event.api(""), "").await.json();
        assert_eq!(read["event"]["messages"][0]["content"], lines.replace('\r', "").trim());
    }

    async fn a_form_of_the_original_keeps_the_zone(app: &TestApp) {
        let event = app.event(json!({ "timezone": "Europe/Berlin" })).await;
        let page = event.page(&format!("/admin/{}", event.token));
        let zone = async || app.get(&event.api(""), "").await.json()["event"]["timezone"].clone();
        let fields = [("title", "Summer table"), ("start_time", "2026-06-13T19:00")];
        let saved = app.form(&page, &[fields[0], fields[1], ("timezone_offset_minutes", "-120")]).await;
        assert_eq!((saved.status, zone().await), (StatusCode::OK, json!("Europe/Berlin")));
        let saved = app.form(&page, &fields).await;
        assert_eq!(saved.status, StatusCode::OK);
        let read = app.get(&event.api(""), "").await.json();
        assert_eq!(read["event"]["start_time"], "2026-06-13T17:00:00", "read as it was shown");
    }

    async fn the_instance_owners_link_is_not_handed_on(app: &TestApp) {
        let event = app.event(json!({})).await;
        let theirs = app.get(&event.page(&format!("/admin/{}", event.token)), "").await;
        assert!(theirs.text.contains(r#"id="host-link""#));
        let owner = app.get(&event.page(&format!("/admin/{INSTANCE_TOKEN}")), "").await;
        assert_eq!(owner.status, StatusCode::OK);
        assert!(!owner.text.contains(r#"id="host-link""#));
    }

    async fn a_lost_host_link_is_made_anew(app: &TestApp) {
        let event = app.event(json!({})).await;
        let old = event.page(&format!("/admin/{}", event.token));
        let link = |token: &str| event.page(&format!("/admin/{token}/link"));
        assert_eq!(app.form(&link(&event.token), &[]).await.status, StatusCode::FORBIDDEN, "not by the host");
        assert_eq!(app.form(&link("wrong"), &[]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(app.get(&old, "").await.status, StatusCode::OK);

        let made = app.form(&link(INSTANCE_TOKEN), &[]).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text);
        let shown = made.text.split("/admin/").filter_map(|rest| rest.get(..43)).find(|token| {
            token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        });
        let fresh = event.page(&format!("/admin/{}", shown.expect("the new link")));
        assert_eq!(app.get(&fresh, "").await.status, StatusCode::OK);
        assert_eq!(app.get(&old, "").await.status, StatusCode::FORBIDDEN, "the old one is dead");
        let gone = format!("/e/nothing/admin/{INSTANCE_TOKEN}/link");
        assert_eq!(app.form(&gone, &[]).await.status, StatusCode::NOT_FOUND);
    }

    async fn an_act_needs_no_body(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true })).await;
        app.answer(&event, "Ana", json!({})).await;
        let rsvps = app.get(&event.api("/rsvps"), &event.token).await.json();
        let id = rsvps["rsvps"][0]["id"].as_str().expect("an id").to_owned();
        let approve = event.page(&format!("/admin/{}/rsvp/{id}/approve", event.token));
        let bare = app.request(Method::POST, &approve).send().await.expect("an answer");
        assert_eq!(bare.status(), StatusCode::SEE_OTHER);
        let text = app.request(Method::POST, &approve).body("x").send().await.expect("an answer");
        assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    async fn the_declined_are_not_counted_on_lists(app: &TestApp) {
        let event = app.event(json!({})).await;
        app.answer(&event, "Ana", json!({ "guest_count": 2 })).await;
        assert!(app.get("/", "").await.text.contains("3 coming"));
        let rsvps = app.get(&event.api("/rsvps"), &event.token).await.json();
        let id = rsvps["rsvps"][0]["id"].as_str().expect("an id").to_owned();
        app.post(&event.api(&format!("/rsvps/{id}/reject")), &event.token, json!({})).await.expect(StatusCode::OK);
        assert!(!app.get("/", "").await.text.contains("3 coming"));
    }

    async fn an_approved_guest_has_the_place_in_the_calendar(app: &TestApp) {
        let event = app.event(json!({ "location": "Lindenhof 4", "admin_approval_required": true })).await;
        let token = app.answer(&event, "Ana", json!({})).await;
        let own = event.page(&format!("/rsvp/{token}"));
        let place = async |path: &str| app.get(path, "").await.text.contains("LOCATION:Lindenhof 4");
        let file = format!("{own}/event.ics");
        assert!(app.get(&own, "").await.text.contains(&file), "the page leads there");
        assert!(!place(&file).await, "not approved yet");
        let rsvps = app.get(&event.api("/rsvps"), &event.token).await.json();
        let id = rsvps["rsvps"][0]["id"].as_str().expect("an id").to_owned();
        app.post(&event.api(&format!("/rsvps/{id}/approve")), &event.token, json!({})).await.expect(StatusCode::OK);
        assert!(place(&file).await && place(&event.page(&format!("/admin/{}/event.ics", event.token))).await);
        assert!(!place(&event.api("/event.ics")).await);
        assert_eq!(app.get(&file, "").await.header("cache-control"), "no-store");
    }

    async fn programs_keep_nothing_alive(app: &TestApp) {
        let event = app.event(json!({ "channel_name": "Garden" })).await;
        let token = app.answer(&event, "Ana", json!({})).await;
        app.flush_touches().await;
        let before = app.get("/api/v1/channels/garden", "").await.json()["channel"].clone();
        app.flush_touches().await;
        app.clock.advance(jiff::SignedDuration::from_hours(120));
        for path in ["/channel/garden".to_owned(), event.page(""), event.page(&format!("/rsvp/{token}"))] {
            let looked = app.request(Method::GET, &path).header("user-agent", "Googlebot/2.1").send().await;
            assert_eq!(looked.expect("an answer").status(), StatusCode::OK);
        }
        app.flush_touches().await;
        let bot = app.request(Method::GET, "/api/v1/channels/garden").header("user-agent", "curl/8");
        let after = crate::support::Answer::of(bot.send().await.expect("an answer")).await.json();
        assert_eq!(after["channel"]["last_used_at"], before["last_used_at"]);
    }

    async fn another_site_cannot_answer_through_the_api(app: &TestApp) {
        let event = app.event(json!({})).await;
        let post = || app.request(Method::POST, &event.api("/rsvps")).body(r#"{"name":"Ana","attendance_status":"yes"}"#);
        let sent = post().header("content-type", "text/plain").header("sec-fetch-site", "cross-site");
        assert_eq!(sent.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
        let program = post().header("content-type", "application/json").send().await;
        assert_eq!(program.expect("an answer").status(), StatusCode::CREATED);
    }

    async fn a_large_event_names_the_first_guests(app: &TestApp) {
        let event = app.event(json!({})).await;
        for number in 0..205 {
            app.answer(&event, &format!("Guest {number}"), json!({})).await;
        }
        let page = app.get(&event.page(""), "").await.text;
        assert!(page.contains("Guest 199<") && !page.contains("Guest 200<"));
        assert!(page.contains("And 5 more."), "{page}");
    }

    async fn error_pages_speak_to_people(app: &TestApp) {
        let event = app.event(json!({})).await;
        for path in [event.page("/admin/wrong"), event.page("/rsvp/wrong"), "/e/nothing".to_owned()] {
            let page = app.get(&path, "").await.text;
            let main = page.split("<main").nth(1).expect("a main part").to_lowercase();
            assert!(!main.contains("token") && !main.contains("rsvp not found"), "{path}: {main}");
        }
        let bare = app.get(&event.api("/rsvps/self"), "").await;
        assert_eq!(bare.header("www-authenticate"), "Bearer");
    }
}
