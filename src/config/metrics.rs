//! Figures for a monitoring system: where they are told.

use serde::{Deserialize, Serialize};

/// Figures for a monitoring system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// `host:port` at which they are told; nowhere when not set.
    pub listen: Option<String>,
}

impl Metrics {
    /// Whether the address can be one.
    pub(super) fn holds(&self) -> bool {
        self.listen.as_deref().is_none_or(is_address)
    }
}

/// Whether it is `host:port`.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    is_host && port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok()
}
