//! Lists: pages, bounds, and what is on none.

use reqwest::StatusCode;
use serde_json::json;

use super::{Target, shapes};

pub async fn pages_of_events(at: &Target) {
    // A year of this run's own: the server may be in use.
    let mark = at.event(json!({})).await.id;
    let year = 3000 + u32::from_str_radix(&mark[..6], 16).expect("a number") % 6000;
    for day in 1..=3 {
        at.event(json!({ "start_time": format!("{year}-05-0{day}T00:00:00") })).await;
    }
    at.event(json!({ "start_time": format!("{year}-05-02T00:00:00"), "is_private": true })).await;
    let bounds = format!("start_after={year}-05-01T00:00:00&start_before={year}-05-03T00:00:00");
    let path = |page: &str| format!("/api/v1/events?{bounds}&per_page=2&page={page}");
    let first = at.get(&path("1"), "").await.expect(StatusCode::OK);
    shapes::keys(&first, &["events", "filters", "pagination"]);
    shapes::pagination(&first["pagination"], "");
    shapes::each(&first["events"], |event| shapes::event(event, "", ""));
    assert_eq!(
        first["filters"],
        json!({
            "start_after": format!("{year}-05-01T00:00:00"),
            "start_before": format!("{year}-05-03T00:00:00"),
        })
    );
    assert_eq!(
        first["pagination"],
        json!({
            "page": 1, "per_page": 2, "total_pages": 2, "total_events": 3, "has_prev": false,
            "has_next": true, "prev_page": null, "next_page": 2,
        })
    );
    let starts = first["events"].as_array().expect("a list").iter();
    let starts: Vec<_> = starts.map(|event| event["start_time"].clone()).collect();
    assert_eq!(starts, [format!("{year}-05-01T00:00:00"), format!("{year}-05-02T00:00:00")]);
    for past_the_end in ["2", "7", "900000000000"] {
        let last = at.get(&path(past_the_end), "").await.expect(StatusCode::OK);
        assert_eq!(last["pagination"]["page"], 2, "the last page, and it says so");
        assert_eq!(last["pagination"]["prev_page"], 1);
        assert_eq!(last["events"].as_array().map(Vec::len), Some(1));
    }
    let none = "/api/v1/events?start_after=9998-12-31&start_before=";
    let none = at.get(none, "").await.expect(StatusCode::OK);
    assert_eq!(
        (&none["pagination"]["page"], &none["pagination"]["total_pages"]),
        (&json!(1), &json!(1))
    );
    assert_eq!((&none["events"], &none["filters"]["start_before"]), (&json!([]), &json!(null)));
    assert_eq!(none["pagination"]["per_page"], 10);
    for wrong in ["page=0", "page=x", "per_page=0", "per_page=51", "start_after=soon"] {
        let refused = at.get(&format!("/api/v1/events?{wrong}"), "").await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        let name = wrong.split('=').next().expect("a name");
        assert_eq!(refused.json()["detail"][0]["loc"], json!(["query", name]));
    }
}

pub async fn a_channel(at: &Target) {
    let name = format!("C {}", at.event(json!({})).await.id);
    let slug = name.to_lowercase().replace(' ', "-");
    for day in ["2131-05-01", "2131-05-02"] {
        at.event(json!({ "channel_name": name, "start_time": day })).await;
    }
    let upper = format!("/api/v1/channels/{}?page=1", slug.to_uppercase());
    for path in [format!("/api/v1/channels/{slug}"), upper] {
        let channel = at.get(&path, "").await.expect(StatusCode::OK);
        shapes::keys(&channel, &["channel", "events", "pagination"]);
        shapes::channel(&channel["channel"]);
        shapes::pagination(&channel["pagination"], "");
        shapes::each(&channel["events"], |event| shapes::event(event, "", ""));
        assert_eq!(channel["events"][0]["start_time"], "2131-05-02T00:00:00", "latest first");
        assert_eq!(channel["pagination"]["per_page"], 10);
        assert_eq!(channel["channel"]["slug"], slug);
    }
    let other = json!({
        "title": "t", "start_time": "2131-05-01", "channel_name": name, "channel_visibility": "private",
    });
    let refused = at.post("/api/v1/events", "", other).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "a name is public or private, not both");
    let nameless = json!({ "title": "t", "start_time": "2131-05-01", "channel_name": "ßß" });
    let refused = at.post("/api/v1/events", "", nameless).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "no slug can be made of it");
    let (page, private) = (format!("/channel/{slug}"), format!("/channel/p/{slug}"));
    assert_eq!(at.get(&page, "").await.status, StatusCode::OK);
    assert_eq!(at.get(&private, "").await.status, StatusCode::NOT_FOUND);
    let jump = at.get(&format!("/?channel={slug}"), "").await;
    assert_eq!((jump.status, jump.header("location")), (StatusCode::SEE_OTHER, page.as_str()));
}

pub async fn what_is_secret(at: &Target) {
    let name = format!("P {}", at.event(json!({})).await.id);
    let slug = name.to_lowercase().replace(' ', "-");
    let event = at.event(json!({ "channel_name": name, "channel_visibility": "private" })).await;
    let public = at.get(&event.api(""), "").await.json();
    assert!(public["event"].get("channel").is_none(), "{public}");
    for who in [&event.token, &at.instance_token] {
        let told = at.get(&event.api(""), who).await.json();
        assert_eq!(told["event"]["channel"]["visibility"], "private", "{told}");
    }
    assert_eq!(at.get(&format!("/channel/p/{slug}"), "").await.status, StatusCode::OK);
    for probe in [format!("/channel/{slug}"), format!("/?channel={slug}")] {
        let probed = at.get(&probe, "").await;
        assert!(
            !probed.text.contains(&name) && !probed.header("location").contains("/p/"),
            "{probe}"
        );
    }
}
