//! A refused form says why, and keeps what was typed.

use openrsvp::store::db::Engine;
use serde_json::json;

use crate::browser::{Browser, Look};
use crate::support::TestApp;

async fn value(browser: &Browser, selector: &str) -> String {
    browser.find(selector).await.prop("value").await.unwrap().unwrap()
}

/// Takes the browser's own checks away: the site's are looked at.
async fn without_checks(browser: &Browser, form: &str) {
    let script = format!(
        "const form = document.querySelector({form:?}); form.noValidate = true;\
         for (const field of form.elements) field.removeAttribute('maxlength');"
    );
    browser.page.execute(&script, Vec::new()).await.expect("the script runs");
}

/// Without JavaScript a page that answers a form cannot be opened a second time to be looked at.
async fn inspect(browser: &Browser, what: &str) {
    if browser.look.javascript {
        browser.inspect(what).await;
    }
}

async fn refuse_event(browser: &Browser) {
    let title = "A very long table ".repeat(16);
    browser.go("/event/create").await;
    without_checks(browser, "form[data-event]").await;
    browser.fill("#event-title", &title).await;
    browser.fill_time("#event-start_time", "2026-06-13T19:00").await;
    browser.fill("#event-location", "Lindenhof 4").await;
    browser.follow("form[data-event] > [type=submit]").await;
    assert!(browser.text(".errors").await.contains("Everything you typed is still here"));
    assert_eq!(value(browser, "#event-title").await.trim(), title.trim());
    assert_eq!(value(browser, "#event-location").await, "Lindenhof 4");
    inspect(browser, "title").await;

    without_checks(browser, "form[data-event]").await;
    browser.fill("#event-title", "Summer table").await;
    browser.fill_time("#event-end_time", "2026-06-13T18:00").await;
    browser.follow("form[data-event] > [type=submit]").await;
    assert_eq!(
        browser.find("#event-end_time").await.attr("aria-invalid").await.unwrap().as_deref(),
        Some("true")
    );
    assert_eq!(value(browser, "#event-start_time").await, "2026-06-13T19:00");
    assert_eq!(value(browser, "#event-end_time").await, "2026-06-13T18:00");
    inspect(browser, "end").await;
}

/// Two guests reach for the last place.
async fn refuse_answer(browser: &Browser, app: &TestApp) {
    let event = app.event(json!({ "max_attendees": 1 })).await;
    browser.go(&event.page("")).await;
    browser.click("label:has(input[value=yes])").await;
    browser.fill("#answer-name", "Bo").await;
    browser.fill("#answer-note", "No nuts, please").await;
    app.answer(&event, "Ana", json!({})).await;
    browser.follow(".answer-form [type=submit]").await;
    assert!(browser.text(".errors").await.contains("no place left"));
    assert_eq!(value(browser, "#answer-name").await, "Bo");
    assert_eq!(value(browser, "#answer-note").await, "No nuts, please");
    inspect(browser, "full").await;
    browser.click("label:has(input[value=maybe])").await;
    browser.follow(".answer-form [type=submit]").await;
    assert_eq!(browser.text("h1").await, "You might come");
}

async fn travel(look: Look) {
    let app = TestApp::start(Engine::Sqlite).await;
    let browser = Browser::open("refusals", look, &app.base).await;
    refuse_event(&browser).await;
    refuse_answer(&browser, &app).await;
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone() {
    travel(Look::PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_desk() {
    travel(Look::DESK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_without_javascript() {
    travel(Look::PHONE.without_javascript()).await;
}
