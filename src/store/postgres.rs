//! PostgreSQL: the pool and statements.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgSslMode,
    types::Oid,
};
use sqlx::query::Query as Bound;
use sqlx::{
    AssertSqlSafe, Column, Connection, Executor, Postgres, Row as _, SqlSafeStr, Statement as _,
    Transaction, TypeInfo,
};

use super::dialect::Query;
use super::error::{ConflictKind, EngineError, StoreError};
use super::options::PostgresOptions;
use super::reach::Reach;
use super::value::{Row, Value};

/// More than the program has statements, so that each is parsed once for each connection.
const STATEMENTS: usize = 512;
/// A connection that was idle longer is tried before it is used.
const TRUSTED_FOR: Duration = Duration::from_millis(200);

/// A pool of connections.
pub(super) struct Server {
    pool: PgPool,
    connections: u32,
    options: PgConnectOptions,
    patience: Duration,
    reach: Arc<Reach>,
}

impl Server {
    /// Opens the first connection, to learn at once whether it can be done.
    pub(super) async fn connect(options: &PostgresOptions) -> Result<Self, StoreError> {
        let connect = parsed(options)?;
        let limits = limits(options);
        let connections = options.max_connections.max(1);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                let limits = limits.clone();
                Box::pin(async move {
                    let [statement, lock, idle] = limits;
                    sqlx::query(LIMIT)
                        .persistent(false)
                        .bind(statement)
                        .bind(lock)
                        .bind(idle)
                        .execute(connection)
                        .await
                        .map(drop)
                })
            })
            .connect_with(connect.clone())
            .await;
        match pool {
            Ok(pool) => {
                let patience = options.acquire_timeout;
                let reach = Reach::new(connect.clone(), patience);
                Ok(Self { pool, connections, options: connect, patience, reach })
            }
            Err(error) => Err(refused("connect", &reason(error, options, &connect).await)),
        }
    }

    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        // Boxed: what connects is large, and is copied into each future around it.
        self.reach.connecting("acquire", Box::pin(self.pool.acquire())).await
    }

    /// Connections that are open, those of them that nobody uses, and the most there may be.
    pub(super) fn pooled(&self) -> [usize; 3] {
        let most = usize::try_from(self.connections).unwrap_or(usize::MAX);
        let open = usize::try_from(self.pool.size()).unwrap_or(most);
        [open, self.pool.num_idle(), most]
    }

    /// Whether the server can be reached.
    pub(super) fn reach(&self) -> &Arc<Reach> {
        &self.reach
    }

    /// Begins a transaction. Connections that broke while idle are left behind: nothing has
    /// happened on them yet.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begin = Box::pin(async {
            let mut tries = self.connections;
            loop {
                match self.pool.begin().await {
                    Err(sqlx::Error::Io(_)) if tries > 0 => tries -= 1,
                    begun => return begun,
                }
            }
        });
        self.reach.connecting("BEGIN", begin).await
    }

    /// A connection beside the pool, without its limits: for what holds one for long.
    pub(super) async fn connect_apart(&self) -> Result<PgConnection, StoreError> {
        let connecting = PgConnection::connect_with(&self.options);
        tokio::time::timeout(self.patience, connecting)
            .await
            .map_err(|_| StoreError::unavailable("no connection in time"))?
            .map_err(|error| refused("connect", &error))
    }

    /// How long to wait for the server to answer at all.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

fn parsed(options: &PostgresOptions) -> Result<PgConnectOptions, StoreError> {
    let connect = PgConnectOptions::from_str(&options.url)
        .map_err(|error| StoreError::unavailable(format!("bad database URL: {error}")))?
        .application_name("openrsvp")
        .statement_cache_capacity(STATEMENTS);
    Ok(match &options.ca_file {
        None => connect,
        Some(file) => connect.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(file),
    })
}

/// One connection without a pool and without its limits.
pub(super) async fn connect_once(options: &PostgresOptions) -> Result<PgConnection, StoreError> {
    let connect = parsed(options)?;
    tokio::time::timeout(options.acquire_timeout, PgConnection::connect_with(&connect))
        .await
        .map_err(|_| StoreError::unavailable("no connection in time"))?
        .map_err(|error| refused("connect", &error))
}

/// Which database it is, without saying who may enter.
pub(super) fn label(options: &PostgresOptions) -> Result<String, StoreError> {
    let connect = parsed(options)?;
    let server = match connect.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", connect.get_host(), connect.get_port()),
    };
    let database = connect.get_database().unwrap_or(connect.get_username());
    Ok(format!("postgres://{server}/{database}"))
}

/// Why no connection could be made: the pool itself only says that it waited too long.
async fn reason(
    error: sqlx::Error,
    options: &PostgresOptions,
    connect: &PgConnectOptions,
) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    let direct = PgConnection::connect_with(connect);
    match tokio::time::timeout(options.acquire_timeout, direct).await {
        Ok(Err(reason)) => reason,
        _ => error,
    }
}

const LIMIT: &str = "SELECT set_config('statement_timeout', $1, false),
    set_config('lock_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', $3, false)";

/// Milliseconds as the server's settings take them.
fn limits(options: &PostgresOptions) -> [String; 3] {
    [options.statement_timeout, options.lock_timeout, options.idle_in_transaction_timeout]
        .map(|limit| limit.as_millis().min(i32::MAX as u128).to_string())
}

pub(super) async fn commit(transaction: Transaction<'static, Postgres>) -> Result<(), StoreError> {
    transaction.commit().await.map_err(|error| refused("COMMIT", &error))
}

/// Rolls back; a connection that cannot is closed, which comes to the same.
pub(super) async fn roll_back(transaction: Transaction<'static, Postgres>) {
    if let Err(error) = transaction.rollback().await {
        tracing::debug!(error = %refused("ROLLBACK", &error), "connection lost in a rollback");
    }
}

/// Runs a statement and returns all its rows.
pub(super) async fn all(
    connection: &mut PgConnection,
    query: &'static Query,
    values: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = bound(query, values)
        .fetch_all(connection)
        .await
        .map_err(|error| refused(query.name, &error))?;
    rows.iter().map(|row| read(query, row)).collect()
}

/// Runs a statement and returns its first row.
pub(super) async fn one(
    connection: &mut PgConnection,
    query: &'static Query,
    values: Vec<Value>,
) -> Result<Option<Row>, StoreError> {
    let row = bound(query, values)
        .fetch_optional(connection)
        .await
        .map_err(|error| refused(query.name, &error))?;
    row.map(|row| read(query, &row)).transpose()
}

/// Runs a statement and returns how many rows it changed.
pub(super) async fn execute(
    connection: &mut PgConnection,
    query: &'static Query,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    let done = bound(query, values)
        .execute(connection)
        .await
        .map_err(|error| refused(query.name, &error))?;
    Ok(done.rows_affected())
}

fn bound(query: &'static Query, values: Vec<Value>) -> Bound<'static, Postgres, PgArguments> {
    bind(sqlx::query(query.postgres), values)
}

/// A statement with its values.
pub(super) fn bind(
    statement: Bound<'static, Postgres, PgArguments>,
    values: Vec<Value>,
) -> Bound<'static, Postgres, PgArguments> {
    values.into_iter().fold(statement, |statement, value| match value {
        Value::Int(value) => statement.bind(value),
        Value::Real(value) => statement.bind(value),
        Value::Text(value) => statement.bind(value),
        Value::Bool(value) => statement.bind(value),
        Value::Blob(value) => statement.bind(value),
    })
}

fn read(query: &'static Query, row: &PgRow) -> Result<Row, StoreError> {
    let values = (0..row.len())
        .map(|index| value(row, index).map_err(|error| refused(query.name, &error)))
        .collect::<Result<_, _>>()?;
    Ok(Row::new(query.name, values))
}

fn value(row: &PgRow, index: usize) -> Result<Value, sqlx::Error> {
    let kind = row.column(index).type_info();
    Ok(match kind.oid() {
        Some(Oid(20)) => Value::Int(row.try_get(index)?),
        Some(Oid(23)) => Value::Int(row.try_get::<Option<i32>, _>(index)?.map(i64::from)),
        Some(Oid(701)) => Value::Real(row.try_get(index)?),
        Some(Oid(25 | 1043)) => Value::Text(row.try_get(index)?),
        Some(Oid(16)) => Value::Bool(row.try_get(index)?),
        Some(Oid(17)) => Value::Blob(row.try_get(index)?),
        _ => {
            let what = format!("{} is not of the shared dialect", kind.name());
            return Err(sqlx::Error::ColumnDecode {
                index: index.to_string(),
                source: what.into(),
            });
        }
    })
}

/// Translates what sqlx or the server said about a statement. The server's detail and hint are
/// dropped, for they hold values.
pub(super) fn refused(statement: &'static str, error: &sqlx::Error) -> StoreError {
    let unavailable = |what: &str| StoreError::unavailable(format!("{statement}: {what}"));
    let said = match error {
        sqlx::Error::Database(said) => said,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => return unavailable(&error.to_string()),
        _ => return StoreError::Db { statement, source: EngineError(error.to_string()) },
    };
    let kind = match said.kind() {
        ErrorKind::UniqueViolation => ConflictKind::Unique,
        ErrorKind::ForeignKeyViolation => ConflictKind::ForeignKey,
        ErrorKind::NotNullViolation => ConflictKind::NotNull,
        ErrorKind::CheckViolation => ConflictKind::Check,
        _ => {
            let code = said.code().unwrap_or_default();
            let message = format!("{} ({code})", said.message());
            return match &*code {
                "40001" | "40P01" => StoreError::Conflict { kind: ConflictKind::Retry, statement },
                code if is_outage(code) => unavailable(&message),
                _ => StoreError::Db { statement, source: EngineError(message) },
            };
        }
    };
    StoreError::Conflict { kind, statement }
}

/// Codes of a server that is stopping, starting, out of something, only a standby, or has run out
/// of the time it was given.
fn is_outage(code: &str) -> bool {
    ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        || ["25P03", "25006", "55P03", "28000", "28P01", "3D000"].contains(&code)
}

/// Parses a statement, without running it.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    query: &'static Query,
) -> Result<(), StoreError> {
    let text = query.postgres.into_sql_str();
    connection.prepare(text).await.map(drop).map_err(|error| refused(query.name, &error))
}

/// The plan of a statement for values that are not known, a step a line.
pub(super) async fn explain(
    connection: &mut PgConnection,
    query: &'static Query,
) -> Result<String, StoreError> {
    let run = async {
        let mut transaction = connection.begin().await?;
        // Only a statement prepared by name has a plan without values.
        let text = query.postgres.into_sql_str();
        let count = match transaction.prepare(text).await?.parameters() {
            Some(sqlx::Either::Left(kinds)) => kinds.len(),
            Some(sqlx::Either::Right(count)) => count,
            None => 0,
        };
        let nulls = vec!["NULL"; count].join(", ");
        let values = if count == 0 { String::new() } else { format!("({nulls})") };
        let setup = format!(
            "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE explained AS {}",
            query.postgres
        );
        sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut *transaction).await?;
        let explain = format!("EXPLAIN EXECUTE explained{values}");
        let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *transaction).await?;
        sqlx::raw_sql("DEALLOCATE explained").execute(&mut *transaction).await?;
        transaction.rollback().await?;
        rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()
    };
    run.await
        .map(|lines| lines.join("\n"))
        .map_err(|error: sqlx::Error| refused(query.name, &error))
}
