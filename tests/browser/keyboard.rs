//! Answering with nothing but keys.

use fantoccini::key::Key;
use openrsvp::store::db::Engine;
use serde_json::json;

use crate::browser::{Browser, Look};
use crate::support::TestApp;

async fn press(browser: &Browser, keys: &str) {
    let focused = browser.page.active_element().await.expect("something has the focus");
    focused.send_keys(keys).await.expect("it takes keys");
}

/// Presses Tab until the focus is on what the selector finds, and asserts that it can be seen.
async fn tab_to(browser: &Browser, selector: &str) {
    let script = format!("return document.activeElement.matches({selector:?})");
    for _ in 0..40 {
        press(browser, &Key::Tab.to_string()).await;
        if browser.page.execute(&script, Vec::new()).await.expect("the script runs") == true {
            return;
        }
    }
    panic!("Tab never comes to {selector}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_takes_only_keys() {
    let app = TestApp::start(Engine::Sqlite).await;
    let event = app.event(json!({})).await;
    let browser = Browser::open("keyboard", Look::DESK, &app.base).await;
    browser.go(&event.page("")).await;
    tab_to(&browser, ".skip").await;
    assert!(browser.find(".skip").await.rectangle().await.expect("a place").2 > 40.0, "it shows");
    tab_to(&browser, "[name=attendance_status]").await;
    press(&browser, " ").await;
    press(&browser, &Key::Down.to_string()).await;
    press(&browser, &Key::Up.to_string()).await;
    tab_to(&browser, "#answer-name").await;
    press(&browser, "Ana").await;
    tab_to(&browser, "#answer-guest_count").await;
    press(&browser, &Key::Up.to_string()).await;
    tab_to(&browser, "[data-send]").await;
    assert_eq!(browser.text("[data-send]").await, "Send: I’m coming, 2 people");
    browser.inspect("ready").await;
    press(&browser, &Key::Enter.to_string()).await;
    let heading = fantoccini::Locator::Css(".state h1");
    browser.page.wait().for_element(heading).await.expect("the answer is in");
    assert_eq!(browser.text("h1").await, "You’re coming: 2 people");
    let focused = browser.page.active_element().await.expect("the focus");
    assert_eq!(focused.tag_name().await.expect("its name"), "h1", "the news is read out");
    browser.close().await;
    app.stop().await;
}
