//! From the front page to the removed answer: the host asks to be asked only later, writes to
//! everybody, and a guest leaves.

use openrsvp::store::db::Engine;

use crate::browser::{Browser, Look};
use crate::host::act;
use crate::support::TestApp;

const NEWS: &str = "It may rain: we have a tent now.";
const SEND: &str = ".answer-form [type=submit]";

async fn value(browser: &Browser, selector: &str) -> String {
    browser.find(selector).await.prop("value").await.unwrap().unwrap()
}

/// From the front page to the guests' link and the host's.
async fn create(browser: &Browser) -> (String, String) {
    browser.go("/").await;
    browser.follow("main a[href='/event/create']").await;
    browser.fill("#event-title", "Summer table").await;
    browser.fill_time("#event-start_time", "2026-06-13T19:00").await;
    browser.fill("#event-location", "Lindenhof 4").await;
    browser.click("details:has(#event-description) > summary").await;
    browser.fill("#event-description", "Bring **cushions**.").await;
    browser.click("details:has(#event-max_attendees) > summary").await;
    browser.fill("#event-max_attendees", "5").await;
    browser.follow("[data-event] > [type=submit]").await;
    let links = (value(browser, "#share-link").await, value(browser, "#host-link").await);
    assert!(links.0.starts_with(&browser.base) && links.1.starts_with(&links.0), "{links:?}");
    links
}

/// Says yes; gives back the link to the answer.
async fn answer(browser: &Browser, share: &str, name: &str, companions: u32) -> String {
    browser.go(share).await;
    let is_rest_shown = browser.find(".answer-rest").await.is_displayed().await.unwrap();
    assert_ne!(is_rest_shown, browser.look.javascript, "with scripts the rest waits for a choice");
    browser.click("label:has(input[value=yes])").await;
    browser.fill("#answer-name", name).await;
    if browser.look.javascript {
        for _ in 0..companions {
            browser.click("[aria-label='One more']").await;
        }
        let people =
            if companions == 0 { String::new() } else { format!(", {} people", companions + 1) };
        assert_eq!(browser.text(SEND).await, format!("Send: I’m coming{people}"));
    } else {
        browser.fill("#answer-guest_count", &companions.to_string()).await;
    }
    browser.follow(SEND).await;
    value(browser, "#own-link").await
}

async fn change(browser: &Browser, own: &str, key: &str) {
    assert_eq!(browser.text("h1").await, "You’re coming: 2 people");
    browser.follow(".actions a").await;
    assert!(own.ends_with(&browser.path().await));
    browser.click("label:has(input[value=maybe])").await;
    browser.follow(SEND).await;
    assert_eq!(browser.text("h1").await, "You might come");
    browser.go(key).await;
    let row = browser.text(".guest").await;
    assert!(row.contains("Ana Lindqvist +1") && row.contains("Maybe"), "{row}");
}

/// The host asks to be asked; a second guest answers and is let in.
async fn approve(browser: &Browser, share: &str, key: &str) {
    browser.click("#edit > details > summary").await;
    browser.click("details:not(.is-box):has(#event-admin_approval_required) > summary").await;
    browser.click("#event-admin_approval_required").await;
    browser.follow("[data-event] > [type=submit]").await;
    assert_eq!(browser.text(".done").await, "Saved.");

    browser.go(share).await;
    let shown = browser.text("main").await;
    assert!(
        shown.contains("Shown once the host says yes") && !shown.contains("Lindenhof"),
        "{shown}"
    );
    let own = answer(browser, share, "Bo", 0).await;
    assert_eq!(browser.text("h1").await, "Sent to the host for a yes");

    browser.go(key).await;
    act(browser, ".is-pending [action$='/approve'] button").await;
    browser.go(&own).await;
    assert_eq!(browser.text("h1").await, "You’re coming");
    assert!(browser.text("main").await.contains("Lindenhof 4"));
}

/// What the host announces is read by everybody who opens the event, or an own answer.
async fn announce(browser: &Browser, share: &str, own: &str, key: &str) {
    browser.go(key).await;
    browser.fill("#messages [name=content]", NEWS).await;
    browser.follow("#messages form [type=submit]").await;
    for page in [key, share, own] {
        browser.go(page).await;
        assert!(browser.text("main").await.contains(NEWS), "{page}");
    }
    browser.inspect("news").await;
}

/// A guest leaves: link and name are gone.
async fn remove(browser: &Browser, own: &str, key: &str) {
    browser.go(own).await;
    browser.click(".fold.is-alarm > summary").await;
    browser.follow("form[action$='/delete'] button").await;
    assert!(browser.text("main").await.contains("off the list"));
    if browser.look.javascript {
        browser.inspect("removed").await;
    }
    browser.go(own).await;
    assert_eq!(browser.text(".error-status").await, "404");
    browser.inspect("gone").await;
    browser.go(key).await;
    let shown = browser.text("main").await;
    assert!(shown.contains("Bo") && !shown.contains("Ana Lindqvist"), "{shown}");
}

async fn travel(engine: Engine, look: Look) {
    let app = TestApp::start(engine).await;
    let browser = Browser::open("whole", look, &app.base).await;
    let (share, key) = create(&browser).await;
    let ana = answer(&browser, &share, "Ana Lindqvist", 1).await;
    change(&browser, &ana, &key).await;
    approve(&browser, &share, &key).await;
    announce(&browser, &share, &ana, &key).await;
    remove(&browser, &ana, &key).await;
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone() {
    travel(Engine::Sqlite, Look::PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_desk() {
    travel(Engine::Sqlite, Look::DESK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_without_javascript() {
    travel(Engine::Sqlite, Look::PHONE.without_javascript()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    if crate::support::postgres::is_skipped() {
        return;
    }
    travel(Engine::Postgres, Look::PHONE).await;
}
