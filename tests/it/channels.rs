//! Channels: found, listed, and kept to those who know them.

use jiff::SignedDuration;
use openrsvp::store::db::Query;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::rows::{change, query};
use crate::support::{Answer, INSTANCE_TOKEN, TestApp, on_both};

query!(UNFOLD, "UPDATE channels SET search_text = NULL");

async fn channel(app: &TestApp, name: &str, visibility: &str, start: &str) {
    let body =
        json!({ "channel_name": name, "channel_visibility": visibility, "start_time": start });
    app.event(body).await;
}

async fn found(app: &TestApp, query: &str) -> Vec<String> {
    let answer = app.get(&format!("/api/v1/channels?{query}"), "").await.expect(StatusCode::OK);
    let name = |channel: &Value| channel["name"].as_str().expect("a name").to_owned();
    answer["channels"].as_array().expect("a list").iter().map(name).collect()
}

/// The names on the page, in their order.
async fn shown(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.get(&format!("/channels/discover?{query}"), "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let document = scraper::Html::parse_document(&page.text);
    let names = scraper::Selector::parse(".channel-card strong").expect("a selector");
    document.select(&names).map(|name| name.text().collect()).collect()
}

on_both! {
    async fn search_is_literal_and_knows_letters(app: &TestApp) {
        for name in ["100% Straße", "Übungsraum", "Plain room", "Under_score"] {
            channel(app, name, "public", "2026-06-13T17:00:00").await;
        }
        assert_eq!(found(app, "q=%25").await, ["100% Straße"]);
        assert_eq!(found(app, "q=_").await, ["Under_score"]);
        assert_eq!(found(app, "q=STRASSE").await, ["100% Straße"]);
        assert_eq!(found(app, "q=%C3%BCBUNG").await, ["Übungsraum"]);
        assert_eq!(found(app, "q=ubungsraum").await, ["Übungsraum"], "by slug, or without the dots");
        assert_eq!(found(app, "q=ROOM").await, ["Plain room"]);
        assert_eq!(found(app, "q=nothing").await, [""; 0]);
        assert_eq!(found(app, "q=").await.len(), 4);
        let long = "x".repeat(5_000);
        assert_eq!(found(app, &format!("q={long}")).await, [""; 0]);
    }

    async fn the_page_sorts_and_narrows(app: &TestApp) {
        channel(app, "Beta", "public", "2026-06-13T17:00:00").await;
        app.clock.advance(SignedDuration::from_hours(1));
        channel(app, "alpha", "public", "2020-06-13T17:00:00").await;
        app.clock.advance(SignedDuration::from_hours(1));
        channel(app, "Gamma", "public", "2026-06-14T17:00:00").await;
        assert_eq!(shown(app, "").await, ["Gamma", "alpha", "Beta"]);
        assert_eq!(shown(app, "sort=name").await, ["alpha", "Beta", "Gamma"]);
        assert_eq!(shown(app, "sort=name&invert=true").await, ["Gamma", "Beta", "alpha"]);
        assert_eq!(shown(app, "sort=recent").await, ["Gamma", "alpha", "Beta"]);
        assert_eq!(shown(app, "sort=recent&invert=1").await, ["Beta", "alpha", "Gamma"]);
        assert_eq!(shown(app, "invert=on").await, ["Beta", "alpha", "Gamma"]);
        assert_eq!(shown(app, "has_upcoming=true").await, ["Gamma", "Beta"]);
        assert_eq!(shown(app, "sort=nonsense&q=ALPHA&page=99").await, ["alpha"]);
    }

    async fn private_channels_are_found_by_nobody(app: &TestApp) {
        channel(app, "Secret garden", "private", "2026-06-13T17:00:00").await;
        assert!(found(app, "").await.is_empty() && found(app, "q=secret").await.is_empty());
        for query in ["", "q=secret", "sort=name", "has_upcoming=true"] {
            let page = app.get(&format!("/channels/discover?{query}"), "").await;
            assert!(!page.text.to_lowercase().contains("secret garden"), "{query}");
        }
        let public = app.get("/channel/secret-garden", "").await;
        let missing = app.get("/channel/no-such-garden", "").await;
        assert_eq!((public.status, &public.text), (StatusCode::NOT_FOUND, &missing.text));
        assert_eq!(app.get("/channel/p/secret-garden", "").await.status, StatusCode::OK);
        // The jump from the front page tells nothing either.
        let jumps = ["Secret Garden", "No such Garden"].map(|name| async move {
            let jump = app.get(&format!("/?channel={}", name.replace(' ', "%20")), "").await;
            (jump.status, jump.text.replace(name, "").replace(&name.replace(' ', "+"), ""))
        });
        let [private, missing] = jumps;
        let private = private.await;
        assert_eq!((private.0, &private), (StatusCode::NOT_FOUND, &missing.await));
        // Whoever has the link has the channel.
        let link = app.get("/?channel=https%3A%2F%2Fr.example%2Fchannel%2Fp%2Fsecret-garden", "").await;
        assert_eq!(link.header("location"), "/channel/p/secret-garden");
    }

    async fn the_front_page_leads_to_a_channel(app: &TestApp) {
        assert!(!app.get("/", "").await.text.contains("Go to a channel"), "there is none");
        for name in ["Garden people", "Übungs & Raum"] {
            channel(app, name, "public", "2026-06-13T17:00:00").await;
        }
        channel(app, "Secret garden", "private", "2026-06-13T17:00:00").await;
        let home = app.get("/", "").await.text;
        let proposed = r#"<datalist id="channel-names"><option dir="auto" value="#;
        assert!(home.contains(proposed) && home.contains("&#38; Raum\"") && !home.contains("Secret"), "{home}");
        for (typed, path) in [
            ("Garden+people", "/channel/garden-people"),
            ("garden-PEOPLE", "/channel/garden-people"),
            ("%C3%9Cbungs+%26+Raum", "/channel/ubungs-raum"),
            ("http%3A%2F%2Fx%2Fchannel%2Fgarden-people%3Fpage%3D2", "/channel/garden-people"),
        ] {
            let jump = app.get(&format!("/?channel={typed}"), "").await;
            assert_eq!((jump.status, jump.header("location")), (StatusCode::SEE_OTHER, path), "{typed}");
        }
        let unknown = app.get("/?channel=gard%3Cb%3E", "").await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        assert!(!unknown.text.contains("<b>") && unknown.text.contains(r#"value="gard&#60;b&#62;""#), "{}", unknown.text);
        assert!(unknown.text.contains("/channels/discover?sort=rank"), "{}", unknown.text);
        let alike = app.get("/?channel=garden", "").await.text;
        assert!(alike.contains(r#"href="/channel/garden-people""#) && !alike.contains("Secret"), "{alike}");
        // No channel can be called that, but people type it.
        for odd in ["%E6%97%A5%E6%9C%AC", "%2F%2Fevil.example", "a%0D%0ALocation:%20x", "%25%25%25"] {
            let jump = app.get(&format!("/?channel={odd}"), "").await;
            assert_eq!((jump.status, jump.header("location")), (StatusCode::NOT_FOUND, ""), "{odd}");
        }
        for blank in ["", "+++"] {
            assert_eq!(app.get(&format!("/?channel={blank}"), "").await.status, StatusCode::OK);
        }
        let long = app.get(&format!("/?channel={}", "x".repeat(4000)), "").await;
        assert!(long.status == StatusCode::NOT_FOUND && long.text.len() < 8000, "{}", long.text);
    }

    async fn a_page_of_the_list(app: &TestApp) {
        for number in 0..53 {
            channel(app, &format!("Channel {number:02}"), "public", "2026-06-13T17:00:00").await;
        }
        assert_eq!(shown(app, "sort=name").await.len(), 50);
        assert_eq!(shown(app, "sort=name&page=2").await, ["Channel 50", "Channel 51", "Channel 52"]);
        let page = app.get("/channels/discover?sort=name&q=channel&has_upcoming=1", "").await;
        assert!(page.text.contains("q=channel&#38;has_upcoming=true&#38;page=2"), "{}", page.text);

        let list = app.get("/api/v1/channels?q=channel", "").await.expect(StatusCode::OK);
        assert_eq!(list["pagination"], json!({
            "page": 1, "per_page": 25, "total_pages": 3, "total_events": 53, "has_prev": false,
            "has_next": true, "prev_page": null, "next_page": 2, "query": "channel",
        }));
        let mut keys: Vec<_> = list["channels"][0].as_object().expect("an object").keys().collect();
        keys.sort();
        assert_eq!(keys, ["created_at", "id", "last_used_at", "name", "score", "slug", "visibility"]);
        assert_eq!(found(app, "page=99").await.len(), 3);
        assert_eq!(app.get("/api/v1/channels?page=0", "").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_fragment_is_the_list_alone(app: &TestApp) {
        channel(app, "Garden", "public", "2026-06-13T17:00:00").await;
        let request = app.request(Method::GET, "/channels/discover?q=gar").header("hx-request", "true");
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        assert!(answer.text.contains("Garden") && !answer.text.contains("<html"), "{}", answer.text);
        assert!(answer.text.trim_start().starts_with("<div id=\"channels\">"));
    }

    async fn the_instance_owner_sees_and_deletes_every_channel(app: &TestApp) {
        channel(app, "Garden", "public", "2026-06-13T17:00:00").await;
        let hidden = app.event(json!({ "channel_name": "Secret 100%", "channel_visibility": "private" })).await;
        let page = format!("/admin/{INSTANCE_TOKEN}/channels");
        assert_eq!(app.get("/admin/wrong/channels", "").await.status, StatusCode::FORBIDDEN);
        let all = app.get(&page, "").await;
        assert!(all.text.contains("Garden") && all.text.contains("Secret 100%") && all.text.contains("2 channels"));
        assert_eq!(all.header("cache-control"), "no-store");
        let some = app.get(&format!("{page}?q=%25&page=7"), "").await.text;
        assert!(some.contains("Secret 100%") && !some.contains("Garden<"));
        assert!(app.get(&format!("{page}?q=nothing"), "").await.text.contains("No channel fits that"));

        let id = all.text.split(&format!("{page}/")).nth(1).and_then(|rest| rest.get(..36)).expect("an id").to_owned();
        let delete = |root: &str| format!("/admin/{root}/channels/{id}/delete");
        assert_eq!(app.form(&delete("wrong"), &[]).await.status, StatusCode::FORBIDDEN);
        let deleted = app.form(&delete(INSTANCE_TOKEN), &[]).await;
        assert_eq!((deleted.status, deleted.header("location")), (StatusCode::SEE_OTHER, page.as_str()));
        assert_eq!(app.form(&delete(INSTANCE_TOKEN), &[]).await.status, StatusCode::NOT_FOUND);
        assert!(app.get(&page, "").await.text.contains("1 channel<"));
        assert_eq!(app.get("/channel/p/secret-100", "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.get(&hidden.page(""), "").await.status, StatusCode::OK, "its event stays");
    }

    async fn names_of_older_versions_are_folded_at_the_start(app: &TestApp) {
        channel(app, "Garden", "public", "2026-06-13T17:00:00").await;
        change(&app.running().site.db, &UNFOLD).await;
        assert!(found(app, "q=garden").await.is_empty());
        openrsvp::services::folding::settle(&app.running().site).await.expect("folded");
        assert_eq!(found(app, "q=garden").await, ["Garden"]);
    }
}
