//! The pages, as a browser without JavaScript uses them.

use reqwest::StatusCode;
use scraper::{Html, Selector};
use serde_json::json;

use crate::support::{Answer, INSTANCE_TOKEN, on_both};

fn value_of(page: &Answer, selector: &str) -> String {
    let document = Html::parse_document(&page.text);
    let found = document.select(&Selector::parse(selector).expect("a selector")).next();
    let element = found.unwrap_or_else(|| panic!("{selector} is missing in {}", page.text)).value();
    element.attr("value").unwrap_or_default().to_owned()
}

fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.header("location").to_owned()
}

on_both! {
    async fn a_host_and_a_guest_meet(app: &TestApp) {
        assert!(app.get("/", "").await.text.contains("/event/create"));
        assert_eq!(app.get("/event/create", "").await.status, StatusCode::OK);
        let made = app.form("/events", &[
            ("title", "Summer table"), ("start_time", "2026-06-13T19:00"), ("timezone", "Europe/Berlin"),
            ("location", "Lindenhof 4"), ("max_attendees", "3"),
        ]).await;
        let created = location(&made);
        let page = app.get(&created, "").await;
        assert_eq!(page.status, StatusCode::OK);
        let host = created.trim_end_matches("?new=1").to_owned();
        assert!(page.text.contains(&format!("{}{host}", app.base)), "the host's whole link is shown");
        let event = host.split("/admin/").next().expect("a path").to_owned();
        assert!(app.get("/", "").await.text.contains("Summer table"));

        let given = app.form(&format!("{event}/rsvp"), &[
            ("name", "Ana"), ("attendance_status", "yes"), ("guest_count", "1"), ("note", "Vegetarian"),
        ]).await;
        let own = location(&given).trim_end_matches("?new=1").to_owned();
        let answered = app.get(&location(&given), "").await;
        assert!(answered.text.contains("2 people"), "{}", answered.text);
        assert_eq!(answered.header("cache-control"), "no-store");
        assert_eq!(value_of(&app.get(&own, "").await, "#answer-name"), "Ana");

        let changed = app.form(&own, &[("name", "Ana"), ("attendance_status", "maybe"), ("guest_count", "0")]).await;
        assert!(changed.text.contains("You might come"), "{}", changed.text);
        assert_eq!(app.form(&format!("{own}/messages"), &[("content", "Which door?")]).await.status, StatusCode::SEE_OTHER);

        let desk = app.get(&host, "").await;
        assert!(desk.text.contains("Ana") && desk.text.contains("Which door?") && desk.text.contains("Vegetarian"));
        assert!(app.get(&event, "").await.text.contains("Maybe"));
        let removed = app.form(&format!("{own}/delete"), &[]).await;
        assert!(removed.text.contains("off the list"));
        assert_eq!(app.get(&own, "").await.status, StatusCode::NOT_FOUND);
        assert!(app.form(&format!("{host}/delete"), &[]).await.text.contains("deleted"));
        assert_eq!(app.get(&event, "").await.status, StatusCode::NOT_FOUND);
    }

    async fn the_host_decides(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true, "location": "Lindenhof 4" })).await;
        let own = event.page(&format!("/rsvp/{}", app.answer(&event, "Ana", json!({})).await));
        let host = event.page(&format!("/admin/{}", event.token));
        let roster = app.get(&event.api("/rsvps"), &event.token).await.json();
        let id = roster["rsvps"][0]["id"].as_str().expect("an id").to_owned();
        let act = |action: &str| format!("{host}/rsvp/{id}/{action}");
        assert!(!app.get(&own, "").await.text.contains("Lindenhof"));
        for (action, fields, shown) in [
            ("approve", vec![], "You’re coming"),
            ("reject", vec![("reason", "Too small a table")], "Too small a table"),
            ("pending", vec![], "Sent to the host"),
            ("force_accept", vec![], "Lindenhof"),
            ("message", vec![("content", "Ring twice")], "Ring twice"),
        ] {
            assert_eq!(app.form(&act(action), &fields).await.status, StatusCode::SEE_OTHER, "{action}");
            assert!(app.get(&own, "").await.text.contains(shown), "{action}");
        }
        app.form(&act("note"), &[("content", "Sings well")]).await;
        assert!(app.get(&host, "").await.text.contains("Sings well"));
        assert!(!app.get(&own, "").await.text.contains("Sings well"));
        for (audience, is_read) in [("public", true), ("admin", false)] {
            let news = format!("News for {audience}");
            app.form(&format!("{host}/messages"), &[("content", &news), ("visibility", audience)]).await;
            for page in [event.page(""), own.clone()] {
                assert_eq!(app.get(&page, "").await.text.contains(&news), is_read, "{page}");
            }
            assert!(app.get(&host, "").await.text.contains(&news));
        }
        let fresh = app.form(&act("link"), &[]).await;
        assert_eq!(fresh.status, StatusCode::OK);
        let link = value_of(&fresh, "#fresh-link");
        assert_eq!(app.get(&own, "").await.status, StatusCode::NOT_FOUND, "the old link is dead");
        assert_eq!(app.get(link.trim_start_matches(&app.base), "").await.status, StatusCode::OK);
        assert_eq!(app.form(&act("delete"), &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(app.get(link.trim_start_matches(&app.base), "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.form(&act("dance"), &[]).await.status, StatusCode::NOT_FOUND);
    }

    async fn a_refused_form_keeps_what_was_typed(app: &TestApp) {
        let refused = app.form("/events", &[
            ("title", "Summer table"), ("start_time", "2026-06-13T19:00"), ("end_time", "2026-06-13T18:00"),
            ("location", "Lindenhof 4"), ("max_attendees", "many"),
        ]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(value_of(&refused, "input[name=title]"), "Summer table");
        assert_eq!(value_of(&refused, "input[name=location]"), "Lindenhof 4");
        assert_eq!(value_of(&refused, "input[name=max_attendees]"), "many");

        let event = app.event(json!({ "max_attendees": 1 })).await;
        app.answer(&event, "Ana", json!({})).await;
        let full = app.form(&event.page("/rsvp"), &[("name", "Bo"), ("attendance_status", "yes"), ("note", "Please")]).await;
        assert_eq!(full.status, StatusCode::BAD_REQUEST);
        assert_eq!(value_of(&full, "#answer-name"), "Bo");
        assert!(full.text.contains("Please"));
        let nameless = app.form(&event.page("/rsvp"), &[("name", " "), ("attendance_status", "no")]).await;
        assert_eq!(nameless.status, StatusCode::BAD_REQUEST);
    }

    async fn an_untouched_form_changes_nothing_in_any_season(app: &TestApp) {
        for start in ["2026-01-15T19:30:25", "2026-07-15T19:30:25", "2026-10-25T00:30:00", "2026-10-25T01:30:00"] {
            let event = app.event(json!({
                "start_time": format!("{start}Z"), "timezone": "Europe/Berlin", "description": "One\ntwo",
                "channel_name": "Garden Club",
            })).await;
            let host = event.page(&format!("/admin/{}", event.token));
            let page = app.get(&host, "").await;
            let before = app.get(&event.api(""), "").await.json();
            let start_time = value_of(&page, "input[name=start_time]");
            let fields = [
                ("title", "Summer table"), ("start_time", &start_time), ("timezone", "Europe/Berlin"),
                ("description", "One\r\ntwo"), ("channel_name", "Garden Club"), ("channel_visibility", "public"),
                ("revision", "1"),
            ];
            assert_eq!(app.form(&host, &fields).await.status, StatusCode::OK);
            let after = app.get(&event.api(""), "").await.json();
            assert_eq!(before["event"], after["event"], "{start}");
        }
    }

    async fn two_tabs_are_told(app: &TestApp) {
        let event = app.event(json!({})).await;
        let host = event.page(&format!("/admin/{}", event.token));
        let save = |title: &'static str| vec![("title", title), ("start_time", "2026-06-13T17:00"), ("revision", "1")];
        assert_eq!(app.form(&host, &save("First")).await.status, StatusCode::OK);
        let second = app.form(&host, &save("Second")).await;
        assert_eq!(second.status, StatusCode::CONFLICT);
        assert_eq!(value_of(&second, "input[name=title]"), "Second", "nothing typed is lost");
        assert_eq!(value_of(&second, "input[name=revision]"), "2");
        assert_eq!(app.get(&event.api(""), "").await.json()["event"]["title"], "First");
    }

    async fn wrong_links_open_nothing_and_tell_nothing(app: &TestApp) {
        let event = app.event(json!({ "title": "Quiet dinner" })).await;
        for (path, status) in [
            (event.page("/admin/wrong"), 403), (event.page("/rsvp/wrong"), 404), ("/admin/wrong".to_owned(), 403),
            ("/e/nothing".to_owned(), 404), ("/channel/nothing".to_owned(), 404), ("/nothing".to_owned(), 404),
        ] {
            let page = app.get(&path, "").await;
            assert_eq!(page.status.as_u16(), status, "{path}");
            assert!(page.header("content-type").starts_with("text/html"), "{path}");
            assert!(!page.text.contains("Quiet dinner") && !page.text.contains("wrong"), "{path}");
        }
    }

    async fn private_things_are_on_no_list(app: &TestApp) {
        app.event(json!({ "title": "Private dinner", "is_private": true, "channel_name": "Hidden", "channel_visibility": "private" })).await;
        let open = app.event(json!({ "title": "Open dinner", "channel_name": "Hidden", "channel_visibility": "private" })).await;
        let home = app.get("/", "").await.text;
        assert!(home.contains("Open dinner") && !home.contains("Private dinner") && !home.contains("Hidden"));
        for text in [app.get(&open.page(""), "").await.text, app.get(&open.api(""), "").await.text] {
            assert!(!text.to_lowercase().contains("hidden\""), "{text}");
        }
        assert_eq!(app.get("/channel/hidden", "").await.status, StatusCode::NOT_FOUND);
        assert!(app.get("/channel/p/hidden", "").await.text.contains("Private dinner"));
        let jump = app.get("/?channel=hidden", "").await;
        assert_eq!((jump.status, jump.header("location")), (StatusCode::NOT_FOUND, ""));
    }

    async fn the_instance_owner_sees_every_event(app: &TestApp) {
        let event = app.event(json!({ "title": "Private dinner", "is_private": true })).await;
        let root = format!("/admin/{INSTANCE_TOKEN}");
        assert!(app.get(&root, "").await.text.contains("Private dinner"));
        assert_eq!(app.get(&event.page(&root), "").await.status, StatusCode::OK);
        let deleted = app.form(&format!("{root}/events/{}/delete", event.id), &[]).await;
        assert_eq!(deleted.status, StatusCode::SEE_OTHER);
        assert_eq!(app.get(&event.page(""), "").await.status, StatusCode::NOT_FOUND);
    }

    async fn files_are_hashed_compressed_and_kept(app: &TestApp) {
        let home = app.get("/", "").await;
        let document = Html::parse_document(&home.text);
        let style = document.select(&Selector::parse("link[rel=stylesheet]").expect("a selector")).next();
        let path = style.and_then(|link| link.value().attr("href")).expect("a style sheet").to_owned();
        let request = app.request(reqwest::Method::GET, &path).header("accept-encoding", "br");
        let file = request.send().await.expect("an answer");
        assert_eq!(file.headers()["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(file.headers()["content-encoding"], "br");
        for path in ["/favicon.ico", "/site.webmanifest", "/api/docs"] {
            assert_eq!(app.get(path, "").await.status, StatusCode::OK, "{path}");
        }
        assert_eq!(app.get("/static/unknown.css", "").await.status, StatusCode::NOT_FOUND);
    }

    async fn another_sites_form_is_refused(app: &TestApp) {
        let event = app.event(json!({})).await;
        let request = app.request(reqwest::Method::POST, &event.page("/rsvp")).header("sec-fetch-site", "cross-site");
        let answer = request.form(&[("name", "Ana"), ("attendance_status", "yes")]).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}
