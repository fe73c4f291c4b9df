//! Clients that answer an event without end, and what they were told.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client;
use super::postgres::OwnServer;

/// Makes an event; gives back its id.
pub async fn event(base: &str, extra: Value) -> String {
    let mut body = json!({ "title": "Storm", "start_time": "2030-01-01T10:00" });
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    let made = client().post(format!("{base}/api/v1/events")).json(&body).send().await;
    let made: Value = made.expect("an answer").json().await.expect("JSON");
    made["event"]["id"].as_str().expect("an id").to_owned()
}

/// What clients put up with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Patience {
    /// Each answer is taken.
    None,
    /// Some are refused for now, in order.
    Outages,
    /// Some are refused for good, and some never hear.
    Everything,
}

/// Clients that answer an event without end.
pub struct Storm {
    stop: Arc<AtomicBool>,
    writers: JoinSet<Vec<String>>,
}

impl Storm {
    /// Starts it: each client keeps to one of `bases`.
    pub fn start(bases: &[String], event: &str, count: usize, patience: Patience) -> Self {
        Self::start_with(&client(), bases, event, count, patience)
    }

    /// The same, by clients of a kind.
    pub fn start_with(
        client: &reqwest::Client,
        bases: &[String],
        event: &str,
        count: usize,
        patience: Patience,
    ) -> Self {
        static STORMS: AtomicU32 = AtomicU32::new(0);
        let storm = STORMS.fetch_add(1, Ordering::Relaxed);
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..count {
            let url = format!("{}/api/v1/events/{event}/rsvps", bases[writer % bases.len()]);
            let name = format!("{storm}-{writer}");
            writers.spawn(answer(client.clone(), url, name, patience, stop.clone()));
        }
        Self { stop, writers }
    }

    /// Ends it; the names that were acknowledged.
    pub async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.writers.join_all().await.concat()
    }
}

/// Answers until told to stop; gives back the names that were acknowledged.
async fn answer(
    client: reqwest::Client,
    url: String,
    writer: String,
    patience: Patience,
    stop: Arc<AtomicBool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0..100_000 {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{writer}-{number}");
        let body = json!({ "name": name, "attendance_status": "yes" });
        let sent = client.post(&url).json(&body).timeout(Duration::from_secs(10)).send().await;
        match sent.map(|answer| (answer.status(), answer.headers().contains_key("retry-after"))) {
            Ok((StatusCode::CREATED, _)) => {
                acknowledged.push(name);
                continue;
            }
            Ok((StatusCode::SERVICE_UNAVAILABLE, true)) if patience != Patience::None => {}
            Ok((StatusCode::BAD_REQUEST, _)) | Err(_) if patience == Patience::Everything => {}
            other => panic!("{name}: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    acknowledged
}

/// Every answer that was acknowledged is there.
pub async fn assert_kept(server: &OwnServer, acknowledged: &[String]) {
    let kept = server.texts("SELECT name FROM rsvps").await;
    let kept: HashSet<_> = kept.iter().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|name| !kept.contains(name)).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
}
