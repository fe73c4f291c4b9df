//! Transactions: one statement after another, on either engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Transaction};
use tokio::time::Instant;

use super::super::dialect::Query;
use super::super::error::StoreError;
use super::super::value::{Row, Value};
use super::super::{postgres, sqlite};
use super::BoxFuture;
use crate::metrics::StatementFigures;
use crate::trace::Statements;

/// A transaction, or the snapshot of a [`Db::read`].
pub struct Tx {
    connection: Connection,
    failed: Option<&'static str>,
    is_lost: bool,
    in_statement: Arc<AtomicBool>,
    statements: Option<Statements>,
    figures: Arc<StatementFigures>,
    started: Option<(&'static str, Instant)>,
}

/// What a transaction runs on.
pub(super) enum Connection {
    SqliteWrite(Box<rusqlite::Connection>),
    SqliteRead(Box<rusqlite::Connection>),
    Write(Box<Transaction<'static, Postgres>>),
    Read(Box<PoolConnection<Postgres>>),
}

impl Tx {
    /// Runs a statement and returns all its rows.
    pub async fn all(
        &mut self,
        query: &'static Query,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.start(query, !query.only_reads())?;
        let result = match &mut self.connection {
            Connection::SqliteWrite(connection) | Connection::SqliteRead(connection) => {
                sqlite::all(connection, query, &values)
            }
            Connection::Write(connection) => postgres::all(connection, query, values).await,
            Connection::Read(connection) => postgres::all(connection, query, values).await,
        };
        self.end(result)
    }

    /// Runs a statement and returns its first row.
    pub async fn one(
        &mut self,
        query: &'static Query,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        self.start(query, !query.only_reads())?;
        let result = match &mut self.connection {
            Connection::SqliteWrite(connection) | Connection::SqliteRead(connection) => {
                sqlite::one(connection, query, &values)
            }
            Connection::Write(connection) => postgres::one(connection, query, values).await,
            Connection::Read(connection) => postgres::one(connection, query, values).await,
        };
        self.end(result)
    }

    /// Runs a statement and returns how many rows it changed.
    pub async fn execute(
        &mut self,
        query: &'static Query,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        self.start(query, true)?;
        let result = match &mut self.connection {
            Connection::SqliteWrite(connection) | Connection::SqliteRead(connection) => {
                sqlite::execute(connection, query, &values)
            }
            Connection::Write(connection) => postgres::execute(connection, query, values).await,
            Connection::Read(connection) => postgres::execute(connection, query, values).await,
        };
        self.end(result)
    }

    pub(super) fn new(connection: Connection, figures: Arc<StatementFigures>) -> Self {
        let in_statement = Arc::new(AtomicBool::new(false));
        let (failed, is_lost, statements, started) = (None, false, None, None);
        Self { connection, failed, is_lost, in_statement, statements, figures, started }
    }

    pub(in super::super) fn sqlite_writer(
        connection: rusqlite::Connection,
        figures: Arc<StatementFigures>,
    ) -> Self {
        Self::new(Connection::SqliteWrite(Box::new(connection)), figures)
    }

    pub(in super::super) fn sqlite_reader(
        connection: rusqlite::Connection,
        figures: Arc<StatementFigures>,
    ) -> Self {
        Self::new(Connection::SqliteRead(Box::new(connection)), figures)
    }

    pub(in super::super) fn sqlite_connection(&self) -> Option<&rusqlite::Connection> {
        match &self.connection {
            Connection::SqliteWrite(connection) | Connection::SqliteRead(connection) => {
                Some(connection)
            }
            _ => None,
        }
    }

    pub(in super::super) fn sqlite_connection_mut(&mut self) -> Option<&mut rusqlite::Connection> {
        match &mut self.connection {
            Connection::SqliteWrite(connection) | Connection::SqliteRead(connection) => {
                Some(connection)
            }
            _ => None,
        }
    }

    /// Notes from now on which statements run.
    pub(super) fn note_in(&mut self, statements: Statements) {
        self.statements = Some(statements);
    }

    /// Forgets the job before: its failure, and where its statements were noted.
    pub(in super::super) fn renew(&mut self) {
        self.failed = None;
        self.statements = None;
    }

    /// Why it cannot be committed, if so.
    pub(in super::super) fn failure(&self) -> Option<StoreError> {
        self.failed.map(|statement| StoreError::Poisoned { statement })
    }

    fn start(&mut self, query: &'static Query, writes: bool) -> Result<(), StoreError> {
        if let Some(error) = self.failure() {
            return Err(error);
        }
        // Taken back when the statement has succeeded: one that is dropped halfway has not.
        self.failed = Some(query.name);
        let reads = matches!(self.connection, Connection::SqliteRead(_) | Connection::Read(_));
        if writes && reads {
            return Err(StoreError::ReadOnly { statement: query.name });
        }
        if let Some(statements) = &self.statements {
            statements.ran(query.name);
        }
        self.in_statement.store(true, Ordering::Relaxed);
        self.started = Some((query.name, Instant::now()));
        Ok(())
    }

    fn end<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.in_statement.store(false, Ordering::Relaxed);
        if let Some((name, started)) = self.started.take() {
            self.figures.ran(name, started.elapsed(), result.is_err());
        }
        match &result {
            Ok(_) => self.failed = None,
            Err(error) => {
                self.is_lost |= matches!(error, StoreError::Unavailable { .. });
                if let Some(statements) = &self.statements {
                    statements.failed();
                }
            }
        }
        result
    }

    /// Whether the server seemed to be gone in the middle of it.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Runs a closure on PostgreSQL.
    pub(super) async fn watch<T, E, F>(&mut self, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
        E: From<StoreError>,
    {
        let in_statement = self.in_statement.clone();
        Watched { work: closure(self), in_statement }.await
    }

    /// Commits what a closure did on PostgreSQL, or rolls it back.
    pub(super) async fn finish<T, E: From<StoreError>>(
        self,
        outcome: Result<T, E>,
    ) -> Result<T, E> {
        let failure = self.failure();
        let Connection::Write(transaction) = self.connection else { return outcome };
        match (outcome, failure) {
            (Ok(value), None) => {
                postgres::commit(*transaction).await?;
                Ok(value)
            }
            (outcome, failure) => {
                postgres::roll_back(*transaction).await;
                outcome.and_then(|_| Err(failure.unwrap_or(StoreError::WaitedOutside).into()))
            }
        }
    }
}

/// A closure's future on PostgreSQL, refused as soon as it waits outside a statement. The SQLite
/// threads find that out by polling once.
struct Watched<'t, T> {
    work: BoxFuture<'t, T>,
    in_statement: Arc<AtomicBool>,
}

impl<T, E: From<StoreError>> Future for Watched<'_, Result<T, E>> {
    type Output = Result<T, E>;

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let polled = self.work.as_mut().poll(context);
        if polled.is_pending() && !self.in_statement.load(Ordering::Relaxed) {
            return std::task::Poll::Ready(Err(StoreError::WaitedOutside.into()));
        }
        polled
    }
}
