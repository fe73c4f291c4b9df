//! What a device keeps: the colours and the links that its reader chose; and how links leave it.

use openrsvp::store::db::Engine;
use serde_json::json;

use crate::browser::{Browser, Look};
use crate::support::TestApp;

const SHARE: &str = "navigator.share = async (what) => { window.shared = what; };";
const THEMES: [(&str, &str); 4] = [
    ("latte", "rgb(230, 233, 239)"),
    ("frappe", "rgb(41, 44, 60)"),
    ("macchiato", "rgb(30, 32, 48)"),
    ("mocha", "rgb(24, 24, 37)"),
];

async fn paper(browser: &Browser) -> String {
    let colour = browser.script("return getComputedStyle(document.body).backgroundColor").await;
    colour.as_str().unwrap_or_default().to_owned()
}

async fn choose_each_theme(look: Look) {
    let app = TestApp::start(Engine::Sqlite).await;
    let event =
        app.event(json!({ "location": "Lindenhof 4", "description": "Bring **dice**." })).await;
    app.answer(&event, "Ana", json!({ "guest_count": 1 })).await;
    let host = event.page(&format!("/admin/{}", event.token));
    let browser = Browser::open("themes", look, &app.base).await;
    browser.go("/").await;
    let system = paper(&browser).await;
    for (theme, colour) in THEMES {
        browser.go("/help").await;
        browser.click(&format!("[data-themes] option[value={theme}]")).await;
        assert_eq!(paper(&browser).await, colour, "{theme} at once");
        // One theme has the colours of all at the same places: two pages hold what there is.
        for (what, path) in [("event", event.page("")), ("host", host.clone())] {
            browser.go(&path).await;
            assert_eq!(paper(&browser).await, colour, "{theme} on {what}");
            browser.inspect(&format!("{theme}-{what}")).await;
        }
        let bar =
            browser.script("return document.querySelector('meta[name=theme-color]').content").await;
        assert_ne!(bar, "#f5f6f2", "the browser's own bar goes along");
    }
    browser.click("[data-themes] option[value='']").await;
    browser.page.refresh().await.unwrap();
    assert_eq!(paper(&browser).await, system, "back to the system's choice");
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn themes_on_a_phone() {
    choose_each_theme(Look::PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn themes_on_a_desk() {
    choose_each_theme(Look::DESK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_remembered_and_forgotten() {
    let app = TestApp::start(Engine::Sqlite).await;
    let hostile = "<img src=x onerror=alert(1)> dinner";
    let event = app.event(json!({ "title": hostile })).await;
    let other = app.event(json!({ "title": "Second table" })).await;
    let own = event.page(&format!("/rsvp/{}", app.answer(&event, "Ana", json!({})).await));
    let host = |event: &crate::support::TestEvent| event.page(&format!("/admin/{}", event.token));
    let browser = Browser::open("device", Look::PHONE, &app.base).await;

    browser.go(&own).await;
    assert_eq!(browser.script("return localStorage.length").await, 0, "nothing is kept unasked");
    for page in [own.clone(), host(&event), host(&other)] {
        browser.go(&page).await;
        browser.click("[data-remember] button").await;
        assert_eq!(browser.text("[data-remember] button").await, "Forget on this device");
    }
    browser.go("/my-rsvps").await;
    assert_eq!(browser.text(".kept a").await, hostile, "a title is a text");
    browser.inspect("answers").await;
    browser.follow(".kept a").await;
    assert_eq!(browser.path().await, own);
    browser.go(&event.page("")).await;
    browser.inspect("known").await;
    browser.follow("[data-own-links] a").await;
    assert_eq!(browser.path().await, own, "the public page leads back");

    browser.go("/my-events").await;
    let rows = "return document.querySelectorAll('.kept li').length";
    assert_eq!(browser.script(rows).await, 2);
    browser.inspect("events").await;
    browser.click(".kept li:last-child button").await;
    assert_eq!(browser.script(rows).await, 1, "one is forgotten");
    browser.go(&own).await;
    browser.click(".fold.is-alarm > summary").await;
    browser.follow("form[action$='/delete'] button").await;
    browser.go("/my-rsvps").await;
    assert_eq!(browser.script(rows).await, 0, "what was deleted is forgotten");
    assert!(browser.text("main").await.contains("Nothing is remembered here yet"));
    browser.inspect("empty").await;

    // What version 0.16 left on a device goes on, and all of it can be forgotten at once.
    let old = json!({ "events": {
        &event.id: { "adminToken": &event.token },
        &other.id: { "adminToken": &other.token },
    }});
    browser.script(&format!("localStorage.setItem('openrsvp-keys', '{old}')")).await;
    browser.go("/my-events").await;
    for _ in 0..200 {
        if browser.text(".kept").await.contains("Second table") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(browser.text(".kept").await.contains("Second table"), "its title is fetched");
    browser.script("window.confirm = () => true").await;
    browser.click("[data-forget-all]").await;
    assert_eq!(browser.script(rows).await, 0);
    assert_eq!(
        browser.script("return localStorage.getItem('openrsvp-keys')").await,
        "{\"events\":{}}"
    );
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_shared_copied_and_scanned() {
    let app = TestApp::start(Engine::Sqlite).await;
    let event = app.event(json!({ "title": "Long table" })).await;
    let url = format!("{}{}", app.base, event.page(""));
    let browser = Browser::open("share", Look::PHONE, &app.base).await;
    browser.before_pages("delete Navigator.prototype.share;").await;
    browser.go(&event.page("")).await;
    let share = browser.find("[data-share]").await;
    assert!(!share.is_displayed().await.unwrap(), "nothing to share with: copying is there");
    browser.click("[data-copy]").await;
    let mut said = String::new();
    for _ in 0..100 {
        said = browser.text("[data-copied]").await;
        if !said.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(said, "Copied");
    browser.click(".qr summary").await;
    assert!(browser.find(".qr svg").await.is_displayed().await.unwrap());
    browser.inspect("code").await;

    browser.before_pages(SHARE).await;
    browser.go(&event.page("")).await;
    browser.click("[data-share]").await;
    assert_eq!(
        browser.script("return window.shared").await,
        json!({ "url": url, "title": "Long table" })
    );
    browser.close().await;
    app.stop().await;
}
