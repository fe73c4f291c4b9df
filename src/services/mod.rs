//! Use cases: one function, one transaction. Rules come from `domain`, rows from `store`.

pub mod access;
pub mod backups;
pub mod channels;
pub mod decay;
pub mod desk;
pub mod error;
pub mod events;
pub mod fading;
pub mod folding;
pub mod guests;
pub mod importing;
pub mod instance;
pub mod jobs;
pub mod limits;
pub mod listings;
pub mod messages;
pub mod monitor;
pub mod pages;
pub mod rsvps;
pub mod seeding;
pub mod status;
pub mod tasks;
pub mod touches;
pub mod transfer;
pub mod webhooks;

use std::sync::Arc;

pub use error::{Error, Field, FieldError};

use crate::domain::clock::{Clock, Entropy};
use crate::domain::decay::Fading;
use crate::domain::token::TokenHash;
use crate::metrics::Metrics;
use crate::outbound::webhooks::{Sender, WebhookOptions};
use crate::replica::replicate::Replicas;
use crate::store::db::Db;

/// What every use case needs: the database, the clock, randomness, and the site's rules.
#[derive(Clone)]
pub struct Site {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Randomness for ids and tokens.
    pub entropy: Entropy,
    /// The site's rules.
    pub rules: Arc<Rules>,
    /// What was looked at and answered, until it is written.
    pub touches: touches::Touches,
    /// How much of what a client may do.
    pub limits: limits::Limits,
    /// Wakes this process's worker.
    pub bell: tasks::Bell,
    /// Sends webhooks; `None` where they are switched off.
    pub webhooks: Option<Sender>,
    /// The replicas of the database that this process keeps, if it keeps any.
    pub replicas: Option<Replicas>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The site's rules, from the configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How attention fades.
    pub fading: Fading,
    /// First score of an event.
    pub initial_event_score: f64,
    /// First score of a channel.
    pub initial_channel_score: f64,
    /// Events a page.
    pub events_per_page: i64,
    /// Rows a page in the organizer's and the instance owner's lists.
    pub admin_rows_per_page: i64,
    /// Most people a guest may bring.
    pub max_companions: i64,
    /// SHA-256 of the instance owner's token.
    pub instance_token: TokenHash,
    /// How webhooks are sent; `None` where they are switched off.
    pub webhooks: Option<WebhookOptions>,
    /// Addresses of the replicas of the database, which whatever process keeps.
    pub replicas: Vec<String>,
}
