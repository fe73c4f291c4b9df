//! The pages that list and find: channels, the owner's lists, what the device keeps, and help.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Made, Target, text};
use crate::support::Answer;

/// A name that this run alone has, and its slug.
async fn own_name(at: &Target) -> (String, String) {
    let mark = at.event(json!({})).await.id;
    (format!("Find {mark}"), format!("find-{mark}"))
}

async fn page(at: &Target, path: &str) -> String {
    let answer = at.get(path, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    answer.text
}

async fn fragment(at: &Target, path: &str) -> Answer {
    let request = at.request(Method::GET, path).header("HX-Request", "true");
    Answer::of(request.send().await.expect("an answer")).await
}

/// Where the links of these channels stand on a page, in their order.
fn order(page: &str, slugs: &[&str]) -> Vec<usize> {
    let at = |slug: &&str| page.find(&format!("/channel/{slug}\"")).unwrap_or(usize::MAX);
    slugs.iter().map(at).collect()
}

pub async fn finds_channels(at: &Target) {
    let (name, slug) = own_name(at).await;
    let channel = |tail: &str, start: &str, visibility: &str| {
        json!({ "channel_name": format!("{name} {tail}"), "start_time": start,
            "channel_visibility": visibility })
    };
    at.event(channel("a", "2131-05-10", "public")).await;
    at.event(channel("b", "2001-05-10", "public")).await;
    at.event(channel("c", "2131-05-10", "private")).await;
    let (a, b) = (format!("{slug}-a"), format!("{slug}-b"));
    let query = |rest: &str| format!("/channels/discover?q={}{rest}", name.replace(' ', "+"));
    for (rest, is_upward) in [
        ("&sort=name", true),
        ("&sort=name&invert=true", false),
        ("&sort=recent&invert=true", true),
        ("&sort=recent", false),
    ] {
        let shown = page(at, &query(rest)).await;
        let places = order(&shown, &[&a, &b]);
        assert!(places.iter().all(|place| *place < usize::MAX), "{rest}: {shown}");
        assert_eq!(places[0] < places[1], is_upward, "{rest}");
        assert!(!shown.contains(&format!("{slug}-c")), "a private channel is on no list");
    }
    for rest in ["", "&sort=rank", "&sort=nonsense", "&invert=on", "&page=7", "&page=x"] {
        assert!(page(at, &query(rest)).await.contains(&a), "{rest}");
    }
    let ahead = page(at, &query("&has_upcoming=1")).await;
    assert!(ahead.contains(&a) && !ahead.contains(&b), "{ahead}");
    let part = fragment(at, &query("&sort=name")).await;
    assert_eq!(part.status, StatusCode::OK);
    assert!(part.text.contains(&a) && !part.text.contains("<html"), "{}", part.text);
    let none = page(at, "/channels/discover?q=%25%5F%25no+such+channel").await;
    assert!(!none.contains("/channel/find-"), "% and _ are letters like others");
    let listed =
        at.get(&format!("/api/v1/channels?q={slug}&per_page=50"), "").await.expect(StatusCode::OK);
    assert_eq!(listed["channels"].as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        (&listed["pagination"]["query"], &listed["pagination"]["total_events"]),
        (&json!(slug), &json!(2))
    );
}

pub async fn jumps_to_a_channel(at: &Target) {
    let (name, slug) = own_name(at).await;
    at.event(json!({ "channel_name": name })).await;
    for typed in [slug.clone(), name.replace(' ', "+"), slug.to_uppercase()] {
        let jump = at.get(&format!("/?channel={typed}"), "").await;
        assert_eq!(jump.status, StatusCode::SEE_OTHER, "{typed}: {}", jump.text);
        assert_eq!(jump.header("location"), format!("/channel/{slug}"));
    }
    assert_eq!(at.get("/?channel=", "").await.status, StatusCode::OK);
}

pub async fn shows_the_owner_all(at: &Target) {
    let (name, slug) = own_name(at).await;
    let event = at.event(json!({ "title": name, "is_private": true, "channel_name": name, "channel_visibility": "private" })).await;
    let root = format!("/admin/{}", at.instance_token);
    for path in [root.clone(), format!("{root}/events"), format!("{root}/events?page=1")] {
        assert!(page(at, &path).await.contains(&event.id), "{path}: newest first");
    }
    for path in [
        format!("{root}/channels?q={slug}"),
        format!("{root}/channels?q={}&page=1", name.replace(' ', "+")),
    ] {
        assert!(page(at, &path).await.contains(&name), "{path}: private ones too");
    }
    for below in ["", "/events", "/channels"] {
        for wrong in ["wrong", event.token.as_str()] {
            let refused = at.get(&format!("/admin/{wrong}{below}"), "").await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{below}");
            assert!(!refused.text.contains(&name), "{}", refused.text);
        }
    }
}

pub async fn makes_links_anew(at: &Target) {
    let event = at.event(json!({})).await;
    let (guest, id) = (at.guest(&event, json!({})).await, at.guest_id(&event).await);
    for refused in [event.page(&format!("/admin/wrong/rsvp/{id}/link")), event.host("/link")] {
        let refused = at.form(&refused, &[]).await;
        assert_eq!(
            refused.status,
            StatusCode::FORBIDDEN,
            "not by who holds the link itself: {}",
            refused.text
        );
    }
    let made = at.form(&event.host(&format!("/rsvp/{id}/link")), &[]).await;
    assert!(made.status.is_success() && made.text.contains(&event.page("/rsvp/")), "{}", made.text);
    assert_eq!(
        at.get(&event.page(&format!("/rsvp/{guest}")), "").await.status,
        StatusCode::NOT_FOUND
    );
    let owner = event.page(&format!("/admin/{}/link", at.instance_token));
    let made = at.form(&owner, &[]).await;
    assert!(
        made.status.is_success() && made.text.contains(&event.page("/admin/")),
        "{}",
        made.text
    );
    assert_eq!(at.get(&event.host(""), "").await.status, StatusCode::FORBIDDEN);
    in_json(at, &event, &id).await;
}

/// The same by the API: each link is shown once, and the one before opens nothing.
async fn in_json(at: &Target, event: &Made, id: &str) {
    let link = event.api("/link");
    let refused = at.post(&link, "wrong", json!({})).await;
    assert_eq!(
        (refused.status, refused.json()),
        (StatusCode::FORBIDDEN, json!({ "detail": "Invalid admin token" }))
    );
    let made = at.post(&link, &at.instance_token, json!({})).await.expect(StatusCode::OK);
    let token = text(&made["admin_token"]);
    assert_eq!(made["links"]["admin"], event.page(&format!("/admin/{token}")));
    let own = event.api(&format!("/rsvps/{id}/link"));
    assert_eq!(at.post(&own, "", json!({})).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(at.post(&own, &event.token, json!({})).await.status, StatusCode::FORBIDDEN);
    let fresh = at.post(&own, &token, json!({})).await.expect(StatusCode::OK);
    let guest = text(&fresh["rsvp"]["rsvp_token"]);
    assert_eq!(fresh["links"]["html"], event.page(&format!("/rsvp/{guest}")));
    assert_eq!(at.get(&event.api("/rsvps/self"), &guest).await.status, StatusCode::OK);
    let none = at.post(&event.api("/rsvps/none/link"), &token, json!({})).await;
    assert_eq!(
        (none.status, none.json()),
        (StatusCode::NOT_FOUND, json!({ "detail": "RSVP not found" }))
    );
}

pub async fn helps(at: &Target) {
    for path in ["/help", "/my-events", "/my-rsvps"] {
        let page = page(at, path).await;
        assert!(page.contains("<h1") && page.contains("href=\"/help\""), "{path}");
    }
}
