//! Figures for a monitoring system: they are right, they are few, and they come whatever happens.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use openrsvp::domain::job::Job;
use openrsvp::domain::limit::Quota;
use openrsvp::domain::stamp::StampKey;
use openrsvp::domain::task::{Failure, NewTask, Priority};
use openrsvp::jobs::worker::{Handler, Worker, WorkerOptions};
use openrsvp::services::limits::LimitOptions;
use openrsvp::services::{Site, tasks};
use openrsvp::store::db::{Engine, StoreError};
use reqwest::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::jobs::command;
use crate::support::rows::ran;
use crate::support::server::{free_port, openrsvp, read_log};
use crate::support::{Answer, TestApp, client, on_both};

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The figures of an answer, by name and labels.
pub type Figures = BTreeMap<String, f64>;

pub async fn scrape(address: SocketAddr, accept: &str) -> Answer {
    let request = client().get(format!("http://{address}/metrics")).header(ACCEPT, accept);
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer
}

pub fn parsed(text: &str) -> Figures {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let figures = rows.map(|row| row.rsplit_once(' ').expect("a name and a number"));
    figures.map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).collect()
}

/// The figures of the first instance.
async fn figures(app: &TestApp) -> Figures {
    parsed(&scrape(app.running().figures_address.expect("told"), "*/*").await.text)
}

/// The sum of what all instances tell.
async fn sums(app: &TestApp) -> Figures {
    let mut sums = Figures::new();
    for running in app.instances() {
        let answer = scrape(running.figures_address.expect("told"), "*/*").await;
        for (name, value) in parsed(&answer.text) {
            *sums.entry(name).or_default() += value;
        }
    }
    sums
}

fn requests(figures: &Figures, method: &str, route: &str, status: u16) -> f64 {
    let name = format!(
        "openrsvp_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
    );
    figures.get(&name).copied().unwrap_or_default()
}

#[track_caller]
fn assert_figures(figures: &Figures, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        assert_eq!(figures.get(*name), Some(value), "{name} in {figures:#?}");
    }
}

/// What the real promtool says about figures.
pub fn promtool(text: &str) -> String {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: Debian's package prometheus has it");
    tool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
    let said = tool.wait_with_output().expect("promtool ends");
    let words = [said.stdout, said.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    format!("{}{}{}", said.status.code().unwrap_or(-1), words[0], words[1])
}

/// Asks for a bit of everything.
async fn traffic(app: &TestApp) {
    let event = app.event(json!({ "max_attendees": 2 })).await;
    app.answer(&event, "Ana", json!({})).await;
    app.answer(&event, "Ben", json!({ "attendance_status": "maybe" })).await;
    let many = json!({ "name": "Cem", "attendance_status": "yes", "guest_count": 3 });
    app.post(&event.api("/rsvps"), "", many).await.expect(StatusCode::BAD_REQUEST);
    app.patch(&event.api(""), &event.token, json!({ "rsvps_closed": true }))
        .await
        .expect(StatusCode::OK);
    let late = json!({ "name": "Dora", "attendance_status": "no" });
    app.post(&event.api("/rsvps"), "", late).await.expect(StatusCode::FORBIDDEN);
    for path in ["/", &event.page(""), &event.page(""), "/e/nothing", "/nowhere", "/metrics"] {
        app.get(path, "").await;
    }
    app.get(&event.page(&format!("/admin/{}", event.token)), "").await;
    app.request(Method::HEAD, "/").send().await.expect("an answer");
    app.request(Method::from_bytes(b"BREW").expect("a method"), "/").send().await.expect("one");
}

async fn add(site: &Site, new: Vec<NewTask>) {
    let (entropy, now) = (site.entropy.clone(), site.clock.now());
    let added = site.db.write(move |tx| {
        Box::pin(async move {
            for task in new {
                tasks::enqueue(tx, &entropy, now, task).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    added.await.unwrap();
}

on_both! {
    async fn what_happened_is_told(app: &TestApp) {
        traffic(app).await;
        let told = sums(app).await;
        for (method, route, status, count) in [
            ("GET", "/", 200, 1.0),
            ("HEAD", "/", 200, 1.0),
            ("GET", "/e/{event_id}", 200, 2.0),
            ("GET", "/e/{event_id}", 404, 1.0),
            ("GET", "/e/{event_id}/admin/{token}", 200, 1.0),
            // Where visitors come there are no figures.
            ("GET", "unmatched", 404, 2.0),
            ("other", "unmatched", 405, 1.0),
            ("POST", "/api/v1/events", 201, 1.0),
            ("PATCH", "/api/v1/events/{event_id}", 200, 1.0),
            ("POST", "/api/v1/events/{event_id}/rsvps", 201, 2.0),
            ("POST", "/api/v1/events/{event_id}/rsvps", 400, 1.0),
            ("POST", "/api/v1/events/{event_id}/rsvps", 403, 1.0),
        ] {
            assert_eq!(requests(&told, method, route, status), count, "{method} {route} {status} in {told:#?}");
        }
        let all: f64 = told.iter().filter(|(name, _)| name.starts_with("openrsvp_http_requests_total")).map(|(_, count)| count).sum();
        assert_eq!(all, 15.0, "{told:#?}");
        assert_figures(&told, &[
            ("openrsvp_http_request_duration_seconds_count{route=\"/\"}", 2.0),
            ("openrsvp_http_request_duration_seconds_count{route=\"/e/{event_id}\"}", 3.0),
            ("openrsvp_http_request_duration_seconds_bucket{le=\"+Inf\",route=\"/e/{event_id}\"}", 3.0),
            ("openrsvp_http_requests_in_flight", 0.0),
            ("openrsvp_events_created_total", 1.0),
            ("openrsvp_answers_total{reply=\"yes\"}", 1.0),
            ("openrsvp_answers_total{reply=\"maybe\"}", 1.0),
            ("openrsvp_answers_total{reply=\"no\"}", 0.0),
            ("openrsvp_refusals_total{reason=\"full\"}", 1.0),
            ("openrsvp_refusals_total{reason=\"closed\"}", 1.0),
            ("openrsvp_refusals_total{reason=\"limit_answer\"}", 0.0),
            ("openrsvp_database_statements_total{statement=\"events::INSERT\"}", 1.0),
            ("openrsvp_database_statements_total{statement=\"rsvps::INSERT_WATCHED\"}", 2.0),
            ("openrsvp_database_statement_errors_total", 0.0),
        ]);
        let statements: f64 = told.iter().filter(|(name, _)| name.starts_with("openrsvp_database_statements_total")).map(|(_, count)| count).sum();
        let timed = told["openrsvp_database_statement_duration_seconds_count"];
        assert!(statements == timed && timed > 20.0, "{statements} {timed}");
        let one = figures(app).await;
        assert_figures(&one, &[("openrsvp_database_up", 1.0), ("openrsvp_ready", 1.0), ("openrsvp_scheduler_enabled", 0.0)]);
        assert!(one.keys().any(|name| name.starts_with("openrsvp_build_info{version=\"1.")), "{one:#?}");
        for name in [
            "process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds",
            "openrsvp_host_memory_bytes", "openrsvp_host_processors", "openrsvp_database_size_bytes",
        ] {
            assert!(one[name] > 0.0, "{name}");
        }
        match app.running().site.db.engine() {
            Engine::Sqlite => assert_figures(&one, &[("openrsvp_database_waiting{queue=\"write\"}", 0.0)]),
            Engine::Postgres => {
                let [idle, used] = ["idle", "used"].map(|state| one[&format!("openrsvp_database_connections{{state=\"{state}\"}}")]);
                assert!(idle + used >= 1.0 && one["openrsvp_database_connections_max"] >= idle + used);
            }
        }
    }

    async fn promtool_finds_nothing(app: &TestApp) {
        traffic(app).await;
        ran(&app.running().site, Job::DecayCycle).await;
        app.running().site.metrics.task_ended("mail", openrsvp::metrics::TaskEnd::Done);
        let address = app.running().figures_address.expect("told");
        let plain = scrape(address, "text/plain").await;
        assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(promtool(&plain.text), "0", "{}", plain.text);
        assert_ne!(promtool("a_total 1\n"), "0", "it finds what is wrong");
        let open = scrape(address, OPEN_METRICS).await;
        assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(open.text.ends_with("\n# EOF\n") && open.text.contains("# TYPE openrsvp_answers counter\nopenrsvp_answers_total{"));
        // Each family stands in one place, and each row once.
        let mut seen = std::collections::BTreeSet::new();
        for line in open.text.lines() {
            let name = if line.starts_with('#') { line } else { line.rsplit_once(' ').unwrap().0 };
            assert!(seen.insert(name.to_owned()), "{line} twice");
        }
    }

    async fn no_visitor_makes_more_figures(app: &TestApp) {
        let event = app.event(json!({})).await;
        let before = sums(app).await.len();
        for number in 0..1000_u32 {
            let method = match number % 4 {
                0 => Method::GET,
                1 => Method::POST,
                2 => Method::from_bytes(format!("M{number}").as_bytes()).unwrap(),
                _ => Method::DELETE,
            };
            let path = match number % 5 {
                0 => format!("/{number}/x"),
                1 => format!("/e/{number}"),
                2 => format!("/e/{}/admin/secret-{number}", event.id),
                3 => format!("/api/v1/events/{number}%0A%22/rsvps?q={number}"),
                _ => format!("/channel/secret-{number}"),
            };
            let request = app.request(method, &path).header("host", format!("h{number}.example"));
            request.header("user-agent", format!("secret-{number}")).send().await.expect("an answer");
        }
        let text = scrape(app.running().figures_address.unwrap(), "*/*").await.text;
        for secret in ["secret", "example", &event.id, &event.token, "127.0.0.1", "M2"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let after = sums(app).await;
        assert!(after.len() < before + 250, "{before} {}: {after:#?}", after.len());
        let counted: f64 = after.iter().filter(|(name, _)| name.starts_with("openrsvp_http_requests_total")).map(|(_, count)| count).sum();
        assert_eq!(counted, 1001.0);
    }

    async fn a_job_in_a_process_of_its_own_is_told_by_all(app: &TestApp) {
        let never = figures(app).await;
        assert_figures(&never, &[
            ("openrsvp_job_last_success_timestamp_seconds{job=\"decay-cycle\"}", 0.0),
            ("openrsvp_job_last_outcome{job=\"decay-cycle\",outcome=\"done\"}", 0.0),
            ("openrsvp_job_interval_seconds{job=\"vacuum-db\"}", 43_200.0),
        ]);
        assert!(command(app, &["job", "decay-cycle"]).status.success());
        for running in app.instances() {
            let told = parsed(&scrape(running.figures_address.unwrap(), "*/*").await.text);
            assert_figures(&told, &[
                ("openrsvp_job_runs_total{job=\"decay-cycle\"}", 1.0),
                ("openrsvp_job_runs_total{job=\"vacuum-db\"}", 0.0),
                ("openrsvp_job_last_outcome{job=\"decay-cycle\",outcome=\"done\"}", 1.0),
                ("openrsvp_job_last_outcome{job=\"decay-cycle\",outcome=\"failed\"}", 0.0),
                ("openrsvp_job_last_outcome{job=\"vacuum-db\",outcome=\"done\"}", 0.0),
                ("openrsvp_job_last_success_timestamp_seconds{job=\"vacuum-db\"}", 0.0),
                ("openrsvp_job_last_items{job=\"decay-cycle\",item=\"events_purged\"}", 0.0),
            ]);
            // That process goes by the machine's clock.
            let [started, done] = ["start", "success"].map(|what| told[&format!("openrsvp_job_last_{what}_timestamp_seconds{{job=\"decay-cycle\"}}")]);
            let took = told["openrsvp_job_last_duration_seconds{job=\"decay-cycle\"}"];
            assert!(started > 1.7e9 && (0.0..60.0).contains(&took) && (done - started - took).abs() < 0.001, "{started} {done} {took}");
        }
    }

    async fn the_queue_is_told_as_it_is(app: &TestApp) {
        let site = &app.running().site;
        let with = |priority, in_seconds: i64| NewTask {
            priority,
            run_at: Some(site.clock.now() + SignedDuration::from_secs(in_seconds)),
            ..NewTask::new("test", json!({}))
        };
        add(site, vec![with(Priority::High, 60), with(Priority::Normal, -90), with(Priority::Normal, -5), with(Priority::Low, 0)]).await;
        let depth = |state: &str, priority: &str| format!("openrsvp_queue_tasks{{state=\"{state}\",priority=\"{priority}\"}}");
        let age = |priority: &str| format!("openrsvp_queue_oldest_due_age_seconds{{priority=\"{priority}\"}}");
        assert_figures(&figures(app).await, &[
            (&depth("due", "high"), 0.0), (&depth("later", "high"), 1.0), (&age("high"), 0.0),
            (&depth("due", "normal"), 2.0), (&depth("later", "normal"), 0.0), (&age("normal"), 90.0),
            (&depth("due", "low"), 1.0), (&depth("dead", "low"), 0.0), (&age("low"), 0.0),
        ]);
        app.clock.advance(SignedDuration::from_millis(60_500));
        let taken = tasks::take(site, 2).await.unwrap();
        let dead = Failure::Final("never".to_owned());
        tasks::fail(site, &taken[1], &dead).await.unwrap();
        assert_figures(&figures(app).await, &[
            (&depth("due", "high"), 0.0), (&depth("later", "high"), 1.0), (&age("high"), 0.0),
            (&depth("due", "normal"), 1.0), (&depth("dead", "normal"), 1.0), (&age("normal"), 65.5),
            (&age("low"), 60.5),
        ]);
    }

    async fn what_workers_do_is_counted(app: &TestApp) {
        let site = &app.running().site;
        add(site, (0..3).map(|number| NewTask::new("test", json!(number))).collect()).await;
        let handler: Handler = Arc::new(|site, task| Box::pin(async move {
            assert_eq!(site.metrics.tasks_running.get(), 1);
            match task.payload.as_i64() {
                Some(0) => Ok(()),
                Some(1) => Err(Failure::Final("never".to_owned())),
                _ => Err(Failure::Passing("later".to_owned())),
            }
        }));
        let options = WorkerOptions { ends: true, poll: Duration::from_millis(5), ..WorkerOptions::new(1) };
        Worker::start(site, options, handler).ended().await;
        let count = |outcome: &str| format!("openrsvp_tasks_total{{kind=\"test\",outcome=\"{outcome}\"}}");
        assert_figures(&figures(app).await, &[
            (&count("done"), 1.0), (&count("failed"), 1.0), (&count("given_up"), 1.0), ("openrsvp_tasks_running", 0.0),
        ]);
    }

    async fn a_busy_or_lost_database_takes_only_its_own_figures_along(app: &TestApp) {
        app.get("/healthz", "").await;
        let db = app.running().site.db.clone();
        if db.engine() == Engine::Sqlite {
            // Every thread that reads has something else to do.
            let busy: Vec<_> = (0..8).map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    let sleep = db.read(|_| Box::pin(async { std::thread::sleep(Duration::from_secs(3)); Ok::<_, StoreError>(()) }));
                    sleep.await.unwrap();
                })
            }).collect();
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_without_database(app).await;
            for busy in busy { busy.await.unwrap(); }
            assert_figures(&figures(app).await, &[("openrsvp_database_up", 1.0)]);
        }
        db.close().await;
        assert_without_database(app).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
async fn assert_without_database(app: &TestApp) {
    let started = Instant::now();
    let told = figures(app).await;
    assert!(started.elapsed() < Duration::from_millis(2900), "{:?}", started.elapsed());
    assert_figures(&told, &[("openrsvp_database_up", 0.0), ("openrsvp_ready", 0.0)]);
    assert!(told["process_resident_memory_bytes"] > 0.0);
    assert!(told.keys().any(|name| name.starts_with("openrsvp_http_requests_total")));
    assert!(!told.keys().any(|name| name.starts_with("openrsvp_queue")), "old figures mislead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_forms_that_are_refused_are_told() {
    let quota = Quota { burst: 1, per_hour: 1 };
    let limits = LimitOptions {
        create_event: quota,
        answer: quota,
        change: quota,
        search: quota,
        minimum_fill: Duration::from_secs(2),
        stamp_key: StampKey::derive(b"tests"),
    };
    let app = TestApp::start_limited(Engine::Sqlite, Some(limits)).await;
    let event = json!({ "title": "Summer table", "start_time": "2026-06-13T17:00:00" });
    app.post("/api/v1/events", "", event.clone()).await.expect(StatusCode::CREATED);
    app.post("/api/v1/events", "", event).await.expect(StatusCode::TOO_MANY_REQUESTS);
    for _ in 0..3 {
        app.get("/channels/discover?q=tea", "").await;
    }
    assert_figures(
        &figures(&app).await,
        &[
            ("openrsvp_refusals_total{reason=\"limit_create_event\"}", 1.0),
            ("openrsvp_refusals_total{reason=\"limit_search\"}", 2.0),
            ("openrsvp_refusals_total{reason=\"limit_answer\"}", 0.0),
        ],
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_ask_and_the_database_is_asked_once() {
    let app = TestApp::start(Engine::Sqlite).await;
    let monitor = openrsvp::services::monitor::Monitor::new(Arc::default(), Duration::from_secs(5));
    let monitor = Arc::new(monitor);
    let mut site = app.running().site.clone();
    monitor.opened(&mut site);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let monitor = monitor.clone();
            tokio::spawn(async move { monitor.figures().await.is_up })
        })
        .collect();
    for asked in asking {
        assert!(asked.await.unwrap());
    }
    let told = parsed(&openrsvp::metrics::plain(site.db.families()));
    assert_figures(
        &told,
        &[("openrsvp_database_statements_total{statement=\"tasks::COUNT_DEAD\"}", 1.0)],
    );
    app.stop().await;
}

#[tokio::test]
async fn a_taken_address_stops_the_start_and_a_worker_tells_too() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    for arguments in [&["serve", "--port", "0"][..], &["worker"]] {
        let mut command = openrsvp(dir.path());
        let said = command.args(arguments).env("OPENRSVP_METRICS__LISTEN", &listen).output();
        let said = said.unwrap();
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(1), "{words}");
        assert!(words.contains(&format!("cannot listen on {listen}")), "{words}");
    }
    let bad = openrsvp(dir.path()).arg("worker").env("OPENRSVP_METRICS__LISTEN", "here").output();
    let words = String::from_utf8(bad.unwrap().stderr).unwrap();
    assert!(words.contains("OPENRSVP_METRICS__LISTEN") && words.lines().count() == 1, "{words}");

    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = openrsvp(dir.path());
    let mut worker =
        command.arg("worker").env("OPENRSVP_METRICS__LISTEN", &listen).spawn().unwrap();
    let page = |path: &str| client().get(format!("http://{listen}{path}")).send();
    let alive = loop {
        match page("/healthz").await {
            Ok(answer) => break answer.status(),
            Err(_) if worker.try_wait().unwrap().is_none() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error} {}", read_log(dir.path())),
        }
    };
    assert_eq!(alive, StatusCode::OK);
    let told = loop {
        let told = parsed(&scrape(listen.parse().unwrap(), "*/*").await.text);
        if told["openrsvp_ready"] > 0.0 {
            break told;
        }
    };
    assert_figures(&told, &[("openrsvp_tasks_running", 0.0), ("openrsvp_database_up", 1.0)]);
    assert_eq!(page("/").await.unwrap().status(), StatusCode::NOT_FOUND);
    let id = worker.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert!(worker.wait().unwrap().success());
}
