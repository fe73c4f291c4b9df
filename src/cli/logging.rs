//! The log: text for a terminal, JSON for collectors, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Loaded, LogFormat};

/// Those who say what is said already: one speaks of its own construction at each start, and what
/// its jobs do is logged by ours; the other complains of each certificate, which whoever wanted to
/// connect does too, and knows how often.
const CHATTY: &str = "tokio_cron_scheduler=error,rustls_platform_verifier=off";

/// The filter of a configured level. What the operator says of a module wins.
fn filter_of(level: &str) -> String {
    if level.eq_ignore_ascii_case("off") { level.to_owned() } else { format!("{CHATTY},{level}") }
}

/// Starts logging, and says what was passed over in the configuration.
pub(super) fn start(loaded: &Loaded) {
    let log = &loaded.config.log;
    // Checked when the configuration was read.
    let filter = EnvFilter::new(filter_of(&log.level));
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if json {
        builder.json().flatten_event(true).with_current_span(false).init();
    } else {
        builder.with_target(false).init();
    }
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_is_off_and_what_is_named_wins() {
        assert_eq!(EnvFilter::new(filter_of("off")).to_string(), "off");
        let named = EnvFilter::new(filter_of("info,tokio_cron_scheduler=debug")).to_string();
        assert!(
            named.contains("tokio_cron_scheduler=debug") && !named.contains("error"),
            "{named}"
        );
    }
}
