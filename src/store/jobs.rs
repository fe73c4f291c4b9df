//! What jobs ran, and what came of it.

use jiff::Timestamp;

use super::db::{Row, StoreError, Tx};
use super::decode::{Reader, micros, optional_micros};
use super::{queries, values};
use crate::domain::job::{Counts, Job, Outcome, Run};

queries! {
    LIST_LAST = "SELECT id, number, started_at, ended_at, outcome, counts, reason FROM job_runs
        WHERE job = $1 ORDER BY number DESC LIMIT $2";
    LAST_DONE = "SELECT ended_at FROM job_runs WHERE job = $1 AND outcome = 'done'
        ORDER BY number DESC LIMIT 1";
    NEXT_NUMBER = "SELECT CAST(COALESCE(MAX(number), 0) + 1 AS BIGINT) FROM job_runs
        WHERE job = $1";
    INSERT = "INSERT INTO job_runs (id, job, number, started_at, ended_at, outcome, counts, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    SET_END = "UPDATE job_runs SET ended_at = $2, outcome = $3, counts = $4, reason = $5
        WHERE id = $1";
    MARK_LOST = "UPDATE job_runs SET ended_at = $2, outcome = 'lost', reason = $3
        WHERE job = $1 AND outcome = 'running'";
    FORGET = "DELETE FROM job_runs WHERE job = $1 AND number <= $2";
}

fn from_row(row: &Row, job: Job) -> Result<Run, StoreError> {
    let mut reader = Reader::new(row, "job_runs");
    let (id, number) = (reader.get()?, reader.get()?);
    let (started_at, ended_at) = (reader.time()?, reader.optional_time()?);
    let outcome = reader.word(Outcome::from_stored)?;
    let counts = reader.word(|text| serde_json::from_str::<Counts>(text).ok())?;
    let reason = reader.get()?;
    Ok(Run { id, job, number, started_at, ended_at, outcome, counts, reason })
}

fn counts_text(counts: &Counts) -> String {
    serde_json::Value::from_iter(counts.clone()).to_string()
}

/// Up to `limit` runs of a job, the last one first.
pub async fn list_last(tx: &mut Tx, job: Job, limit: i64) -> Result<Vec<Run>, StoreError> {
    let rows = tx.all(&LIST_LAST, values![job.name(), limit]).await?;
    rows.iter().map(|row| from_row(row, job)).collect()
}

/// The last run of a job.
pub async fn last(tx: &mut Tx, job: Job) -> Result<Option<Run>, StoreError> {
    Ok(list_last(tx, job, 1).await?.pop())
}

/// When a run of a job last came to its end.
pub async fn last_done(tx: &mut Tx, job: Job) -> Result<Option<Timestamp>, StoreError> {
    let row = tx.one(&LAST_DONE, values![job.name()]).await?;
    row.map_or(Ok(None), |row| Reader::new(&row, "job_runs").optional_time())
}

/// The number of the next run of a job.
pub async fn next_number(tx: &mut Tx, job: Job) -> Result<i64, StoreError> {
    tx.one(&NEXT_NUMBER, values![job.name()]).await?.map_or(Ok(1), |row| row.get(0))
}

/// Adds a run.
pub async fn insert(tx: &mut Tx, run: &Run) -> Result<(), StoreError> {
    let values = values![
        run.id.as_str(),
        run.job.name(),
        run.number,
        micros(run.started_at),
        optional_micros(run.ended_at),
        run.outcome.as_str(),
        counts_text(&run.counts),
        run.reason.clone(),
    ];
    tx.execute(&INSERT, values).await.map(drop)
}

/// Writes how a run ended.
pub async fn set_end(tx: &mut Tx, run: &Run) -> Result<(), StoreError> {
    let values = values![
        run.id.as_str(),
        optional_micros(run.ended_at),
        run.outcome.as_str(),
        counts_text(&run.counts),
        run.reason.clone(),
    ];
    tx.execute(&SET_END, values).await.map(drop)
}

/// Marks every run of a job that is under way as lost. Only whoever holds the job's lock knows
/// that they are.
pub async fn mark_lost(
    tx: &mut Tx,
    job: Job,
    now: Timestamp,
    reason: &str,
) -> Result<(), StoreError> {
    tx.execute(&MARK_LOST, values![job.name(), micros(now), reason]).await.map(drop)
}

/// Forgets the runs of a job up to this number.
pub async fn forget(tx: &mut Tx, job: Job, number: i64) -> Result<(), StoreError> {
    tx.execute(&FORGET, values![job.name(), number]).await.map(drop)
}
