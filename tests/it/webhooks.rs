//! Webhooks: signed so that others can check it, sent once for each new answer whatever breaks,
//! to no address that only this machine can reach, and shown to the host.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use openrsvp::domain::clock::Clock;
use openrsvp::domain::rsvp::Reply;
use openrsvp::domain::task::{ATTEMPTS, State};
use openrsvp::domain::webhook::{Reach, Secret};
use openrsvp::jobs::worker::{self, Worker, WorkerOptions};
use openrsvp::outbound::webhooks::{Letter, Sender, Undelivered, WebhookOptions};
use openrsvp::services::rsvps::{self, Answer, Entry};
use openrsvp::services::{tasks, webhooks};
use openrsvp::store::db::Query;
use reqwest::StatusCode;
use scraper::{Html, Selector};
use serde_json::{Value, json};
use standardwebhooks::Webhook as Checker;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::rows::{number, query};
use crate::support::{NOW, TestApp, TestEvent, on_both};

query!(WAITING, "SELECT COUNT(*) FROM deliveries WHERE state = 'waiting'");
query!(ALL, "SELECT COUNT(*) FROM deliveries");
query!(OPEN, "SELECT COUNT(*) FROM tasks WHERE state = 'open'");

/// What came: headers and body.
pub type Came = (HeaderMap, String);

/// Another program, which takes what is sent, or answers with the statuses that it is told to.
pub struct Receiver {
    pub url: String,
    came: Arc<Mutex<Vec<Came>>>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/answers?key=1", listener.local_addr().expect("an address"));
        let came = Arc::<Mutex<Vec<Came>>>::default();
        let statuses = Arc::<Mutex<VecDeque<u16>>>::default();
        let (kept, told) = (came.clone(), statuses.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, told) = (kept.clone(), told.clone());
                let service = service_fn(move |request| take(request, kept.clone(), told.clone()));
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // A connection that breaks has ended.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, came, statuses, serving }
    }

    /// Answers the next requests with these.
    fn answers(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    /// What came, by its type, without the tests that adding a webhook sends.
    fn told(&self) -> Vec<Value> {
        let bodies = self.came().into_iter().map(|(_, body)| serde_json::from_str(&body).unwrap());
        bodies.filter(|body: &Value| body["type"] != "test").collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    request: Request<Incoming>,
    came: Arc<Mutex<Vec<Came>>>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    came.lock().unwrap().push((head.headers, String::from_utf8(body.to_vec()).expect("text")));
    let status = statuses.lock().unwrap().pop_front().unwrap_or(204);
    let answer = Response::builder().status(status).header("location", "http://127.0.0.1:1/");
    Ok(answer.body(Full::default()).expect("an answer"))
}

impl TestApp {
    fn programs(&self, event: &TestEvent, below: &str) -> String {
        format!("/e/{}/admin/{}/webhooks{below}", event.id, event.token)
    }

    async fn add_webhook(&self, event: &TestEvent, url: &str) {
        let added = self.form(&self.programs(event, ""), &[("url", url)]).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
        assert!(added.header("location").ends_with("#programs"));
    }

    /// Does all that is due now.
    async fn work(&self) {
        let options =
            WorkerOptions { ends: true, poll: Duration::from_millis(5), ..WorkerOptions::new(8) };
        Worker::start(&self.running().site, options, worker::handler()).ended().await;
    }

    async fn organizer(&self, event: &TestEvent) -> Html {
        let page = self.get(&format!("/e/{}/admin/{}", event.id, event.token), "").await;
        assert_eq!(page.status, StatusCode::OK);
        Html::parse_document(&page.text)
    }
}

fn words(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("a selector");
    let text = |element: scraper::ElementRef<'_>| element.text().collect::<String>();
    page.select(&selector)
        .map(|found| text(found).split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn attributes(page: &Html, selector: &str, name: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("a selector");
    page.select(&selector).filter_map(|found| found.attr(name).map(str::to_owned)).collect()
}

on_both! {
    async fn a_new_answer_is_sent_signed_and_once(app: &TestApp) {
        // The library that checks looks at the clock of this machine.
        let now = Clock::system().now();
        app.clock.set(now);
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        app.answer(&event, "Before", json!({})).await;
        app.add_webhook(&event, &receiver.url).await;
        app.answer(&event, "Ana", json!({ "guest_count": 2, "pronouns": "she/her" })).await;
        let other = app.event(json!({})).await;
        app.answer(&other, "Elsewhere", json!({})).await;
        app.work().await;
        app.work().await;

        let secret = attributes(&app.organizer(&event).await, ".hook .keep-url", "value").remove(0);
        let came = receiver.came();
        assert_eq!(came.len(), 2, "a test, and Ana's answer");
        for (headers, body) in &came {
            let header = |name: &str| headers[name].to_str().unwrap();
            assert_eq!(header("content-type"), "application/json");
            assert!(header("user-agent").starts_with("OpenRSVP/"));
            assert_eq!(header("webhook-timestamp"), now.as_second().to_string());
            // By the field's own library.
            let checker = Checker::new(&secret).unwrap();
            checker.verify(body.as_bytes(), headers).expect("our signature");
            let mut changed = body.clone().into_bytes();
            changed[10] ^= 1;
            assert!(checker.verify(&changed, headers).is_err());
        }
        assert_ne!(came[0].0["webhook-id"], came[1].0["webhook-id"]);
        let told = receiver.told();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["type"], "rsvp.created");
        assert_eq!(told[0]["data"]["event"]["title"], "Summer table");
        let rsvp = &told[0]["data"]["rsvp"];
        assert_eq!((&rsvp["name"], &rsvp["guest_count"]), (&json!("Ana"), &json!(2)));
        assert_eq!((&rsvp["attendance_status"], &rsvp["approval_status"]), (&json!("yes"), &json!("approved")));
        for (_, body) in came {
            assert!(!body.contains("token") && !body.contains(&event.token), "{body}");
        }
        let log = words(&app.organizer(&event).await, ".hook-log li");
        assert_eq!(log, ["Ana’s answer Arrived now", "Test Arrived now"]);
        assert_eq!(number(&app.running().site.db, &OPEN).await, 0);
    }

    async fn what_does_not_arrive_is_sent_until_it_does(app: &TestApp) {
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        app.add_webhook(&event, &receiver.url).await;
        app.work().await;
        receiver.answers(&[500, 302, 404]);
        app.answer(&event, "Ana", json!({})).await;
        for reason in ["500", "302, a redirect", "404"] {
            app.work().await;
            let log = words(&app.organizer(&event).await, ".hook-log li");
            assert!(log[0].contains("Is tried again") && log[0].contains(reason), "{log:?}");
            app.work().await;
            app.clock.advance(SignedDuration::from_hours(6));
        }
        app.work().await;
        assert_eq!(receiver.told().len(), 4);
        let ids: Vec<_> = receiver.came()[1..].iter().map(|(headers, _)| headers["webhook-id"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "the receiver can tell");
        assert!(words(&app.organizer(&event).await, ".hook-log li")[0].contains("Arrived"));
    }

    async fn what_never_arrives_pauses_and_goes_on_when_the_host_says(app: &TestApp) {
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        app.add_webhook(&event, &receiver.url).await;
        app.work().await;
        receiver.answers(&vec![503; usize::try_from(ATTEMPTS).unwrap()]);
        app.answer(&event, "Ana", json!({})).await;
        for _ in 0..ATTEMPTS {
            app.work().await;
            app.clock.advance(SignedDuration::from_hours(6));
        }
        let site = &app.running().site;
        assert_eq!(tasks::list(site, State::Dead, 9).await.unwrap().len(), 1, "the operator sees it");
        let page = app.organizer(&event).await;
        assert!(words(&page, ".hook-paused")[0].starts_with("Paused "));
        app.answer(&event, "Bo", json!({})).await;
        app.work().await;
        assert_eq!(receiver.told().len(), usize::try_from(ATTEMPTS).unwrap());

        let hook = attributes(&page, ".hook", "id")[0].strip_prefix("hook-").unwrap().to_owned();
        let delivery = attributes(&page, ".hook-log input", "value").remove(0);
        let again = app.programs(&event, &format!("/{hook}/again"));
        assert_eq!(app.form(&again, &[("delivery", &delivery)]).await.status, StatusCode::SEE_OTHER);
        app.answer(&event, "Cleo", json!({})).await;
        app.work().await;
        let names: Vec<_> = receiver.told().split_off(16).iter().map(|body| body["data"]["rsvp"]["name"].clone()).collect();
        assert_eq!(names.len(), 2);
        assert!(names.contains(&json!("Ana")) && names.contains(&json!("Cleo")), "{names:?}");
        let page = app.organizer(&event).await;
        assert!(words(&page, ".hook-paused").is_empty());
        assert_eq!(app.form(&again, &[("delivery", &delivery)]).await.status, StatusCode::NOT_FOUND, "it arrived");
        // The operator's retry of what arrived meanwhile sends nothing.
        tasks::settle_all(site, tasks::Dead::Retry).await.unwrap();
        app.work().await;
        assert_eq!(receiver.told().len(), 18);
    }

    async fn whoever_wants_nothing_more_is_sent_nothing_more(app: &TestApp) {
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        app.add_webhook(&event, &receiver.url).await;
        app.work().await;
        receiver.answers(&[410]);
        for name in ["Ana", "Bo", "Cleo"] {
            app.answer(&event, name, json!({})).await;
        }
        let options = WorkerOptions { ends: true, ..WorkerOptions::new(1) };
        Worker::start(&app.running().site, options, worker::handler()).ended().await;
        assert_eq!(receiver.told().len(), 1);
        let log = words(&app.organizer(&event).await, ".hook-log li");
        assert!(log[0].contains("paused before this was sent") && log[2].contains("410"), "{log:?}");
        assert_eq!(number(&app.running().site.db, &OPEN).await, 0);
        let hook = attributes(&app.organizer(&event).await, ".hook", "id").remove(0);
        let test = app.programs(&event, &format!("/{}/test", hook.strip_prefix("hook-").unwrap()));
        assert_eq!(app.form(&test, &[]).await.status, StatusCode::SEE_OTHER);
        app.work().await;
        assert!(words(&app.organizer(&event).await, ".hook-paused").is_empty());
    }

    async fn what_a_guest_took_back_goes_nowhere(app: &TestApp) {
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        app.add_webhook(&event, &receiver.url).await;
        let token = app.answer(&event, "Ana", json!({})).await;
        app.answer(&event, "Bo", json!({})).await;
        app.delete(&event.api("/rsvps/self"), &token).await.expect(StatusCode::NO_CONTENT);
        app.work().await;
        let names: Vec<_> = receiver.told().iter().map(|body| body["data"]["rsvp"]["name"].clone()).collect();
        assert_eq!(names, [json!("Bo")]);
        app.answer(&event, "Cleo", json!({})).await;
        app.delete(&event.api(""), &event.token).await.expect(StatusCode::NO_CONTENT);
        app.work().await;
        assert_eq!(receiver.told().len(), 1);
        let db = &app.running().site.db;
        assert_eq!((number(db, &ALL).await, number(db, &OPEN).await), (0, 0));
    }

    async fn the_form_says_what_is_wrong_and_strangers_get_nowhere(app: &TestApp) {
        let (event, other) = (app.event(json!({})).await, app.event(json!({})).await);
        let path = app.programs(&event, "");
        for (url, problem) in [
            ("", "whole address"), ("example.org", "whole address"), ("ftp://example.org", "https://"),
            ("https://10.0.0.1/", "private"), ("http://169.254.169.254/latest/meta-data/", "private"),
            ("https://[::1]/", "private"), ("https://a:b@example.org/", "password"),
            ("https://example.org:22/", "port"),
        ] {
            let refused = app.form(&path, &[("url", url)]).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{url}");
            let page = Html::parse_document(&refused.text);
            assert!(words(&page, "#webhook-url-error")[0].contains(problem), "{url}");
            assert_eq!(attributes(&page, "#webhook-url", "value"), [url], "what was typed stays");
        }
        for port in 9001..=9005 {
            app.add_webhook(&event, &format!("https://hooks.invalid:{port}/")).await;
        }
        let twice = app.form(&path, &[("url", "https://hooks.invalid:9001/")]).await;
        assert!(twice.text.contains("sent to this address already"), "{}", twice.status);
        let sixth = app.form(&path, &[("url", "https://hooks.invalid:9006/")]).await;
        assert_eq!(sixth.status, StatusCode::BAD_REQUEST);
        let page = app.organizer(&event).await;
        assert!(attributes(&page, "#webhook-url", "value").is_empty(), "five are enough");

        let hook = attributes(&page, ".hook", "id")[0].strip_prefix("hook-").unwrap().to_owned();
        for action in ["test", "again", "remove"] {
            let below = format!("/{hook}/{action}");
            // The host of another event, and somebody with a made-up link.
            let elsewhere = app.form(&app.programs(&other, &below), &[]).await;
            assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "{action}");
            let forged = TestEvent { id: event.id.clone(), token: "x".repeat(43) };
            assert_eq!(app.form(&app.programs(&forged, &below), &[]).await.status, StatusCode::FORBIDDEN);
            assert_eq!(app.get(&app.programs(&event, &below), "").await.status, StatusCode::METHOD_NOT_ALLOWED);
        }
        assert_eq!(app.form(&app.programs(&event, &format!("/{hook}/x")), &[]).await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.form(&app.programs(&event, &format!("/{hook}/remove")), &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(words(&app.organizer(&event).await, ".hook").len(), 4);
        app.work().await;
        let log = words(&app.organizer(&event).await, ".hook-log li");
        assert!(log.iter().all(|line| line.contains("No machine has this name")), "{log:?}");
    }

    async fn a_long_log_is_cut_and_nothing_that_waits_is(app: &TestApp) {
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        app.add_webhook(&event, &receiver.url).await;
        let names: Vec<String> = (0..70).map(|i| format!("Guest {i}")).collect();
        futures_util::future::join_all(names.iter().map(|name| app.answer(&event, name, json!({})))).await;
        let db = &app.running().site.db;
        assert_eq!(number(db, &WAITING).await, 71);
        app.work().await;
        assert_eq!(receiver.told().len(), 70);
        let mut times = BTreeMap::<String, u32>::new();
        for body in receiver.told() {
            *times.entry(body["data"]["rsvp"]["name"].to_string()).or_default() += 1;
        }
        assert!(times.len() == 70 && times.values().all(|times| *times == 1));
        assert_eq!((number(db, &WAITING).await, number(db, &ALL).await), (0, 50));
    }

    async fn a_running_worker_sends_at_once(app: &TestApp) {
        let (event, receiver) = (app.event(json!({})).await, Receiver::start().await);
        let site = &app.running().site;
        // It looks by itself once in a while; here the change wakes it.
        let slow = WorkerOptions { poll: Duration::from_secs(3600), ..WorkerOptions::new(4) };
        let worker = Worker::start(site, slow, worker::handler());
        webhooks::add(site, &event.id, Some(&event.token), &receiver.url).await.unwrap();
        while receiver.came().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (name, pronouns, reply) = ("Ana".to_owned(), None, Reply::Yes);
        let answer = Answer { name, pronouns, reply, companions: 0, is_private: false };
        rsvps::submit(site, &event.id, answer, None, Entry::Ordinary).await.unwrap();
        while receiver.told().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worker.stop(Duration::from_secs(5)).await;
    }
}

fn sender(named: &[&str]) -> Sender {
    let named = named.iter().map(|net| net.parse().unwrap()).collect();
    Sender::new(WebhookOptions { reach: Reach { named }, timeout: Duration::from_millis(1500) })
}

async fn send(sender: &Sender, url: &str) -> Result<(), Undelivered> {
    let at = NOW.parse().unwrap();
    let signature = Secret::from_bytes(vec![7]).sign("id", at, "{}");
    sender.send(url, Letter { id: "id", at, signature, body: "{}".to_owned() }).await
}

/// Names are looked up by us, and what they mean is checked where it is connected to: a name of
/// this machine, or one that turns to it after it was checked, leads nowhere.
#[tokio::test]
async fn names_that_lead_to_private_networks_are_refused() {
    let receiver = Receiver::start().await;
    let port = receiver.url.parse::<url::Url>().unwrap().port().unwrap();
    let strict = sender(&[]);
    let refused = send(&strict, &format!("https://localhost:{port}/")).await.unwrap_err();
    assert_eq!(refused, Undelivered::Refused("This name leads into a private network.".to_owned()));
    // Allowed elsewhere is not allowed here; and `http` leads to what is named alone.
    let elsewhere = sender(&["192.168.7.0/24"]);
    for url in [format!("http://localhost:{port}/"), format!("https://127.0.0.1:{port}/")] {
        assert!(matches!(send(&elsewhere, &url).await, Err(Undelivered::Refused(_))), "{url}");
    }
    assert!(receiver.came().is_empty(), "nothing was connected to");
    send(&sender(&["127.0.0.0/8"]), &receiver.url).await.unwrap();
    assert_eq!(receiver.came().len(), 1);
}

#[tokio::test]
async fn redirects_slowness_and_broken_receivers_are_told_in_words() {
    let (receiver, here) = (Receiver::start().await, sender(&["127.0.0.1/32"]));
    receiver.answers(&[307]);
    let said = send(&here, &receiver.url).await.unwrap_err();
    assert!(matches!(&said, Undelivered::Yet(why) if why.contains("redirect")), "{said:?}");
    assert_eq!(receiver.came().len(), 1, "it was not followed");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = silent.local_addr().unwrap();
    let said = send(&here, &format!("http://{address}/")).await.unwrap_err();
    assert_eq!(said, Undelivered::Yet("No answer came within 1 seconds.".to_owned()));
    let said = send(&here, &format!("https://{address}/")).await.unwrap_err();
    assert!(matches!(&said, Undelivered::Yet(_)), "{said:?}");
    drop(silent);
    let said = send(&here, &format!("http://{address}/")).await.unwrap_err();
    assert!(
        matches!(&said, Undelivered::Yet(why) if why.starts_with("No connection: ")),
        "{said:?}"
    );
    let said = send(&here, "https://nobody.invalid/").await.unwrap_err();
    assert_eq!(said, Undelivered::Yet("No machine has this name.".to_owned()));
}
