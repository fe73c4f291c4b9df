//! Looking after the database: what it is, how large it is, and giving space back.

use std::future::Future;
use std::path::Path;

use super::super::vacuum::{self, Pages};
use super::{Db, FromValue, Inner, Query, Row, SqliteOptions, StoreError};

impl Db {
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
        self.on_file(|connection, options| match options.keeps_log {
            true => Ok(false),
            false => vacuum::empty_log(connection, options.busy_timeout),
        })
        .await
    }

    /// Runs something while nothing is written by this process. Where too much waits already, and
    /// on PostgreSQL, it is dropped instead.
    pub fn at_rest(&self, run: impl FnOnce() + Send + 'static) {
        if let Inner::Sqlite(threads, _) = &*self.0 {
            // It tells by being dropped.
            let _ = threads.at_rest(run);
        }
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
}

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
