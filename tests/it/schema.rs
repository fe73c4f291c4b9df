//! The schemas of both engines are one schema. The table that counts migrations is made of one text
//! for both, and stands aside.

use std::collections::{BTreeMap, BTreeSet};

use openrsvp::store::db::{Db, Engine, StoreOptions};
use openrsvp::store::transfer::{Column, LEFT_OUT, TABLES, Table};
use rusqlite::Connection as Sqlite;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::support::{TestDatabase, postgres};

/// Table and column, with what may stand in it and whether it may be empty.
type Columns = BTreeMap<(String, String), (String, bool)>;

async fn migrated(engine: Engine) -> TestDatabase {
    let database = TestDatabase::new(engine).await;
    let db = Db::open(&database.options).await.unwrap();
    db.migrate("2026-06-01T12:00:00Z".parse().unwrap()).await.unwrap();
    db.close().await;
    database
}

fn open_sqlite(database: &TestDatabase) -> Sqlite {
    let StoreOptions::Sqlite(options) = &database.options else { panic!("not SQLite") };
    Sqlite::open(&options.path).unwrap()
}

async fn open_postgres(database: &TestDatabase) -> PgConnection {
    let StoreOptions::Postgres(options) = &database.options else { panic!("not PostgreSQL") };
    PgConnection::connect(&options.url).await.unwrap()
}

/// SQLite has no booleans: an integer that is checked to be 0 or 1 is one.
fn sqlite_columns(connection: &Sqlite) -> Columns {
    let sql = "SELECT t.name, c.name, c.type, c.\"notnull\", t.sql FROM sqlite_schema t, pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'schema_migrations'";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let (table, column): (String, String) = (row.get(0)?, row.get(1)?);
        let (kind, not_null, created): (String, bool, String) =
            (row.get(2)?, row.get(3)?, row.get(4)?);
        let is_boolean = created.contains(&format!("CHECK ({column} IN (0, 1))"));
        let kind = if is_boolean { "BOOLEAN".to_owned() } else { kind };
        Ok(((table, column), (kind, not_null)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

async fn postgres_columns(connection: &mut PgConnection) -> Columns {
    let sql = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO', collation_name::text
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_migrations'";
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    rows.iter()
        .map(|row| {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let kind: String = row.get(2);
            if kind == "text" {
                let collation: Option<String> = row.get(4);
                assert_eq!(collation.as_deref(), Some("C"), "{table}.{column} sorts differently");
            }
            let kind = match kind.as_str() {
                "text" => "TEXT",
                "bigint" => "INTEGER",
                "double precision" => "REAL",
                "bytea" => "BLOB",
                "boolean" => "BOOLEAN",
                other => panic!("{table}.{column}: {other} is none of the shared kinds"),
            };
            ((table, column), (kind.to_owned(), row.get(3)))
        })
        .collect()
}

/// The indexes as columns in order; how they are called says nothing.
fn without_names(definition: &str) -> String {
    let columns = definition.split_once('(').expect("columns").1;
    columns
        .replace([' ', '(', ')'], "")
        .replace("USINGbtree", "")
        .replace("::text", "")
        .to_uppercase()
}

#[tokio::test]
async fn both_engines_have_the_same_columns_and_indexes() {
    if postgres::is_skipped() {
        return;
    }
    let (one, other) = (migrated(Engine::Sqlite).await, migrated(Engine::Postgres).await);
    let sqlite = open_sqlite(&one);
    let mut postgres = open_postgres(&other).await;
    let columns = sqlite_columns(&sqlite);
    assert!(columns.len() > 40);
    assert_eq!(columns, postgres_columns(&mut postgres).await);

    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    let mut statement = sqlite.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut sqlite_indexes: Vec<_> = rows.map(|row| without_names(&row.unwrap())).collect();
    let sql = "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'
            AND (NOT i.indisunique OR i.indpred IS NOT NULL)";
    let rows = sqlx::query(sql).fetch_all(&mut postgres).await.unwrap();
    let mut postgres_indexes: Vec<_> = rows.iter().map(|row| without_names(row.get(0))).collect();
    sqlite_indexes.sort();
    postgres_indexes.sort();
    assert_eq!(sqlite_indexes, postgres_indexes);
}

#[tokio::test]
async fn sqlite_tables_are_strict_and_hold_their_references() {
    let database = migrated(Engine::Sqlite).await;
    let sqlite = open_sqlite(&database);
    let sql = "SELECT COUNT(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
        AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations' AND NOT strict";
    assert_eq!(sqlite.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let mode: String = sqlite.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// While a new version rolls out, the old one goes on beside it, and may start again; unless the
/// new one takes away what the old one uses.
async fn a_newer_schema_is_used_unless_it_took_something_away(engine: Engine) {
    let database = migrated(engine).await;
    let db = Db::open(&database.options).await.unwrap();
    let known = db.schema_version().await.unwrap();
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    run(&database, "UPDATE schema_migrations SET version = version + 1000").await;
    assert_eq!(db.migrate(now).await.unwrap().to, known + 1000);
    db.require_schema().await.unwrap();
    run(&database, &format!("INSERT INTO meta VALUES ('schema_needs', '{}', 0)", known + 1)).await;
    for refused in [db.migrate(now).await.unwrap_err(), db.require_schema().await.unwrap_err()] {
        assert!(refused.to_string().contains("start a newer version"), "{refused}");
    }
    run(&database, &format!("UPDATE meta SET value = '{known}' WHERE key = 'schema_needs'")).await;
    db.require_schema().await.unwrap();
    run(&database, "DELETE FROM schema_migrations WHERE version > 1001").await;
    run(&database, "UPDATE schema_migrations SET version = 1").await;
    let refused = db.require_schema().await.unwrap_err();
    assert!(refused.to_string().contains("run `openrsvp migrate`"), "{refused}");
    db.close().await;
}

#[tokio::test]
async fn a_newer_schema_on_sqlite() {
    a_newer_schema_is_used_unless_it_took_something_away(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_newer_schema_on_postgres() {
    if !postgres::is_skipped() {
        a_newer_schema_is_used_unless_it_took_something_away(Engine::Postgres).await;
    }
}

/// Runs a statement beside the program.
async fn run(database: &TestDatabase, sql: &str) {
    match &database.options {
        StoreOptions::Sqlite(_) => {
            open_sqlite(database).execute(sql, []).unwrap();
        }
        StoreOptions::Postgres(options) => {
            let mut connection = PgConnection::connect(&options.url).await.unwrap();
            let sql = sqlx::AssertSqlSafe(sql.to_owned());
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    }
}

/// A purge deletes the event alone: what belongs to it, and to its answers, goes by reference.
#[tokio::test]
async fn what_belongs_to_an_event_goes_with_it() {
    let database = migrated(Engine::Sqlite).await;
    let sqlite = open_sqlite(&database);
    let sql = "SELECT t.name || '.' || f.\"from\", f.on_delete FROM sqlite_schema t, pragma_foreign_key_list(t.name) f
        WHERE t.type = 'table' AND f.\"table\" IN ('events', 'rsvps', 'messages')";
    let mut statement = sqlite.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let references: Vec<(String, String)> = rows.map(Result::unwrap).collect();
    assert!(references.len() >= 3);
    for (column, on_delete) in references {
        assert_eq!(on_delete, "CASCADE", "{column} keeps an event from being purged");
    }
}

fn strings(connection: &Sqlite, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The list says of a table what the schema says; PostgreSQL's schema is compared with SQLite's
/// above.
fn compare_table(connection: &Sqlite, table: &Table) {
    let name = table.name;
    let strings = |sql: &str| strings(connection, &sql.replace("TABLE", name));
    let created = strings("SELECT sql FROM sqlite_schema WHERE name = 'TABLE'").remove(0);
    let in_list = |column: &Column| {
        let kind = match column {
            Column::Int(_) => "INTEGER",
            Column::Bool(_) => "BOOLEAN",
            Column::Real(_) => "REAL",
            Column::Text(_) | Column::State(_) => "TEXT",
            Column::Blob(_) | Column::Token(_) => "BLOB",
        };
        format!("{} {kind}", column.name())
    };
    let in_schema = |column: String| {
        let is_bool = created.contains(&format!("CHECK ({column} IN (0, 1))"));
        let kind = format!("SELECT type FROM pragma_table_info('TABLE') WHERE name = '{column}'");
        let kind = strings(&kind).remove(0);
        format!("{column} {}", if is_bool { "BOOLEAN" } else { &kind })
    };
    let columns = strings("SELECT name FROM pragma_table_info('TABLE') ORDER BY cid");
    let columns: Vec<_> = columns.into_iter().map(in_schema).collect();
    let listed: Vec<_> = table.columns.iter().map(in_list).collect();
    assert_eq!(columns, listed, "columns of {name} in store::transfer::TABLES");
    let key = strings("SELECT name FROM pragma_table_info('TABLE') WHERE pk > 0 ORDER BY pk");
    assert_eq!(key, table.key, "key of {name}");
    let references = "SELECT \"from\" || ' ' || \"table\" FROM pragma_foreign_key_list('TABLE')";
    let references: BTreeSet<_> = strings(references).into_iter().collect();
    let listed = table.references.iter().map(|(column, to)| format!("{column} {to}"));
    assert_eq!(references, listed.collect(), "references of {name}");
}

#[tokio::test]
async fn a_transfer_knows_every_table() {
    let database = migrated(Engine::Sqlite).await;
    let connection = open_sqlite(&database);
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let left_out = LEFT_OUT.iter().map(|table| table.name);
    let listed = TABLES.iter().map(|table| table.name).chain(left_out);
    assert_eq!(
        strings(&connection, sql).into_iter().collect::<BTreeSet<_>>(),
        listed.map(str::to_owned).collect(),
        "a new table belongs into store::transfer::TABLES, or with a reason into LEFT_OUT"
    );
    for (index, table) in TABLES.iter().enumerate() {
        compare_table(&connection, table);
        for (_, to) in table.references {
            let is_before = TABLES[..index].iter().any(|table| table.name == *to);
            assert!(is_before, "{} comes before {to}", table.name);
        }
    }
}
