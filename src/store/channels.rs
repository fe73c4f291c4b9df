//! Channels.

use super::db::{Row, StoreError, Tx, Value};
use super::decode::{Place, Reader, micros};
use super::{queries, values};
use crate::domain::channel::{Channel, Visibility};
use jiff::Timestamp;

queries! {
    INSERT = "INSERT INTO channels (id, name, slug, visibility, score, scored_at, created_at,
            last_used_at, purgeable_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE channels SET name = $2, slug = $3, visibility = $4, score = $5,
            scored_at = $6, created_at = $7, last_used_at = $8, purgeable_at = $9
        WHERE id = $1";
    BY_SLUG = "SELECT id, name, slug, visibility, score, scored_at, created_at, last_used_at
        FROM channels WHERE slug = $1";
    BY_SLUG_LOCKED = lock "SELECT id, name, slug, visibility, score, scored_at, created_at,
            last_used_at
        FROM channels WHERE slug = $1";
    BY_ID = "SELECT id, name, slug, visibility, score, scored_at, created_at, last_used_at
        FROM channels WHERE id = $1";
    BY_ID_LOCKED = lock "SELECT id, name, slug, visibility, score, scored_at, created_at,
            last_used_at
        FROM channels WHERE id = $1";
    LIST_AFTER = lock "SELECT id, name, slug, visibility, score, scored_at, created_at,
            last_used_at
        FROM channels WHERE id > $1 ORDER BY id LIMIT $2";
    LIST_PURGEABLE = "SELECT c.purgeable_at, c.id FROM channels c WHERE c.purgeable_at <= $1
            AND (c.purgeable_at, c.id) > ($2, $3)
            AND (c.purgeable_at = 0 OR NOT EXISTS
                (SELECT 1 FROM events e WHERE e.channel_id = c.id))
        ORDER BY c.purgeable_at, c.id LIMIT $4";
    HAS_EVENT = "SELECT e.id FROM events e WHERE e.channel_id = $1 LIMIT 1";
    HAS_LASTING_EVENT = "SELECT e.id FROM events e WHERE e.channel_id = $1
            AND e.purgeable_at > $2 LIMIT 1";
    SET_PURGEABLE_AT = "UPDATE channels SET purgeable_at = $2 WHERE id = $1";
    DELETE = "DELETE FROM channels WHERE id = $1";
    TOUCH = "UPDATE channels SET score = $2, scored_at = $3, last_used_at = $3, purgeable_at = $4
        WHERE id = $1 AND scored_at <= $3";
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Channel, StoreError> {
    Ok(Channel {
        id: reader.get()?,
        name: reader.get()?,
        slug: reader.get()?,
        visibility: reader.word(Visibility::from_stored)?,
        score: reader.get()?,
        scored_at: reader.time()?,
        created_at: reader.time()?,
        last_used_at: reader.time()?,
    })
}

fn from_row(row: &Row) -> Result<Channel, StoreError> {
    decode(&mut Reader::new(row, "channels"))
}

fn values_of(channel: &Channel, purgeable_at: Timestamp) -> Vec<Value> {
    values![
        channel.id.as_str(),
        channel.name.as_str(),
        channel.slug.as_str(),
        channel.visibility.as_str(),
        channel.score,
        micros(channel.scored_at),
        micros(channel.created_at),
        micros(channel.last_used_at),
        micros(purgeable_at),
    ]
}

/// Adds a channel that, without events, may be purged from `purgeable_at` on; `false` when its id
/// or slug is there already.
pub async fn insert(
    tx: &mut Tx,
    channel: &Channel,
    purgeable_at: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT, values_of(channel, purgeable_at)).await? == 1)
}

/// Writes all of a channel.
pub async fn update(
    tx: &mut Tx,
    channel: &Channel,
    purgeable_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&UPDATE, values_of(channel, purgeable_at)).await.map(drop)
}

/// The channel with this slug.
pub async fn by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Channel>, StoreError> {
    tx.one(&BY_SLUG, values![slug]).await?.as_ref().map(from_row).transpose()
}

/// The channel with this slug, locked until the transaction ends: whoever puts an event into it
/// takes this lock first, so that it is not purged meanwhile. Comes after an event's lock.
pub async fn lock_by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Channel>, StoreError> {
    tx.one(&BY_SLUG_LOCKED, values![slug]).await?.as_ref().map(from_row).transpose()
}

/// The channel with this id.
pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Channel>, StoreError> {
    tx.one(&BY_ID, values![id]).await?.as_ref().map(from_row).transpose()
}

/// Sets the score and the last use, unless a later touch was written already.
pub async fn touch(
    tx: &mut Tx,
    id: &str,
    score: f64,
    at: Timestamp,
    purgeable_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&TOUCH, values![id, score, micros(at), micros(purgeable_at)]).await.map(drop)
}

/// The channel with this id, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Channel>, StoreError> {
    tx.one(&BY_ID_LOCKED, values![id]).await?.as_ref().map(from_row).transpose()
}

/// Up to `limit` channels after this id, by id, locked until the transaction ends.
pub async fn list_after(tx: &mut Tx, id: &str, limit: i64) -> Result<Vec<Channel>, StoreError> {
    tx.all(&LIST_AFTER, values![id, limit]).await?.iter().map(from_row).collect()
}

/// Up to `limit` channels after `after` whose time to be purged has come at `now` and that have
/// no event.
pub async fn list_purgeable(
    tx: &mut Tx,
    now: Timestamp,
    after: &Place,
    limit: i64,
) -> Result<Vec<Place>, StoreError> {
    let values = values![micros(now), after.at, after.id.as_str(), limit];
    tx.all(&LIST_PURGEABLE, values).await?.iter().map(Place::from_row).collect()
}

/// Whether an event is in the channel.
pub async fn has_event(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.one(&HAS_EVENT, values![id]).await?.is_some())
}

/// Whether an event is in the channel that may not be purged at `now`.
pub async fn has_lasting_event(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.one(&HAS_LASTING_EVENT, values![id, micros(now)]).await?.is_some())
}

/// Sets from when on the channel, without events, may be purged.
pub async fn set_purgeable_at(tx: &mut Tx, id: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&SET_PURGEABLE_AT, values![id, micros(at)]).await.map(drop)
}

/// Deletes a channel that has no event; `false` when it is gone already.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, values![id]).await? == 1)
}
