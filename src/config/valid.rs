//! What is valid, and how to say what is expected.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{
    Backup, Config, Database, Events, Fading, Profile, RateLimit, Secret, Server, Tracing,
};

impl Config {
    /// A value that cannot be used: its key, and what is expected.
    pub(super) fn first_fault(&self, profile: Profile) -> Option<(&'static str, String)> {
        let mut faults = Faults::default();
        self.server.check(&mut faults);
        self.database.check(profile, &mut faults);
        self.backup.check(&mut faults);
        faults.unless(
            self.backup.replicas.is_empty() || self.database.url.is_none(),
            "backup.replicas",
            "none with PostgreSQL, which has backups of its own: replicas are of the SQLite file",
        );
        self.events.check(&mut faults);
        self.fading.check(&mut faults);
        let token = self.instance.admin_token.as_ref();
        faults.unless(
            profile == Profile::Single || token.is_some(),
            "instance.admin_token",
            "a token that all processes share, as it is or by admin_token_file: the profile \
             cluster needs one",
        );
        faults.unless(
            token.is_none_or(|token| token.reveal().len() >= 16),
            "instance.admin_token",
            "at least 16 characters",
        );
        let scheduler = &self.scheduler;
        faults.outside(1..=168, scheduler.decay_interval_hours, "scheduler.decay_interval_hours");
        faults.outside(1..=8760, scheduler.vacuum_hours, "scheduler.vacuum_hours");
        faults.outside(1..=64, self.worker.concurrency, "worker.concurrency");
        faults.unless(
            self.webhooks.networks().is_some(),
            "webhooks.allow_networks",
            "networks such as [\"192.168.7.0/24\", \"fd00::7\"]",
        );
        faults.outside(1..=30, self.webhooks.timeout_seconds, "webhooks.timeout_seconds");
        self.rate_limit.check(&mut faults);
        faults.unless(
            filter_holds(&self.log.level),
            "log.level",
            "error, warn, info, debug, trace, off, or a filter such as info,openrsvp=debug",
        );
        self.tracing.check(&mut faults);
        faults.unless(
            self.metrics.holds(),
            "metrics.listen",
            "an address and a port such as 127.0.0.1:9100 or [::1]:9100",
        );
        faults.0.into_iter().next()
    }
}

/// Keys whose values cannot be used, with what is expected; of one key the first.
#[derive(Debug, Default)]
struct Faults(BTreeMap<&'static str, String>);

impl Faults {
    fn unless(&mut self, holds: bool, key: &'static str, expected: &str) {
        if !holds {
            self.0.entry(key).or_insert_with(|| expected.to_owned());
        }
    }

    fn outside<T: PartialOrd + std::fmt::Display>(
        &mut self,
        range: RangeInclusive<T>,
        value: T,
        key: &'static str,
    ) {
        let expected = format!("{} to {}", range.start(), range.end());
        self.unless(range.contains(&value), key, &expected);
    }
}

impl Server {
    fn check(&self, faults: &mut Faults) {
        faults.unless(
            base_url_holds(self.base_url.as_deref()),
            "server.base_url",
            "an address such as https://rsvp.example.org, without a path",
        );
        faults.unless(
            self.networks().is_some(),
            "server.trusted_proxies",
            "networks such as [\"10.0.0.0/8\", \"192.0.2.7\"]",
        );
        faults.outside(1..=600, self.request_timeout_seconds, "server.request_timeout_seconds");
        faults.outside(0..=600, self.shutdown_grace_seconds, "server.shutdown_grace_seconds");
        faults.outside(0..=600, self.shutdown_pause_seconds, "server.shutdown_pause_seconds");
        faults.outside(32_768..=16_777_216, self.max_body_bytes, "server.max_body_bytes");
    }
}

impl Database {
    fn check(&self, profile: Profile, faults: &mut Faults) {
        let url = self.url.as_ref().map(Secret::reveal);
        let schemes = ["postgres://", "postgresql://"];
        faults.unless(
            url.is_none_or(|url| schemes.iter().any(|scheme| url.starts_with(scheme))),
            "database.url",
            "postgres://user:password@host/database",
        );
        faults.unless(
            profile == Profile::Single || url.is_some(),
            "database.url",
            "the address of a PostgreSQL database: the profile cluster needs one",
        );
        faults.unless(
            self.ca_file.as_ref().is_none_or(|file| file.is_file()),
            "database.ca_file",
            "a file of certificates (PEM)",
        );
        faults.outside(0..=3600, self.start_timeout_seconds, "database.start_timeout_seconds");
        faults.outside(1..=64, self.readers, "database.readers");
        faults.outside(1..=1000, self.max_connections, "database.max_connections");
        faults.outside(1..=300, self.acquire_timeout_seconds, "database.acquire_timeout_seconds");
        faults.outside(
            1..=3600,
            self.statement_timeout_seconds,
            "database.statement_timeout_seconds",
        );
    }
}

impl Backup {
    fn check(&self, faults: &mut Faults) {
        faults.unless(
            self.addresses_hold(),
            "backup.replicas",
            "addresses such as [\"file:///var/backups/openrsvp\", \"s3://bucket/prefix\"], each once",
        );
        faults.unless(
            self.level_intervals().is_some(),
            "backup.levels",
            "one to eight times, the shortest first, such as [\"30s\", \"5m\", \"1h\"]",
        );
        faults.outside(1..=3600, self.sync_interval_seconds, "backup.sync_interval_seconds");
        faults.outside(1..=8760, self.snapshot_interval_hours, "backup.snapshot_interval_hours");
        faults.outside(1..=87_600, self.retention_hours, "backup.retention_hours");
        faults.outside(1..=8760, self.verify_interval_hours, "backup.verify_interval_hours");
        let limit = 64 << 20..=64 << 30;
        faults.outside(limit, self.log_limit_bytes, "backup.log_limit_bytes");
    }
}

impl Tracing {
    fn check(&self, faults: &mut Faults) {
        faults.unless(
            self.otlp_endpoint.is_none() || self.traces_url().is_some(),
            "tracing.otlp_endpoint",
            "the address of a collector such as http://localhost:4318, secrets in otlp_headers",
        );
        faults.unless(
            self.headers().is_some(),
            "tracing.otlp_headers",
            "name=value,name=value, with what is special in a value as %20",
        );
        faults.outside(0.0..=1.0, self.sample_ratio, "tracing.sample_ratio");
        let name = self.service_name.trim();
        faults.unless(
            !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control),
            "tracing.service_name",
            "a name of at most 255 bytes",
        );
    }
}

impl Events {
    fn check(&self, faults: &mut Faults) {
        faults.outside(1..=50, self.events_per_page, "events.events_per_page");
        faults.outside(1..=200, self.admin_events_per_page, "events.admin_events_per_page");
        faults.outside(0.0..=100.0, self.initial_event_score, "events.initial_event_score");
        faults.outside(0.0..=100.0, self.initial_channel_score, "events.initial_channel_score");
        faults.outside(0..=50, self.max_companions, "events.max_companions");
    }
}

impl Fading {
    fn check(&self, faults: &mut Faults) {
        faults.unless(
            self.decay_factor > 0.0 && self.decay_factor <= 1.0,
            "fading.decay_factor",
            "more than 0, at most 1",
        );
        faults.outside(0.0..=100.0, self.hide_threshold, "fading.hide_threshold");
        faults.outside(0.0..=100.0, self.delete_threshold, "fading.delete_threshold");
        for (key, days) in [
            ("fading.hide_after_days", self.hide_after_days),
            ("fading.delete_after_days", self.delete_after_days),
            ("fading.delete_grace_days_after_end", self.delete_grace_days_after_end),
        ] {
            faults.outside(0..=36_500, days, key);
        }
    }
}

impl RateLimit {
    fn check(&self, faults: &mut Faults) {
        for (key, count) in [
            ("rate_limit.create_event_burst", self.create_event_burst),
            ("rate_limit.create_event_per_hour", self.create_event_per_hour),
            ("rate_limit.answer_burst", self.answer_burst),
            ("rate_limit.answer_per_hour", self.answer_per_hour),
            ("rate_limit.change_burst", self.change_burst),
            ("rate_limit.change_per_hour", self.change_per_hour),
            ("rate_limit.search_burst", self.search_burst),
            ("rate_limit.search_per_hour", self.search_per_hour),
        ] {
            faults.outside(1..=1_000_000, count, key);
        }
        faults.outside(0..=60, self.minimum_fill_seconds, "rate_limit.minimum_fill_seconds");
    }
}

/// Whether a log filter says what it seems to say: a lone word that is no level would be taken for
/// the name of a module, and silence all others.
fn filter_holds(filter: &str) -> bool {
    let is_level = |word: &str| {
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|level| level.eq_ignore_ascii_case(word))
    };
    let is_module = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    filter.split(',').all(|part| match part.split_once('=') {
        Some((module, level)) => is_module(module) && is_level(level),
        None => is_level(part),
    })
}

fn base_url_holds(base_url: Option<&str>) -> bool {
    let Some(text) = base_url else { return true };
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    })
}

/// A type as a person says it.
pub(super) fn in_words(expected: &str) -> String {
    let expected = expected.trim_matches('`');
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 up",
        "i64" => "a whole number",
        "f64" => "a number",
        "bool" | "a boolean" => "true or false",
        "a sequence" => "a list of texts",
        "string" | "a string" | "path string" => "a text in quotes",
        "enum LogFormat" => "auto, text, json",
        "enum RestoreOnStart" => "never, if_missing",
        other => other,
    }
    .to_owned()
}
