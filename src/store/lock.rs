//! Locks between processes, for work that must not run twice at once. They die with their holder
//! and know no clock: on SQLite a lock on a file beside the database, on PostgreSQL an advisory
//! lock of a session of its own.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::error::StoreError;
use super::postgres::refused;

/// A lock that is held until it is released or dropped.
pub struct Lock(Holder);

enum Holder {
    /// The file's lock goes with the file's descriptor.
    File(#[expect(dead_code, reason = "held, not read")] File),
    /// The session's lock goes with the session.
    Session(Box<PgConnection>, Duration),
}

impl Lock {
    /// Whether it is still held: a session ends when the server or the network fails.
    pub async fn is_held(&mut self) -> bool {
        match &mut self.0 {
            Holder::File(_) => true,
            Holder::Session(session, patience) => {
                tokio::time::timeout(*patience, session.ping()).await.is_ok_and(|ping| ping.is_ok())
            }
        }
    }

    /// Gives it up.
    pub async fn release(self) {
        if let Holder::Session(mut session, patience) = self.0 {
            // The server takes a moment to end a session; the next to ask shall not wait for it.
            // One that cannot be ended in order is gone all the same.
            let unlock = sqlx::raw_sql("SELECT pg_advisory_unlock_all()");
            let _ = tokio::time::timeout(patience, async {
                let _ = unlock.execute(&mut *session).await;
                session.close().await
            })
            .await;
        }
    }
}

/// The lock `name` of the SQLite file at `path`, or `None` when it is taken.
pub(super) fn of_file(path: &Path, name: &str) -> Result<Option<Lock>, StoreError> {
    // Whatever way led to the database, the lock is beside the file itself.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut beside = path.into_os_string();
    beside.push(format!("-{name}.lock"));
    let cannot = |error: std::io::Error| {
        StoreError::unavailable(format!("cannot lock {}: {error}", Path::new(&beside).display()))
    };
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let file = file.map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(Holder::File(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// Of each schema its own, should a database hold several.
pub(super) const TRY: &str = "SELECT pg_try_advisory_lock(
    hashtextextended('openrsvp ' || COALESCE(current_schema(), '') || ' ' || $1, 0))";

/// The lock `name`, held by `session`, or `None` when it is taken. A server that does not answer
/// within `patience` has lost it.
pub(super) async fn of_session(
    mut session: PgConnection,
    name: &str,
    patience: Duration,
) -> Result<Option<Lock>, StoreError> {
    let taken = sqlx::query_scalar::<_, bool>(TRY)
        .bind(name)
        .fetch_one(&mut session)
        .await
        .map_err(|error| refused("lock", &error))?;
    let lock = Lock(Holder::Session(Box::new(session), patience));
    if taken {
        return Ok(Some(lock));
    }
    lock.release().await;
    Ok(None)
}
