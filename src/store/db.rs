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

mod care;
mod figures;
mod run;
mod tx;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::lock::{self, Lock};
use super::{migrate, postgres, sqlite};
use crate::metrics::StatementFigures;
use crate::trace;

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
pub struct Db(Arc<Inner>, Arc<StatementFigures>);

enum Inner {
    Sqlite(Box<sqlite::Threads>, SqliteOptions),
    Postgres(Box<postgres::Server>),
}

impl Db {
    /// Opens the database; a SQLite file is made when there is none. The schema is left as it is:
    /// see [`Db::migrate`].
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let figures = Arc::new(StatementFigures::default());
        let inner = match options {
            StoreOptions::Sqlite(options) => {
                let (own, counted) = (options.clone(), figures.clone());
                let threads = blocking(move || sqlite::Threads::start(&own, &counted)).await?;
                Inner::Sqlite(Box::new(threads), options.clone())
            }
            StoreOptions::Postgres(options) => {
                Inner::Postgres(Box::new(postgres::Server::connect(options).await?))
            }
        };
        Ok(Self(Arc::new(inner), figures))
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
        match trace::transaction(self.system(), "write") {
            Some(span) => self.write_traced(span, closure).await,
            None => self.write_untraced(closure).await,
        }
    }

    /// Runs a closure that only reads.
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match trace::transaction(self.system(), "read") {
            Some(span) => self.read_traced(span, closure).await,
            None => self.read_untraced(closure).await,
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

    /// Finishes what waits and takes no more. On SQLite the log is then empty, and the file alone
    /// is the database, unless the log is to be kept.
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

static PING: Query =
    Query { name: "ping", sqlite: "SELECT 1", postgres: "SELECT CAST(1 AS BIGINT)" };

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(run)
        .await
        .unwrap_or_else(|error| Err(StoreError::unavailable(error.to_string())))
}

#[cfg(test)]
mod tests;
