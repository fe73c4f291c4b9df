//! Channels.

use super::db::{Query, Row, StoreError, Tx, Value};
use super::decode::{Place, Reader, micros};
use super::events::Slice;
use super::{queries, values};
use crate::domain::channel::{Channel, Visibility};
use crate::domain::text;
use jiff::Timestamp;

// Public channels that hold the words searched for, each with how many of its listed events lie
// ahead.
macro_rules! found {
    ($columns:expr, $tail:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM channels c WHERE c.visibility = 'public' AND c.search_text LIKE $1 ESCAPE '!'
            AND ($2 = 0 OR EXISTS (SELECT 1 FROM events e WHERE e.channel_id = c.id
                AND NOT e.is_private AND e.over_at > $3)) ",
            $tail
        )
    };
}
macro_rules! listed {
    ($order:literal) => {
        found!(
            "c.id, c.name, c.slug, c.visibility, c.score, c.scored_at, c.created_at,
            c.last_used_at, (SELECT COUNT(*) FROM events e WHERE e.channel_id = c.id
                AND NOT e.is_private AND e.over_at > $3)",
            concat!("ORDER BY ", $order, " LIMIT $4 OFFSET $5")
        )
    };
}

queries! {
    INSERT = "INSERT INTO channels (id, name, slug, visibility, score, scored_at, created_at,
            last_used_at, purgeable_at, search_text)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE channels SET name = $2, slug = $3, visibility = $4, score = $5,
            scored_at = $6, created_at = $7, last_used_at = $8, purgeable_at = $9,
            search_text = $10
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
    FOUND_BY_RANK = listed!("c.purgeable_at DESC, c.last_used_at DESC, c.id DESC");
    FOUND_BY_RANK_UP = listed!("c.purgeable_at, c.last_used_at, c.id");
    FOUND_BY_NAME = listed!("c.search_text, c.id");
    FOUND_BY_NAME_DOWN = listed!("c.search_text DESC, c.id DESC");
    FOUND_BY_USE = listed!("c.last_used_at DESC, c.id DESC");
    FOUND_BY_USE_UP = listed!("c.last_used_at, c.id");
    COUNT_FOUND = found!("COUNT(*)", "");
    LIST_ALL = "SELECT c.id, c.name, c.slug, c.visibility, c.score, c.scored_at, c.created_at,
            c.last_used_at, (SELECT COUNT(*) FROM events e WHERE e.channel_id = c.id)
        FROM channels c WHERE c.search_text LIKE $1 ESCAPE '!'
        ORDER BY c.last_used_at DESC, c.id DESC LIMIT $2 OFFSET $3";
    COUNT_ALL = "SELECT COUNT(*) FROM channels c WHERE c.search_text LIKE $1 ESCAPE '!'";
    LIVELIEST = "SELECT c.name FROM channels c WHERE c.visibility = 'public'
        ORDER BY c.purgeable_at DESC, c.last_used_at DESC, c.id DESC LIMIT $1";
    COUNT = "SELECT COUNT(*) FROM channels";
    LEAVE = "UPDATE events SET channel_id = NULL WHERE channel_id = $1";
    LIST_UNFOLDED = lock "SELECT id, name, slug, visibility, score, scored_at, created_at,
            last_used_at
        FROM channels WHERE search_text IS NULL ORDER BY id LIMIT $1";
    SET_SEARCH_TEXT = "UPDATE channels SET search_text = $2 WHERE id = $1";
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
        channel.search_text(),
    ]
}

/// Which public channels are looked for, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Words that name or slug hold; blank finds all.
    pub query: String,
    /// Only those with a listed event ahead.
    pub has_upcoming: bool,
    /// The order.
    pub order: Order,
    /// The other way round.
    pub is_inverted: bool,
}

/// An order of channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What is looked at most, first.
    #[default]
    Rank,
    /// By name, A first.
    Name,
    /// What was used last, first.
    Recent,
}

impl Search {
    fn statement(&self) -> &'static Query {
        match (self.order, self.is_inverted) {
            (Order::Rank, false) => &FOUND_BY_RANK,
            (Order::Rank, true) => &FOUND_BY_RANK_UP,
            (Order::Name, false) => &FOUND_BY_NAME,
            (Order::Name, true) => &FOUND_BY_NAME_DOWN,
            (Order::Recent, false) => &FOUND_BY_USE,
            (Order::Recent, true) => &FOUND_BY_USE_UP,
        }
    }

    fn values(&self, now: Timestamp) -> Vec<Value> {
        let pattern = text::pattern(&self.query).unwrap_or_else(|| "%".to_owned());
        values![pattern, i64::from(self.has_upcoming), micros(now)]
    }
}

/// A slice of the public channels found, each with how many of its listed events lie ahead.
pub async fn find(
    tx: &mut Tx,
    search: &Search,
    now: Timestamp,
    slice: Slice,
) -> Result<Vec<(Channel, i64)>, StoreError> {
    let mut values = search.values(now);
    values.extend(values![slice.limit, slice.offset]);
    tx.all(search.statement(), values).await?.iter().map(counted).collect()
}

/// How many public channels are found.
pub async fn count_found(tx: &mut Tx, search: &Search, now: Timestamp) -> Result<i64, StoreError> {
    tx.one(&COUNT_FOUND, search.values(now)).await?.map_or(Ok(0), |row| row.get(0))
}

/// A slice of all channels that hold `query`, private ones too, the last used first, each with how
/// many events it has; and how many are found in all.
pub async fn list_all(
    tx: &mut Tx,
    query: &str,
    slice: impl FnOnce(i64) -> Slice,
) -> Result<(Vec<(Channel, i64)>, i64), StoreError> {
    let pattern = text::pattern(query).unwrap_or_else(|| "%".to_owned());
    let total = tx.one(&COUNT_ALL, values![pattern.clone()]).await?;
    let total = total.map_or(Ok(0), |row| row.get(0))?;
    let slice = slice(total);
    let rows = tx.all(&LIST_ALL, values![pattern, slice.limit, slice.offset]).await?;
    let found = rows.iter().map(counted).collect::<Result<_, _>>()?;
    Ok((found, total))
}

/// The names of the public channels that are looked at most.
pub async fn liveliest(tx: &mut Tx, limit: i64) -> Result<Vec<String>, StoreError> {
    tx.all(&LIVELIEST, values![limit]).await?.iter().map(|row| row.get(0)).collect()
}

fn counted(row: &Row) -> Result<(Channel, i64), StoreError> {
    let mut reader = Reader::new(row, "channels");
    Ok((decode(&mut reader)?, reader.get()?))
}

/// How many channels there are.
pub async fn count_all(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.one(&COUNT, values![]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Takes all events out of a channel.
pub async fn leave(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    tx.execute(&LEAVE, values![id]).await.map(drop)
}

/// Folds the names of up to `limit` channels that no search finds yet; tells how many.
pub async fn fold_names(tx: &mut Tx, limit: i64) -> Result<usize, StoreError> {
    let rows = tx.all(&LIST_UNFOLDED, values![limit]).await?;
    for channel in rows.iter().map(from_row) {
        let channel = channel?;
        let values = values![channel.id.as_str(), channel.search_text()];
        tx.execute(&SET_SEARCH_TEXT, values).await?;
    }
    Ok(rows.len())
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
