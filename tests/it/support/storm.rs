//! Clients that answer an event without end, and what they were told.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client;
use super::postgres::OwnServer;

/// Makes an event; gives back its id.
pub async fn event(base: &str) -> String {
    let body = json!({ "title": "Storm", "start_time": "2030-01-01T10:00" });
    let made = client().post(format!("{base}/api/v1/events")).json(&body).send().await;
    let made: Value = made.expect("an answer").json().await.expect("JSON");
    made["event"]["id"].as_str().expect("an id").to_owned()
}

/// Clients that answer an event without end.
pub struct Storm {
    stop: Arc<AtomicBool>,
    writers: JoinSet<Vec<String>>,
}

impl Storm {
    pub fn start(bases: &[String], event: &str, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..count {
            let url = format!("{}/api/v1/events/{event}/rsvps", bases[writer % bases.len()]);
            writers.spawn(answer(url, writer, stop.clone()));
        }
        Self { stop, writers }
    }

    /// Ends it; the names that were acknowledged.
    pub async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.writers.join_all().await.concat()
    }
}

/// Answers until told to stop; gives back the names that were acknowledged. Whoever is refused for
/// now is told so.
async fn answer(url: String, writer: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let client = client();
    let mut acknowledged = Vec::new();
    for number in 0..100_000 {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{writer}-{number}");
        let body = json!({ "name": name, "attendance_status": "yes" });
        match client.post(&url).json(&body).send().await {
            Ok(answer) if answer.status() == StatusCode::CREATED => acknowledged.push(name),
            Ok(answer) => {
                assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
                assert!(answer.headers().contains_key("retry-after"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("no answer at all: {error}"),
        }
    }
    acknowledged
}

pub async fn assert_kept(server: &OwnServer, acknowledged: &[String]) {
    let kept = server.texts("SELECT name FROM rsvps").await;
    let kept: HashSet<_> = kept.iter().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|name| !kept.contains(name)).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
}
