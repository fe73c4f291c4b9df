//! The side that is written: in batches, each its own transaction, in the order of the keys, so
//! that the last key says how far an earlier run came.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::row::Cells;
use super::source::{postgres_number, postgres_rows, sqlite_number, sqlite_rows};
use super::tables::{LEFT_OUT, TABLES, Table};
use super::{PAGE_ROWS, copy, require_exactly};
use crate::store::db::Db;
use crate::store::error::StoreError;
use crate::store::lock::{Lock, TRY};
use crate::store::options::StoreOptions;
use crate::store::{postgres, sqlite, vacuum};

/// A database that is written, and held against other transfers.
pub struct Target {
    side: Side,
    /// Of a file. On PostgreSQL the session that writes holds it itself: as long as one that was
    /// cut off is still busy with its last batch, no other begins.
    lock: Option<Lock>,
}

enum Side {
    Sqlite(Connection),
    Postgres(Box<PgConnection>),
}

/// What the lock is called.
const LOCK: &str = "transfer";
/// How often it is tried before it counts as taken: a server takes a moment to notice that the
/// program before was killed.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The row of `meta` that tells about a transfer.
const GET_STATE: &str = "SELECT value FROM meta WHERE key = 'transfer'";
const SET_STATE: &str = "INSERT INTO meta (key, value, updated_at) VALUES ('transfer', $1, $2)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";

impl Target {
    /// Opens the database; one that has no schema is given today's. `None` when another transfer
    /// is writing there.
    pub async fn open(options: &StoreOptions, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let db = Db::open(options).await?;
        let opened = Self::open_beside(&db, options, now).await;
        db.close().await;
        opened
    }

    async fn open_beside(
        db: &Db,
        options: &StoreOptions,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        match db.schema_version().await? {
            0 => drop(db.migrate(now).await?),
            found => require_exactly(found)?,
        }
        match options {
            StoreOptions::Sqlite(options) => {
                let Some(lock) = db.try_lock(LOCK).await? else { return Ok(None) };
                let side = Side::Sqlite(sqlite::open_writer(options)?);
                Ok(Some(Self { side, lock: Some(lock) }))
            }
            StoreOptions::Postgres(options) => {
                let mut session = postgres::connect_once(options).await?;
                let taken = hold(&mut session).await;
                let is_held = taken.map_err(|error| postgres::refused("lock", &error))?;
                let target = Self { side: Side::Postgres(Box::new(session)), lock: None };
                Ok(is_held.then_some(target))
            }
        }
    }

    /// What an earlier transfer left to be known.
    pub async fn state(&mut self) -> Result<Option<String>, StoreError> {
        match &mut self.side {
            Side::Sqlite(connection) => connection
                .query_row(GET_STATE, [], |row| row.get(0))
                .optional()
                .map_err(|error| sqlite::refused("state", error)),
            Side::Postgres(connection) => sqlx::query_scalar(GET_STATE)
                .fetch_optional(&mut **connection)
                .await
                .map_err(|error| postgres::refused("state", &error)),
        }
    }

    /// How many rows of a table are there.
    pub async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        self.number(table, table.count_text()).await
    }

    /// How many rows name in `column` a row of `parent` that is not there.
    pub async fn orphans(
        &mut self,
        table: &'static Table,
        column: &str,
        parent: &str,
    ) -> Result<u64, StoreError> {
        self.number(table, table.orphans_text(column, parent)).await
    }

    async fn number(&mut self, table: &'static Table, text: String) -> Result<u64, StoreError> {
        match &mut self.side {
            Side::Sqlite(connection) => sqlite_number(connection, table, &text),
            Side::Postgres(connection) => postgres_number(connection, table, text).await,
        }
    }

    /// The last row in the order of the key.
    pub async fn last(&mut self, table: &'static Table) -> Result<Option<Cells>, StoreError> {
        Ok(self.rows(table, table.last_text(), None).await?.pop())
    }

    /// Rows as [`super::Source::page`] gives them.
    pub async fn page(
        &mut self,
        table: &'static Table,
        after: Option<&Cells>,
    ) -> Result<Vec<Cells>, StoreError> {
        self.rows(table, table.page_text(after.is_none(), PAGE_ROWS), after).await
    }

    async fn rows(
        &mut self,
        table: &'static Table,
        text: String,
        after: Option<&Cells>,
    ) -> Result<Vec<Cells>, StoreError> {
        let key = after.map(|cells| cells.key(table)).unwrap_or_default();
        match &mut self.side {
            Side::Sqlite(connection) => sqlite_rows(connection, table, &text, &key),
            Side::Postgres(connection) => postgres_rows(connection, table, text, key).await,
        }
    }

    /// Empties every table and notes what begins, as one.
    pub async fn begin(&mut self, state: &str, now: Timestamp) -> Result<(), StoreError> {
        let cleared = LEFT_OUT.iter().filter(|table| table.is_cleared);
        let cleared = cleared.map(|table| format!("DELETE FROM {}", table.name));
        let cleared = cleared.chain(TABLES.iter().rev().map(Table::clear_text));
        match &mut self.side {
            Side::Sqlite(connection) => {
                let run = || -> rusqlite::Result<()> {
                    let transaction =
                        connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    for text in cleared {
                        transaction.execute(&text, [])?;
                    }
                    transaction.execute(SET_STATE, (state, now.as_microsecond()))?;
                    transaction.commit()
                };
                run().map_err(|error| sqlite::refused("begin", error))
            }
            Side::Postgres(connection) => {
                let run = async {
                    let mut transaction = connection.begin().await?;
                    // A table alone is emptied at once; what refers to it goes with it, and is
                    // emptied anyway.
                    let whole = TABLES.iter().filter(|table| table.only.is_none());
                    let names: Vec<_> = whole.map(|table| table.name).collect();
                    let truncate = format!("TRUNCATE {} CASCADE", names.join(", "));
                    sqlx::query(AssertSqlSafe(truncate)).execute(&mut *transaction).await?;
                    for text in cleared {
                        sqlx::query(AssertSqlSafe(text)).execute(&mut *transaction).await?;
                    }
                    sqlx::query(SET_STATE)
                        .bind(state)
                        .bind(now.as_microsecond())
                        .execute(&mut *transaction)
                        .await?;
                    transaction.commit().await
                };
                run.await.map_err(|error| postgres::refused("begin", &error))
            }
        }
    }

    /// Notes how it ended.
    pub async fn set_state(&mut self, state: &str, now: Timestamp) -> Result<(), StoreError> {
        match &mut self.side {
            Side::Sqlite(connection) => connection
                .execute(SET_STATE, (state, now.as_microsecond()))
                .map(drop)
                .map_err(|error| sqlite::refused("state", error)),
            Side::Postgres(connection) => sqlx::query(SET_STATE)
                .bind(state)
                .bind(now.as_microsecond())
                .execute(&mut **connection)
                .await
                .map(drop)
                .map_err(|error| postgres::refused("state", &error)),
        }
    }

    /// Adds rows: all of them, or none.
    pub async fn add(&mut self, table: &'static Table, rows: &[Cells]) -> Result<(), StoreError> {
        match &mut self.side {
            Side::Sqlite(connection) => {
                insert(connection, table, rows).map_err(|error| sqlite::refused(table.name, error))
            }
            Side::Postgres(connection) => {
                let text = format!(
                    "COPY {} ({}) FROM STDIN (FORMAT binary)",
                    table.name,
                    table.column_list()
                );
                let run = async {
                    let mut copying = connection.copy_in_raw(&text).await?;
                    copying.send(copy::encoded(rows)).await?;
                    copying.finish().await.map(drop)
                };
                run.await.map_err(|error| postgres::refused(table.name, &error))
            }
        }
    }

    /// Has the engine look at what it holds now, for better plans.
    pub async fn analyze(&mut self) -> Result<(), StoreError> {
        match &mut self.side {
            Side::Sqlite(connection) => vacuum::analyze(connection),
            Side::Postgres(connection) => {
                for table in TABLES {
                    let text = AssertSqlSafe(format!("ANALYZE {}", table.name));
                    let ran = sqlx::query(text).execute(&mut **connection).await;
                    ran.map_err(|error| postgres::refused("ANALYZE", &error))?;
                }
                Ok(())
            }
        }
    }

    /// Closes it. On SQLite the file alone is then the database, unless somebody else has it open.
    pub async fn close(self) {
        match self.side {
            Side::Sqlite(connection) => {
                // The log is emptied by whoever closes last; if this fails, the next start reads it.
                let emptied =
                    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
                if let Err(error) = emptied {
                    tracing::debug!(%error, "the log was not emptied");
                }
            }
            Side::Postgres(connection) => {
                // What matters is committed.
                let _ = connection.close().await;
            }
        }
        if let Some(lock) = self.lock {
            lock.release().await;
        }
    }
}

/// Takes the lock for a session that writes, and all the time that writing takes.
async fn hold(session: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = '10s'")
        .execute(&mut *session)
        .await?;
    for _ in 0..TRIES {
        if sqlx::query_scalar(TRY).bind(LOCK).fetch_one(&mut *session).await? {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}

fn insert(
    connection: &mut Connection,
    table: &'static Table,
    rows: &[Cells],
) -> rusqlite::Result<()> {
    let places: Vec<_> = (1..=table.columns.len()).map(|number| format!("?{number}")).collect();
    let (columns, places) = (table.column_list(), places.join(", "));
    let text = format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = transaction.prepare_cached(&text)?;
        for row in rows {
            statement.execute(rusqlite::params_from_iter(row.values()))?;
        }
    }
    transaction.commit()
}
