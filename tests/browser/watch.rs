//! What a browser noticed on the way: complaints of the pages, and whom they asked for something.

use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};

use crate::browser::Browser;

/// Asserts that no page complained, and that nobody but the site was asked for anything.
pub async fn assert_quiet(browser: &Browser) {
    let complaints: Vec<String> = log(browser, "browser")
        .await
        .iter()
        .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
        .filter_map(|entry| entry["message"].as_str().map(str::to_owned))
        .filter(|message| !is_expected(message, &browser.base))
        .collect();
    assert!(complaints.is_empty(), "the console says {complaints:#?}");

    let entries = log(browser, "performance").await;
    let asked: Vec<String> = entries.iter().filter_map(requested).collect();
    let own = format!("{}/", browser.base);
    assert!(asked.iter().any(|url| url.starts_with(&own)), "the requests are told");
    // The browser's own pages and pictures inside of pages are asked of nobody.
    let is_foreign = |url: &&String| !url.starts_with(&own) && is_of_network(url);
    let foreign: Vec<_> = asked.iter().filter(is_foreign).collect();
    assert!(foreign.is_empty(), "others were asked: {foreign:#?}");
}

fn is_of_network(url: &str) -> bool {
    ["http:", "https:", "ws:", "wss:"].iter().any(|scheme| url.starts_with(scheme))
}

/// A refused form, a dead link and an unknown name have their status; and a test may have kept a script away.
fn is_expected(message: &str, base: &str) -> bool {
    let of_page = ["/e/", "/events", "/?channel="]
        .iter()
        .any(|path| message.starts_with(&(base.to_owned() + path)));
    let is_refusal =
        ["400", "404"].iter().any(|code| message.contains(&format!("status of {code}")));
    (of_page && is_refusal) || message.contains("net::ERR_BLOCKED_BY_CLIENT")
}

/// The address of the request that an entry tells of.
fn requested(entry: &Value) -> Option<String> {
    let told: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let message = &told["message"];
    let is_request = message["method"] == "Network.requestWillBeSent";
    is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
}

async fn log(browser: &Browser, kind: &'static str) -> Vec<Value> {
    let log = browser.page.issue_cmd(Log(kind)).await.expect("the driver kept a log");
    log.as_array().cloned().unwrap_or_default()
}

/// Asks for a log of the driver, and empties it.
#[derive(Debug)]
struct Log(&'static str);

impl WebDriverCompatibleCommand for Log {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(json!({ "type": self.0 }).to_string()))
    }
}
