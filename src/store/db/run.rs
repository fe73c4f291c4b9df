//! How closures run: on which engine, and what a trace is told of it.

use super::tx::Connection;
use super::{BoxFuture, Db, Inner, StoreError, Tx};
use crate::store::sqlite;
use crate::trace::{Span, Statements};

impl Db {
    /// What the engine is called in traces.
    pub(super) fn system(&self) -> &'static str {
        match &*self.0 {
            Inner::Sqlite(..) => "sqlite",
            Inner::Postgres(_) => "postgresql",
        }
    }

    pub(super) async fn write_traced<T, E, F>(&self, span: Span, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let statements = Statements::default();
        let noted = statements.clone();
        let outcome = span.around(self.write_untraced(move |tx| {
            tx.note_in(noted);
            closure(tx)
        }));
        let outcome = outcome.await;
        span.end_transaction(&statements, outcome.is_ok());
        outcome
    }

    pub(super) async fn read_traced<T, E, F>(&self, span: Span, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let statements = Statements::default();
        let noted = statements.clone();
        let outcome = span.around(self.read_untraced(move |tx| {
            tx.note_in(noted);
            closure(tx)
        }));
        let outcome = outcome.await;
        span.end_transaction(&statements, outcome.is_ok());
        outcome
    }

    pub(super) async fn write_untraced<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.0 {
            Inner::Sqlite(threads, _) => settle(threads.write(closure).await),
            Inner::Postgres(server) => {
                let work = async {
                    let connection = Connection::Write(Box::new(server.begin().await?));
                    let mut tx = Tx::new(connection, self.1.clone());
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

    pub(super) async fn read_untraced<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.0 {
            Inner::Sqlite(threads, _) => settle(threads.read(closure).await),
            Inner::Postgres(server) => {
                let work = async {
                    let connection = Connection::Read(Box::new(server.acquire().await?));
                    let mut tx = Tx::new(connection, self.1.clone());
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
}

fn settle<T, E: From<StoreError>>(answer: sqlite::Answer<T, E>) -> Result<T, E> {
    match answer {
        sqlite::Answer::Returned(result) => result,
        sqlite::Answer::Refused(error) => Err(error.into()),
        sqlite::Answer::Panicked(panic) => std::panic::resume_unwind(panic),
    }
}
