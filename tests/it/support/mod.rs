//! A running program for each test, and words to talk to it.

pub mod bucket;
pub mod collector;
pub mod litestream;
pub mod postgres;
pub mod rows;
pub mod server;
pub mod storm;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openrsvp::app::{self, AppOptions, MetricsOptions, Opening, Running};
use openrsvp::domain::clock::{Clock, Entropy};
use openrsvp::domain::decay::Fading;
use openrsvp::domain::token;
use openrsvp::domain::webhook::Reach;
use openrsvp::jobs::scheduler::SchedulerOptions;
use openrsvp::outbound::webhooks::WebhookOptions;
use openrsvp::services::Rules;
use openrsvp::services::limits::LimitOptions;
use openrsvp::services::touches;
use openrsvp::store::db::{Engine, PostgresOptions, SqliteOptions, StoreOptions};
use openrsvp::web::around::WebOptions;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The instance owner's token of every test.
pub const INSTANCE_TOKEN: &str = "instance-token-of-all-the-tests";
/// When every test begins.
pub const NOW: &str = "2026-06-01T12:00:00Z";

/// A database of one test's own; gone with it.
pub struct TestDatabase {
    pub options: StoreOptions,
    _dir: Option<tempfile::TempDir>,
    _postgres: Option<postgres::OwnDatabase>,
}

impl TestDatabase {
    /// An empty one.
    pub async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let dir = tempfile::tempdir().expect("a directory");
                let options = StoreOptions::Sqlite(SqliteOptions::new(dir.path().join("test.db")));
                Self { options, _dir: Some(dir), _postgres: None }
            }
            Engine::Postgres => {
                let own = postgres::OwnDatabase::new().await;
                let options = StoreOptions::Postgres(PostgresOptions::new(own.url.clone()));
                Self { options, _dir: None, _postgres: Some(own) }
            }
        }
    }
}

/// The program in this process, on a database of its own, with a clock that stands still.
pub struct TestApp {
    pub clock: Clock,
    pub base: String,
    /// The program, and others like it beside it.
    running: Vec<Running>,
    _balancer: Option<Balancer>,
    client: reqwest::Client,
    database: TestDatabase,
}

impl TestApp {
    pub async fn start(engine: Engine) -> Self {
        Self::start_limited(engine, None).await
    }

    /// The same, with limits on what a client may do.
    pub async fn start_limited(engine: Engine, limits: Option<LimitOptions>) -> Self {
        let database = TestDatabase::new(engine).await;
        let clock = Clock::frozen(NOW.parse().expect("a time"));
        static SEED: AtomicU64 = AtomicU64::new(1);
        let entropy = Entropy::seeded(SEED.fetch_add(1, Ordering::Relaxed));
        let running = start(&database.options, clock.clone(), entropy, limits).await;
        let base = format!("http://{}", running.address);
        Self { clock, base, running: vec![running], _balancer: None, client: client(), database }
    }

    /// Three instances that share nothing but PostgreSQL, asked in turn: no request goes where the
    /// one before it went.
    pub async fn start_three() -> Self {
        let mut app = Self::start(Engine::Postgres).await;
        for _ in 1..3 {
            app.running.push(app.beside(None).await);
        }
        let addresses = app.running.iter().map(|running| running.address).collect();
        let balancer = Balancer::start(addresses).await;
        app.base = format!("http://{}", balancer.address);
        app.client = client_that(|builder| builder.pool_max_idle_per_host(0));
        Self { _balancer: Some(balancer), ..app }
    }

    /// Has every instance write what was looked at.
    pub async fn flush_touches(&self) {
        for running in &self.running {
            touches::flush(&running.site).await.expect("written");
        }
    }

    /// Another process beside it, on the same database and with the same clock.
    pub async fn beside(&self, limits: Option<LimitOptions>) -> Running {
        // Ids made in one instant, for the clock stands still, are in the order they were made in.
        let entropy = self.running().site.entropy.clone();
        start(&self.database.options, self.clock.clone(), entropy, limits).await
    }

    /// Where its database is.
    pub fn options(&self) -> &StoreOptions {
        &self.database.options
    }

    /// The running program; the first of several.
    pub fn running(&self) -> &Running {
        &self.running[0]
    }

    /// All running programs.
    pub fn instances(&self) -> &[Running] {
        &self.running
    }

    pub async fn stop(self) {
        for running in self.running {
            running.stop().await;
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends JSON, with a token when it is not blank.
    pub async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let mut request = self.request(method, path);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, token, Value::Null).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::POST, path, token, body).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, token, body).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(Method::DELETE, path, token, Value::Null).await
    }

    /// Sends a form, as a browser does.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).form(fields);
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Makes an event that differs from an ordinary one by `extra`.
    pub async fn event(&self, extra: Value) -> TestEvent {
        let mut body = json!({ "title": "Summer table", "start_time": "2026-06-13T17:00:00" });
        for (key, value) in extra.as_object().expect("an object") {
            body[key] = value.clone();
        }
        let made = self.post("/api/v1/events", "", body).await.expect(StatusCode::CREATED);
        TestEvent {
            id: made["event"]["id"].as_str().expect("an id").to_owned(),
            token: made["admin_token"].as_str().expect("a token").to_owned(),
        }
    }

    /// Answers an event; gives back the guest's token.
    pub async fn answer(&self, event: &TestEvent, name: &str, extra: Value) -> String {
        let mut body = json!({ "name": name, "attendance_status": "yes" });
        for (key, value) in extra.as_object().expect("an object") {
            body[key] = value.clone();
        }
        let path = event.api("/rsvps");
        let given = self.post(&path, "", body).await.expect(StatusCode::CREATED);
        given["rsvp"]["rsvp_token"].as_str().expect("a token").to_owned()
    }
}

/// What tests are told from outside.
#[expect(clippy::disallowed_methods, reason = "tests are told what they may use")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn start(
    options: &StoreOptions,
    clock: Clock,
    entropy: Entropy,
    limits: Option<LimitOptions>,
) -> Running {
    let options = AppOptions {
        store: options.clone(),
        rules: Rules {
            fading: Fading::default(),
            initial_event_score: 100.0,
            initial_channel_score: 100.0,
            events_per_page: 10,
            admin_rows_per_page: 25,
            max_companions: 5,
            instance_token: token::hash(INSTANCE_TOKEN),
            // Receivers of tests are on this machine.
            webhooks: Some(WebhookOptions {
                reach: Reach { named: vec!["127.0.0.1/32".parse().expect("a network")] },
                timeout: Duration::from_secs(2),
            }),
            replicas: Vec::new(),
        },
        listen: "127.0.0.1:0".to_owned(),
        web: WebOptions {
            base_url: None,
            trusted_proxies: Vec::new(),
            request_timeout: Duration::from_secs(30),
            max_body_bytes: 262_144,
        },
        opening: Opening { patience: Duration::ZERO, migrates: true },
        shutdown_pause: Duration::ZERO,
        shutdown_grace: Duration::from_secs(5),
        // Tests run jobs themselves, when they mean to.
        scheduler: SchedulerOptions::new(false, 1, 12),
        worker: None,
        limits,
        backup: None,
        // Asked anew each time.
        metrics: MetricsOptions {
            listen: Some("127.0.0.1:0".to_owned()),
            kept_for: Duration::ZERO,
        },
    };
    app::start(options, clock, entropy).await.expect("the program starts")
}

pub fn client() -> reqwest::Client {
    client_that(|builder| builder)
}

pub fn client_that(
    does: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> reqwest::Client {
    // The program does so too; another test may have come first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("Mozilla/5.0 (X11; Linux x86_64) tests");
    does(builder).build().expect("a client")
}

/// Gives each connection to the next instance.
struct Balancer {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Balancer {
    async fn start(instances: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            for instance in instances.into_iter().cycle() {
                let Ok((mut near, _)) = listener.accept().await else { return };
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(instance).await {
                        // A connection that breaks has ended.
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, serving }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An event made by a test.
pub struct TestEvent {
    pub id: String,
    pub token: String,
}

impl TestEvent {
    pub fn api(&self, below: &str) -> String {
        format!("/api/v1/events/{}{below}", self.id)
    }

    pub fn page(&self, below: &str) -> String {
        format!("/e/{}{below}", self.id)
    }
}

/// What the program answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    /// The JSON body, if the status is this one.
    #[track_caller]
    pub fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Declares tests that run on each engine, and through three instances behind a balancer:
/// `name::sqlite`, `name::postgres` and `name::three`.
macro_rules! on_both {
    ($(async fn $name:ident($app:ident: &TestApp) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn check($app: &$crate::support::TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let app = $crate::support::TestApp::start(openrsvp::store::db::Engine::Sqlite).await;
                check(&app).await;
                app.stop().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::support::postgres::is_skipped() { return; }
                let app = $crate::support::TestApp::start(openrsvp::store::db::Engine::Postgres).await;
                check(&app).await;
                app.stop().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn three() {
                if $crate::support::postgres::is_skipped() { return; }
                let app = $crate::support::TestApp::start_three().await;
                check(&app).await;
                app.stop().await;
            }
        }
    )*};
}
pub(crate) use on_both;
