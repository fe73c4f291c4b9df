//! Create, answer, edit, approve: what the product is for.

use openrsvp::store::db::Engine;

use crate::browser::{Browser, Look};
use crate::host::act;
use crate::support::TestApp;

/// Says which time zone this is: without JavaScript a page cannot know.
async fn choose_zone(host: &Browser) {
    host.click(".zone-more summary").await;
    host.fill("#event-timezone", "Europe/Berlin").await;
}

/// Makes an event that needs approval; gives back the guests' address, and leaves the host on the
/// host's page.
async fn create(host: &Browser) -> String {
    host.go("/").await;
    host.inspect("home").await;
    host.follow("a[href='/event/create']").await;
    host.inspect("form").await;
    host.fill("#event-title", "Dinner in the garden").await;
    choose_zone(host).await;
    host.fill_time("#event-start_time", "2026-06-13T19:00").await;
    host.fill_time("#event-end_time", "2026-06-13T23:00").await;
    host.fill("#event-location", "Lindenhof 4").await;
    host.click("details:has(#event-admin_approval_required) > summary").await;
    host.click("#event-admin_approval_required").await;
    host.follow("form[data-event] button[type=submit]").await;
    assert_eq!(host.text("h1").await, "Your event is ready");
    host.inspect("created").await;
    let share = host.find(".panel:not(.is-key) .keep-url").await;
    let share = share.prop("value").await.unwrap().unwrap();
    host.follow(".is-key a.is-main").await;
    assert!(host.path().await.contains("/admin/"));
    share
}

/// Answers, and leaves the guest on the page of the own answer; gives back its path.
async fn answer(guest: &Browser, share: &str) -> String {
    guest.go(share).await;
    let shown = guest.text("main").await;
    assert!(shown.contains("7:00 PM") || shown.contains("19:00"), "{shown}");
    assert!(!shown.contains("Lindenhof"), "the place is shown to approved guests only");
    guest.inspect("event").await;
    guest.click("label:has(input[value=yes])").await;
    guest.fill("#answer-name", "Ana Bär").await;
    guest.fill("#answer-guest_count", "2").await;
    guest.fill("#answer-note", "One of us eats no meat").await;
    guest.follow("form.answer-form button[type=submit]").await;
    guest.inspect("answered").await;
    let own = guest.find(".keep-url").await.prop("value").await.unwrap().unwrap();
    guest.go(&own).await;
    guest.inspect("own").await;
    guest.path().await
}

async fn edit(guest: &Browser) {
    guest.click("label:has(input[value=maybe])").await;
    guest.fill("#answer-guest_count", "1").await;
    guest.follow("form.answer-form button[type=submit]").await;
    let maybe = guest.find("input[value=maybe]").await;
    assert!(maybe.is_selected().await.unwrap());
    guest.click("label:has(input[value=yes])").await;
    guest.follow("form.answer-form button[type=submit]").await;
}

async fn approve(host: &Browser) {
    host.page.refresh().await.unwrap();
    let row = host.text(".guest").await;
    assert!(row.contains("Ana Bär") && row.contains("+1") && row.contains("Waiting"), "{row}");
    assert!(row.contains("no meat"), "{row}");
    host.inspect("waiting").await;
    act(host, ".guest form[action$='/approve'] button").await;
    assert!(!host.text(".guest").await.contains("Waiting"));
    host.inspect("approved").await;
}

async fn travel(look: Look) {
    let patience = std::time::Duration::from_secs(240);
    tokio::time::timeout(patience, go_through(look)).await.expect("it ends in time");
}

async fn go_through(look: Look) {
    let app = TestApp::start(Engine::Sqlite).await;
    let host = Browser::open("host", look, &app.base).await;
    let guest = Browser::open("guest", look, &app.base).await;
    let share = create(&host).await;
    let own = answer(&guest, &share).await;
    edit(&guest).await;
    approve(&host).await;
    guest.go(&own).await;
    assert!(guest.text("main").await.contains("Lindenhof 4"), "approved guests see the place");
    guest.inspect("approved").await;
    guest.close().await;
    host.close().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_desk_without_javascript() {
    travel(Look::DESK.without_javascript()).await;
}
