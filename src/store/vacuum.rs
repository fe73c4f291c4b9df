//! Giving back space, and telling the database what it holds. On SQLite in small steps through
//! the thread that writes, so that nobody waits long; on PostgreSQL a table at a time.

use std::future::Future;
use std::time::Duration;

use rusqlite::Connection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::error::StoreError;
use super::migrate;
use super::postgres::refused as postgres_refused;
use super::sqlite::refused;

/// Rows looked at for each index when SQLite counts what its indexes hold: enough for good plans,
/// and quick however large the table is.
const ANALYSIS_LIMIT: i64 = 1000;
/// How long to wait for readers when the log is to be emptied; writers wait as long.
const LOG_PATIENCE: Duration = Duration::from_millis(100);

/// The pages of a SQLite file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Bytes of a page.
    pub size: i64,
    /// All of them.
    pub total: i64,
    /// Those that hold nothing.
    pub free: i64,
    /// Whether free ones can be given back one by one.
    pub incremental: bool,
}

pub(super) fn pages(connection: &Connection) -> Result<Pages, StoreError> {
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<Pages> {
        Ok(Pages {
            size: ask("PRAGMA page_size")?,
            total: ask("PRAGMA page_count")?,
            free: ask("PRAGMA freelist_count")?,
            incremental: ask("PRAGMA auto_vacuum")? == 2,
        })
    };
    read().map_err(|error| refused("pages", error))
}

/// Gives back up to `count` free pages.
pub(super) fn give_back(connection: &Connection, count: u32) -> Result<(), StoreError> {
    let run = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({count})"))?;
        // Each step gives back one page.
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    };
    run().map_err(|error| refused("incremental_vacuum", error))
}

/// Writes the whole file anew, without free pages; from then on they can be given back one by one.
pub(super) fn rewrite(connection: &Connection) -> Result<(), StoreError> {
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
        .map_err(|error| refused("VACUUM", error))
}

/// Counts what the indexes hold.
pub(super) fn analyze(connection: &Connection) -> Result<(), StoreError> {
    let run = || -> rusqlite::Result<()> {
        connection.pragma_update_and_check(None, "analysis_limit", ANALYSIS_LIMIT, |_| Ok(()))?;
        connection.execute_batch("ANALYZE")
    };
    run().map_err(|error| refused("ANALYZE", error))
}

/// Moves the log into the file and empties it; `false` when a reader still needs it.
pub(super) fn empty_log(connection: &Connection, usual: Duration) -> Result<bool, StoreError> {
    let run = || -> rusqlite::Result<bool> {
        let busy = |mode| {
            let sql = format!("PRAGMA wal_checkpoint({mode})");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
        };
        // The long part, beside readers; what is left for the second is short.
        busy("PASSIVE")?;
        connection.busy_timeout(LOG_PATIENCE)?;
        let emptied = busy("TRUNCATE");
        connection.busy_timeout(usual)?;
        Ok(emptied? == 0)
    };
    run().map_err(|error| refused("wal_checkpoint", error))
}

/// The tables of this program.
#[must_use]
pub fn tables() -> Vec<&'static str> {
    let mut tables = vec!["schema_migrations"];
    for migration in migrate::ALL {
        let made = migration.postgres.split("CREATE TABLE ").skip(1);
        tables.extend(made.filter_map(|text| text.split_whitespace().next()));
    }
    tables
}

/// Vacuums one table of PostgreSQL in a session of its own; `false` when `stop` came first, and
/// then the server has been told to leave it.
pub(super) async fn vacuum_table(
    mut session: PgConnection,
    mut other: PgConnection,
    table: &'static str,
    stop: impl Future<Output = ()>,
) -> Result<bool, StoreError> {
    let failed = |error: sqlx::Error| postgres_refused("VACUUM", &error);
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut session)
        .await
        .map_err(failed)?;
    sqlx::raw_sql("SET statement_timeout = 0").execute(&mut session).await.map_err(failed)?;
    let statement = format!("VACUUM (ANALYZE) {table}");
    let work = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut session);
    let finished = tokio::select! {
        done = work => done.map(|_| true).map_err(failed),
        () = stop => {
            sqlx::query("SELECT pg_cancel_backend($1)")
                .bind(process)
                .execute(&mut other)
                .await
                .map(|_| false)
                .map_err(failed)
        }
    };
    // Sessions that cannot be closed in order are gone all the same.
    let _ = tokio::join!(session.close(), other.close());
    finished
}
