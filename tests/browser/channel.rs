//! From the front page to a channel by its name, and what is shown where there is none.

use openrsvp::store::db::Engine;
use serde_json::json;

use crate::browser::{Browser, Look};
use crate::support::TestApp;

async fn travel(look: Look) {
    let app = TestApp::start(Engine::Sqlite).await;
    app.event(json!({ "channel_name": "Garden people" })).await;
    app.event(json!({ "channel_name": "Quiet corner", "channel_visibility": "private" })).await;
    let browser = Browser::open("channel", look, &app.base).await;
    browser.go("/").await;
    let proposed = browser.find("#channel-names > option").await;
    assert_eq!(proposed.attr("value").await.unwrap().as_deref(), Some("Garden people"));
    browser.inspect("front").await;
    browser.fill("#channel-name", "garden PEOPLE").await;
    browser.follow(".jump-form [type=submit]").await;
    assert_eq!(browser.path().await, "/channel/garden-people");
    browser.go("/").await;
    browser.fill("#channel-name", "garden").await;
    browser.follow(".jump-form [type=submit]").await;
    let typed = browser.find("#channel-name").await.prop("value").await.unwrap();
    assert_eq!(typed.as_deref(), Some("garden"));
    browser.inspect("unknown").await;
    browser.follow(".channel-card > a").await;
    assert_eq!(browser.text("h1").await, "Garden people");
    browser.go("/").await;
    browser.fill("#channel-name", "Quiet corner").await;
    browser.follow(".jump-form [type=submit]").await;
    assert_eq!(browser.text("h1").await, "No channel has that name");
    browser.follow("a[href^='/channels/discover?']").await;
    assert!(browser.text("#channels").await.contains("No channel fits that"));
    browser.close().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone() {
    travel(Look::PHONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_desk_without_javascript() {
    travel(Look::DESK.without_javascript()).await;
}
