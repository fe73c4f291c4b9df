//! The side that is read: one snapshot from beginning to end.

use std::path::Path;

use futures_util::TryStreamExt as _;
use rusqlite::Connection;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::row::{Cells, settle};
use super::tables::{Column, Table};
use super::{PAGE_BYTES, PAGE_ROWS, files, require_exactly};
use crate::store::error::{EngineError, StoreError};
use crate::store::options::{PostgresOptions, StoreOptions};
use crate::store::value::Value;
use crate::store::{migrate, postgres, sqlite};

/// A database that is read, as it was when it was opened. Its calls block on SQLite.
pub struct Source(Side);

enum Side {
    Sqlite(Connection),
    Postgres(Box<PgConnection>),
}

const SNAPSHOT: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1";

impl Source {
    /// Opens a database of exactly this program's schema.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        match options {
            StoreOptions::Sqlite(options) => Self::open_file(&options.path),
            StoreOptions::Postgres(options) => Self::open_server(options).await,
        }
    }

    /// Opens a SQLite file.
    pub fn open_file(path: &Path) -> Result<Self, StoreError> {
        let connection = files::open_untouched(path)?;
        connection.execute_batch("BEGIN").map_err(|error| sqlite::refused("BEGIN", error))?;
        require_exactly(migrate::sqlite_version(&connection)?)?;
        Ok(Self(Side::Sqlite(connection)))
    }

    async fn open_server(options: &PostgresOptions) -> Result<Self, StoreError> {
        let mut connection = postgres::connect_once(options).await?;
        sqlx::raw_sql(SNAPSHOT)
            .execute(&mut connection)
            .await
            .map_err(|error| postgres::refused("BEGIN", &error))?;
        require_exactly(migrate::postgres_version(&mut connection).await?)?;
        Ok(Self(Side::Postgres(Box::new(connection))))
    }

    /// How many rows of a table are taken over.
    pub async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        match &mut self.0 {
            Side::Sqlite(connection) => sqlite_number(connection, table, &table.count_text()),
            Side::Postgres(connection) => {
                postgres_number(connection, table, table.count_text()).await
            }
        }
    }

    /// The rows after `after` in the order of the key, or from the first: so many as are read at
    /// once; none when there are no more.
    pub async fn page(
        &mut self,
        table: &'static Table,
        after: Option<&Cells>,
    ) -> Result<Vec<Cells>, StoreError> {
        let text = table.page_text(after.is_none(), PAGE_ROWS);
        let key = after.map(|cells| cells.key(table)).unwrap_or_default();
        match &mut self.0 {
            Side::Sqlite(connection) => sqlite_rows(connection, table, &text, &key),
            Side::Postgres(connection) => postgres_rows(connection, table, text, key).await,
        }
    }
}

pub(super) fn sqlite_number(
    connection: &Connection,
    table: &'static Table,
    text: &str,
) -> Result<u64, StoreError> {
    let asked = connection.query_row(text, [], |row| row.get::<_, i64>(0));
    let number = asked.map_err(|error| sqlite::refused(table.name, error))?;
    Ok(u64::try_from(number).unwrap_or(0))
}

pub(super) async fn postgres_number(
    connection: &mut PgConnection,
    table: &'static Table,
    text: String,
) -> Result<u64, StoreError> {
    let asked = sqlx::query_scalar::<_, i64>(AssertSqlSafe(text)).fetch_one(connection).await;
    let number = asked.map_err(|error| postgres::refused(table.name, &error))?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// `$1` is a name to SQLite, numbered by its first place: here they come in order.
pub(super) fn sqlite_rows(
    connection: &Connection,
    table: &'static Table,
    text: &str,
    key: &[Value],
) -> Result<Vec<Cells>, StoreError> {
    let refused = |error| sqlite::refused(table.name, error);
    let mut statement = connection.prepare_cached(text).map_err(refused)?;
    let mut found = statement.query(rusqlite::params_from_iter(key)).map_err(refused)?;
    let (mut page, mut weight) = (Vec::new(), 0);
    while let Some(row) = found.next().map_err(refused)? {
        let mut cells = Vec::with_capacity(table.columns.len());
        for (index, column) in table.columns.iter().enumerate() {
            let stored = row.get_ref(index).map_err(refused)?;
            let value = sqlite::owned(stored).map_err(|_| not_utf8(table, *column, &cells))?;
            cells.push(settle(table, *column, value)?);
        }
        let cells = Cells(cells);
        weight += cells.weight();
        page.push(cells);
        if weight >= PAGE_BYTES {
            break;
        }
    }
    Ok(page)
}

fn not_utf8(table: &'static Table, column: Column, before: &[Value]) -> StoreError {
    let name = match before.first() {
        Some(Value::Text(Some(id))) => id.as_str(),
        _ => "?",
    };
    let what = format!("{} of row {name} is not valid UTF-8", column.name());
    StoreError::Db { statement: table.name, source: EngineError(what) }
}

pub(super) async fn postgres_rows(
    connection: &mut PgConnection,
    table: &'static Table,
    text: String,
    key: Vec<Value>,
) -> Result<Vec<Cells>, StoreError> {
    let query = postgres::bind(sqlx::query(AssertSqlSafe(text)), key);
    let run = async {
        let mut rows = query.fetch(connection);
        let (mut page, mut weight) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let cells = cells(table, &row)?;
            weight += cells.weight();
            page.push(cells);
            // What is left of the page is passed over on the way to the next.
            if weight >= PAGE_BYTES {
                break;
            }
        }
        Ok(page)
    };
    run.await.map_err(|error: sqlx::Error| postgres::refused(table.name, &error))
}

fn cells(table: &Table, row: &PgRow) -> Result<Cells, sqlx::Error> {
    let of = |(index, column): (usize, &Column)| {
        Ok(match column {
            Column::Int(_) => Value::Int(row.try_get(index)?),
            Column::Real(_) => Value::Real(row.try_get(index)?),
            Column::Text(_) | Column::State(_) => Value::Text(row.try_get(index)?),
            Column::Bool(_) => Value::Bool(row.try_get(index)?),
            Column::Blob(_) | Column::Token(_) => Value::Blob(row.try_get(index)?),
        })
    };
    table.columns.iter().enumerate().map(of).collect::<Result<_, _>>().map(Cells)
}
