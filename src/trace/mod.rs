//! What a request, a job or a task did and how long each step took, as spans for a collector
//! (OpenTelemetry). Nobody else names OpenTelemetry.
//!
//! What is told is chosen here, word by word: the methods, routes, statuses and names that this
//! program itself chose. Of what a visitor sent, only the trace that they are in and the host that
//! they asked. Log lines and the spans of libraries are no part of it: so this does not go through
//! the subscriber of the log.
//!
//! Off, which is the default, there is no tracer: each function here looks once at a cell that was
//! never filled and gives back nothing; no route, header or statement is looked at, nothing is
//! allocated, and requests do not even pass through the handler that would make their span.

mod context;
mod deliver;
mod span;
mod statements;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanLimits,
};
use tokio::runtime::Handle;
use url::Url;

use deliver::{Delivery, Exporter};

pub use context::{current_id, keep, write_headers};
pub use span::{Span, job, outbound, request, task, transaction};
pub use statements::Statements;

/// Spans that wait at most; of more, the last are lost.
const WAITING: usize = 4096;
/// Spans that are sent together at most.
const BATCH: usize = 512;
/// How long a span waits at most for others to be sent with.
const DELAY: Duration = Duration::from_secs(2);
/// How long the end of the program waits at most for the last spans to be sent.
const LAST: Duration = Duration::from_secs(5);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Where spans go, and which.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// Where a collector takes spans (OTLP over HTTP): the whole address.
    pub endpoint: Url,
    /// Headers of each delivery: names and values.
    pub headers: Vec<(String, String)>,
    /// Of so many requests and jobs that nobody decided about, from 0 to 1.
    pub sample_ratio: f64,
    /// By what name the collector knows this program.
    pub service_name: String,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct TraceError(String);

/// Spans are made and sent until this is stopped.
#[derive(Debug)]
pub struct Tracing {
    provider: SdkTracerProvider,
    delivery: Arc<Delivery>,
}

/// Whether spans are made at all.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// From now on spans are made, in this whole process, and sent by tasks of `runtime`.
pub fn start(options: &TraceOptions, runtime: &Handle) -> Result<Tracing, TraceError> {
    let delivery = Arc::new(Delivery::new(&options.endpoint, &options.headers)?);
    // Everything is said here, for what is left out the SDK would take from the environment.
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(WAITING)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let exporter = Exporter::new(delivery.clone(), runtime.clone());
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder_empty()
        .with_service_name(options.service_name.clone())
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let ratio = Sampler::TraceIdRatioBased(options.sample_ratio);
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        .with_span_limits(SpanLimits::default())
        .with_resource(resource)
        .with_span_processor(processor)
        .build();
    // Started twice, the first one stays.
    let _ = TRACER.set(provider.tracer("openrsvp"));
    Ok(Tracing { provider, delivery })
}

impl Tracing {
    /// Sends the spans that wait, and waits for it, though not long: a collector that does not
    /// answer is no reason to stay. Blocks, so not for a task.
    pub fn stop(self) {
        self.delivery.hurry();
        if self.provider.shutdown_with_timeout(LAST).is_err() {
            self.delivery.complain("they could not be sent in time", 0);
        }
    }
}
