//! Answers.

use super::db::{Row, StoreError, Tx, Value};
use super::decode::{Reader, micros};
use super::events::Slice;
use super::{queries, values};
use crate::domain::rsvp::{Approval, Reply, Rsvp, Tally, TallyLine};
use crate::domain::text::fold;
use crate::domain::token::TokenHash;

macro_rules! columns {
    () => {
        "id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at,
            modified_at"
    };
}

queries! {
    INSERT = concat!("INSERT INTO rsvps (", columns!(), ", folded_name)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT DO NOTHING");
    // One statement, for a webhook is rare and an answer is not.
    INSERT_WATCHED = concat!("INSERT INTO rsvps (", columns!(), ", folded_name)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        RETURNING EXISTS (SELECT 1 FROM webhooks WHERE event_id = $2 AND paused_at IS NULL)");
    UPDATE = "UPDATE rsvps SET name = $2, pronouns = $3, reply = $4, approval = $5,
            companions = $6, is_private = $7, modified_at = $8, token = $9, folded_name = $10
        WHERE id = $1";
    DELETE = "DELETE FROM rsvps WHERE id = $1";
    BY_TOKEN = concat!("SELECT ", columns!(), " FROM rsvps WHERE token = $1 AND event_id = $2");
    BY_ID = concat!("SELECT ", columns!(), " FROM rsvps WHERE id = $1 AND event_id = $2");
    LIST_NAMED = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 AND approval = 'approved' AND NOT is_private
        ORDER BY created_at, id");
    // The first of each kind from the index, so that no more than twice the limit is sorted.
    LIST_COMING = concat!("SELECT ", columns!(), " FROM (SELECT ", columns!(), " FROM rsvps
            WHERE event_id = $1 AND approval = 'approved' AND reply = 'yes' AND NOT is_private
            ORDER BY created_at, id LIMIT $2) y
        UNION ALL SELECT ", columns!(), " FROM (SELECT ", columns!(), " FROM rsvps
            WHERE event_id = $1 AND approval = 'approved' AND reply = 'maybe' AND NOT is_private
            ORDER BY created_at, id LIMIT $2) m
        ORDER BY created_at, id LIMIT $2");
    LIST_ALL = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 ORDER BY created_at, id");
    // The order of `rsvps_by_turn`: a page is read from the index, not sorted.
    LIST_SLICE = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 AND approval = $2 AND reply = $3
        ORDER BY created_at, id LIMIT $4 OFFSET $5");
    LIST_SLICE_FOUND = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 AND approval = $2 AND reply = $3
            AND folded_name LIKE $6 ESCAPE '!'
        ORDER BY created_at, id LIMIT $4 OFFSET $5");
    TALLY_FOUND = "SELECT approval, reply, is_private, COUNT(*),
            CAST(SUM(1 + companions) AS BIGINT)
        FROM rsvps WHERE event_id = $1 AND folded_name LIKE $2 ESCAPE '!'
        GROUP BY approval, reply, is_private
        ORDER BY approval, reply, is_private";
    LIST_UNFOLDED = "SELECT id, name FROM rsvps WHERE folded_name IS NULL ORDER BY id LIMIT $1";
    // Only of the name that was folded: it may have been changed since.
    SET_FOLDED = "UPDATE rsvps SET folded_name = $3 WHERE id = $1 AND name = $2";
    COUNT_ALL = "SELECT COUNT(*) FROM rsvps";
    TALLY = "SELECT approval, reply, is_private, COUNT(*),
            CAST(SUM(1 + companions) AS BIGINT)
        FROM rsvps WHERE event_id = $1
        GROUP BY approval, reply, is_private
        ORDER BY approval, reply, is_private";
    SEATED = "SELECT CAST(COALESCE(SUM(1 + companions), 0) AS BIGINT) FROM rsvps
        WHERE event_id = $1 AND reply = 'yes' AND approval <> 'rejected'";
}

fn from_row(row: &Row) -> Result<Rsvp, StoreError> {
    let mut reader = Reader::new(row, "rsvps");
    Ok(Rsvp {
        id: reader.get()?,
        event_id: reader.get()?,
        token: reader.token()?,
        name: reader.get()?,
        pronouns: reader.get()?,
        reply: reader.word(Reply::from_stored)?,
        approval: reader.word(Approval::from_stored)?,
        companions: reader.get()?,
        is_private: reader.get()?,
        created_at: reader.time()?,
        modified_at: reader.time()?,
    })
}

/// Adds an answer; `false` when its id or token is there already.
pub async fn insert(tx: &mut Tx, rsvp: &Rsvp) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT, values_of(rsvp)).await? == 1)
}

/// Adds a new answer, and tells whether a webhook is to hear of it.
pub async fn insert_watched(tx: &mut Tx, rsvp: &Rsvp) -> Result<bool, StoreError> {
    tx.one(&INSERT_WATCHED, values_of(rsvp)).await?.map_or(Ok(false), |row| row.get(0))
}

fn values_of(rsvp: &Rsvp) -> Vec<Value> {
    values![
        rsvp.id.as_str(),
        rsvp.event_id.as_str(),
        rsvp.token.0.to_vec(),
        rsvp.name.as_str(),
        rsvp.pronouns.clone(),
        rsvp.reply.as_str(),
        rsvp.approval.as_str(),
        rsvp.companions,
        rsvp.is_private,
        micros(rsvp.created_at),
        micros(rsvp.modified_at),
        fold(&rsvp.name),
    ]
}

/// Writes everything of an answer that can change, its token included; `false` when it is gone.
pub async fn update(tx: &mut Tx, rsvp: &Rsvp) -> Result<bool, StoreError> {
    let values = values![
        rsvp.id.as_str(),
        rsvp.name.as_str(),
        rsvp.pronouns.clone(),
        rsvp.reply.as_str(),
        rsvp.approval.as_str(),
        rsvp.companions,
        rsvp.is_private,
        micros(rsvp.modified_at),
        rsvp.token.0.to_vec(),
        fold(&rsvp.name),
    ];
    Ok(tx.execute(&UPDATE, values).await? == 1)
}

/// Deletes an answer and, by reference, its messages; `false` when it is gone already.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, values![id]).await? == 1)
}

/// The answer that this token opens at this event.
pub async fn by_token(
    tx: &mut Tx,
    event_id: &str,
    token: &TokenHash,
) -> Result<Option<Rsvp>, StoreError> {
    let values = values![token.0.to_vec(), event_id];
    tx.one(&BY_TOKEN, values).await?.as_ref().map(from_row).transpose()
}

/// The answer with this id at this event.
pub async fn by_id(tx: &mut Tx, event_id: &str, id: &str) -> Result<Option<Rsvp>, StoreError> {
    tx.one(&BY_ID, values![id, event_id]).await?.as_ref().map(from_row).transpose()
}

/// The answers everybody may read, oldest first.
pub async fn list_named(tx: &mut Tx, event_id: &str) -> Result<Vec<Rsvp>, StoreError> {
    tx.all(&LIST_NAMED, values![event_id]).await?.iter().map(from_row).collect()
}

/// The first of those who are or may be coming and may be named, oldest answer first.
pub async fn list_coming(tx: &mut Tx, event_id: &str, limit: i64) -> Result<Vec<Rsvp>, StoreError> {
    tx.all(&LIST_COMING, values![event_id, limit]).await?.iter().map(from_row).collect()
}

/// Every answer, oldest first.
pub async fn list_all(tx: &mut Tx, event_id: &str) -> Result<Vec<Rsvp>, StoreError> {
    tx.all(&LIST_ALL, values![event_id]).await?.iter().map(from_row).collect()
}

/// A part of the answers that share an approval and a reply, oldest first; with `pattern` (see
/// [`pattern`](crate::domain::text::pattern)) only those whose name it fits.
pub async fn list_slice(
    tx: &mut Tx,
    event_id: &str,
    (approval, reply): (Approval, Reply),
    pattern: Option<&str>,
    slice: Slice,
) -> Result<Vec<Rsvp>, StoreError> {
    let mut values =
        values![event_id, approval.as_str(), reply.as_str(), slice.limit, slice.offset];
    let rows = match pattern {
        None => tx.all(&LIST_SLICE, values).await?,
        Some(pattern) => {
            values.push(pattern.into());
            tx.all(&LIST_SLICE_FOUND, values).await?
        }
    };
    rows.iter().map(from_row).collect()
}

/// Folds up to `limit` names that no search finds yet; answers with how many there were.
pub async fn fold_names(tx: &mut Tx, limit: i64) -> Result<usize, StoreError> {
    let rows = tx.all(&LIST_UNFOLDED, values![limit]).await?;
    for row in &rows {
        let (id, name): (String, String) = (row.get(0)?, row.get(1)?);
        let folded = fold(&name);
        tx.execute(&SET_FOLDED, values![id, name, folded]).await?;
    }
    Ok(rows.len())
}

/// How many answers there are.
pub async fn count_all(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.one(&COUNT_ALL, values![]).await?.map_or(Ok(0), |row| row.get(0))
}

/// How many answers and people there are, by approval, reply and privacy.
pub async fn tally(tx: &mut Tx, event_id: &str) -> Result<Tally, StoreError> {
    let rows = tx.all(&TALLY, values![event_id]).await?;
    let lines = rows.iter().map(tally_line).collect::<Result<_, _>>()?;
    Ok(Tally { lines })
}

/// As [`tally`], of the answers whose name `pattern` fits.
pub async fn tally_found(tx: &mut Tx, event_id: &str, pattern: &str) -> Result<Tally, StoreError> {
    let rows = tx.all(&TALLY_FOUND, values![event_id, pattern]).await?;
    let lines = rows.iter().map(tally_line).collect::<Result<_, _>>()?;
    Ok(Tally { lines })
}

fn tally_line(row: &Row) -> Result<TallyLine, StoreError> {
    let mut reader = Reader::new(row, "rsvps");
    Ok(TallyLine {
        approval: reader.word(Approval::from_stored)?,
        reply: reader.word(Reply::from_stored)?,
        is_private: reader.get()?,
        answers: reader.get()?,
        people: reader.get()?,
    })
}

/// How many people hold a seat. Call it with the event locked.
pub async fn seated(tx: &mut Tx, event_id: &str) -> Result<i64, StoreError> {
    match tx.one(&SEATED, values![event_id]).await? {
        Some(row) => row.get(0),
        None => Ok(0),
    }
}
