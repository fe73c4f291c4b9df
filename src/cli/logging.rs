//! The log: text for a terminal, JSON for collectors, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Loaded, LogFormat};

/// Starts logging, and says what was passed over in the configuration.
pub(super) fn start(loaded: &Loaded) {
    let log = &loaded.config.log;
    // Checked when the configuration was read.
    let filter = EnvFilter::new(&log.level);
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
