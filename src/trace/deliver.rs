//! Brings spans to the collector: OTLP over HTTP, as protobuf. Own and small, for the exporter
//! that is to be had takes settings from the environment, and complains of each batch.
//!
//! It works beside the program: spans wait in a bounded queue, on a thread of the SDK's, and what
//! does not fit is lost. No request waits for any of this.

use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls::crypto::ring;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::TraceError;

/// A connection must be there within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The collector must have answered within this time.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How often a batch is sent that a busy collector did not take.
const TRIES: u32 = 3;
/// The pause after it did not; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two complaints in the log.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// The way to the collector.
pub(super) struct Delivery {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    hurry: watch::Sender<bool>,
    lost: AtomicU64,
    complained: Mutex<Option<Instant>>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers are secret.
        f.debug_struct("Delivery").finish_non_exhaustive()
    }
}

impl Delivery {
    pub(super) fn new(endpoint: &Url, headers: &[(String, String)]) -> Result<Self, TraceError> {
        // Another part of the program may have chosen it already.
        let _ = ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("OpenRSVP/", env!("CARGO_PKG_VERSION")));
        if endpoint.scheme() == "http" {
            // Then a machine without certificates will do.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| TraceError(innermost(&error)))?;
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name);
            let value = HeaderValue::try_from(value);
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(TraceError("a header is none".to_owned()));
            };
            value.set_sensitive(true);
            all.append(name, value);
        }
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        Ok(Self {
            client,
            endpoint: endpoint.clone(),
            headers: all,
            hurry: watch::channel(false).0,
            lost: AtomicU64::new(0),
            complained: Mutex::new(None),
        })
    }

    /// From now on nothing is tried twice.
    pub(super) fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    /// Spans were lost: says so, though not often.
    pub(super) fn complain(&self, error: &str, lost: u64) {
        let lost = self.lost.fetch_add(lost, Ordering::Relaxed) + lost;
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL) {
            *complained = Some(Instant::now());
            self.lost.store(0, Ordering::Relaxed);
            tracing::warn!(error, lost, "traces do not reach their collector");
        }
    }

    async fn send(&self, body: Vec<u8>) -> Result<(), String> {
        let mut hurry = self.hurry.subscribe();
        let mut pause = PAUSE;
        for attempt in 1.. {
            let (error, may_help) = match self.send_once(body.clone()).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            if attempt >= TRIES || !may_help || *hurry.borrow() {
                return Err(error);
            }
            // In a hurry it is tried once more, at once.
            let _ = tokio::time::timeout(pause, hurry.wait_for(|hurry| *hurry)).await;
            pause *= 2;
        }
        Ok(())
    }

    /// Sends once; of a failure, why, and whether to send again may help.
    async fn send_once(&self, body: Vec<u8>) -> Result<(), (String, bool)> {
        let request = self.client.post(self.endpoint.clone()).headers(self.headers.clone());
        match request.body(body).send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err((format!("the answer was {}", status.as_u16()), is_busy(status))),
            Err(error) if error.is_timeout() => Err(("no answer came in time".to_owned(), true)),
            Err(error) => Err((innermost(&error.without_url()), true)),
        }
    }
}

/// Statuses after which OTLP asks to try again.
fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// The first cause: it names no address.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Turns spans into what is sent.
#[derive(Debug)]
pub(super) struct Exporter {
    delivery: Arc<Delivery>,
    /// The SDK's thread has none.
    runtime: Handle,
    resource: ResourceAttributesWithSchema,
}

impl Exporter {
    pub(super) fn new(delivery: Arc<Delivery>, runtime: Handle) -> Self {
        Self { delivery, runtime, resource: ResourceAttributesWithSchema::default() }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let delivery = self.delivery.clone();
        let sent = self.runtime.spawn(async move { delivery.send(body).await }).await;
        let error = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => "the program ends".to_owned(),
        };
        self.delivery.complain(&error, count);
        Err(OTelSdkError::InternalFailure(error))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
