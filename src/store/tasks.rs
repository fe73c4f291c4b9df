//! Work that is owed, and who is at it.
//!
//! A task is taken by writing a lease into it and moving its time to the lease's end: so a lease
//! that has run out is a task that is due, and nothing else asks about leases. The pick locks what
//! it finds on PostgreSQL and passes over what others hold, and the change repeats its condition.

use jiff::Timestamp;

use super::db::{Row, StoreError, Tx, Value};
use super::decode::{Reader, micros};
use super::{queries, values};
use crate::domain::task::{Priority, State, Task};

/// As many as the statement that removes them names.
pub const FINISHED_AT_ONCE: usize = 32;

macro_rules! columns {
    () => {
        "id, kind, payload, dedupe_key, priority, state, due_at, lease, attempts, created_at,
        failed_at, reason"
    };
}

queries! {
    INSERT = "INSERT INTO tasks (id, kind, payload, dedupe_key, priority, state, due_at, lease,
            again, attempts, created_at, failed_at, reason)
        VALUES ($1, $2, $3, $4, $5, 'open', $6, NULL, FALSE, 0, $7, NULL, NULL)
        ON CONFLICT (dedupe_key) WHERE state = 'open' AND dedupe_key IS NOT NULL
        DO UPDATE SET again = tasks.lease IS NOT NULL";
    TAKE = take ("SELECT id FROM tasks WHERE state = 'open' AND priority = $1 AND due_at <= $2
            ORDER BY due_at, id LIMIT $3")
        "UPDATE tasks SET lease = $4, due_at = $5, attempts = attempts + 1, again = FALSE"
        WHERE concat!("state = 'open' AND due_at <= $2 RETURNING ", columns!());
    RENEW = "UPDATE tasks SET due_at = $3 WHERE id = $1 AND lease = $2 AND state = 'open'";
    HELD = lock "SELECT again FROM tasks WHERE id = $1 AND lease = $2 AND state = 'open'";
    FINISH = "DELETE FROM tasks WHERE lease = $1 AND state = 'open' AND NOT again
            AND id IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)
        RETURNING id";
    RESTART = "UPDATE tasks SET lease = NULL, again = FALSE, attempts = 0, due_at = $2
        WHERE id = $1";
    GIVE_BACK = "UPDATE tasks SET lease = NULL, again = FALSE, attempts = attempts - 1, due_at = $3
        WHERE id = $1 AND lease = $2 AND state = 'open'";
    RETRY = "UPDATE tasks SET lease = NULL, again = FALSE, due_at = $2, failed_at = $3, reason = $4
        WHERE id = $1";
    BURY = "UPDATE tasks SET lease = NULL, again = FALSE, state = 'dead', failed_at = $2,
            reason = $3
        WHERE id = $1";
    REVIVE = "UPDATE tasks SET state = 'open', attempts = 0, due_at = $2
        WHERE id = $1 AND state = 'dead' AND NOT EXISTS (SELECT 1 FROM tasks o
            WHERE o.state = 'open' AND o.dedupe_key IS NOT NULL
                AND o.dedupe_key = tasks.dedupe_key)";
    DISCARD = "DELETE FROM tasks WHERE id = $1 AND state = 'dead'";
    COUNT_DUE = "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM tasks
        WHERE state = 'open' AND priority = $1 AND due_at <= $2 ORDER BY due_at, id LIMIT $3) p";
    COUNT_LATER = "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM tasks
        WHERE state = 'open' AND priority = $1 AND due_at > $2 ORDER BY due_at, id LIMIT $3) p";
    COUNT_DEAD = "SELECT CAST(COUNT(CASE WHEN p.priority = 'high' THEN p.id END) AS BIGINT),
            CAST(COUNT(CASE WHEN p.priority = 'normal' THEN p.id END) AS BIGINT),
            CAST(COUNT(CASE WHEN p.priority = 'low' THEN p.id END) AS BIGINT)
        FROM (SELECT id, priority FROM tasks WHERE state = 'dead' ORDER BY id LIMIT $1) p";
    FIRST_DUE = "SELECT due_at FROM tasks WHERE state = 'open' AND priority = $1
        ORDER BY due_at, id LIMIT 1";
    LIST = concat!("SELECT ", columns!(), " FROM tasks WHERE state = $1 AND id > $2
        ORDER BY id LIMIT $3");
}

fn from_row(row: &Row) -> Result<Task, StoreError> {
    let mut reader = Reader::new(row, "tasks");
    Ok(Task {
        id: reader.get()?,
        kind: reader.get()?,
        payload: reader.word(|text| serde_json::from_str(text).ok())?,
        dedupe_key: reader.get()?,
        priority: reader.word(Priority::from_stored)?,
        state: reader.word(State::from_stored)?,
        due_at: reader.time()?,
        lease: reader.get()?,
        attempts: reader.get()?,
        created_at: reader.time()?,
        failed_at: reader.optional_time()?,
        reason: reader.get()?,
    })
}

/// Adds an open task. If one with its key is open, that one is kept, and done once more if
/// somebody is at it.
pub async fn insert(tx: &mut Tx, task: &Task) -> Result<(), StoreError> {
    let values = values![
        task.id.as_str(),
        task.kind.as_str(),
        task.payload.to_string(),
        task.dedupe_key.clone(),
        task.priority.as_str(),
        micros(task.due_at),
        micros(task.created_at),
    ];
    tx.execute(&INSERT, values).await.map(drop)
}

/// Takes up to `limit` tasks of a priority that are due, until the lease ends.
pub async fn take(
    tx: &mut Tx,
    priority: Priority,
    limit: i64,
    now: Timestamp,
    lease: &str,
    until: Timestamp,
) -> Result<Vec<Task>, StoreError> {
    let values = values![priority.as_str(), micros(now), limit, lease, micros(until)];
    let rows = tx.all(&TAKE, values).await?;
    rows.iter().map(from_row).collect()
}

/// Moves the end of a lease; `false` when it is lost.
pub async fn renew(
    tx: &mut Tx,
    id: &str,
    lease: &str,
    until: Timestamp,
) -> Result<bool, StoreError> {
    Ok(tx.execute(&RENEW, values![id, lease, micros(until)]).await? > 0)
}

/// Locks a task that is held by this lease: whether it was asked for again meanwhile; `None` when
/// the lease is lost.
pub async fn lock_held(tx: &mut Tx, id: &str, lease: &str) -> Result<Option<bool>, StoreError> {
    tx.one(&HELD, values![id, lease]).await?.map(|row| row.get(0)).transpose()
}

/// Removes tasks that are done and were taken by this lease, at most [`FINISHED_AT_ONCE`]. Gives
/// back the ids of those removed: of the others the lease is lost, or they were asked for again.
pub async fn finish(tx: &mut Tx, lease: &str, ids: &[&str]) -> Result<Vec<String>, StoreError> {
    let mut values = values![lease];
    values.extend(ids.iter().map(|id| Value::from(*id)));
    // No task has a blank id.
    values.resize(1 + FINISHED_AT_ONCE, Value::from(""));
    let rows = tx.all(&FINISH, values).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Begins a task anew.
pub async fn restart(tx: &mut Tx, id: &str, due_at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&RESTART, values![id, micros(due_at)]).await.map(drop)
}

/// Gives back a task as if it had not been taken.
pub async fn give_back(
    tx: &mut Tx,
    id: &str,
    lease: &str,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(&GIVE_BACK, values![id, lease, micros(due_at)]).await.map(drop)
}

/// Gives back a task that failed, to be tried at `due_at`.
pub async fn retry(
    tx: &mut Tx,
    id: &str,
    due_at: Timestamp,
    now: Timestamp,
    reason: &str,
) -> Result<(), StoreError> {
    let values = values![id, micros(due_at), micros(now), reason];
    tx.execute(&RETRY, values).await.map(drop)
}

/// Gives up a task.
pub async fn bury(tx: &mut Tx, id: &str, now: Timestamp, reason: &str) -> Result<(), StoreError> {
    tx.execute(&BURY, values![id, micros(now), reason]).await.map(drop)
}

/// Opens a dead task again; `false` when there is none, or an open one has its key.
pub async fn revive(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&REVIVE, values![id, micros(now)]).await? > 0)
}

/// Forgets a dead task; `false` when there is none.
pub async fn discard(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DISCARD, values![id]).await? > 0)
}

/// Up to `limit` tasks in a state whose ids come after `after`, the oldest first.
pub async fn list(
    tx: &mut Tx,
    state: State,
    after: &str,
    limit: i64,
) -> Result<Vec<Task>, StoreError> {
    let rows = tx.all(&LIST, values![state.as_str(), after, limit]).await?;
    rows.iter().map(from_row).collect()
}

/// How many tasks there are of a priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Open, and their time has come.
    pub due: i64,
    /// Open; their time comes, or somebody is at them.
    pub later: i64,
    /// Given up.
    pub dead: i64,
    /// The time of the first that is open.
    pub first_at: Option<Timestamp>,
}

/// How many tasks there are of each priority; more than `limit` of a kind are not counted.
pub async fn depths(
    tx: &mut Tx,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(Priority, Depth)>, StoreError> {
    let dead = tx.one(&COUNT_DEAD, values![limit]).await?;
    let mut depths = Vec::new();
    for (place, priority) in Priority::ALL.into_iter().enumerate() {
        let name = priority.as_str();
        let due = tx.one(&COUNT_DUE, values![name, micros(now), limit]).await?;
        let later = tx.one(&COUNT_LATER, values![name, micros(now), limit]).await?;
        let first = tx.one(&FIRST_DUE, values![name]).await?;
        let depth = Depth {
            due: due.map_or(Ok(0), |row| row.get(0))?,
            later: later.map_or(Ok(0), |row| row.get(0))?,
            dead: dead.as_ref().map_or(Ok(0), |row| row.get(place))?,
            first_at: first.map(|row| Reader::new(&row, "tasks").time()).transpose()?,
        };
        depths.push((priority, depth));
    }
    Ok(depths)
}
