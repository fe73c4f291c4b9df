//! What is secret stays so: each secret, before each viewer, at each address that shows events. Nobody
//! reads there what they may not know; and so that the test means something, those who may know it do.

use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Answer, INSTANCE_TOKEN, TestApp, TestEvent, on_both};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Viewer {
    Stranger,
    /// Whose answer waits for the host.
    Waiting,
    /// Whose answer was declined.
    Declined,
    /// Approved, and coming.
    Coming,
    /// Approved, and perhaps coming.
    Perhaps,
    /// Coming, and named to nobody.
    Unnamed,
    /// The host of another event in the same channel.
    OtherHost,
    Host,
    Owner,
}
use Viewer::{Coming, Declined, Host, OtherHost, Owner, Perhaps, Stranger, Unnamed, Waiting};

const VIEWERS: [Viewer; 9] =
    [Stranger, Waiting, Declined, Coming, Perhaps, Unnamed, OtherHost, Host, Owner];

/// A secret as it would be read, who may know it, and the addresses whose knowledge is the key to it.
struct Secret {
    words: &'static [&'static str],
    known_to: &'static [Viewer],
    keys: &'static [&'static str],
}

const SECRETS: &[Secret] = &[
    // Of the channel's own pages the slug is the key.
    Secret {
        words: &["Hush Circle Nine", "hush-circle-nine"],
        known_to: &[Host, Owner],
        keys: &["/channel/p/", "/api/v1/channels/hush"],
    },
    Secret { words: &["Vault seventeen"], known_to: &[Coming, Unnamed, Host, Owner], keys: &[] },
    Secret { words: &["Waiting Petra"], known_to: &[Waiting, Host, Owner], keys: &[] },
    Secret { words: &["Declined Rolf"], known_to: &[Declined, Host, Owner], keys: &[] },
    Secret { words: &["Unnamed Quill"], known_to: &[Unnamed, Host, Owner], keys: &[] },
    Secret {
        words: &["a word in private"],
        known_to: &[Waiting, Declined, Coming, Perhaps, Unnamed, Host, Owner],
        keys: &[],
    },
    Secret { words: &["between hosts"], known_to: &[Host, Owner], keys: &[] },
];

/// An event with an answer of each kind.
struct Site {
    event: TestEvent,
    tokens: Vec<(Viewer, String)>,
}

impl Site {
    /// What a viewer holds; a stranger tries something.
    fn token(&self, viewer: Viewer) -> &str {
        let found = self.tokens.iter().find(|(holder, _)| *holder == viewer);
        found.map_or("c3RyYW5nZXJzLXRva2VuLXN0cmFuZ2Vycy10b2tlbi0", |(_, token)| token)
    }
}

fn in_channel(title: &str, is_private: bool) -> serde_json::Value {
    json!({ "title": title, "is_private": is_private, "location": "Vault seventeen",
        "admin_approval_required": true, "channel_name": "Hush Circle Nine",
        "channel_visibility": "private", "max_attendees": 30 })
}

async fn fill(app: &TestApp, title: &str, is_private: bool) -> Site {
    let event = app.event(in_channel(title, is_private)).await;
    let other = app.event(in_channel("Elsewhere", false)).await;
    let guests = [
        (Waiting, "Waiting Petra", "yes", ""),
        (Declined, "Declined Rolf", "yes", "reject"),
        (Coming, "Coming Olga", "yes", "approve"),
        (Perhaps, "Perhaps Max", "maybe", "approve"),
        (Unnamed, "Unnamed Quill", "yes", "approve"),
    ];
    let mut tokens = vec![
        (OtherHost, other.token),
        (Host, event.token.clone()),
        (Owner, INSTANCE_TOKEN.to_owned()),
    ];
    for (viewer, name, reply, decision) in guests {
        let extra = json!({ "attendance_status": reply, "is_private_rsvp": viewer == Unnamed,
            "is_private": viewer == Unnamed, "note": "a word in private" });
        tokens.push((viewer, app.answer(&event, name, extra).await));
        if !decision.is_empty() {
            let roster = app.get(&event.api("/rsvps"), &event.token).await.json();
            let rows = roster["rsvps"].as_array().unwrap();
            let row = rows.iter().find(|row| row["name"] == name).unwrap();
            let path = event.api(&format!("/rsvps/{}/{decision}", row["id"].as_str().unwrap()));
            app.post(&path, &event.token, json!({})).await.expect(StatusCode::OK);
        }
    }
    let note = json!({ "content": "between hosts", "visibility": "admin", "message_type": "event_internal" });
    app.post(&event.api("/messages").replace("/api/v1", ""), &event.token, note)
        .await
        .expect(StatusCode::CREATED);
    Site { event, tokens }
}

/// Every address that shows events, as this viewer would open it.
fn addresses(site: &Site, token: &str) -> Vec<String> {
    let event = &site.event;
    let mut addresses = vec![
        event.page(""),
        event.page("/rsvp"),
        event.api(""),
        event.api("/event.ics"),
        event.api("/rsvps"),
        event.api("/rsvps/self"),
        event.api("/nothing"),
        event.page("x"),
    ];
    for below in [
        "rsvp/{}",
        "rsvp/{}/event.ics",
        "admin/{}",
        "admin/{}/event.ics",
        "admin/{}?q=a&show=coming",
    ] {
        addresses.push(event.page(&format!("/{}", below.replace("{}", token))));
    }
    for below in ["", "/events", "/events?q=e", "/channels", "/channels?q=hus", "/status"] {
        addresses.push(format!("/admin/{token}{below}"));
    }
    let lists = [
        "/",
        "/?page=2",
        "/channels/discover",
        "/channels/discover?q=hus&sort=name",
        "/channels/discover?has_upcoming=true&q=nine",
        "/channel/hush-circle-nine",
        "/channel/p/hush-circle-nine",
        "/api/v1/channels",
        "/api/v1/channels?q=hus",
        "/api/v1/channels/hush-circle-nine",
        "/api/v1/events",
        "/api/v1/events?per_page=50&start_after=2020-01-01",
        "/my-events",
        "/my-rsvps",
        "/help",
        "/api/openapi.json",
    ];
    addresses.extend(lists.map(str::to_owned));
    addresses
}

async fn open(app: &TestApp, method: Method, path: &str, token: &str, accept: &str) -> Answer {
    let mut request = app.request(method, path).bearer_auth(token).header(ACCEPT, accept);
    if accept.contains("hx") {
        request = request.header("HX-Request", "true");
    }
    Answer::of(request.send().await.unwrap()).await
}

/// All that an answer says: headers, and the text as it is read.
fn said(answer: &Answer) -> String {
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n"));
    let unfolded = answer.text.replace("\r\n ", "");
    (headers.collect::<String>() + &unfolded).to_lowercase()
}

fn assert_kept(viewer: Viewer, path: &str, answer: &Answer) {
    let said = said(answer);
    for secret in SECRETS.iter().filter(|secret| !secret.known_to.contains(&viewer)) {
        for word in secret.words {
            let is_key = secret.keys.iter().any(|key| path.starts_with(key));
            assert!(
                is_key || !said.contains(&word.to_lowercase()),
                "{viewer:?} reads {word} at {path}: {said}"
            );
        }
    }
}

/// What is sent, and comes back refused or done.
async fn attempts(app: &TestApp, site: &Site, viewer: Viewer) {
    let (event, token) = (&site.event, site.token(viewer));
    let forms: [(String, &[(&str, &str)]); 5] = [
        (event.page("/rsvp"), &[("name", "")]),
        (event.page(&format!("/rsvp/{token}")), &[("name", "")]),
        (event.page(&format!("/rsvp/{token}/messages")), &[("content", "")]),
        (event.page(&format!("/admin/{token}/rsvp/none/approve")), &[]),
        (event.page(&format!("/admin/{token}")), &[("title", "")]),
    ];
    for (path, fields) in forms {
        assert_kept(viewer, &path, &app.form(&path, fields).await);
    }
    for (method, path, body) in [
        (Method::POST, event.api("/rsvps"), json!({})),
        (Method::POST, event.api("/rsvps/self/messages"), json!({ "content": "" })),
        (Method::PATCH, event.api("/rsvps/self"), json!({ "name": null })),
        (Method::PATCH, event.api(""), json!({ "title": null })),
        (Method::POST, event.api("/rsvps/none/approve"), json!({})),
        (Method::PUT, event.api(""), json!({})),
    ] {
        assert_kept(viewer, &path, &app.send(method, &path, token, body).await);
    }
}

async fn assert_shown(app: &TestApp, viewer: Viewer, token: &str, path: &str, words: &[&str]) {
    let answer = open(app, Method::GET, path, token, "*/*").await;
    let said = said(&answer);
    for word in words {
        assert!(
            said.contains(&word.to_lowercase()),
            "{viewer:?} does not read {word} at {path}: {said}"
        );
    }
}

on_both! {
    async fn each_secret_before_each_viewer_at_each_address(app: &TestApp) {
        for (title, is_private) in [("Open table", false), ("Closed table", true)] {
            let site = fill(app, title, is_private).await;
            for viewer in VIEWERS {
                let token = site.token(viewer);
                for path in addresses(&site, token) {
                    // Fragments are made of what the page shows; there are some for these alone.
                    let has_parts = path.contains("/admin/") || path.contains("/discover");
                    let kinds = ["text/html", "application/json", "text/html;hx"];
                    for accept in &kinds[..if has_parts { 3 } else { 2 }] {
                        let answer = open(app, Method::GET, &path, token, accept).await;
                        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
                        assert_kept(viewer, &path, &answer);
                    }
                }
                attempts(app, &site, viewer).await;
            }
        }
    }

    async fn those_who_may_know_do(app: &TestApp) {
        let site = fill(app, "Open table", false).await;
        let event = &site.event;
        let all = ["Hush Circle Nine", "Vault seventeen", "Waiting Petra", "Declined Rolf", "Unnamed Quill", "between hosts"];
        for viewer in [Host, Owner] {
            let token = site.token(viewer);
            assert_shown(app, viewer, token, &event.page(&format!("/admin/{token}")), &all).await;
            assert_shown(app, viewer, token, &event.api(""), &all[..2]).await;
            assert_shown(app, viewer, token, &event.api("/rsvps"), &all[..5]).await;
            assert_shown(app, viewer, token, &event.api("/event.ics"), &all[1..2]).await;
        }
        for viewer in [Coming, Unnamed] {
            let token = site.token(viewer);
            for path in [event.page(&format!("/rsvp/{token}")), event.page(&format!("/rsvp/{token}/event.ics")), event.api(""), event.api("/event.ics")] {
                assert_shown(app, viewer, token, &path, &["Vault seventeen"]).await;
            }
        }
        let owner = format!("/admin/{INSTANCE_TOKEN}/channels?q=hus");
        assert_shown(app, Owner, INSTANCE_TOKEN, &owner, &["Hush Circle Nine"]).await;
        for path in ["/channel/p/hush-circle-nine", "/api/v1/channels/hush-circle-nine"] {
            assert_shown(app, Stranger, "x", path, &["Hush Circle Nine", "Open table"]).await;
        }
    }

    async fn a_private_event_is_listed_by_its_private_channel_alone(app: &TestApp) {
        let site = fill(app, "Closed table", true).await;
        for path in addresses(&site, site.token(Stranger)) {
            let answer = open(app, Method::GET, &path, "x", "*/*").await;
            let is_own = path.contains(&site.event.id);
            let is_channel = path.starts_with("/channel/p/") || path.starts_with("/api/v1/channels/");
            assert_eq!(answer.text.contains("Closed table"), (is_own && answer.status.is_success()) || is_channel, "{path}: {}", answer.text);
        }
    }

    async fn a_private_slug_cannot_be_told_from_none(app: &TestApp) {
        fill(app, "Open table", false).await;
        for path in ["/?channel=", "/channel/", "/channels/discover?q=", "/api/v1/channels?q="] {
            for accept in ["text/html", "application/json"] {
                let real = open(app, Method::GET, &format!("{path}hush-circle-nine"), "x", accept).await;
                let none = open(app, Method::GET, &format!("{path}none-circle-nine"), "x", accept).await;
                assert_eq!(real.status, none.status, "{path}");
                let alike = |answer: &Answer| {
                    let said = format!("{} {}", answer.header("location"), answer.text);
                    said.replace("hush-circle-nine", "none-circle-nine").replace("Hush", "None")
                };
                assert_eq!(alike(&real), alike(&none), "{path}");
            }
        }
    }
}
