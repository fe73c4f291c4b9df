//! Answers.

use super::db::{Row, StoreError, Tx, Value};
use super::decode::{Reader, micros};
use super::{queries, values};
use crate::domain::rsvp::{Approval, Reply, Rsvp, Tally, TallyLine};
use crate::domain::token::TokenHash;

macro_rules! columns {
    () => {
        "id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at,
            modified_at"
    };
}

queries! {
    INSERT = concat!("INSERT INTO rsvps (", columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT DO NOTHING");
    UPDATE = "UPDATE rsvps SET name = $2, pronouns = $3, reply = $4, approval = $5,
            companions = $6, is_private = $7, modified_at = $8, token = $9
        WHERE id = $1";
    DELETE = "DELETE FROM rsvps WHERE id = $1";
    BY_TOKEN = concat!("SELECT ", columns!(), " FROM rsvps WHERE token = $1 AND event_id = $2");
    BY_ID = concat!("SELECT ", columns!(), " FROM rsvps WHERE id = $1 AND event_id = $2");
    LIST_NAMED = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 AND approval = 'approved' AND NOT is_private
        ORDER BY created_at, id");
    LIST_COMING = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 AND approval = 'approved' AND reply IN ('yes', 'maybe')
            AND NOT is_private
        ORDER BY created_at, id LIMIT $2");
    LIST_ALL = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 ORDER BY created_at, id");
    LIST_PAGE = concat!("SELECT ", columns!(), " FROM rsvps
        WHERE event_id = $1 AND ($2 = '' OR approval = $2)
        ORDER BY CASE approval WHEN 'pending' THEN 0 WHEN 'approved' THEN 1 ELSE 2 END,
            created_at, id
        LIMIT $3 OFFSET $4");
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
    let values = values![
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
    ];
    Ok(tx.execute(&INSERT, values).await? == 1)
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

/// One page of the answers, those that wait for the organizer first, then oldest first; with
/// `approval`, only those in that state.
pub async fn list_page(
    tx: &mut Tx,
    event_id: &str,
    approval: Option<Approval>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Rsvp>, StoreError> {
    let state: Value = approval.map_or("", Approval::as_str).into();
    let values = values![event_id, state, limit, offset];
    tx.all(&LIST_PAGE, values).await?.iter().map(from_row).collect()
}

/// How many answers and people there are, by approval, reply and privacy.
pub async fn tally(tx: &mut Tx, event_id: &str) -> Result<Tally, StoreError> {
    let rows = tx.all(&TALLY, values![event_id]).await?;
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
