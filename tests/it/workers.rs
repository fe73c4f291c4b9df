//! Processes that work beside the web server, killed as by a power cut: what they were at is done
//! by the others, and once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use openrsvp::store::db::{Db, Engine, Query, StoreOptions};
use serde_json::{Value, json};

use crate::support::rows::{change, faded_events, number, query, rows};
use crate::support::server::{TestServer, openrsvp};
use crate::support::storm::{Patience, Storm};
use crate::support::{INSTANCE_TOKEN, TestDatabase, client, postgres};
use crate::webhooks::Receiver;

faded_events!(MANY, "3000", "2000");
query!(
    KEEP,
    "UPDATE events SET starts_at = 4000000000000000, ends_at = NULL, over_at = 4000000000000000,
        unlisted_at = 9000000000000000, purgeable_at = 9000000000000000
    WHERE id LIKE '%7'"
);
query!(EVENTS, "SELECT CAST(COUNT(*) AS BIGINT) FROM events");
query!(KEPT, "SELECT id FROM events ORDER BY id");
query!(GUESTS, "SELECT event_id FROM rsvps ORDER BY event_id");
query!(RUNNING, "SELECT COUNT(*) FROM job_runs WHERE outcome = 'running'");
query!(NAMES, "SELECT name FROM rsvps ORDER BY name");
query!(TASKS, "SELECT COUNT(*) FROM tasks");
query!(WAITING, "SELECT COUNT(*) FROM deliveries WHERE state <> 'delivered'");
// As if the leases of those that were killed had run out.
query!(LATER, "UPDATE tasks SET due_at = 0 WHERE lease IS NOT NULL");

/// A database that several processes use, and the directory they run in.
struct Place {
    database: TestDatabase,
    dir: tempfile::TempDir,
    db: Db,
}

impl Place {
    async fn new(engine: Engine) -> Self {
        let database = TestDatabase::new(engine).await;
        let place = tempfile::tempdir().expect("a directory");
        let mut migrate = command(place.path(), &database.options, &["migrate"]);
        assert!(migrate.status().expect("it runs").success());
        let db = Db::open(&database.options).await.expect("a database");
        Self { database, dir: place, db }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.dir.path(), &self.database.options, arguments)
    }

    async fn texts(&self, query: &'static Query) -> Vec<String> {
        let rows = rows(&self.db, query).await;
        rows.iter().map(|row| row.get(0).expect("a text")).collect()
    }
}

/// The variable that says where a database is.
fn address(options: &StoreOptions) -> (&'static str, PathBuf) {
    match options {
        StoreOptions::Sqlite(sqlite) => ("OPENRSVP_DATABASE__PATH", sqlite.path.clone()),
        StoreOptions::Postgres(postgres) => ("OPENRSVP_DATABASE__URL", postgres.url.clone().into()),
    }
}

fn command(dir: &Path, options: &StoreOptions, arguments: &[&str]) -> Command {
    let (name, value) = address(options);
    let mut command = openrsvp(dir);
    command.args(arguments).env(name, value).env("OPENRSVP_INSTANCE__ADMIN_TOKEN", INSTANCE_TOKEN);
    command.env("OPENRSVP_WEBHOOKS__ALLOW_NETWORKS", "[\"127.0.0.1/32\"]");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Chance that is the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

/// Kills a process as a power cut does.
fn cut(child: &mut Child) {
    child.kill().expect("killed");
    child.wait().expect("gone");
}

async fn moment(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// Ten copies of a job, killed at random and started again, leave what one leaves.
async fn ten_copies_are_as_one(engine: Engine) {
    let (one, many) = (Place::new(engine).await, Place::new(engine).await);
    for place in [&one, &many] {
        for query in &MANY {
            change(&place.db, query).await;
        }
        change(&place.db, &KEEP).await;
    }
    assert!(one.command(&["job", "decay-cycle"]).status().expect("it runs").success());

    let start = || {
        let mut copy = many.command(&["job", "decay-cycle"]);
        copy.stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let mut copies: Vec<Child> = (0..10).map(|_| start()).collect();
    let mut chance = Chance(7);
    for _ in 0..12 {
        moment(30 + u64::try_from(chance.below(60)).expect("few")).await;
        let killed = chance.below(copies.len());
        cut(&mut copies[killed]);
        copies[killed] = start();
    }
    for copy in copies {
        let ended = copy.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(0), "done, or another is at it: {ended:?}");
    }
    assert!(many.command(&["job", "decay-cycle"]).status().expect("it runs").success());
    assert_eq!(number(&one.db, &EVENTS).await, 300);
    for query in [&KEPT, &GUESTS] {
        assert_eq!(many.texts(query).await, one.texts(query).await);
    }
    assert_eq!(number(&many.db, &RUNNING).await, 0, "what was killed is recorded as lost");
    for place in [one, many] {
        place.db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_copies_killed_at_random_leave_what_one_leaves_on_sqlite() {
    ten_copies_are_as_one(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_copies_killed_at_random_leave_what_one_leaves_on_postgres() {
    if !postgres::is_skipped() {
        ten_copies_are_as_one(Engine::Postgres).await;
    }
}

/// Makes an event with a webhook; gives back its id.
async fn watched_event(base: &str, url: &str) -> String {
    let body = json!({ "title": "Storm", "start_time": "2030-01-01T10:00" });
    let made = client().post(format!("{base}/api/v1/events")).json(&body).send().await;
    let made: Value = made.expect("an answer").json().await.expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (id, token) = (text(&made["event"]["id"]), text(&made["admin_token"]));
    let path = format!("{base}/e/{id}/admin/{token}/webhooks");
    let added = client().post(path).form(&[("url", url)]).send().await.expect("an answer");
    assert_eq!(added.status().as_u16(), 303);
    id
}

/// Every answer was sent, and what was sent twice can be told by its id.
async fn assert_all_told(place: &Place, receiver: &Receiver, acknowledged: &[String]) {
    change(&place.db, &LATER).await;
    let drained = place.command(&["worker", "--drain"]).status().expect("it runs");
    assert!(drained.success());
    let mut by_name = BTreeMap::<String, BTreeSet<String>>::new();
    for (headers, body) in receiver.came() {
        let body: Value = serde_json::from_str(&body).expect("JSON");
        if let Some(name) = body["data"]["rsvp"]["name"].as_str() {
            let id = headers["webhook-id"].to_str().expect("text").to_owned();
            by_name.entry(name.to_owned()).or_default().insert(id);
        }
    }
    let there = place.texts(&NAMES).await;
    assert!(acknowledged.iter().all(|name| there.contains(name)));
    assert_eq!(by_name.keys().cloned().collect::<Vec<_>>(), there, "each answer was sent");
    assert!(by_name.values().all(|ids| ids.len() == 1), "under one id");
    assert_eq!((number(&place.db, &TASKS).await, number(&place.db, &WAITING).await), (0, 0));
}

/// Workers of their own beside a server of the cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_killed_in_a_storm_send_every_answer() {
    if postgres::is_skipped() {
        return;
    }
    let (place, receiver) = (Place::new(Engine::Postgres).await, Receiver::start().await);
    let StoreOptions::Postgres(options) = &place.database.options else { unreachable!() };
    let allowed = [("OPENRSVP_WEBHOOKS__ALLOW_NETWORKS", "[\"127.0.0.1/32\"]")];
    let server = TestServer::cluster(place.dir.path(), &options.url, &allowed).await;
    let event = watched_event(&server.base, &receiver.url).await;
    let start = || place.command(&["worker"]).spawn().expect("it starts");
    let mut workers: Vec<Child> = (0..3).map(|_| start()).collect();
    let storm = Storm::start(std::slice::from_ref(&server.base), &event, 3, Patience::None);
    let mut chance = Chance(11);
    for _ in 0..8 {
        moment(100 + u64::try_from(chance.below(250)).expect("few")).await;
        let killed = chance.below(workers.len());
        cut(&mut workers[killed]);
        workers[killed] = start();
    }
    let acknowledged = storm.end().await;
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    for worker in &mut workers {
        cut(worker);
    }
    assert_all_told(&place, &receiver, &acknowledged).await;
}

/// The worker of a single process goes down with it, and goes on where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_a_storm_sends_every_answer() {
    let (place, receiver) = (Place::new(Engine::Sqlite).await, Receiver::start().await);
    let StoreOptions::Sqlite(options) = &place.database.options else { unreachable!() };
    let path = options.path.to_str().expect("text");
    let variables = [
        ("OPENRSVP_DATABASE__PATH", path),
        ("OPENRSVP_WEBHOOKS__ALLOW_NETWORKS", "[\"127.0.0.1/32\"]"),
    ];
    let mut server = TestServer::single(place.dir.path(), &variables).await;
    let event = watched_event(&server.base, &receiver.url).await;
    let storm =
        |base: &String| Storm::start(std::slice::from_ref(base), &event, 3, Patience::Everything);
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let clients = storm(&server.base);
        moment(250 + 70 * round).await;
        server.kill();
        acknowledged.extend(clients.end().await);
        server = TestServer::single(place.dir.path(), &variables).await;
    }
    server.kill();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    assert_all_told(&place, &receiver, &acknowledged).await;
}
