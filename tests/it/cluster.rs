//! Processes on PostgreSQL when PostgreSQL is not there, goes away, or moves.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::postgres::{OwnServer, is_skipped, reachable_dir};
use crate::support::server::{TestServer, free_port, openrsvp, read_log};
use crate::support::storm::{Patience, Storm, assert_kept, event};

async fn moment(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_its_database() {
    if is_skipped() {
        return;
    }
    let (postgres, dir) = (OwnServer::start(""), tempfile::tempdir().expect("dir"));
    postgres.crash();
    let server = TestServer::spawn_cluster(dir.path(), &postgres.url, &[]);
    server.wait_for("/healthz", 200).await;
    let waiting = server.get("/readyz").await;
    assert_eq!(waiting.status, StatusCode::SERVICE_UNAVAILABLE);
    let page = server.get("/e/anything").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text.contains("just starting") && !page.header("retry-after").is_empty());
    postgres.resume();
    server.wait_for("/readyz", 200).await;
    assert_eq!(server.get("/").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_does_not_wait_for_ever() {
    if is_skipped() {
        return;
    }
    let dir = tempfile::tempdir().expect("dir");
    let url = "postgres://someone:open-sesame@127.0.0.1:1/nowhere";
    let waits = [
        ("OPENRSVP_DATABASE__START_TIMEOUT_SECONDS", "1"),
        ("OPENRSVP_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1"),
    ];
    let mut server = TestServer::spawn_cluster(dir.path(), url, &waits);
    assert_eq!(server.ended().await, Some(1));
    let log = read_log(dir.path());
    assert!(log.contains("the database cannot be used"), "{log}");
    assert!(!log.contains("open-sesame"), "{log}");
}

#[test]
fn processes_share_a_secret() {
    let dir = tempfile::tempdir().expect("dir");
    let refused = openrsvp(dir.path())
        .args(["serve", "--profile", "cluster"])
        .env("OPENRSVP_DATABASE__URL", "postgres://localhost/openrsvp")
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(78));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("instance.admin_token") && said.contains("share"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_may_leave_the_schema_to_others() {
    if is_skipped() {
        return;
    }
    let (postgres, dir) = (OwnServer::start(""), tempfile::tempdir().expect("dir"));
    let leave = [("OPENRSVP_DATABASE__MIGRATE_ON_START", "false")];
    let server = TestServer::spawn_cluster(dir.path(), &postgres.url, &leave);
    server.wait_for("/healthz", 200).await;
    server.wait_for("/readyz", 503).await;
    let migrate = |arguments: &[&str]| {
        let mut command = openrsvp(dir.path());
        command.arg("migrate").args(arguments).env("OPENRSVP_DATABASE__URL", &postgres.url);
        command.output().expect("it runs")
    };
    assert_eq!(migrate(&["--check"]).status.code(), Some(1));
    let shown = migrate(&["--dry-run"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("-- 0001_ground") && shown.contains("CREATE TABLE events"), "{shown}");
    assert_eq!(server.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(migrate(&[]).status.success());
    assert_eq!(migrate(&["--check"]).status.code(), Some(0));
    server.wait_for("/readyz", 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_lost_under_load_comes_back_and_nothing_acknowledged_is_lost() {
    if is_skipped() {
        return;
    }
    let (postgres, dir) = (OwnServer::start(""), tempfile::tempdir().expect("dir"));
    let server = TestServer::cluster(dir.path(), &postgres.url, &[]).await;
    let event = event(&server.base, json!({})).await;
    let storm = Storm::start(std::slice::from_ref(&server.base), &event, 8, Patience::Outages);
    for _ in 0..2 {
        moment(400).await;
        postgres.crash();
        server.wait_for("/readyz", 503).await;
        let page = server.get(&format!("/e/{event}")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.text.contains("<!doctype html>") && page.text.contains("try again"));
        assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
        postgres.resume();
        server.wait_for("/readyz", 200).await;
    }
    moment(300).await;
    let acknowledged = storm.end().await;
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    assert_kept(&postgres, &acknowledged).await;
    let log = read_log(dir.path());
    assert!(log.contains("the database cannot be reached"), "{log}");
    assert!(log.contains("the database is there again"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

/// A name that leads to one server, and after [`Name::point_at`] to another, as the endpoint of a
/// managed database does.
struct Name {
    url: String,
    target: watch::Sender<String>,
    serving: JoinHandle<()>,
}

impl Drop for Name {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Name {
    async fn of(server: &OwnServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (target, targets) = watch::channel(socket(server));
        let serving = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let path = targets.borrow().clone();
                tokio::spawn(carry(near, path));
            }
        });
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        Self { url, target, serving }
    }

    fn point_at(&self, server: &OwnServer) {
        self.target.send_replace(socket(server));
    }
}

fn socket(server: &OwnServer) -> String {
    let (_, dir) = server.url.split_once("host=").expect("a socket");
    format!("{dir}/.s.PGSQL.5432")
}

async fn carry(mut near: TcpStream, path: String) {
    // Without a server behind it the connection just ends.
    if let Ok(mut far) = UnixStream::connect(path).await {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_and_nothing_acknowledged_is_lost() {
    if is_skipped() {
        return;
    }
    let primary = OwnServer::start("");
    let standby = primary.standby();
    // An answer is acknowledged when the standby has it too.
    for setting in ["synchronous_standby_names = '*'", "synchronous_commit = 'remote_apply'"] {
        primary.run(&format!("ALTER SYSTEM SET {setting}")).await;
    }
    primary.run("ALTER DATABASE postgres SET synchronous_commit = 'remote_apply'").await;
    primary.run("SELECT pg_reload_conf()").await;
    let (name, dir) = (Name::of(&primary).await, tempfile::tempdir().expect("dir"));
    let server = TestServer::cluster(dir.path(), &name.url, &[]).await;
    let event = event(&server.base, json!({})).await;
    let storm = Storm::start(std::slice::from_ref(&server.base), &event, 8, Patience::Outages);
    moment(500).await;
    primary.crash();
    server.wait_for("/readyz", 503).await;
    // The name moves first, to a server that takes no changes yet.
    name.point_at(&standby);
    moment(700).await;
    assert_eq!(server.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    standby.run("ALTER SYSTEM SET synchronous_standby_names = ''").await;
    standby.promote();
    server.wait_for("/readyz", 200).await;
    moment(300).await;
    let acknowledged = storm.end().await;
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    assert_kept(&standby, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_leaves_without_a_failed_request() {
    if is_skipped() {
        return;
    }
    let (postgres, dir) = (OwnServer::start(""), tempfile::tempdir().expect("dir"));
    let mut server = TestServer::cluster(dir.path(), &postgres.url, &[]).await;
    let event = event(&server.base, json!({})).await;
    let storm = Storm::start(std::slice::from_ref(&server.base), &event, 4, Patience::None);
    moment(200).await;
    server.signal("TERM");
    server.wait_for("/readyz", 503).await;
    let page = server.get("/").await;
    assert_eq!((page.status, page.header("connection")), (StatusCode::OK, "close"));
    let acknowledged = storm.end().await;
    assert_kept(&postgres, &acknowledged).await;
    assert_eq!(server.ended().await, Some(0));
}

/// Makes an authority and a certificate of it for `localhost`, where PostgreSQL can read them.
fn certify(dir: &Path) {
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output();
        let done = done.expect("openssl is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "req -x509 -newkey rsa:2048 -nodes -days 2";
    for name in ["ca", "other"] {
        openssl(&format!("{key} -keyout {name}.key -out {name}.pem -subj /CN={name}"));
    }
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\n").expect("written");
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
         -out server.pem",
    );
    // PostgreSQL runs as itself, where the tests run as root.
    let _ = Command::new("chown").arg("postgres").arg(dir.join("server.key")).output();
}

#[tokio::test]
async fn the_server_is_who_it_says() {
    if is_skipped() {
        return;
    }
    let dir = reachable_dir();
    certify(dir.path());
    let port = free_port();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let _postgres = OwnServer::start(&format!(
        "-c ssl=on -c ssl_cert_file={} -c ssl_key_file={} -c listen_addresses=127.0.0.1 -c port={port}",
        at("server.pem"),
        at("server.key")
    ));
    let migrate = |host: &str, mode: &str, ca: Option<&str>| {
        let mut command = openrsvp(dir.path());
        let url = format!("postgres://postgres:open-sesame@{host}:{port}/postgres{mode}");
        command.arg("migrate").env("OPENRSVP_DATABASE__URL", url);
        command.env("OPENRSVP_DATABASE__ACQUIRE_TIMEOUT_SECONDS", "2");
        if let Some(ca) = ca {
            command.env("OPENRSVP_DATABASE__CA_FILE", at(ca));
        }
        let done = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!said.contains("open-sesame"), "{said}");
        (done.status.success(), said)
    };
    assert!(migrate("localhost", "", Some("ca.pem")).0);
    assert!(migrate("localhost", "?sslmode=require", None).0);
    for (host, mode, ca) in [
        ("localhost", "", Some("other.pem")),
        ("127.0.0.1", "", Some("ca.pem")),
        ("localhost", "?sslmode=verify-full", None),
        // The file is there to be used.
        ("127.0.0.1", "?sslmode=disable", Some("ca.pem")),
    ] {
        let (success, said) = migrate(host, mode, ca);
        assert!(!success && said.contains("certificate"), "{host} {mode} {ca:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lets_nobody_else_in_is_not_gone() {
    if is_skipped() {
        return;
    }
    let full = "-c max_connections=24 -c superuser_reserved_connections=0 -c max_wal_senders=0";
    let (postgres, dir) = (OwnServer::start(full), tempfile::tempdir().expect("dir"));
    let few = [("OPENRSVP_DATABASE__MAX_CONNECTIONS", "2")];
    let server = TestServer::cluster(dir.path(), &postgres.url, &few).await;
    let event = event(&server.base, json!({})).await;
    let storm = Storm::start(std::slice::from_ref(&server.base), &event, 32, Patience::None);
    let mut others = Vec::new();
    while let Ok(connection) = PgConnection::connect(&postgres.url).await {
        others.push(connection);
    }
    // Long enough for everybody to doubt.
    moment(1500).await;
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    let acknowledged = storm.end().await;
    drop(others);
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let log = read_log(dir.path());
    assert!(!log.contains("cannot be reached"), "{log}");
}
