//! Golden files: what programs and operators read, word for word. `INSTA_UPDATE=always cargo test
//! golden` accepts a change; the difference is then reviewed with the commit.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::server::openrsvp;
use crate::support::{Answer, INSTANCE_TOKEN, TestApp, TestEvent, on_both};

/// Compares a text with its golden file in `tests/golden`.
fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Requests and their answers, with numbers for what differs from run to run: ids and tokens.
struct Transcript<'a> {
    app: &'a TestApp,
    text: String,
    numbers: HashMap<String, String>,
}

impl<'a> Transcript<'a> {
    fn new(app: &'a TestApp) -> Self {
        Self { app, text: String::new(), numbers: HashMap::new() }
    }

    async fn send(&mut self, method: Method, path: &str, token: &str, body: Value) -> Value {
        let answer = self.app.send(method.clone(), path, token, body.clone()).await;
        let who = match token {
            "" => "",
            INSTANCE_TOKEN => " as the instance owner",
            _ => " with a token",
        };
        let sent = if body.is_null() { String::new() } else { format!(" {body}") };
        let told = self.told(&answer);
        let status = answer.status.as_u16();
        let entry = self.named(&format!("### {method} {path}{who}{sent}\n\n{status} {told}\n\n"));
        self.text.push_str(&entry);
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    fn told(&self, answer: &Answer) -> String {
        let kind = answer.header("content-type");
        match serde_json::from_str::<Value>(&answer.text) {
            Ok(value) => format!("{kind}\n{}", serde_json::to_string_pretty(&value).expect("JSON")),
            Err(_) => format!("{kind}\n{}", answer.text.replace('\r', "")),
        }
    }

    /// `text` with a number for each id and token, counted from their first place.
    fn named(&mut self, text: &str) -> String {
        let text = text.replace(&self.app.base, "http://base");
        let in_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let (mut named, mut rest) = (String::new(), text.as_str());
        while let Some(start) = rest.find(in_word) {
            let (before, word) = rest.split_at(start);
            let (word, after) = word.split_at(word.find(|c| !in_word(c)).unwrap_or(word.len()));
            named.push_str(before);
            named.push_str(&self.name(word));
            rest = after;
        }
        named + rest
    }

    fn name(&mut self, word: &str) -> String {
        let what = match word.len() {
            36 if word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) => "id",
            43 => "token",
            _ => return word.to_owned(),
        };
        let next = format!("{what}-{}", self.numbers.len() + 1);
        self.numbers.entry(word.to_owned()).or_insert(next).clone()
    }
}

async fn events(said: &mut Transcript<'_>) -> TestEvent {
    let body = json!({
        "title": "Summer table", "description": "Bring **cushions**.", "location": "Lindenhof 4",
        "start_time": "2026-06-13T19:00:00", "end_time": "2026-06-13T23:00:00",
        "timezone": "Europe/Berlin", "channel_name": "Garden people", "max_attendees": 4,
    });
    let made = said.send(Method::POST, "/api/v1/events", "", body).await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let event = TestEvent { id: text(&made["event"]["id"]), token: text(&made["admin_token"]) };
    said.send(Method::POST, "/api/v1/events", "", json!({ "title": " " })).await;
    said.send(Method::GET, "/api/v1/events?per_page=1", "", Value::Null).await;
    said.send(Method::GET, "/api/v1/events?page=x", "", Value::Null).await;
    said.send(Method::GET, "/api/v1/channels/garden-people", "", Value::Null).await;
    said.send(Method::GET, "/api/v1/channels/nobody", "", Value::Null).await;
    said.send(Method::GET, &event.api(""), "", Value::Null).await;
    said.send(Method::GET, "/api/v1/events/nothing", "", Value::Null).await;
    let change = json!({ "location": "Lindenhof 5", "admin_approval_required": true });
    said.send(Method::PATCH, &event.api(""), "", change.clone()).await;
    said.send(Method::PATCH, &event.api(""), "wrong", change.clone()).await;
    said.send(Method::PATCH, &event.api(""), &event.token, change).await;
    let backwards = json!({ "end_time": "2026-06-12T00:00:00" });
    said.send(Method::PATCH, &event.api(""), &event.token, backwards).await;
    said.send(Method::GET, &event.api(""), INSTANCE_TOKEN, Value::Null).await;
    event
}

async fn answers(said: &mut Transcript<'_>, event: &TestEvent) {
    let body = json!({
        "name": "Ana Bär", "attendance_status": "yes", "guest_count": 2, "pronouns": "she/her",
    });
    let given = said.send(Method::POST, &event.api("/rsvps"), "", body).await;
    let token = given["rsvp"]["rsvp_token"].as_str().expect("a token").to_owned();
    let party = json!({ "name": "Too many", "guest_count": 3 });
    said.send(Method::POST, &event.api("/rsvps"), "", party).await;
    said.send(Method::POST, &event.api("/rsvps"), "", json!({ "name": "" })).await;
    let own = event.api("/rsvps/self");
    said.send(Method::GET, &own, "", Value::Null).await;
    said.send(Method::GET, &own, "wrong", Value::Null).await;
    said.send(Method::PATCH, &own, &token, json!({ "guest_count": 1 })).await;
    let note = json!({ "content": "One of us eats no meat" });
    said.send(Method::POST, &event.api("/rsvps/self/messages"), &token, note).await;

    let listed = said.send(Method::GET, &event.api("/rsvps"), &event.token, Value::Null).await;
    let id = listed["rsvps"][0]["id"].as_str().expect("an id").to_owned();
    let guest = |below: &str| event.api(&format!("/rsvps/{id}{below}"));
    said.send(Method::POST, &guest("/reject"), &event.token, json!({ "reason": "Full" })).await;
    said.send(Method::POST, &guest("/pending"), &event.token, Value::Null).await;
    said.send(Method::POST, &guest("/approve"), &event.token, Value::Null).await;
    let message = json!({ "content": "See you at the gate", "visibility": "attendee" });
    said.send(Method::POST, &guest("/messages"), &event.token, message).await;
    let news = json!({ "content": "We have a tent now", "visibility": "public" });
    let bare = format!("/events/{}/messages", event.id);
    said.send(Method::POST, &bare, &event.token, news).await;
    said.send(Method::GET, &own, &token, Value::Null).await;
    said.send(Method::GET, &event.api(""), "", Value::Null).await;
    said.send(Method::GET, &event.api("/event.ics"), &token, Value::Null).await;

    said.send(Method::PATCH, &event.api(""), &event.token, json!({ "rsvps_closed": true })).await;
    said.send(Method::POST, &event.api("/rsvps"), "", json!({ "name": "Late" })).await;
    said.send(Method::DELETE, &own, &token, Value::Null).await;
    said.send(Method::DELETE, &guest(""), &event.token, Value::Null).await;
    said.send(Method::DELETE, &event.api(""), &event.token, Value::Null).await;
    said.send(Method::GET, &event.api(""), "", Value::Null).await;
}

on_both! {
    async fn the_api_says(app: &TestApp) {
        let mut said = Transcript::new(app);
        let event = events(&mut said).await;
        answers(&mut said, &event).await;
        compare("api", &said.text);
    }
}

#[tokio::test]
async fn the_openapi_document() {
    let app = TestApp::start(openrsvp::store::db::Engine::Sqlite).await;
    let document = app.get("/api/openapi.json", "").await.json();
    app.stop().await;
    compare("openapi", &serde_json::to_string_pretty(&document).expect("JSON"));
}

fn printed(arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let output = openrsvp(dir.path()).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.replace(dir.path().to_str().expect("text"), "DIR")
}

#[test]
fn the_configuration_by_default() {
    compare("config", &printed(&["config", "show"]));
}

/// Every command's help, found by what the help lists.
#[test]
fn the_help_of_every_command() {
    let mut text = String::new();
    let mut commands = vec![Vec::new()];
    while let Some(command) = commands.pop() {
        let mut arguments = command.clone();
        arguments.push("--help");
        let help: &'static str = printed(&arguments).leak();
        text.push_str(&format!("### openrsvp {}\n\n{help}\n", arguments.join(" ")));
        let listed = help.split_once("Commands:\n").map_or("", |(_, after)| after);
        for line in
            listed.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().iter().rev()
        {
            let Some(name) = line
                .trim_start()
                .split(' ')
                .next()
                .filter(|_| line.starts_with("  ") && !line.starts_with("   "))
            else {
                continue;
            };
            if name != "help" {
                let mut below = command.clone();
                below.push(name);
                commands.push(below);
            }
        }
    }
    compare("help", &text);
}
