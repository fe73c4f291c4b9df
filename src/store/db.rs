//! The handle to the database, whichever it is, and transactions on it.
//!
//! ```text
//! let full = db.write(move |tx| Box::pin(async move {
//!     let event = events::lock(tx, &id).await?;
//!     ...
//!     Ok::<_, StoreError>(full)
//! })).await?;
//! ```
//!
//! **Transactions.** The closure runs once. Its changes are kept when it returns `Ok`, and `write`
//! returns after they are on the disk; on `Err`, a panic, or a caller that goes away, nothing is
//! kept. It must wait for nothing but `tx`: others wait behind it, and it is refused with
//! [`StoreError::WaitedOutside`] on both engines. What is sent, drawn, hashed or looked up
//! elsewhere happens before or after. Any error of a statement ends the transaction on both
//! engines; to expect a clash, write `ON CONFLICT DO NOTHING` and look at the number of rows.
//!
//! - SQLite: one writer, so what a `write` reads cannot change until it ends. A `read` sees one
//!   snapshot and waits for no writer; it should be short, for the log grows behind it.
//! - PostgreSQL: `READ COMMITTED`. Whoever decides by what they read locks it first (a `lock`
//!   query on the event). Each statement of a `read` sees what is committed when it starts: if two
//!   must agree, make them one.
//!
//! **Statements** are constants declared with `queries!`, one text for both engines; a test
//! prepares each on both. Never build one from strings. The shared dialect:
//!
//! - Values are integers (64 bits), reals, text, booleans, bytes, or null, as `$1`, `$2`, ...
//!   Times are Unix microseconds in columns `*_at`; ids are UUID text; an enum is text with a
//!   `CHECK`; JSON is text that the database does not look into. Text holds no NUL.
//! - SQLite tables are `STRICT`; PostgreSQL text has `COLLATE "C"`, so both sort by code point.
//!   Constraints are never `DEFERRABLE`: one that fails at the commit fails a whole group.
//! - Not shared, so not used: `now()`, `GREATEST`, `ILIKE`, `lower()` or `LIKE` except on a column
//!   folded in Rust, `ANY($n)`, JSON operators, `DELETE` inside `WITH`, double-quoted strings, bare
//!   `SUM` and bare integer literals in results (`CAST(... AS BIGINT)`).
//! - A list has an order that ends in a unique column.
//! - A unique clash does not say which constraint: have one that is possible in each call.

mod tx;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use super::lock::{self, Lock};
use super::vacuum::{self, Pages};
use super::{migrate, postgres, sqlite};
use tx::Connection;

pub use super::dialect::Query;
pub use super::error::{ConflictKind, StoreError};
pub use super::options::{PostgresOptions, SqliteOptions, StoreOptions};
pub use super::value::{FromValue, Row, Value};
pub use tx::Tx;

/// What a closure given to [`Db::write`] or [`Db::read`] returns.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// The database. Clones share it.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

enum Inner {
    Sqlite(Box<sqlite::Threads>, SqliteOptions),
    Postgres(Box<postgres::Server>),
}

impl Db {
    /// Opens the database; a SQLite file is made when there is none. The schema is left as it is:
    /// see [`Db::migrate`].
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(match options {
            StoreOptions::Sqlite(options) => {
                let own = options.clone();
                let threads = blocking(move || sqlite::Threads::start(&own)).await?;
                Inner::Sqlite(Box::new(threads), options.clone())
            }
            StoreOptions::Postgres(options) => {
                Inner::Postgres(Box::new(postgres::Server::connect(options).await?))
            }
        })))
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match *self.0 {
            Inner::Sqlite(..) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a closure in a transaction, and returns after the commit.
    pub async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.0 {
            Inner::Sqlite(threads, _) => settle(threads.write(closure).await),
            Inner::Postgres(server) => {
                let work = async {
                    let mut tx = Tx::new(Connection::Write(Box::new(server.begin().await?)));
                    let outcome = tx.watch(closure).await;
                    if tx.is_lost() {
                        server.reach().doubt();
                    }
                    tx.finish(outcome).await
                };
                server.reach().during(work).await
            }
        }
    }

    /// Runs a closure that only reads.
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.0 {
            Inner::Sqlite(threads, _) => settle(threads.read(closure).await),
            Inner::Postgres(server) => {
                let work = async {
                    let mut tx = Tx::new(Connection::Read(Box::new(server.acquire().await?)));
                    let outcome = tx.watch(closure).await;
                    if tx.is_lost() {
                        server.reach().doubt();
                    }
                    outcome.and_then(|value| match tx.failure() {
                        None => Ok(value),
                        Some(error) => Err(error.into()),
                    })
                };
                server.reach().during(work).await
            }
        }
    }

    /// Brings the schema up to date, and returns the versions before and after. Any number of
    /// processes may do so at once.
    pub async fn migrate(&self, now: jiff::Timestamp) -> Result<migrate::Outcome, StoreError> {
        self.migrate_with(migrate::ALL, now).await
    }

    pub(super) async fn migrate_with(
        &self,
        migrations: &'static [migrate::Migration],
        now: jiff::Timestamp,
    ) -> Result<migrate::Outcome, StoreError> {
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                threads.alone(move |connection| migrate::sqlite(connection, migrations, now)).await
            }
            Inner::Postgres(server) => {
                migrate::postgres(&mut *server.acquire().await?, migrations, now).await
            }
        }
    }

    /// Refuses a schema that this program cannot work on: too old, or changed by a newer version in
    /// a way that this one does not know.
    pub async fn require_schema(&self) -> Result<(), StoreError> {
        let (found, known) = (self.schema_version().await?, migrate::known());
        if found < known {
            return Err(StoreError::SchemaTooOld { found, known });
        }
        if found > known && self.schema_needs().await? > known {
            return Err(StoreError::SchemaTooNew { found, known });
        }
        Ok(())
    }

    /// The oldest version of the schema whose programs still work on this one.
    async fn schema_needs(&self) -> Result<i64, StoreError> {
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                threads.alone(|connection| migrate::sqlite_needs(connection)).await
            }
            Inner::Postgres(server) => migrate::postgres_needs(&mut *server.acquire().await?).await,
        }
    }

    /// The version of the schema; 0 when there is none yet.
    pub async fn schema_version(&self) -> Result<i64, StoreError> {
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                threads.alone(|connection| migrate::sqlite_version(connection)).await
            }
            Inner::Postgres(server) => {
                migrate::postgres_version(&mut *server.acquire().await?).await
            }
        }
    }

    /// Whether the database answers. One that is busy does, though not at once.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ping =
            self.read(|tx| Box::pin(async move { tx.one(&PING, Vec::new()).await.map(drop) }));
        match &*self.0 {
            Inner::Sqlite(..) => ping.await,
            Inner::Postgres(server) => match tokio::time::timeout(BUSY, ping).await {
                Err(_) if !server.reach().is_gone() => Ok(()),
                Err(_) => Err(StoreError::unavailable("the server does not answer")),
                Ok(answer) => answer,
            },
        }
    }

    /// A number that grows with every change, before the change is answered; `None` where other
    /// processes may write too, as on PostgreSQL.
    pub fn changes(&self) -> Option<u64> {
        match &*self.0 {
            Inner::Sqlite(threads, _) => Some(threads.changes()),
            Inner::Postgres(_) => None,
        }
    }

    /// Has the engine parse a statement, without running it.
    pub async fn prepare(&self, query: &'static Query) -> Result<(), StoreError> {
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                threads.alone(|connection| sqlite::prepare(connection, query)).await
            }
            Inner::Postgres(server) => {
                postgres::prepare(&mut *server.acquire().await?, query).await
            }
        }
    }

    /// How the engine would run a statement.
    pub async fn explain(&self, query: &'static Query) -> Result<String, StoreError> {
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                threads.alone(|connection| sqlite::explain(connection, query)).await
            }
            Inner::Postgres(server) => {
                postgres::explain(&mut *server.acquire().await?, query).await
            }
        }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match &*self.0 {
            Inner::Sqlite(_, options) => Some(&options.path),
            Inner::Postgres(_) => None,
        }
    }

    /// The engine's own version.
    pub async fn engine_version(&self) -> Result<String, StoreError> {
        self.told(&VERSION).await
    }

    /// How large the database is, in bytes; with the log of SQLite.
    pub async fn size(&self) -> Result<u64, StoreError> {
        let bytes: i64 = match &*self.0 {
            Inner::Sqlite(_, options) => {
                let mut log = options.path.clone().into_os_string();
                log.push("-wal");
                let length = |path: &Path| path.metadata().map_or(0, |data| data.len());
                return Ok(length(&options.path) + length(Path::new(&log)));
            }
            Inner::Postgres(_) => self.told(&SIZE).await?,
        };
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// The one value that a statement finds.
    async fn told<T: FromValue + Send + 'static>(
        &self,
        query: &'static Query,
    ) -> Result<T, StoreError> {
        let row = self.read(move |tx| Box::pin(async move { tx.one(query, Vec::new()).await }));
        let row: Option<Row> = row.await?;
        row.ok_or_else(|| StoreError::unavailable(query.name))?.get(0)
    }

    /// What is wrong with the file on the disk; empty when nothing is, and on PostgreSQL, which
    /// looks after its own.
    pub async fn check_integrity(&self) -> Result<Vec<String>, StoreError> {
        match &*self.0 {
            Inner::Sqlite(_, options) => {
                let own = options.clone();
                blocking(move || sqlite::check_integrity(&own.path, own.busy_timeout)).await
            }
            Inner::Postgres(_) => Ok(Vec::new()),
        }
    }

    /// Takes the lock `name` between all processes that use this database; `None` when another
    /// holds it. It is given up with the process at the latest.
    pub async fn try_lock(&self, name: &'static str) -> Result<Option<Lock>, StoreError> {
        match &*self.0 {
            Inner::Sqlite(_, options) => {
                let path = options.path.clone();
                blocking(move || lock::of_file(&path, name)).await
            }
            Inner::Postgres(server) => {
                let session = server.connect_apart().await?;
                lock::of_session(session, name, server.patience()).await
            }
        }
    }

    /// The pages of the file; `None` on PostgreSQL.
    pub async fn pages(&self) -> Result<Option<Pages>, StoreError> {
        self.on_file(|connection, _| vacuum::pages(connection)).await
    }

    /// Gives back up to `count` free pages of the file.
    pub async fn give_back(&self, count: u32) -> Result<Option<()>, StoreError> {
        self.on_file(move |connection, _| vacuum::give_back(connection, count)).await
    }

    /// Writes the whole file anew, without free pages. Writers wait meanwhile.
    pub async fn rewrite(&self) -> Result<Option<()>, StoreError> {
        self.on_file(|connection, _| vacuum::rewrite(connection)).await
    }

    /// Counts what the indexes of the file hold, for better plans.
    pub async fn analyze(&self) -> Result<Option<()>, StoreError> {
        self.on_file(|connection, _| vacuum::analyze(connection)).await
    }

    /// Moves the log into the file; `Some(false)` when a reader still needs it.
    pub async fn empty_log(&self) -> Result<Option<bool>, StoreError> {
        self.on_file(|connection, options| vacuum::empty_log(connection, options.busy_timeout))
            .await
    }

    /// Vacuums one table of PostgreSQL; `false` when `stop` came first. Nothing on SQLite.
    pub async fn vacuum_table(
        &self,
        table: &'static str,
        stop: impl Future<Output = ()>,
    ) -> Result<bool, StoreError> {
        let Inner::Postgres(server) = &*self.0 else { return Ok(true) };
        let (session, other) = (server.connect_apart().await?, server.connect_apart().await?);
        vacuum::vacuum_table(session, other, table, stop).await
    }

    /// Runs something on the writer's connection, outside a transaction; `None` on PostgreSQL.
    async fn on_file<T: Send + 'static>(
        &self,
        run: impl FnOnce(&rusqlite::Connection, &SqliteOptions) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<Option<T>, StoreError> {
        let Inner::Sqlite(threads, options) = &*self.0 else { return Ok(None) };
        let options = options.clone();
        threads.alone(move |connection| run(connection, &options)).await.map(Some)
    }

    /// Finishes what waits and takes no more. On SQLite the log is then empty, and the file alone
    /// is the database.
    pub async fn close(&self) {
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                threads.close();
                let shared = self.clone();
                // Joining cannot fail: it gives back nothing.
                let _ = blocking(move || {
                    if let Inner::Sqlite(threads, _) = &*shared.0 {
                        threads.join();
                    }
                    Ok(())
                })
                .await;
            }
            Inner::Postgres(server) => server.close().await,
        }
    }
}

/// A server that is there answers within this time, unless it has much to do.
const BUSY: std::time::Duration = std::time::Duration::from_secs(1);

static VERSION: Query = Query {
    name: "engine version",
    sqlite: "SELECT sqlite_version()",
    postgres: "SELECT current_setting('server_version')",
};

static SIZE: Query = Query {
    name: "size",
    sqlite: "SELECT 0",
    postgres: "SELECT pg_database_size(current_database())",
};

static PING: Query =
    Query { name: "ping", sqlite: "SELECT 1", postgres: "SELECT CAST(1 AS BIGINT)" };

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(run)
        .await
        .unwrap_or_else(|error| Err(StoreError::unavailable(error.to_string())))
}

fn settle<T, E: From<StoreError>>(answer: sqlite::Answer<T, E>) -> Result<T, E> {
    match answer {
        sqlite::Answer::Returned(result) => result,
        sqlite::Answer::Refused(error) => Err(error.into()),
        sqlite::Answer::Panicked(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests;
