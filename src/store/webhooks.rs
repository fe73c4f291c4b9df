//! Where new answers are sent, and what became of each that was.

use jiff::Timestamp;

use super::db::{Row, StoreError, Tx};
use super::decode::{Reader, micros, optional_micros};
use super::{queries, values};
use crate::domain::webhook::{Delivery, DeliveryState, Occasion, Secret, Webhook};

macro_rules! columns {
    () => {
        "id, event_id, url, secret, created_at, paused_at"
    };
}

macro_rules! delivery_columns {
    () => {
        "id, webhook_id, rsvp_id, occasion, state, attempts, reason, created_at, sent_at"
    };
}

queries! {
    INSERT = concat!("INSERT INTO webhooks (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6)");
    DELETE = "DELETE FROM webhooks WHERE id = $1 AND event_id = $2";
    BY_ID = concat!("SELECT ", columns!(), " FROM webhooks WHERE id = $1");
    LIST_OF_EVENT = concat!("SELECT ", columns!(), " FROM webhooks
        WHERE event_id = $1 ORDER BY id LIMIT $2");
    SET_PAUSED = "UPDATE webhooks SET paused_at = $2 WHERE id = $1";
    INSERT_DELIVERY = concat!("INSERT INTO deliveries (", delivery_columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    DELIVERY_BY_ID = concat!("SELECT ", delivery_columns!(), " FROM deliveries WHERE id = $1");
    LIST_DELIVERIES = "SELECT d.id, d.webhook_id, d.rsvp_id, d.occasion, d.state, d.attempts,
            d.reason, d.created_at, d.sent_at, r.name
        FROM deliveries d LEFT JOIN rsvps r ON r.id = d.rsvp_id
        WHERE d.webhook_id = $1 ORDER BY d.id DESC LIMIT $2";
    UPDATE_DELIVERY = "UPDATE deliveries SET state = $2, attempts = $3, reason = $4, sent_at = $5
        WHERE id = $1";
    PRUNE_DELIVERIES = "DELETE FROM deliveries WHERE webhook_id = $1 AND state <> 'waiting' AND id <
        (SELECT MIN(n.id) FROM (SELECT id FROM deliveries
            WHERE webhook_id = $1 ORDER BY id DESC LIMIT $2) n)";
}

fn from_row(row: &Row) -> Result<Webhook, StoreError> {
    let mut reader = Reader::new(row, "webhooks");
    Ok(Webhook {
        id: reader.get()?,
        event_id: reader.get()?,
        url: reader.get()?,
        secret: Secret::from_bytes(reader.get()?),
        created_at: reader.time()?,
        paused_at: reader.optional_time()?,
    })
}

fn delivery_from_row(row: &Row) -> Result<Delivery, StoreError> {
    let mut reader = Reader::new(row, "deliveries");
    Ok(Delivery {
        id: reader.get()?,
        webhook_id: reader.get()?,
        rsvp_id: reader.get()?,
        occasion: reader.word(Occasion::from_stored)?,
        state: reader.word(DeliveryState::from_stored)?,
        attempts: reader.get()?,
        reason: reader.get()?,
        created_at: reader.time()?,
        sent_at: reader.optional_time()?,
    })
}

/// Adds a webhook.
pub async fn insert(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    let values = values![
        webhook.id.as_str(),
        webhook.event_id.as_str(),
        webhook.url.as_str(),
        webhook.secret.to_bytes(),
        micros(webhook.created_at),
        optional_micros(webhook.paused_at),
    ];
    tx.execute(&INSERT, values).await.map(drop)
}

/// Removes a webhook of an event and, by reference, its deliveries; `false` when it is gone.
pub async fn delete(tx: &mut Tx, event_id: &str, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, values![id, event_id]).await? == 1)
}

/// The webhook with this id.
pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Webhook>, StoreError> {
    tx.one(&BY_ID, values![id]).await?.as_ref().map(from_row).transpose()
}

/// Up to `limit` webhooks of an event, the oldest first.
pub async fn list_of_event(
    tx: &mut Tx,
    event_id: &str,
    limit: i64,
) -> Result<Vec<Webhook>, StoreError> {
    let rows = tx.all(&LIST_OF_EVENT, values![event_id, limit]).await?;
    rows.iter().map(from_row).collect()
}

/// Pauses a webhook since a time, or lets it go on.
pub async fn set_paused(tx: &mut Tx, id: &str, at: Option<Timestamp>) -> Result<(), StoreError> {
    tx.execute(&SET_PAUSED, values![id, optional_micros(at)]).await.map(drop)
}

/// Adds something to send.
pub async fn insert_delivery(tx: &mut Tx, delivery: &Delivery) -> Result<(), StoreError> {
    let values = values![
        delivery.id.as_str(),
        delivery.webhook_id.as_str(),
        delivery.rsvp_id.clone(),
        delivery.occasion.as_str(),
        delivery.state.as_str(),
        delivery.attempts,
        delivery.reason.clone(),
        micros(delivery.created_at),
        optional_micros(delivery.sent_at),
    ];
    tx.execute(&INSERT_DELIVERY, values).await.map(drop)
}

/// What is sent under this id.
pub async fn delivery_by_id(tx: &mut Tx, id: &str) -> Result<Option<Delivery>, StoreError> {
    tx.one(&DELIVERY_BY_ID, values![id]).await?.as_ref().map(delivery_from_row).transpose()
}

/// Up to `limit` of what a webhook sent, the newest first, each with the name of the guest that it
/// tells of.
pub async fn list_deliveries(
    tx: &mut Tx,
    webhook_id: &str,
    limit: i64,
) -> Result<Vec<(Delivery, Option<String>)>, StoreError> {
    let rows = tx.all(&LIST_DELIVERIES, values![webhook_id, limit]).await?;
    rows.iter().map(|row| Ok((delivery_from_row(row)?, row.get(9)?))).collect()
}

/// Writes what became of something that is sent.
pub async fn update_delivery(tx: &mut Tx, delivery: &Delivery) -> Result<(), StoreError> {
    let values = values![
        delivery.id.as_str(),
        delivery.state.as_str(),
        delivery.attempts,
        delivery.reason.clone(),
        optional_micros(delivery.sent_at),
    ];
    tx.execute(&UPDATE_DELIVERY, values).await.map(drop)
}

/// Forgets what a webhook sent before the newest `keep`, unless it still waits.
pub async fn prune_deliveries(tx: &mut Tx, webhook_id: &str, keep: i64) -> Result<(), StoreError> {
    tx.execute(&PRUNE_DELIVERIES, values![webhook_id, keep]).await.map(drop)
}
