//! Three processes behind HAProxy: everything is replaced under load, and no request fails. Then
//! everything breaks at once, and nothing is oversold or lost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::client;
use crate::support::client_that;
use crate::support::postgres::{OwnServer, is_skipped};
use crate::support::server::{TestServer, free_port, openrsvp, read_log};
use crate::support::storm::{Patience, Storm, assert_kept, event};

const PROCESSES: usize = 3;
/// HAProxy asks so often, and believes the first answer.
const CHECK: Duration = Duration::from_millis(200);

/// A balancer before processes at fixed ports, as a cluster has one.
struct Balancer {
    child: Child,
    base: String,
}

impl Balancer {
    async fn start(dir: &Path, ports: &[u16]) -> Self {
        let port = free_port();
        let servers: String = ports
            .iter()
            .map(|port| {
                format!("    server s{port} 127.0.0.1:{port} check inter 200 fall 1 rise 1\n")
            })
            .collect();
        let configuration = format!(
            "defaults\n    mode http\n    timeout connect 2s\n    timeout client 60s\n    \
             timeout server 60s\nfrontend in\n    bind 127.0.0.1:{port}\n    default_backend all\n\
             backend all\n    balance roundrobin\n    option httpchk GET /readyz\n    \
             option redispatch 1\n    retries 3\n{servers}"
        );
        let file = dir.join("haproxy.cfg");
        std::fs::write(&file, configuration).expect("written");
        let log = std::fs::File::create(dir.join("haproxy.log")).expect("a log");
        let child = Command::new("/usr/sbin/haproxy")
            .args(["-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("haproxy is installed");
        let balancer = Self { child, base: format!("http://127.0.0.1:{port}") };
        balancer.wait_until_ready().await;
        balancer
    }

    async fn wait_until_ready(&self) {
        for _ in 0..500 {
            let answer = client().get(format!("{}/readyz", self.base)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            moment(20).await;
        }
        panic!("the balancer finds nobody");
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process with a directory and a port of its own, which stay when it is replaced.
struct Place {
    dir: tempfile::TempDir,
    port: u16,
    url: String,
    server: TestServer,
}

impl Place {
    async fn fill(url: &str) -> Self {
        let (dir, port) = (tempfile::tempdir().expect("dir"), free_port());
        let server = Self::spawn(&dir, port, url);
        server.wait_for("/readyz", 200).await;
        Self { dir, port, url: url.to_owned(), server }
    }

    fn spawn(dir: &tempfile::TempDir, port: u16, url: &str) -> TestServer {
        TestServer::spawn_cluster_at(dir.path(), port, url, &[])
    }

    async fn replace(&mut self) {
        self.server = Self::spawn(&self.dir, self.port, &self.url);
        self.server.wait_for("/readyz", 200).await;
    }
}

async fn moment(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

async fn places(url: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for _ in 0..PROCESSES {
        places.push(Place::fill(url).await);
    }
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_replaced_under_load_and_no_request_fails() {
    if is_skipped() {
        return;
    }
    let (postgres, dir) = (OwnServer::start(""), tempfile::tempdir().expect("dir"));
    let mut places = places(&postgres.url).await;
    let ports: Vec<u16> = places.iter().map(|place| place.port).collect();
    let balancer = Balancer::start(dir.path(), &ports).await;
    let event = event(&balancer.base, json!({})).await;
    let base = [balancer.base.clone()];
    // Half of the clients keep their connections, half open a new one for each answer.
    let kept = Storm::start(&base, &event, 2, Patience::None);
    let fresh = Storm::start_with(&fresh_client(), &base, &event, 2, Patience::None);
    for (number, place) in places.iter_mut().enumerate() {
        if number == 1 {
            // A new version changes the schema while old ones run, and start again, beside it.
            postgres.run("ALTER TABLE events ADD COLUMN of_the_next_version BIGINT").await;
            postgres.run("INSERT INTO schema_migrations VALUES (9999, '9999_next', 0)").await;
        }
        place.server.signal("TERM");
        assert_eq!(place.server.ended().await, Some(0), "{}", read_log(place.dir.path()));
        place.replace().await;
        tokio::time::sleep(CHECK * 2).await;
    }
    let mut acknowledged = kept.end().await;
    let others = fresh.end().await;
    assert!(acknowledged.len() > 30 && others.len() > 30);
    acknowledged.extend(others);
    assert_kept(&postgres, &acknowledged).await;
    let rows = postgres.texts("SELECT CAST(COUNT(*) AS TEXT) FROM rsvps").await;
    assert_eq!(rows, [acknowledged.len().to_string()], "each answer once");
}

fn fresh_client() -> reqwest::Client {
    client_that(|builder| builder.pool_max_idle_per_host(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chaos_nothing_is_oversold_and_nothing_acknowledged_is_lost() {
    if is_skipped() {
        return;
    }
    const SEATS: i64 = 40;
    let postgres = OwnServer::start("");
    let mut places = places(&postgres.url).await;
    let bases: Vec<String> = places.iter().map(|place| place.server.base.clone()).collect();
    let few = event(&bases[0], json!({ "max_attendees": SEATS })).await;
    let many = event(&bases[0], json!({})).await;
    let seated = Storm::start(&bases, &few, 6, Patience::Everything);
    let crowd = Storm::start(&bases, &many, 6, Patience::Everything);
    let mut jobs = Vec::new();
    for round in 0..3 {
        moment(300).await;
        places[round].server.kill();
        jobs.push(decay(&places[0].dir, &postgres.url));
        moment(100).await;
        let frozen = (round + 1) % PROCESSES;
        places[frozen].server.signal("STOP");
        if round == 1 {
            postgres.crash();
            moment(200).await;
            postgres.resume();
        }
        places[round].replace().await;
        moment(700).await;
        places[frozen].server.signal("CONT");
        places[frozen].server.wait_for("/readyz", 200).await;
    }
    moment(300).await;
    let crowd = crowd.end().await;
    // One that stands still for long, with requests in hand: what it held is let go.
    places[0].server.signal("STOP");
    moment(30_000).await;
    places[0].server.signal("CONT");
    places[0].server.wait_for("/readyz", 200).await;
    moment(300).await;
    let seated = seated.end().await;
    assert!(!seated.is_empty() && crowd.len() > 50, "{} {}", seated.len(), crowd.len());
    assert_kept(&postgres, &seated).await;
    assert_kept(&postgres, &crowd).await;
    let people = format!(
        "SELECT CAST(SUM(1 + companions) AS TEXT) FROM rsvps WHERE event_id = '{few}'
             AND reply = 'yes' AND approval <> 'rejected'"
    );
    let taken: i64 = postgres.texts(&people).await[0].parse().expect("a number");
    assert!(taken <= SEATS && taken >= i64::try_from(seated.len()).expect("few"), "{taken}");
    for mut job in jobs {
        job.wait().expect("it ends");
    }
    decay(&places[0].dir, &postgres.url).wait().expect("it ends");
    let twice = "SELECT job FROM job_runs WHERE outcome = 'running'";
    assert_eq!(
        postgres.texts(twice).await,
        [""; 0],
        "what was killed is recorded as lost by the next"
    );
    for place in &places {
        assert_explained(&read_log(place.dir.path()));
    }
}

/// A decay cycle as a process of its own, as a CronJob runs it.
fn decay(dir: &tempfile::TempDir, url: &str) -> Child {
    let mut command = openrsvp(dir.path());
    command.args(["--profile", "cluster", "job", "decay-cycle"]);
    command.env("OPENRSVP_DATABASE__URL", url);
    command.env("OPENRSVP_INSTANCE__ADMIN_TOKEN", crate::support::INSTANCE_TOKEN);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// What was done to the processes explains that the database was away, and nothing else.
fn assert_explained(log: &str) {
    for line in log.lines().filter(|line| line.contains("\"ERROR\"")) {
        assert!(line.contains("the database cannot be reached"), "{line}");
    }
    assert!(!log.contains("panicked"), "{log}");
}
