//! What this machine can do at best: a server that only sends bytes, a loop that only inserts.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, params};
use tokio::net::TcpListener;

use crate::load::Measured;

/// As the store groups writes.
const GROUP: usize = 64;
const MEASURED: Duration = Duration::from_secs(6);

/// This program again, as a bare server.
pub struct Process {
    child: Child,
    pub address: String,
    _file: tempfile::NamedTempFile,
}

impl Process {
    /// A server that answers everything with `body`.
    pub async fn start(body: &[u8]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), body).unwrap();
        let this = std::env::current_exe().unwrap();
        let mut child = Command::new(this)
            .arg("--floor")
            .arg(file.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().to_owned(), _file: file }
    }
}

impl Measured for Process {
    fn pids(&self) -> Vec<u32> {
        vec![self.child.id()]
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the file until it is killed.
pub async fn serve(path: &str) {
    let body = Bytes::from(std::fs::read(path).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let body = body.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |_| {
                let response = hyper::Response::new(Full::new(body.clone()));
                async move { Ok::<_, Infallible>(response) }
            });
            // A client that leaves is no fault.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// Inserts what an answer inserts, 64 to a transaction, as durably; gives back answers a second.
pub fn insert_in_groups(dir: &Path, event: &str) -> f64 {
    let copy = tempfile::tempdir_in(dir.parent().unwrap()).unwrap();
    let path = copy.path().join("floor.db");
    let source = Connection::open(dir.join("openrsvp.db")).unwrap();
    source.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
        )
        .unwrap();
    let started = Instant::now();
    let mut answers: u64 = 0;
    while started.elapsed() < MEASURED {
        let group = connection.transaction().unwrap();
        for _ in 0..GROUP {
            insert(&group, event, answers);
            answers += 1;
        }
        group.commit().unwrap();
    }
    answers as f64 / started.elapsed().as_secs_f64()
}

fn insert(connection: &Connection, event: &str, number: u64) {
    let now = 1_790_000_000_000_000_i64 + i64::try_from(number).unwrap();
    let id = format!("{now:016x}-{number:019}");
    // Spread like a hash: a real token's place in its index is anywhere.
    let token = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().repeat(4);
    let rsvp = "INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at,
        modified_at) VALUES (?1, ?2, ?3, 'Ana Lindqvist', NULL, 'yes', 'approved', 1, 0, ?4, ?4)";
    let values = params![id, event, token, now];
    connection.prepare_cached(rsvp).unwrap().execute(values).unwrap();
    let message = "INSERT INTO messages (id, event_id, rsvp_id, author_id, kind, audience, content, created_at)
        VALUES (?1, ?2, ?1, NULL, 'rsvp_created', 'admin', 'RSVP created (Yes; approval approved; 1 guest)', ?3)";
    connection.prepare_cached(message).unwrap().execute(params![id, event, now]).unwrap();
}
