//! The figures for a monitoring system, at an address of their own: never where visitors come.

use std::sync::Arc;

use salvo::affix_state;
use salvo::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use salvo::routing::Router;
use salvo::{Depot, Request, Response, Service, handler};

use super::ops::{Readiness, healthz};
use super::route::at;
use crate::domain::job::Job;
use crate::jobs::scheduler::SchedulerOptions;
use crate::metrics::{Family, Kind, open_metrics, plain};
use crate::services::monitor::Monitor;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What answers there: the figures, and whether the process lives.
#[must_use]
pub fn service(
    monitor: Arc<Monitor>,
    readiness: Readiness,
    scheduler: SchedulerOptions,
) -> Service {
    let router = Router::new()
        .hoop(affix_state::inject(monitor).inject(readiness).inject(scheduler))
        .push(at("metrics").get(show_metrics).done())
        .push(at("healthz").get(healthz).done());
    Service::new(router).hoop(super::compression())
}

/// All figures, in the form that is asked for.
#[handler]
async fn show_metrics(request: &mut Request, depot: &mut Depot, response: &mut Response) {
    let Ok(monitor) = depot.get_typed::<Arc<Monitor>>() else { return };
    let figures = monitor.figures().await;
    let stands = depot.get_typed::<Readiness>().is_ok_and(Readiness::stands);
    let is_ready = stands && figures.is_up;
    let mut families = figures.families;
    families.push(
        Family::new(
            Kind::Gauge,
            "openrsvp_ready",
            "Whether this process wants requests and reaches its database",
        )
        .row(&[], f64::from(u8::from(is_ready))),
    );
    if let Ok(scheduler) = depot.get_typed::<SchedulerOptions>() {
        families.extend(schedule(scheduler));
    }
    let (kind, text) = if wants_open_metrics(request) {
        (OPEN_METRICS, open_metrics(families))
    } else {
        (PLAIN, plain(families))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response.replace_body(text.into());
}

/// Prometheus asks for this form first.
fn wants_open_metrics(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/openmetrics-text"))
}

/// When jobs are to run: so that a rule about one that is late needs no numbers of its own.
fn schedule(scheduler: &SchedulerOptions) -> [Family; 2] {
    let enabled = Family::new(
        Kind::Gauge,
        "openrsvp_scheduler_enabled",
        "Whether this process runs jobs by itself",
    );
    let mut every = Family::new(
        Kind::Gauge,
        "openrsvp_job_interval_seconds",
        "How long it is to be from one run of the job to the next",
    );
    for job in Job::ALL {
        if let Some(schedule) = scheduler.schedule(job) {
            every = every.row(&[("job", job.name())], schedule.every.as_secs_f64());
        }
    }
    [enabled.row(&[], f64::from(u8::from(scheduler.enabled))), every]
}
