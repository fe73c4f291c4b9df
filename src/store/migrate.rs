//! The schema's versions. Each migration is a pair of files of one name, runs in its own
//! transaction, and is never changed once released. Processes that start together take turns.

use jiff::Timestamp;
use rusqlite::OptionalExtension as _;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _, SqlSafeStr};

use super::error::StoreError;
use super::postgres::refused as postgres_refused;
use super::sqlite::refused as sqlite_refused;

/// One step of the schema.
#[derive(Debug)]
pub struct Migration {
    /// The version it leads to: 1, 2, 3, ...
    pub version: i64,
    /// The name of its files.
    pub name: &'static str,
    /// The oldest version whose programs still work after it. A migration that only adds leaves
    /// them all; one that takes away needs the version since which nothing uses what goes.
    pub needs: i64,
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal $(needs $needs:literal)?),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            needs: 0 $(+ $needs)?,
            sqlite: include_str!(concat!("migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

/// Every migration, in order.
pub const ALL: &[Migration] = migrations![1 "0001_ground", 2 "0002_jobs", 3 "0003_search", 4 "0004_guests", 5 "0005_lists", 6 "0006_limits", 7 "0007_event_search", 8 "0008_tasks", 9 "0009_webhooks"];

/// The newest version that this program knows.
pub fn known() -> i64 {
    newest(ALL)
}

/// The migrations that lead on from a version.
pub fn after_version(version: i64) -> impl Iterator<Item = &'static Migration> {
    ALL.iter().filter(move |migration| migration.version > version)
}

fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |migration| migration.version)
}

/// What a run of the migrations did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The version found; 0 for an empty database.
    pub from: i64,
    /// The version now.
    pub to: i64,
}

/// The migration that leads on from `version`.
fn after(migrations: &'static [Migration], version: i64) -> Option<&'static Migration> {
    migrations.iter().find(|migration| migration.version > version)
}

/// Whether a program of these migrations works on a schema of version `found`, which a program may
/// have made that is newer.
fn require(migrations: &[Migration], found: i64, needs: i64) -> Result<(), StoreError> {
    let known = newest(migrations);
    if found > known && needs > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    Ok(())
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// The key in `meta` of the oldest version whose programs still work.
const NEEDS: &str = "schema_needs";
const SET_NEEDS: &str = "INSERT INTO meta (key, value, updated_at) VALUES ($1, $2, $3)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";

/// The version of a SQLite file.
pub(super) fn sqlite_version(connection: &rusqlite::Connection) -> Result<i64, StoreError> {
    let ask = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<Result<i64, StoreError>> {
        if ask("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_migrations'")? > 0 {
            return ask("SELECT COALESCE(MAX(version), 0) FROM schema_migrations").map(Ok);
        }
        // The owner of an old file may well put its path into the configuration.
        let tables = ask("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'")?;
        Ok(if tables > 0 { Err(StoreError::NotOurs) } else { Ok(0) })
    };
    read().unwrap_or_else(|error| Err(sqlite_refused("schema version", error)))
}

/// The oldest version whose programs still work on a SQLite file.
pub(super) fn sqlite_needs(connection: &rusqlite::Connection) -> Result<i64, StoreError> {
    let asked = connection
        .query_row("SELECT value FROM meta WHERE key = ?1", [NEEDS], |row| row.get::<_, String>(0))
        .optional();
    let value = asked.map_err(|error| sqlite_refused("schema needs", error))?;
    Ok(value.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Brings a SQLite file up to date.
pub(super) fn sqlite(
    connection: &mut rusqlite::Connection,
    migrations: &'static [Migration],
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let from = sqlite_version(connection)?;
    if from > newest(migrations) {
        require(migrations, from, sqlite_needs(connection)?)?;
    }
    // Looking first keeps a start that has nothing to do from waiting for other programs.
    while after(migrations, sqlite_version(connection)?).is_some() {
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(|error| sqlite_refused("migrate", error))?;
        if let Some(next) = after(migrations, sqlite_version(&transaction)?) {
            let apply = || -> rusqlite::Result<()> {
                transaction.execute_batch(CREATE)?;
                transaction.execute_batch(next.sqlite)?;
                let values = (next.version, next.name, now.as_microsecond());
                transaction.execute("INSERT INTO schema_migrations VALUES (?1, ?2, ?3)", values)?;
                if next.needs > 0 {
                    let values = (NEEDS, next.needs.to_string(), now.as_microsecond());
                    transaction.execute(SET_NEEDS, values)?;
                }
                Ok(())
            };
            apply().map_err(|error| sqlite_refused(next.name, error))?;
        }
        transaction.commit().map_err(|error| sqlite_refused("migrate", error))?;
    }
    Ok(Outcome { from, to: sqlite_version(connection)? })
}

/// The version of a PostgreSQL database.
pub(super) async fn postgres_version(connection: &mut PgConnection) -> Result<i64, StoreError> {
    version(connection).await.map_err(|error| postgres_refused("schema version", &error))
}

async fn version(connection: &mut PgConnection) -> sqlx::Result<i64> {
    // Read as a table: `to_regclass` may answer from before the wait for one's turn.
    let tables = "SELECT COUNT(*) FROM pg_catalog.pg_tables
        WHERE schemaname = current_schema() AND tablename = 'schema_migrations'";
    if sqlx::query(tables).fetch_one(&mut *connection).await?.try_get::<i64, _>(0)? == 0 {
        return Ok(0);
    }
    let newest = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations";
    sqlx::query(newest).fetch_one(connection).await?.try_get(0)
}

/// Waiting for one's turn, and a migration of a large table, may take long.
const PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
/// The number is arbitrary and belongs to this program.
const TURN: &str = "SELECT pg_advisory_xact_lock(7235214870132)";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)";

/// The oldest version whose programs still work on a PostgreSQL database.
pub(super) async fn postgres_needs(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let asked = sqlx::query_scalar::<_, String>("SELECT value FROM meta WHERE key = $1")
        .bind(NEEDS)
        .fetch_optional(connection)
        .await;
    let value = asked.map_err(|error| postgres_refused("schema needs", &error))?;
    Ok(value.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Brings a PostgreSQL database up to date.
pub(super) async fn postgres(
    connection: &mut PgConnection,
    migrations: &'static [Migration],
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let from = postgres_version(connection).await?;
    if from > newest(migrations) {
        require(migrations, from, postgres_needs(connection).await?)?;
    }
    while after(migrations, postgres_version(connection).await?).is_some() {
        postgres_step(connection, migrations, now).await?;
    }
    Ok(Outcome { from, to: postgres_version(connection).await? })
}

/// Applies the next migration, if there still is one when its turn has come.
async fn postgres_step(
    connection: &mut PgConnection,
    migrations: &'static [Migration],
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| postgres_refused("migrate", &error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    for sql in [PATIENCE, TURN] {
        sqlx::raw_sql(sql.into_sql_str()).execute(&mut *transaction).await.map_err(failed)?;
    }
    if let Some(next) = after(migrations, postgres_version(&mut transaction).await?) {
        let apply = async {
            sqlx::raw_sql(CREATE).execute(&mut *transaction).await?;
            sqlx::raw_sql(next.postgres).execute(&mut *transaction).await?;
            sqlx::query(RECORD)
                .bind(next.version)
                .bind(next.name)
                .bind(now.as_microsecond())
                .execute(&mut *transaction)
                .await?;
            if next.needs > 0 {
                sqlx::query(SET_NEEDS)
                    .bind(NEEDS)
                    .bind(next.needs.to_string())
                    .bind(now.as_microsecond())
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(())
        };
        apply.await.map_err(|error| postgres_refused(next.name, &error))?;
    }
    transaction.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::{Db, SqliteOptions, StoreOptions};
    use std::collections::BTreeSet;
    use std::path::Path;

    const META: &str =
        "CREATE TABLE a (b); CREATE TABLE meta (key TEXT PRIMARY KEY, value, updated_at)";
    const TWO: &[Migration] = &[
        Migration { version: 1, name: "1", needs: 0, sqlite: META, postgres: "" },
        Migration {
            version: 2,
            name: "2",
            needs: 2,
            sqlite: "CREATE TABLE e (f); INSERT INTO e VALUES (1);",
            postgres: "",
        },
    ];
    const BROKEN: &[Migration] = &[
        Migration { version: 1, name: "1", needs: 0, sqlite: META, postgres: "" },
        Migration {
            version: 2,
            name: "2",
            needs: 0,
            sqlite: "CREATE TABLE e (f); SELECT nothing;",
            postgres: "",
        },
    ];

    async fn open(path: &Path) -> Db {
        Db::open(&StoreOptions::Sqlite(SqliteOptions::new(path))).await.unwrap()
    }

    #[test]
    fn both_engines_have_the_same_files_and_the_list_has_them_all() {
        let listed: BTreeSet<_> =
            ALL.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        for engine in ["sqlite", "postgres"] {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(engine);
            let files: BTreeSet<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(files, listed, "{engine}");
        }
        assert!(ALL.iter().map(|migration| migration.version).eq(1..=newest(ALL)));
        for migration in ALL {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
        }
    }

    #[tokio::test]
    async fn versions_are_reached_once_and_a_newer_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let (db, other) = (open(&path).await, open(&path).await);
        assert_eq!(db.schema_version().await.unwrap(), 0);
        let now = Timestamp::UNIX_EPOCH;
        let (first, second) = tokio::join!(db.migrate_with(TWO, now), other.migrate_with(TWO, now));
        assert_eq!((first.unwrap().to, second.unwrap().to), (2, 2));
        assert_eq!(db.migrate_with(TWO, now).await.unwrap(), Outcome { from: 2, to: 2 });
        let error = db.migrate_with(&TWO[..1], now).await.unwrap_err();
        assert!(matches!(error, StoreError::SchemaTooNew { found: 2, known: 1 }), "{error}");
    }

    #[tokio::test]
    async fn a_migration_that_fails_leaves_the_version_before() {
        let directory = tempfile::tempdir().unwrap();
        let db = open(&directory.path().join("test.db")).await;
        assert!(db.migrate_with(BROKEN, Timestamp::UNIX_EPOCH).await.is_err());
        assert_eq!(db.schema_version().await.unwrap(), 1);
        let outcome = db.migrate_with(TWO, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(outcome, Outcome { from: 1, to: 2 });
    }

    #[tokio::test]
    async fn the_file_of_another_program_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE alembic_version (version_num)").unwrap();
        let before = std::fs::read(&path).unwrap();
        let opened = Db::open(&StoreOptions::Sqlite(SqliteOptions::new(&path))).await;
        assert!(matches!(opened.err(), Some(StoreError::NotOurs)));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
