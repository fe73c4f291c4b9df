//! Where the host has new answers sent: a part of the host's page.

use super::forms::{FormErrors, find};
use super::parts::KeepLink;
use crate::domain::webhook::DeliveryState;

/// The webhooks of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookList {
    /// Each, the oldest first.
    pub hooks: Vec<WebhookRow>,
    /// One more can be added.
    pub may_add: bool,
    /// What was typed for another one, where it was refused.
    pub url: String,
    /// What is wrong with it.
    pub errors: FormErrors,
}

impl WebhookList {
    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<&str> {
        find(&self.errors, field)
    }
}

/// A webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its id.
    pub id: String,
    /// Where it leads.
    pub url: String,
    /// What it signs with.
    pub secret: KeepLink,
    /// Since when nothing is sent: `2 hours ago`.
    pub paused: Option<String>,
    /// What it sent lately, the newest first.
    pub deliveries: Vec<DeliveryRow>,
}

/// Something that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// The guest whose answer it is; `None` for a test.
    pub guest: Option<String>,
    /// What became of it.
    pub state: DeliveryState,
    /// When that was: `2 hours ago`.
    pub when: String,
    /// RFC 3339 in UTC.
    pub iso: String,
    /// Why it did not arrive.
    pub reason: Option<String>,
}

impl DeliveryRow {
    /// What became of it, in a word or two.
    #[must_use]
    pub fn state_words(&self) -> &'static str {
        match (self.state, &self.reason) {
            (DeliveryState::Delivered, _) => "Arrived",
            (DeliveryState::Failed, _) => "Did not arrive",
            (DeliveryState::Waiting, Some(_)) => "Is tried again",
            (DeliveryState::Waiting, None) => "On its way",
        }
    }
}
