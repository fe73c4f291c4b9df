//! What programs and scripts of the original rely on, tried at a base URL and nothing but that:
//! `OPENRSVP_TEST_BASE_URL` and `OPENRSVP_TEST_ADMIN_TOKEN` (the instance owner's token) point it
//! at any server, an empty one or one in use; without them the tests start servers of their own, one on each
//! database. It makes its own events and knows no clock but that of the server.

mod events;
mod forms;
mod guests;
mod lists;
mod messages;
mod methods;
mod pages;
mod refusals;
mod shapes;

use std::rc::Rc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::support::server::TestServer;
use crate::support::{Answer, INSTANCE_TOKEN, TestDatabase, postgres};
use openrsvp::store::db::{Engine, StoreOptions};

/// A server to try.
pub struct Target {
    base: String,
    instance_token: String,
    client: reqwest::Client,
}

/// An event that a test made.
pub struct Made {
    id: String,
    token: String,
}

impl Made {
    fn api(&self, below: &str) -> String {
        format!("/api/v1/events/{}{below}", self.id)
    }

    fn page(&self, below: &str) -> String {
        format!("/e/{}{below}", self.id)
    }

    fn host(&self, below: &str) -> String {
        self.page(&format!("/admin/{}{below}", self.token))
    }
}

impl Target {
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let mut request = self.request(method, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, token, Value::Null).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::POST, path, token, body).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.request(Method::POST, path).form(fields).send().await.expect("an answer"))
            .await
    }

    async fn event(&self, extra: Value) -> Made {
        let made = self.post("/api/v1/events", "", event_body(extra)).await;
        let made = made.expect(StatusCode::CREATED);
        Made { id: text(&made["event"]["id"]), token: text(&made["admin_token"]) }
    }

    /// Answers with yes; gives back the guest's token.
    async fn guest(&self, event: &Made, extra: Value) -> String {
        let given = self.post(&event.api("/rsvps"), "", rsvp_body(extra)).await;
        text(&given.expect(StatusCode::CREATED)["rsvp"]["rsvp_token"])
    }

    /// The id of the only guest.
    async fn guest_id(&self, event: &Made) -> String {
        let roster = self.get(&event.api("/rsvps"), &event.token).await.expect(StatusCode::OK);
        text(&roster["rsvps"][0]["id"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn with(mut body: Value, extra: Value) -> Value {
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

fn event_body(extra: Value) -> Value {
    with(json!({ "title": "Conformance", "start_time": "2131-05-10T17:00:00" }), extra)
}

fn rsvp_body(extra: Value) -> Value {
    with(json!({ "name": "Ana", "attendance_status": "yes" }), extra)
}

/// Runs each check at the target and goes on after one that fails: all that differs is reported.
macro_rules! run_all {
    ($target:expr, $($check:path),* $(,)?) => {{
        let (target, mut failed) = (Rc::new($target), Vec::new());
        let local = LocalSet::new();
        $(
            let at = Rc::clone(&target);
            let check = local.spawn_local(async move { $check(&at).await });
            if local.run_until(check).await.is_err() {
                failed.push(stringify!($check));
            }
        )*
        assert!(failed.is_empty(), "not as the original: {failed:?}; why stands above");
    }};
}

async fn conforms(target: Target) {
    run_all!(
        target,
        events::makes,
        events::reads,
        events::edits,
        events::takes_what_clients_send,
        events::deletes,
        events::gives_a_calendar,
        guests::answers,
        guests::reads_words_leniently,
        guests::changes_and_leaves,
        guests::lists,
        guests::decides,
        guests::fills_and_closes,
        messages::by_a_guest,
        messages::about_an_event,
        messages::about_a_guest,
        lists::pages_of_events,
        lists::a_channel,
        lists::what_is_secret,
        refusals::without_the_right_token,
        refusals::what_is_not_there,
        refusals::what_has_not_the_right_form,
        refusals::what_crashed_the_original,
        refusals::in_the_right_form_of_answer,
        methods::are_told,
        pages::finds_channels,
        pages::jumps_to_a_channel,
        pages::shows_the_owner_all,
        pages::makes_links_anew,
        pages::helps,
        forms::makes_and_answers,
        forms::decides,
        forms::deletes,
    );
}

#[expect(clippy::disallowed_methods, reason = "tests are told which server to try")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn try_server(engine: Engine) {
    let client = crate::support::client();
    if let Some(base) = told("OPENRSVP_TEST_BASE_URL") {
        let instance_token = told("OPENRSVP_TEST_ADMIN_TOKEN")
            .expect("OPENRSVP_TEST_ADMIN_TOKEN, the instance owner's token of that server");
        let base = base.trim_end_matches('/').to_owned();
        return conforms(Target { base, instance_token, client }).await;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let database = TestDatabase::new(engine).await;
    let url = match &database.options {
        StoreOptions::Postgres(options) => Some(options.url.as_str()),
        StoreOptions::Sqlite(_) => None,
    };
    let server = TestServer::start(dir.path(), url).await;
    let (base, instance_token) = (server.base.clone(), INSTANCE_TOKEN.to_owned());
    conforms(Target { base, instance_token, client }).await;
}

#[tokio::test]
async fn sqlite() {
    try_server(Engine::Sqlite).await;
}

#[tokio::test]
async fn postgres() {
    // A server that was named has one database only: tried once is enough.
    if postgres::is_skipped() || told("OPENRSVP_TEST_BASE_URL").is_some() {
        return;
    }
    try_server(Engine::Postgres).await;
}
