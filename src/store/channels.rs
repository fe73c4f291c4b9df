//! Channels.

use super::db::{Row, StoreError, Tx, Value};
use super::decode::{Reader, micros};
use super::{queries, values};
use crate::domain::channel::{Channel, Visibility};
use jiff::Timestamp;

queries! {
    INSERT = "INSERT INTO channels (id, name, slug, visibility, score, scored_at, created_at,
            last_used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE channels SET name = $2, slug = $3, visibility = $4, score = $5,
            scored_at = $6, created_at = $7, last_used_at = $8
        WHERE id = $1";
    BY_SLUG = "SELECT id, name, slug, visibility, score, scored_at, created_at, last_used_at
        FROM channels WHERE slug = $1";
    BY_ID = "SELECT id, name, slug, visibility, score, scored_at, created_at, last_used_at
        FROM channels WHERE id = $1";
    TOUCH = "UPDATE channels SET score = $2, scored_at = $3, last_used_at = $3
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

fn values_of(channel: &Channel) -> Vec<Value> {
    values![
        channel.id.as_str(),
        channel.name.as_str(),
        channel.slug.as_str(),
        channel.visibility.as_str(),
        channel.score,
        micros(channel.scored_at),
        micros(channel.created_at),
        micros(channel.last_used_at),
    ]
}

/// Adds a channel; `false` when its id or slug is there already.
pub async fn insert(tx: &mut Tx, channel: &Channel) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT, values_of(channel)).await? == 1)
}

/// Writes all of a channel.
pub async fn update(tx: &mut Tx, channel: &Channel) -> Result<(), StoreError> {
    tx.execute(&UPDATE, values_of(channel)).await?;
    Ok(())
}

/// The channel with this slug.
pub async fn by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Channel>, StoreError> {
    tx.one(&BY_SLUG, values![slug]).await?.as_ref().map(from_row).transpose()
}

/// The channel with this id.
pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Channel>, StoreError> {
    tx.one(&BY_ID, values![id]).await?.as_ref().map(from_row).transpose()
}

/// Sets the score and the last use, unless a later touch was written already.
pub async fn touch(tx: &mut Tx, id: &str, score: f64, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&TOUCH, values![id, score, micros(at)]).await?;
    Ok(())
}
