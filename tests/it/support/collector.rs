//! A collector of traces: takes OTLP over HTTP as a real one does, and keeps what it got.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mood {
    /// Takes everything.
    Ready,
    /// Takes nothing the first two times.
    BusyTwice,
    /// Never answers.
    Silent,
}

/// A delivery: its path, its headers, its bytes.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub path: String,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

/// A span as it arrived.
#[derive(Debug, Clone)]
pub struct Span {
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    /// 1 internal, 2 server, 3 client, 5 consumer.
    pub kind: i32,
    pub is_error: bool,
    pub state: String,
    pub facts: BTreeMap<String, String>,
    /// What it says of the program.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    pub fn fact(&self, key: &str) -> &str {
        self.facts.get(key).map_or("", String::as_str)
    }
}

/// A collector, until it is dropped.
pub struct Collector {
    pub base: String,
    taken: Arc<Mutex<Vec<Delivery>>>,
    serving: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Collector {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let taken = Arc::new(Mutex::new(Vec::new()));
        let all = taken.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let all = all.clone();
                let service = service_fn(move |request| take(request, all.clone(), mood));
                let server = hyper::server::conn::http1::Builder::new();
                // A client that goes away has had enough.
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { base, taken, serving }
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.taken.lock().expect("no panic").clone()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.deliveries().iter().flat_map(decoded).collect()
    }

    /// The only span of this name.
    #[track_caller]
    pub fn span(&self, name: &str) -> Span {
        let all = self.spans();
        let mut found: Vec<_> = all.iter().filter(|span| span.name == name).cloned().collect();
        let names: Vec<_> = all.iter().map(|span| &span.name).collect();
        assert_eq!(found.len(), 1, "{name} among {names:?}");
        found.remove(0)
    }

    /// The spans right below another.
    pub fn below(&self, parent: &Span) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| span.parent == parent.id && span.trace == parent.trace);
        spans
    }

    /// Whether some bytes stand anywhere in what was delivered.
    pub fn has_seen(&self, words: &str) -> bool {
        let holds = |bytes: &[u8]| bytes.windows(words.len()).any(|part| part == words.as_bytes());
        self.deliveries().iter().any(|delivery| holds(&delivery.body))
    }
}

async fn take(
    request: Request<Incoming>,
    all: Arc<Mutex<Vec<Delivery>>>,
    mood: Mood,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let delivery = Delivery { path: head.uri.to_string(), headers: head.headers, body };
    let count = {
        let mut all = all.lock().expect("no panic");
        all.push(delivery);
        all.len()
    };
    let mut response = Response::new(Full::default());
    match mood {
        Mood::BusyTwice if count <= 2 => {
            all.lock().expect("no panic").last_mut().expect("pushed").body = Bytes::new();
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        Mood::Silent => tokio::time::sleep(Duration::from_secs(600)).await,
        _ => {}
    }
    Ok(response)
}

fn decoded(delivery: &Delivery) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(delivery.body.clone()).expect("protobuf");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = facts(of_resource.resource.expect("a resource").attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            spans.push(Span {
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind,
                is_error: span.status.is_some_and(|status| status.code == 2),
                state: span.trace_state,
                facts: facts(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    spans
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn facts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|pair| (pair.key, words(pair.value))).collect()
}

fn words(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::ArrayValue(list)) => {
            let all: Vec<_> = list.values.into_iter().map(|value| words(Some(value))).collect();
            all.join(" ")
        }
        other => panic!("an attribute of another kind: {other:?}"),
    }
}
