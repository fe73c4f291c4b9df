//! Traces as a collector gets them: from the running program, decoded, and looked through for what
//! nobody may read there.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use openrsvp::store::db::Engine;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::collector::{Collector, Mood, Span};
use crate::support::postgres::{self, OwnDatabase};
use crate::support::server::{TestServer, free_port, openrsvp, read_log};
use crate::support::{Answer, INSTANCE_TOKEN, client};
use crate::webhooks::Receiver;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A place for a program and its database.
struct Home {
    dir: TempDir,
    postgres: Option<OwnDatabase>,
}

impl Home {
    async fn new(engine: Engine) -> Self {
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(OwnDatabase::new().await),
        };
        Self { dir: tempfile::tempdir().expect("a directory"), postgres }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn url(&self) -> Option<&str> {
        self.postgres.as_ref().map(|own| own.url.as_str())
    }

    /// What the database is called in spans.
    fn system(&self) -> &'static str {
        if self.postgres.is_some() { "postgresql" } else { "sqlite" }
    }

    async fn server(&self, variables: &[(&str, &str)]) -> TestServer {
        TestServer::start_with(self.path(), self.url(), variables).await
    }

    /// A command, traced to `endpoint`.
    fn command(&self, endpoint: &str, arguments: &[&str]) -> Command {
        let mut command = openrsvp(self.path());
        command.args(arguments).env("OPENRSVP_TRACING__OTLP_ENDPOINT", endpoint);
        command.env("OPENRSVP_INSTANCE__ADMIN_TOKEN", INSTANCE_TOKEN);
        command.envs(self.url().map(|url| ("OPENRSVP_DATABASE__URL", url)));
        command
    }

    /// Runs a statement.
    async fn run(&self, statement: &'static str) {
        if let Some(url) = self.url() {
            use sqlx::Connection as _;
            let mut connection = sqlx::PgConnection::connect(url).await.expect("it answers");
            sqlx::raw_sql(statement).execute(&mut connection).await.expect("it runs");
        } else {
            let file = self.path().join("openrsvp.db");
            let connection = rusqlite::Connection::open(file).expect("a database");
            connection.execute_batch(statement).expect("it runs");
        }
    }
}

/// Declares tests of the program as a process of its own, on each engine.
macro_rules! on_each {
    ($(async fn $name:ident($home:ident: &Home) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn check($home: &Home) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                check(&Home::new(Engine::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if postgres::is_skipped() { return; }
                check(&Home::new(Engine::Postgres).await).await;
            }
        }
    )*};
}

async fn send(server: &TestServer, method: &str, path: &str, parent: &str, body: Value) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = client().request(method, format!("{}{path}", server.base));
    if !parent.is_empty() {
        request = request.header("traceparent", parent).header("tracestate", "vendor=7");
    }
    if !body.is_null() {
        request = request.json(&body);
    }
    Answer::of(request.send().await.expect("an answer")).await
}

/// Ends the program in order, so that all it has to tell was told.
async fn end(mut server: TestServer) {
    server.signal("TERM");
    assert_eq!(server.ended().await, Some(0));
}

/// Opens a page that is there.
async fn page(server: &TestServer, path: &str, parent: &str) {
    let answer = send(server, "GET", path, parent, Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

fn statements(spans: &[Span]) -> String {
    let all: Vec<_> = spans.iter().map(|span| span.fact("openrsvp.db.statements")).collect();
    all.join(" ")
}

/// What a visit left behind.
struct Visited {
    port: String,
    secrets: Vec<String>,
}

/// Looks at many pages of a traced program, and ends it.
async fn visited(home: &Home) -> (Collector, Visited) {
    let collector = Collector::start(Mood::Ready).await;
    let server = home
        .server(&[
            ("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base),
            ("OPENRSVP_TRACING__OTLP_HEADERS", "authorization=Basic%20c2VjcmV0,x-tenant=seven"),
            ("OPENRSVP_TRACING__SERVICE_NAME", "party"),
            // One way to configure: these say nothing.
            ("OTEL_SERVICE_NAME", "other"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b"),
            ("OTEL_TRACES_SAMPLER", "always_off"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ])
        .await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let event = json!({
        "title": "Hidden supper", "start_time": "2030-06-13T17:00", "is_private": true,
        "location": "Under Pinewood Bridge", "description": "a word in private",
    });
    let made = send(&server, "POST", "/api/v1/events", &parent, event).await;
    let made = made.expect(StatusCode::CREATED);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (id, token) = (text(&made["event"]["id"]), text(&made["admin_token"]));
    let answer = json!({ "name": "Petra Unnamed", "attendance_status": "yes" });
    let given = send(&server, "POST", &format!("/api/v1/events/{id}/rsvps"), "", answer).await;
    let guest = text(&given.expect(StatusCode::CREATED)["rsvp"]["rsvp_token"]);
    for (method, path, status) in [
        ("GET", format!("/e/{id}/admin/{token}"), 200),
        ("HEAD", format!("/e/{id}/rsvp/{guest}?message=Hush"), 200),
        ("GET", format!("/admin/{INSTANCE_TOKEN}"), 200),
        ("GET", format!("/nothing/{token}"), 404),
        ("PURLOINED", format!("/e/{id}"), 405),
        ("GET", "/".to_owned(), 200),
        ("GET", "/healthz".to_owned(), 200),
        ("GET", "/readyz".to_owned(), 200),
    ] {
        let answer = send(&server, method, &path, "", Value::Null).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
    }
    let port = server.base.rsplit(':').next().expect("a port").to_owned();
    end(server).await;
    (collector, Visited { port, secrets: vec![id, token, guest] })
}

on_each! {
    async fn requests_are_spans_in_their_callers_trace(home: &Home) {
        let (collector, visited) = visited(home).await;
        let create = collector.span("POST /api/v1/events");
        assert_eq!((create.trace.as_str(), create.parent.as_str()), (TRACE, CALLER));
        assert_eq!((create.kind, create.is_error, create.state.as_str()), (2, false, "vendor=7"));
        assert_eq!(create.resource["service.name"], "party");
        assert_eq!(create.resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(create.resource.len(), 2);
        for (key, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/api/v1/events"),
            ("http.response.status_code", "201"),
            ("url.scheme", "http"),
            ("server.address", "127.0.0.1"),
            ("server.port", visited.port.as_str()),
        ] {
            assert_eq!(create.fact(key), value, "{key}");
        }
        assert_eq!(create.facts.len(), 6);
        let below = collector.below(&create);
        assert!(below.iter().all(|span| span.kind == 3 && span.fact("db.system.name") == home.system()));
        assert!(below.iter().any(|span| span.name == "write" && span.fact("openrsvp.db.kept") == "true"));
        assert!(statements(&below).contains("events::INSERT"), "{}", statements(&below));
        let host = collector.span("GET /e/{event_id}/admin/{token}");
        assert!(host.parent.is_empty() && host.trace != TRACE);
        assert!(collector.below(&host).iter().any(|span| span.name == "read"));
        collector.span("HEAD /e/{event_id}/rsvp/{token}");
        collector.span("GET /admin/{root}");
        let lost = collector.span("GET");
        assert_eq!((lost.fact("http.route"), lost.is_error), ("", false));
        assert_eq!(lost.fact("http.response.status_code"), "404");
        assert_eq!(collector.span("HTTP").fact("http.request.method"), "_OTHER");
        assert_eq!(collector.span("GET /").fact("http.route"), "/");
        // None for the two that ask after its health, and none for what it does by itself.
        let spans = collector.spans();
        assert_eq!(spans.iter().filter(|span| span.kind == 2).count(), 8);
        assert!(spans.iter().all(|span| span.kind == 2 || !span.parent.is_empty()), "{spans:#?}");
        let log = read_log(home.path());
        assert!(log.contains(&format!("\"trace_id\":\"{TRACE}\"")), "{log}");
    }

    async fn no_secret_leaves_with_a_trace(home: &Home) {
        let (collector, visited) = visited(home).await;
        assert!(collector.has_seen("POST /api/v1/events"));
        for secret in visited.secrets.iter().map(String::as_str).chain([
            INSTANCE_TOKEN, "Hidden supper", "Pinewood", "a word in private", "Petra", "Hush", "PURLOINED",
            "nothing/", "INSERT INTO", "c2VjcmV0", "other", "Mozilla",
        ]) {
            assert!(!collector.has_seen(secret), "{secret}");
        }
        for delivery in collector.deliveries() {
            assert_eq!(delivery.path, "/v1/traces");
            assert_eq!(delivery.headers["content-type"], "application/x-protobuf");
            assert_eq!(delivery.headers["authorization"], "Basic c2VjcmV0");
            assert_eq!(delivery.headers["x-tenant"], "seven");
        }
        let log = read_log(home.path());
        assert!(!log.contains("c2VjcmV0"), "{log}");
    }

    async fn a_fault_of_ours_is_an_error_and_a_visitors_is_not(home: &Home) {
        let collector = Collector::start(Mood::Ready).await;
        let server = home.server(&[("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base)]).await;
        let event = "/e/0198b2f0-0000-7000-8000-000000000000";
        let missing = send(&server, "GET", event, "", Value::Null).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND);
        home.run("ALTER TABLE channels RENAME TO gone").await;
        let broken = send(&server, "GET", "/channel/hush", "", Value::Null).await;
        assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
        end(server).await;
        let missing = collector.span("GET /e/{event_id}");
        assert!(!missing.is_error && missing.fact("error.type").is_empty());
        assert!(!collector.below(&missing).is_empty());
        assert!(collector.below(&missing).iter().all(|span| !span.is_error));
        let broken = collector.span("GET /channel/{slug}");
        assert!(broken.is_error);
        assert_eq!(broken.fact("error.type"), "500");
        assert!(collector.below(&broken).iter().any(|span| span.is_error));
        assert!(collector.has_seen("store::channels::") && !collector.has_seen("no such table"));
        assert!(!collector.has_seen("hush"));
    }

    async fn what_happens_at_once_stays_apart(home: &Home) {
        const REQUESTS: u64 = 150;
        let collector = Collector::start(Mood::Ready).await;
        let server = home.server(&[("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base)]).await;
        let (client, next) = (client(), std::sync::atomic::AtomicU64::new(1));
        let asking = || async {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number > REQUESTS { return; }
                let url = format!("{}/channels/discover?q={number}", server.base);
                let parent = format!("00-{number:032x}-{number:016x}-01");
                let answer = client.get(url).header("traceparent", parent).send().await;
                assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
            }
        };
        futures_util::future::join_all((0..32).map(|_| asking())).await;
        // A connection on which nothing was asked yet would be waited for.
        drop(client);
        end(server).await;
        let spans = collector.spans();
        for number in 1..=REQUESTS {
            let trace = format!("{number:032x}");
            let own: Vec<_> = spans.iter().filter(|span| span.trace == trace).collect();
            let (requests, others): (Vec<_>, Vec<_>) = own.into_iter().partition(|span| span.kind == 2);
            assert_eq!(requests.len(), 1, "{number}");
            assert_eq!(requests[0].parent, format!("{number:016x}"));
            assert!(!others.is_empty(), "{number}");
            assert!(others.iter().all(|span| span.parent == requests[0].id), "{others:?}");
        }
        assert!(spans.iter().all(|span| span.trace.starts_with("0000")));
    }

    async fn a_job_tells_before_its_process_ends(home: &Home) {
        let collector = Collector::start(Mood::Ready).await;
        let done = home.command(&collector.base, &["decay", "--vacuum"]).output().expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        for (name, kind) in [("decay-cycle", "write"), ("vacuum-db", "write")] {
            let job = collector.span(&format!("job {name}"));
            assert_eq!((job.kind, job.is_error, job.parent.as_str()), (1, false, ""));
            assert_eq!(job.fact("openrsvp.job.name"), name);
            assert_eq!(job.fact("openrsvp.job.outcome"), "done");
            let below = collector.below(&job);
            assert!(below.iter().any(|span| span.name == kind), "{below:?}");
            assert!(statements(&below).contains("jobs::"), "{}", statements(&below));
        }
        let log = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!log.contains("collector"), "{log}");
    }

    async fn a_worker_tells_of_each_task(home: &Home) {
        let collector = Collector::start(Mood::Ready).await;
        let migrated = home.command(&collector.base, &["migrate"]).output().expect("it runs");
        assert!(migrated.status.success());
        assert!(collector.deliveries().is_empty());
        home.run("INSERT INTO tasks (id, kind, payload, dedupe_key, priority, state, due_at, lease, again, attempts,
                     created_at, failed_at, reason)
                 VALUES ('hidden-task', 'knit-socks', '{\"for\":\"Petra\"}', 'hidden-key', 'normal', 'open', 1,
                     NULL, FALSE, 0, 1, NULL, NULL)").await;
        let worker = home.command(&collector.base, &["worker", "--drain"]).output().expect("it runs");
        assert!(worker.status.success(), "{}", String::from_utf8_lossy(&worker.stderr));
        let task = collector.span("task knit-socks");
        assert_eq!((task.kind, task.is_error), (5, true));
        assert_eq!(task.fact("openrsvp.task.kind"), "knit-socks");
        assert_eq!(task.fact("openrsvp.task.attempt"), "1");
        for secret in ["hidden-task", "hidden-key", "Petra"] {
            assert!(!collector.has_seen(secret), "{secret}");
        }
    }

    async fn a_webhook_carries_the_trace_of_its_task(home: &Home) {
        let (collector, receiver) = (Collector::start(Mood::Ready).await, Receiver::start().await);
        let server = home.server(&[
            ("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base),
            ("OPENRSVP_WEBHOOKS__ALLOW_NETWORKS", "127.0.0.0/8"),
        ]).await;
        let event = json!({ "title": "Supper", "start_time": "2030-06-13T17:00" });
        let made = send(&server, "POST", "/api/v1/events", "", event).await.expect(StatusCode::CREATED);
        let (id, token) = (made["event"]["id"].as_str().unwrap(), made["admin_token"].as_str().unwrap());
        let url = format!("{}/e/{id}/admin/{token}/webhooks", server.base);
        let form = [("url", receiver.url.as_str())];
        let added = client().post(url).form(&form).send().await.expect("an answer");
        assert_eq!(added.status(), StatusCode::SEE_OTHER);
        for _ in 0..600 {
            if !receiver.came().is_empty() { break; }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        end(server).await;
        let came = receiver.came();
        let told = came[0].0["traceparent"].to_str().expect("text");
        let sent = collector.span("POST");
        assert_eq!(told, format!("00-{}-{}-01", sent.trace, sent.id));
        assert_eq!((sent.kind, sent.is_error), (3, false));
        assert_eq!(sent.fact("http.response.status_code"), "204");
        assert_eq!(sent.facts.len(), 2);
        let spans = collector.spans();
        let task = spans.iter().find(|span| span.id == sent.parent).expect("a task");
        assert!(task.name.starts_with("task ") && task.parent.is_empty(), "{task:?}");
        for secret in [id, token, "answers?key", receiver.url.as_str()] {
            assert!(!collector.has_seen(secret), "{secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_only_some_are_told_and_a_callers_word_counts() {
    let (home, collector) = (Home::new(Engine::Sqlite).await, Collector::start(Mood::Ready).await);
    let server = home
        .server(&[
            ("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base),
            ("OPENRSVP_TRACING__SAMPLE_RATIO", "0"),
        ])
        .await;
    for _ in 0..20 {
        page(&server, "/help", "").await;
    }
    send(&server, "GET", "/help", &format!("00-{TRACE}-{CALLER}-00"), Value::Null).await;
    send(&server, "GET", "/", &format!("00-{TRACE}-{CALLER}-01"), Value::Null).await;
    end(server).await;
    let home_page = collector.span("GET /");
    assert_eq!(home_page.trace, TRACE);
    assert!(collector.spans().iter().all(|span| span.trace == TRACE && span.name != "GET /help"));
    assert!(!collector.below(&home_page).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_asks_for_nothing_is_not_told_of() {
    let (home, collector) = (Home::new(Engine::Sqlite).await, Collector::start(Mood::Ready).await);
    let server = home.server(&[("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base)]).await;
    page(&server, "/", &format!("00-{TRACE}-{CALLER}-00")).await;
    // Nonsense begins a trace of its own.
    let long = "1".repeat(8000);
    let nonsense =
        ["00-1-2-01", "ff", "00", "-", &long, &format!("00-{TRACE}-{}-01", "0".repeat(16))];
    for parent in nonsense {
        page(&server, "/help", parent).await;
    }
    end(server).await;
    let spans = collector.spans();
    assert_eq!(spans.iter().filter(|span| span.kind == 2).count(), nonsense.len());
    for span in &spans {
        assert!(span.trace != TRACE && span.parent.is_empty() && span.state.is_empty(), "{span:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_address_nothing_is_told() {
    let (home, collector) = (Home::new(Engine::Sqlite).await, Collector::start(Mood::Ready).await);
    let server = home
        .server(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.base),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &collector.base),
        ])
        .await;
    page(&server, "/", &format!("00-{TRACE}-{CALLER}-01")).await;
    end(server).await;
    assert!(collector.deliveries().is_empty());
    assert!(!read_log(home.path()).contains("trace_id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_collector_is_asked_again() {
    let home = Home::new(Engine::Sqlite).await;
    let collector = Collector::start(Mood::BusyTwice).await;
    let server = home.server(&[("OPENRSVP_TRACING__OTLP_ENDPOINT", &collector.base)]).await;
    page(&server, "/help", "").await;
    for _ in 0..600 {
        if !collector.spans().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    collector.span("GET /help");
    end(server).await;
    assert!(!read_log(home.path()).contains("collector"), "{}", read_log(home.path()));
}

/// Many requests, more spans than may wait, and a stop, while the collector is of no use.
#[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
async fn a_useless_collector_costs_nothing(endpoint: &str) {
    let home = Home::new(Engine::Sqlite).await;
    let server = home.server(&[("OPENRSVP_TRACING__OTLP_ENDPOINT", endpoint)]).await;
    let (client, url) = (client(), format!("{}/nothing", server.base));
    // More spans than may wait.
    let asking = || async {
        let mut slowest = Duration::ZERO;
        for _ in 0..1300 {
            let started = Instant::now();
            let answer = client.get(&url).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::NOT_FOUND);
            slowest = slowest.max(started.elapsed());
        }
        slowest
    };
    let slowest = futures_util::future::join_all((0..4).map(|_| asking())).await;
    // A connection on which nothing was asked yet would be waited for.
    drop(client);
    assert!(slowest.iter().all(|time| *time < Duration::from_secs(2)), "{slowest:?}");
    let stopping = Instant::now();
    end(server).await;
    assert!(stopping.elapsed() < Duration::from_secs(8), "{:?}", stopping.elapsed());
    let log = read_log(home.path());
    let lines: Vec<_> = log.lines().filter(|line| !line.contains("\"request\"")).collect();
    let told = lines.iter().filter(|line| line.contains("traces do not reach")).count();
    let warnings = lines.iter().filter(|line| !line.contains("\"INFO\"")).count();
    assert_eq!((told, warnings), (1, 1), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_costs_nothing() {
    a_useless_collector_costs_nothing(&format!("http://127.0.0.1:{}", free_port())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_costs_nothing() {
    let collector = Collector::start(Mood::Silent).await;
    a_useless_collector_costs_nothing(&collector.base).await;
}

#[test]
fn what_cannot_be_used_is_refused_and_secrets_are_not_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let show = |variables: &[(&str, &str)]| {
        let mut command = openrsvp(dir.path());
        let all = variables.iter().map(|(key, value)| (format!("OPENRSVP_TRACING__{key}"), value));
        let done = command.args(["config", "show"]).envs(all).output().expect("it runs");
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    for (key, value) in [
        ("OTLP_ENDPOINT", "localhost:4318"),
        ("OTLP_ENDPOINT", "http://user:open-sesame@collector"),
        ("OTLP_HEADERS", "open-sesame"),
        ("SAMPLE_RATIO", "1.5"),
        ("SAMPLE_RATIO", "nan"),
        ("SERVICE_NAME", " "),
    ] {
        let (code, said) = show(&[(key, value)]);
        assert_eq!(code, Some(78), "{key}={value}: {said}");
        assert!(said.contains(&format!("tracing.{}", key.to_lowercase())), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(key != "OTLP_HEADERS" || !said.contains("sesame"), "{said}");
    }
    let file = dir.path().join("headers");
    std::fs::write(&file, "authorization=open-sesame\n").expect("written");
    let path = file.display().to_string();
    for (key, value) in [("OTLP_HEADERS", "a=open-sesame"), ("OTLP_HEADERS_FILE", path.as_str())] {
        let (code, said) = show(&[(key, value), ("OTLP_ENDPOINT", "https://c.example/otlp")]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("https://c.example/otlp") && !said.contains("sesame"), "{said}");
    }
    assert_eq!(show(&[("OTLP_HEADERS", "a=b"), ("OTLP_HEADERS_FILE", &path)]).0, Some(78));
}
