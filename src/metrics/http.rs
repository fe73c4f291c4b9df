//! Requests by route, method and status.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::{Family, Histogram, Kind, OTHER, Row, Table, whole};

/// Most routes that are told apart; the program has fewer.
const ROUTES: usize = 256;
/// What is no route of ours.
const UNMATCHED: &str = "unmatched";
/// The methods that are told apart.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The statuses that are told apart.
const STATUSES: [u16; 28] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409,
    410, 412, 413, 415, 416, 422, 429, 500, 503,
];

/// Requests, and how long they took.
#[derive(Debug)]
pub struct Http {
    routes: Table<Figures>,
    under_way: AtomicI64,
}

/// The requests of a route.
#[derive(Debug)]
struct Figures {
    /// By method, then by status; the last of each is all others.
    counts: Box<[[AtomicU64; STATUSES.len() + 1]]>,
    durations: Histogram,
}

impl Default for Figures {
    fn default() -> Self {
        let none = || std::array::from_fn(|_| AtomicU64::new(0));
        let counts = (0..=METHODS.len()).map(|_| none()).collect();
        Self { counts, durations: Histogram::default() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { routes: Table::new(ROUTES), under_way: AtomicI64::new(0) }
    }
}

/// A request that is under way, until it is dropped: its client may go away.
#[derive(Debug)]
pub struct UnderWay<'h>(&'h AtomicI64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Http {
    /// A request begins.
    pub fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }

    /// Counts a request that was answered. `route` is the pattern it matched, without the first
    /// slash; `None` when it matched none.
    pub fn answered(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let figures = self.routes.get(route.unwrap_or(UNMATCHED));
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len());
        let status = STATUSES.binary_search(&status).unwrap_or(STATUSES.len());
        figures.counts[method][status].fetch_add(1, Ordering::Relaxed);
        figures.durations.observe(took);
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let requests = Family::new(
            Kind::Counter,
            "openrsvp_http_requests",
            "Requests that were answered, by method, route and status",
        );
        let durations = Family::new(
            Kind::Histogram,
            "openrsvp_http_request_duration_seconds",
            "How long answers took until they were ready to be sent, by route",
        );
        let under_way = Family::new(
            Kind::Gauge,
            "openrsvp_http_requests_in_flight",
            "Requests that are being answered",
        );
        let routes: Vec<_> =
            self.routes.all().map(|(route, figures)| (label(route), figures)).collect();
        let rows = routes.iter().flat_map(|(route, figures)| rows(route, figures));
        let durations = durations.rows(
            routes
                .iter()
                .filter(|(_, figures)| !figures.durations.is_empty())
                .map(|(route, figures)| Row::histogram(&[("route", route)], &figures.durations)),
        );
        let waiting = whole(self.under_way.load(Ordering::Relaxed));
        vec![requests.rows(rows), durations, under_way.row(&[], waiting)]
    }
}

/// A route as it is written in the table of routes.
fn label(route: &str) -> String {
    if [UNMATCHED, OTHER].contains(&route) { route.to_owned() } else { format!("/{route}") }
}

/// The requests of a route that happened.
fn rows(route: &str, figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for (method, counts) in METHODS.iter().chain([&OTHER]).zip(&figures.counts) {
        let statuses = STATUSES.iter().map(u16::to_string).chain([OTHER.to_owned()]);
        for (status, count) in statuses.zip(counts) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let labels = [("method", *method), ("route", route), ("status", &status)];
                rows.push(Row::new(&labels, whole(count)));
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::plain;

    #[test]
    fn requests_are_told_apart_by_what_is_bounded() {
        let http = Http::default();
        let took = Duration::from_millis(3);
        assert!(STATUSES.is_sorted());
        let begun = http.begin();
        http.answered("GET", Some(""), 200, took);
        http.answered("GET", Some("e/{event_id}"), 200, took);
        http.answered("BREW", Some("e/{event_id}"), 418, took);
        http.answered("GET", None, 404, took);
        let text = plain(http.families());
        for line in [
            "openrsvp_http_requests_total{method=\"GET\",route=\"/\",status=\"200\"} 1.0",
            "openrsvp_http_requests_total{method=\"GET\",route=\"/e/{event_id}\",status=\"200\"} 1.0",
            "openrsvp_http_requests_total{method=\"other\",route=\"/e/{event_id}\",status=\"other\"} 1.0",
            "openrsvp_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 1.0",
            "openrsvp_http_request_duration_seconds_count{route=\"/e/{event_id}\"} 2",
            "openrsvp_http_request_duration_seconds_bucket{le=\"0.0025\",route=\"/\"} 0",
            "openrsvp_http_request_duration_seconds_bucket{le=\"0.005\",route=\"/\"} 1",
            "openrsvp_http_requests_in_flight 1.0",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
        }
        drop(begun);
        assert!(plain(http.families()).contains("openrsvp_http_requests_in_flight 0.0\n"));
    }
}
