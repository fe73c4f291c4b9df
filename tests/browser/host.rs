//! The host's page: acts that change it in place, and what thousands of guests do to it.

use openrsvp::domain::id;
use openrsvp::domain::rsvp::{Approval, Reply, Rsvp};
use openrsvp::domain::token::Token;
use openrsvp::services::Error;
use openrsvp::store::db::Engine;
use openrsvp::store::rsvps;
use serde_json::json;

use crate::browser::{Browser, Look};
use crate::support::{TestApp, TestEvent};

/// Presses what acts on a guest, and waits until it is done: with scripts in place, else by way of
/// the page.
pub async fn act(browser: &Browser, selector: &str) {
    if !browser.look.javascript {
        browser.follow(selector).await;
        return;
    }
    let clear = "document.getElementById('said').textContent = ''";
    browser.page.execute(clear, Vec::new()).await.unwrap();
    browser.click(selector).await;
    for _ in 0..300 {
        if !browser.text("#said").await.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{selector} does nothing");
}

async fn value(browser: &Browser, selector: &str) -> String {
    browser.find(selector).await.prop("value").await.unwrap().unwrap()
}

async fn is_true(browser: &Browser, script: &str) -> bool {
    browser.page.execute(&format!("return {script}"), Vec::new()).await.unwrap() == true
}

async fn crowd(app: &TestApp, event: &TestEvent, count: usize) {
    let (site, event) = (app.running().site.clone(), event.id.clone());
    let now = site.clock.now();
    let guest = |number: usize| Rsvp {
        id: id::row_id(now, &site.entropy),
        event_id: event.clone(),
        token: Token::generate(&site.entropy).hash(),
        name: format!("Guest number {number}"),
        pronouns: None,
        reply: Reply::ALL[number % 3],
        approval: Approval::ALL[(number / 3) % 3],
        companions: 1,
        is_private: false,
        created_at: now,
        modified_at: now,
    };
    let all: Vec<Rsvp> = (0..count).map(guest).collect();
    let add = site.db.write(move |tx| {
        Box::pin(async move {
            for rsvp in &all {
                rsvps::insert(tx, rsvp).await?;
            }
            Ok::<_, Error>(())
        })
    });
    add.await.unwrap();
}

async fn decide(look: Look) {
    let app = TestApp::start(Engine::Sqlite).await;
    let event = app.event(json!({ "admin_approval_required": true, "max_attendees": 9 })).await;
    app.answer(&event, "Ana Bär", json!({ "guest_count": 1 })).await;
    app.answer(&event, "Bo", json!({})).await;
    let browser = Browser::open("decide", look, &app.base).await;
    browser.go(&event.page(&format!("/admin/{}", event.token))).await;
    let first = ".guests > li:first-child";
    let id = browser.find(first).await.attr("id").await.unwrap().unwrap();
    let card = format!("#{id}");
    browser.click(&format!("{card} .guest-more > summary")).await;
    let note = format!("{card} form[action$='/note'] textarea");
    browser.fill(&note, "Half a note").await;
    act(&browser, &format!("{card} form[action$='/approve'] button")).await;
    assert_eq!(browser.text("#numbers dd").await, "2 of 9");
    if look.javascript {
        assert_eq!(browser.text("#said").await, "You said yes to Ana Bär.");
        assert_eq!(value(&browser, &note).await, "Half a note", "what is half written stays");
        let focused = format!("document.querySelector('{card}').contains(document.activeElement)");
        assert!(is_true(&browser, &focused).await, "the focus stays at the guest");
        browser.inspect("approved").await;
    } else {
        browser.click(&format!("{card} .guest-more > summary")).await;
        browser.fill(&note, "Half a note").await;
    }
    act(&browser, &format!("{card} form[action$='/note'] button")).await;
    assert!(browser.text(&format!("{card} .messages")).await.contains("Half a note"));
    if look.javascript {
        assert_eq!(value(&browser, &note).await, "", "what was sent is gone from its field");
        act(&browser, &format!("{card} form[action$='/link'] button")).await;
        assert!(value(&browser, &format!("{card} .keep-url")).await.contains("/rsvp/"));
        browser.inspect("link").await;
        browser.click(&format!("{card} .guest-remove > summary")).await;
        act(&browser, &format!("{card} form[action$='/delete'] button")).await;
        assert!(is_true(&browser, &format!("!document.querySelector('{card}')")).await);
        assert_eq!(browser.text("#numbers dd").await, "0 of 9");
    }
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decides_in_place_on_a_phone() {
    decide(Look::PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decides_on_a_desk_without_javascript() {
    decide(Look::DESK.without_javascript()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_guests_fit_a_phone() {
    let app = TestApp::start(Engine::Sqlite).await;
    let event = app.event(json!({})).await;
    crowd(&app, &event, 5_000).await;
    let browser = Browser::open("crowd", Look::PHONE, &app.base).await;
    browser.go(&event.page(&format!("/admin/{}", event.token))).await;
    assert!(is_true(&browser, "document.querySelectorAll('.guest').length === 25").await);
    assert!(is_true(&browser, "document.documentElement.scrollWidth <= 360").await);
    browser.inspect("first").await;
    browser.fill("#guest-query", "NUMBER 4999").await;
    browser.follow(".search button").await;
    assert!(browser.text(".guest h3").await.contains("Guest number 4999"));
    browser.inspect("found").await;
    browser.close().await;
    app.stop().await;
}
