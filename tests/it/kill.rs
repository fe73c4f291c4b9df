//! Killed in the middle of a storm of answers, again and again: what was acknowledged is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::client;
use crate::support::server::TestServer;

const ROUNDS: u64 = 20;
const WRITERS: usize = 8;
/// Jobs write as well.
const JOBS: [(&str, &str); 1] = [("OPENRSVP_SCHEDULER__ENABLED", "true")];

/// Answers without end until the server is gone, and counts; gives back the names that were
/// acknowledged.
async fn write(url: String, round: u64, writer: usize, count: Arc<AtomicU64>) -> Vec<String> {
    let client = client();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let name = format!("{round}-{writer}-{number}");
        let body = json!({ "name": name, "attendance_status": "yes", "note": "in the storm" });
        match client.post(&url).json(&body).send().await {
            Ok(answer) if answer.status().as_u16() == 201 => {
                acknowledged.push(name);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => panic!("refused: {}", answer.status()),
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_times_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged: Vec<String> = Vec::new();
    let mut event = None;
    for round in 0..ROUNDS {
        let mut server = TestServer::start_with(dir.path(), None, &JOBS).await;
        if event.is_none() {
            let body = json!({ "title": "Storm", "start_time": "2030-01-01T10:00" });
            let made =
                client().post(format!("{}/api/v1/events", server.base)).json(&body).send().await;
            let made: Value = made.expect("an answer").json().await.expect("JSON");
            event = made["event"]["id"].as_str().map(str::to_owned);
        }
        let id = event.clone().expect("an event");
        let count = Arc::new(AtomicU64::new(0));
        let url = format!("{}/api/v1/events/{id}/rsvps", server.base);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(url.clone(), round, writer, count.clone())))
            .collect();
        // Another moment of the storm each time.
        let enough = async {
            while count.load(Ordering::Relaxed) < 5 + round {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), enough).await.expect("answers come");
        tokio::time::sleep(Duration::from_millis(round * 7)).await;
        server.kill();
        for writer in writers {
            acknowledged.extend(writer.await.expect("no panic"));
        }
        check(&dir.path().join("openrsvp.db"), &acknowledged);
    }
}

/// Opens the file as it was left, and looks for every answer and its note.
fn check(path: &std::path::Path, acknowledged: &[String]) {
    let connection = Connection::open(path).expect("opens");
    let integrity: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(integrity, "ok");
    let sql = "SELECT name FROM rsvps r WHERE EXISTS
        (SELECT 1 FROM messages m WHERE m.rsvp_id = r.id AND m.kind = 'user_note')";
    let mut statement = connection.prepare(sql).expect("prepares");
    let names: std::collections::HashSet<String> =
        statement.query_map([], |row| row.get(0)).expect("runs").flatten().collect();
    for name in acknowledged {
        assert!(names.contains(name), "{name} was acknowledged and is not there");
    }
}
