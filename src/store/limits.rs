//! What clients did lately, shared by all processes.

use jiff::Timestamp;

use super::db::{StoreError, Tx};
use super::decode::micros;
use super::{queries, values};

queries! {
    ADD = "INSERT INTO limits (client, busy_until_at) VALUES ($1, $2)
        ON CONFLICT (client) DO UPDATE SET busy_until_at = CASE
            WHEN limits.busy_until_at < $3 THEN $3
            WHEN limits.busy_until_at > $4 THEN $4
            ELSE limits.busy_until_at END + $5
        RETURNING busy_until_at";
    FORGET = "DELETE FROM limits WHERE busy_until_at < $1";
}

/// Makes a client busy for `cost` microseconds more, from `now` at the earliest and from `latest`
/// at the latest, and returns until when it is: all in Unix microseconds.
pub async fn add(
    tx: &mut Tx,
    client: &str,
    now: i64,
    latest: i64,
    cost: i64,
) -> Result<i64, StoreError> {
    let values = values![client, now.saturating_add(cost), now, latest, cost];
    tx.one(&ADD, values).await?.map_or(Ok(now), |row| row.get(0))
}

/// Forgets the clients that rested long enough.
pub async fn forget(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&FORGET, values![micros(now)]).await.map(drop)
}
