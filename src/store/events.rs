//! Events.

#[macro_use]
mod text;

use jiff::Timestamp;

use super::channels;
use super::db::{Row, StoreError, Tx};
use super::decode::{Place, Reader, micros, optional_micros};
use super::{queries, values};
use crate::domain::decay::Fades;
use crate::domain::event::{Event, EventSummary, Headcount, search_text};

/// Columns of an event in a row.
const WIDTH: usize = 21;

queries! {
    INSERT = "INSERT INTO events (id, organizer_token, channel_id, title, description,
            starts_at, ends_at, zone, location, is_private, approval_required, rsvps_closed,
            rsvps_close_at, capacity, score, scored_at, created_at, modified_at, accessed_at,
            revision, sequence, over_at, unlisted_at, purgeable_at, search_text)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19, $20, $21, $22, $23, $24, $25)
        ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE events SET organizer_token = $2, channel_id = $3, title = $4,
            description = $5, starts_at = $6, ends_at = $7, zone = $8, location = $9,
            is_private = $10, approval_required = $11, rsvps_closed = $12, rsvps_close_at = $13,
            capacity = $14, score = $15, scored_at = $16, created_at = $17, modified_at = $18,
            accessed_at = $19, revision = $20, sequence = $21, over_at = $22, unlisted_at = $23,
            purgeable_at = $24, search_text = $25
        WHERE id = $1";
    DELETE = "DELETE FROM events WHERE id = $1";
    BY_ID = concat!("SELECT ", columns!(), " FROM events e WHERE e.id = $1");
    BY_ID_LOCKED = lock concat!("SELECT ", columns!(), " FROM events e WHERE e.id = $1");
    SUMMARY = summary!("events e", "e.id = $1");
    LIST_PUBLIC = page!(
        "WHERE NOT e.is_private AND e.unlisted_at > $1
            AND e.starts_at >= $2 AND e.starts_at <= $3",
        "e.starts_at, e.id",
        "LIMIT $4 OFFSET $5"
    );
    COUNT_PUBLIC = "SELECT COUNT(*) FROM events e WHERE NOT e.is_private AND e.unlisted_at > $1
            AND e.starts_at >= $2 AND e.starts_at <= $3";
    // Begins with the first that is not over: the past before it is not read.
    LIST_UPCOMING = page!(
        "WHERE NOT e.is_private AND e.over_at > $1 AND e.starts_at >= $2",
        "e.starts_at, e.id",
        "LIMIT $3 OFFSET $4"
    );
    COUNT_UPCOMING = "SELECT COUNT(*), MIN(e.starts_at) FROM events e
        WHERE NOT e.is_private AND e.over_at > $1";
    LIST_PAST = page!(
        "WHERE NOT e.is_private AND e.over_at <= $1 AND e.unlisted_at > $1",
        "e.over_at DESC, e.starts_at DESC, e.id DESC",
        "LIMIT $2"
    );
    LIST_OF_CHANNEL = page!(
        "WHERE e.channel_id = $1 AND e.unlisted_at > $2
            AND (NOT e.is_private OR $3)",
        "e.starts_at DESC, e.id DESC",
        "LIMIT $4 OFFSET $5"
    );
    COUNT_OF_CHANNEL = "SELECT COUNT(*) FROM events e WHERE e.channel_id = $1
            AND e.unlisted_at > $2 AND (NOT e.is_private OR $3)";
    LIST_NEWEST = page!(
        "",
        "e.created_at DESC, e.id DESC",
        "LIMIT $1 OFFSET $2"
    );
    COUNT_ALL = "SELECT COUNT(*) FROM events";
    LIST_FOUND = page!(
        "WHERE e.search_text LIKE $1 ESCAPE '!'",
        "e.created_at DESC, e.id DESC",
        "LIMIT $2 OFFSET $3"
    );
    COUNT_FOUND = "SELECT COUNT(*) FROM events e WHERE e.search_text LIKE $1 ESCAPE '!'";
    LIST_UNFOLDED = lock "SELECT e.id, e.title FROM events e
        WHERE e.search_text IS NULL ORDER BY e.id LIMIT $1";
    SET_SEARCH_TEXT = "UPDATE events SET search_text = $2 WHERE id = $1";
    LIST_AFTER = lock concat!("SELECT ", columns!(), " FROM events e WHERE e.id > $1
        ORDER BY e.id LIMIT $2");
    SET_FADES = "UPDATE events SET unlisted_at = $2, purgeable_at = $3 WHERE id = $1";
    LIST_PURGEABLE = "SELECT purgeable_at, id FROM events
        WHERE purgeable_at <= $1 AND (purgeable_at, id) > ($2, $3)
        ORDER BY purgeable_at, id LIMIT $4";
    COUNT_BELOW = "SELECT (SELECT COUNT(*) FROM rsvps r WHERE r.event_id = $1)
            + (SELECT COUNT(*) FROM messages m WHERE m.event_id = $1)";
    LIST_CLOSABLE = "SELECT rsvps_close_at, id FROM events
        WHERE NOT rsvps_closed AND rsvps_close_at IS NOT NULL AND rsvps_close_at <= $1
            AND (rsvps_close_at, id) > ($2, $3)
        ORDER BY rsvps_close_at, id LIMIT $4";
    CLOSE = "UPDATE events SET rsvps_closed = TRUE, rsvps_close_at = NULL
        WHERE id = $1 AND NOT rsvps_closed AND rsvps_close_at <= $2";
    TOUCH = "UPDATE events SET score = $2, scored_at = $3, accessed_at = $3, unlisted_at = $4,
            purgeable_at = $5
        WHERE id = $1 AND scored_at <= $3";
}

fn decode(reader: &mut Reader<'_>) -> Result<Event, StoreError> {
    Ok(Event {
        id: reader.get()?,
        organizer_token: reader.token()?,
        channel_id: reader.get()?,
        title: reader.get()?,
        description: reader.get()?,
        starts_at: reader.time()?,
        ends_at: reader.optional_time()?,
        zone: reader.get()?,
        location: reader.get()?,
        is_private: reader.get()?,
        approval_required: reader.get()?,
        rsvps_closed: reader.get()?,
        rsvps_close_at: reader.optional_time()?,
        capacity: reader.get()?,
        score: reader.get()?,
        scored_at: reader.time()?,
        created_at: reader.time()?,
        modified_at: reader.time()?,
        accessed_at: reader.time()?,
        revision: reader.get()?,
        sequence: reader.get()?,
    })
}

fn from_row(row: &Row) -> Result<Event, StoreError> {
    decode(&mut Reader::new(row, "events"))
}

fn summary_from_row(row: &Row) -> Result<EventSummary, StoreError> {
    let mut reader = Reader::new(row, "events");
    let event = decode(&mut reader)?;
    let headcount = Headcount {
        yes: reader.get()?,
        approved: reader.get()?,
        seated: reader.get()?,
        waiting: reader.get()?,
    };
    let channel = match event.channel_id {
        Some(_) => Some(channels::decode(&mut Reader::starting_at(row, "channels", WIDTH + 4))?),
        None => None,
    };
    Ok(EventSummary { event, channel, headcount })
}

fn values_of(event: &Event, fades: Fades) -> Vec<super::db::Value> {
    values![
        event.id.as_str(),
        event.organizer_token.0.to_vec(),
        event.channel_id.clone(),
        event.title.as_str(),
        event.description.clone(),
        micros(event.starts_at),
        optional_micros(event.ends_at),
        event.zone.as_str(),
        event.location.clone(),
        event.is_private,
        event.approval_required,
        event.rsvps_closed,
        optional_micros(event.rsvps_close_at),
        event.capacity,
        event.score,
        micros(event.scored_at),
        micros(event.created_at),
        micros(event.modified_at),
        micros(event.accessed_at),
        event.revision,
        event.sequence,
        micros(event.over_at()),
        micros(fades.unlisted_at),
        micros(fades.purgeable_at),
        event.search_text(),
    ]
}

/// Adds an event that fades as `fades` says; `false` when its id or token is there
/// already.
pub async fn insert(tx: &mut Tx, event: &Event, fades: Fades) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT, values_of(event, fades)).await? == 1)
}

/// Writes all of an event; `false` when it is gone.
pub async fn update(tx: &mut Tx, event: &Event, fades: Fades) -> Result<bool, StoreError> {
    Ok(tx.execute(&UPDATE, values_of(event, fades)).await? == 1)
}

/// Deletes an event and, by reference, its answers and messages; `false` when it is gone already.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, values![id]).await? == 1)
}

/// The event with this id.
pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Event>, StoreError> {
    tx.one(&BY_ID, values![id]).await?.as_ref().map(from_row).transpose()
}

/// The event with this id, locked until the transaction ends: whoever decides by what the event
/// or its answers hold takes this lock first. (SQLite has one writer, so it locks nothing there.)
pub async fn lock(tx: &mut Tx, id: &str) -> Result<Option<Event>, StoreError> {
    tx.one(&BY_ID_LOCKED, values![id]).await?.as_ref().map(from_row).transpose()
}

/// The event with this id, with its channel and people.
pub async fn summary(tx: &mut Tx, id: &str) -> Result<Option<EventSummary>, StoreError> {
    tx.one(&SUMMARY, values![id]).await?.as_ref().map(summary_from_row).transpose()
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// Most rows.
    pub limit: i64,
    /// Rows passed over.
    pub offset: i64,
}

/// Bounds on the start, both inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Starts {
    /// Not before.
    pub after: Timestamp,
    /// Not after.
    pub before: Timestamp,
}

/// Public events on lists at `now`, soonest start first.
pub async fn list_public(
    tx: &mut Tx,
    now: Timestamp,
    starts: Starts,
    slice: Slice,
) -> Result<Vec<EventSummary>, StoreError> {
    let values = values![
        micros(now),
        micros(starts.after),
        micros(starts.before),
        slice.limit,
        slice.offset,
    ];
    summaries(&tx.all(&LIST_PUBLIC, values).await?)
}

/// How many events [`list_public`] pages through.
pub async fn count_public(tx: &mut Tx, now: Timestamp, starts: Starts) -> Result<i64, StoreError> {
    let values = values![micros(now), micros(starts.after), micros(starts.before)];
    count(tx.one(&COUNT_PUBLIC, values).await?)
}

/// Public events that are not over at `now`, soonest start first; none of them starts before
/// `first`, as [`count_upcoming`] told.
pub async fn list_upcoming(
    tx: &mut Tx,
    now: Timestamp,
    first: i64,
    slice: Slice,
) -> Result<Vec<EventSummary>, StoreError> {
    let values = values![micros(now), first, slice.limit, slice.offset];
    summaries(&tx.all(&LIST_UPCOMING, values).await?)
}

/// How many events [`list_upcoming`] pages through, and when the first of them starts, in
/// microseconds.
pub async fn count_upcoming(tx: &mut Tx, now: Timestamp) -> Result<(i64, i64), StoreError> {
    let Some(row) = tx.one(&COUNT_UPCOMING, values![micros(now)]).await? else { return Ok((0, 0)) };
    Ok((row.get(0)?, row.get::<Option<i64>>(1)?.unwrap_or_default()))
}

/// Public events that are over and still on lists at `now`, last over first.
pub async fn list_past(
    tx: &mut Tx,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<EventSummary>, StoreError> {
    summaries(&tx.all(&LIST_PAST, values![micros(now), limit]).await?)
}

/// Events of a channel that are on lists at `now`, latest start first.
pub async fn list_of_channel(
    tx: &mut Tx,
    channel_id: &str,
    now: Timestamp,
    with_private: bool,
    slice: Slice,
) -> Result<Vec<EventSummary>, StoreError> {
    let values = values![channel_id, micros(now), with_private, slice.limit, slice.offset];
    summaries(&tx.all(&LIST_OF_CHANNEL, values).await?)
}

/// How many events [`list_of_channel`] pages through.
pub async fn count_of_channel(
    tx: &mut Tx,
    channel_id: &str,
    now: Timestamp,
    with_private: bool,
) -> Result<i64, StoreError> {
    count(tx.one(&COUNT_OF_CHANNEL, values![channel_id, micros(now), with_private]).await?)
}

/// Every event, newest first.
pub async fn list_newest(tx: &mut Tx, slice: Slice) -> Result<Vec<EventSummary>, StoreError> {
    summaries(&tx.all(&LIST_NEWEST, values![slice.limit, slice.offset]).await?)
}

/// How many events there are.
pub async fn count_all(tx: &mut Tx) -> Result<i64, StoreError> {
    count(tx.one(&COUNT_ALL, values![]).await?)
}

/// A slice of the events that hold `pattern` (see [`crate::domain::text::pattern`]), newest first,
/// and how many there are in all.
pub async fn list_found(
    tx: &mut Tx,
    pattern: &str,
    slice: impl FnOnce(i64) -> Slice,
) -> Result<(Vec<EventSummary>, i64), StoreError> {
    let total = count(tx.one(&COUNT_FOUND, values![pattern]).await?)?;
    let slice = slice(total);
    let rows = tx.all(&LIST_FOUND, values![pattern, slice.limit, slice.offset]).await?;
    Ok((summaries(&rows)?, total))
}

/// Folds the titles of up to `limit` events that no search finds yet; tells how many.
pub async fn fold_titles(tx: &mut Tx, limit: i64) -> Result<usize, StoreError> {
    let rows = tx.all(&LIST_UNFOLDED, values![limit]).await?;
    for row in &rows {
        let (id, title): (String, String) = (row.get(0)?, row.get(1)?);
        let search_text = search_text(&title, &id);
        tx.execute(&SET_SEARCH_TEXT, values![id, search_text]).await?;
    }
    Ok(rows.len())
}

/// Up to `limit` events after this id, by id, locked until the transaction ends.
pub async fn list_after(tx: &mut Tx, id: &str, limit: i64) -> Result<Vec<Event>, StoreError> {
    tx.all(&LIST_AFTER, values![id, limit]).await?.iter().map(from_row).collect()
}

/// Sets when an event fades.
pub async fn set_fades(tx: &mut Tx, id: &str, fades: Fades) -> Result<(), StoreError> {
    let values = values![id, micros(fades.unlisted_at), micros(fades.purgeable_at)];
    tx.execute(&SET_FADES, values).await.map(drop)
}

/// Up to `limit` events after `after` whose time to be purged has come at `now`.
pub async fn list_purgeable(
    tx: &mut Tx,
    now: Timestamp,
    after: &Place,
    limit: i64,
) -> Result<Vec<Place>, StoreError> {
    let values = values![micros(now), after.at, after.id.as_str(), limit];
    tx.all(&LIST_PURGEABLE, values).await?.iter().map(Place::from_row).collect()
}

/// How many rows go with an event when it is deleted.
pub async fn count_below(tx: &mut Tx, id: &str) -> Result<i64, StoreError> {
    count(tx.one(&COUNT_BELOW, values![id]).await?)
}

/// Up to `limit` events after `after` whose closing time has come at `now`.
pub async fn list_closable(
    tx: &mut Tx,
    now: Timestamp,
    after: &Place,
    limit: i64,
) -> Result<Vec<Place>, StoreError> {
    let values = values![micros(now), after.at, after.id.as_str(), limit];
    tx.all(&LIST_CLOSABLE, values).await?.iter().map(Place::from_row).collect()
}

/// Closes an event whose closing time has come at `now`; `false` when there is nothing to close.
pub async fn close_if_due(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&CLOSE, values![id, micros(now)]).await? == 1)
}

/// Sets the score and the last look, unless a later touch was written already.
pub async fn touch(
    tx: &mut Tx,
    id: &str,
    score: f64,
    at: Timestamp,
    fades: Fades,
) -> Result<(), StoreError> {
    let (unlisted_at, purgeable_at) = (micros(fades.unlisted_at), micros(fades.purgeable_at));
    tx.execute(&TOUCH, values![id, score, micros(at), unlisted_at, purgeable_at]).await.map(drop)
}

fn summaries(rows: &[Row]) -> Result<Vec<EventSummary>, StoreError> {
    rows.iter().map(summary_from_row).collect()
}

fn count(row: Option<Row>) -> Result<i64, StoreError> {
    row.map_or(Ok(0), |row| row.get(0))
}
