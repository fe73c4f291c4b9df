//! Messages.

use super::db::{Row, StoreError, Tx, Value};
use super::decode::{Reader, micros};
use super::{queries, values};
use crate::domain::message::{Audience, Message, MessageKind};

macro_rules! columns {
    () => {
        "id, event_id, rsvp_id, author_id, kind, audience, content, created_at"
    };
}

// The newest messages about each of 25 answers: so many of each as the last parameter says, from the
// index, however many there are.
macro_rules! latest {
    ($($number:literal)*) => {
        concat!(
            latest!(@one 1),
            $(" UNION ALL ", latest!(@one $number),)*
            " ORDER BY created_at DESC, id DESC"
        )
    };
    (@one $number:literal) => {
        concat!(
            "SELECT ", columns!(), " FROM (SELECT ", columns!(), " FROM messages
                WHERE rsvp_id = $", $number, " ORDER BY created_at DESC, id DESC LIMIT $26) m",
            $number
        )
    };
}

queries! {
    INSERT = concat!("INSERT INTO messages (", columns!(), ")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT DO NOTHING");
    UPDATE = "UPDATE messages SET event_id = $2, rsvp_id = $3, author_id = $4, kind = $5,
            audience = $6, content = $7, created_at = $8
        WHERE id = $1";
    BY_ID = concat!("SELECT ", columns!(), " FROM messages WHERE id = $1");
    LIST_OF_EVENT = concat!("SELECT ", columns!(), " FROM messages
        WHERE event_id = $1 AND rsvp_id IS NULL ORDER BY created_at DESC, id DESC");
    LIST_PUBLIC = concat!("SELECT ", columns!(), " FROM messages
        WHERE event_id = $1 AND rsvp_id IS NULL AND audience = 'public'
        ORDER BY created_at DESC, id DESC");
    LIST_OF_RSVP = concat!("SELECT ", columns!(), " FROM messages
        WHERE rsvp_id = $1 ORDER BY created_at DESC, id DESC");
    LIST_LATEST = latest!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25);
}

fn from_row(row: &Row) -> Result<Message, StoreError> {
    let mut reader = Reader::new(row, "messages");
    Ok(Message {
        id: reader.get()?,
        event_id: reader.get()?,
        rsvp_id: reader.get()?,
        author_id: reader.get()?,
        kind: reader.word(MessageKind::from_stored)?,
        audience: reader.word(Audience::from_stored)?,
        content: reader.get()?,
        created_at: reader.time()?,
    })
}

fn values_of(message: &Message) -> Vec<Value> {
    values![
        message.id.as_str(),
        message.event_id.as_str(),
        message.rsvp_id.clone(),
        message.author_id.clone(),
        message.kind.as_str(),
        message.audience.as_str(),
        message.content.as_str(),
        micros(message.created_at),
    ]
}

/// Adds a message; `false` when its id is there already.
pub async fn insert(tx: &mut Tx, message: &Message) -> Result<bool, StoreError> {
    Ok(tx.execute(&INSERT, values_of(message)).await? == 1)
}

/// Writes all of a message.
pub async fn update(tx: &mut Tx, message: &Message) -> Result<(), StoreError> {
    tx.execute(&UPDATE, values_of(message)).await?;
    Ok(())
}

/// The message with this id.
pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<Message>, StoreError> {
    tx.one(&BY_ID, values![id]).await?.as_ref().map(from_row).transpose()
}

/// The messages about the event itself, newest first.
pub async fn list_of_event(tx: &mut Tx, event_id: &str) -> Result<Vec<Message>, StoreError> {
    tx.all(&LIST_OF_EVENT, values![event_id]).await?.iter().map(from_row).collect()
}

/// The messages about the event that everybody may read, newest first.
pub async fn list_public(tx: &mut Tx, event_id: &str) -> Result<Vec<Message>, StoreError> {
    tx.all(&LIST_PUBLIC, values![event_id]).await?.iter().map(from_row).collect()
}

/// The messages about one answer, newest first.
pub async fn list_of_rsvp(tx: &mut Tx, rsvp_id: &str) -> Result<Vec<Message>, StoreError> {
    tx.all(&LIST_OF_RSVP, values![rsvp_id]).await?.iter().map(from_row).collect()
}

/// Most answers whose messages one statement reads.
pub const RSVPS_AT_ONCE: usize = 25;

/// The newest messages about these answers, up to `limit` about each, newest first; one statement
/// for each [`RSVPS_AT_ONCE`].
pub async fn list_latest(
    tx: &mut Tx,
    ids: &[&str],
    limit: i64,
) -> Result<Vec<Message>, StoreError> {
    let mut found = Vec::new();
    for some in ids.chunks(RSVPS_AT_ONCE) {
        let mut values: Vec<Value> = some.iter().map(|id| Value::from(*id)).collect();
        values.resize(RSVPS_AT_ONCE, Value::Text(None));
        values.push(limit.into());
        for row in &tx.all(&LIST_LATEST, values).await? {
            found.push(from_row(row)?);
        }
    }
    Ok(found)
}
