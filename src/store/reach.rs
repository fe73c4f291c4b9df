//! Whether the PostgreSQL server can be reached. That is found out once for all: while it is gone,
//! nobody waits for it, and when it is back, everybody learns so within moments.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::watch;

use super::error::StoreError;
use super::postgres::refused;

/// Whoever waits longer than this for a connection has somebody look whether the server is there.
const DOUBT: Duration = Duration::from_millis(250);
/// Between two looks at a server that is gone.
const PAUSE: Duration = Duration::from_millis(250);
/// A server that writes; a standby takes no answers.
const LOOK: &str = "SELECT NOT pg_is_in_recovery()";

/// What is known about the server.
pub(super) struct Reach {
    gone: watch::Sender<bool>,
    is_looking: AtomicBool,
    options: PgConnectOptions,
    patience: Duration,
}

impl Reach {
    /// A server that was there a moment ago. `patience` is how long it may take to let one in.
    pub(super) fn new(options: PgConnectOptions, patience: Duration) -> Arc<Self> {
        let gone = watch::Sender::new(false);
        Arc::new(Self { gone, is_looking: AtomicBool::new(false), options, patience })
    }

    /// True while it is known to be gone.
    pub(super) fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }

    /// Waits for `work` as long as the server is there.
    pub(super) async fn during<T, E: From<StoreError>>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let gone = || E::from(StoreError::unavailable("the server cannot be reached"));
        if self.is_gone() {
            return Err(gone());
        }
        let mut news = self.gone.subscribe();
        tokio::select! {
            biased;
            done = work => done,
            // An error would mean that the sender is gone, which this borrows.
            _ = news.wait_for(|gone| *gone) => Err(gone()),
        }
    }

    /// Waits for a connection; when that takes long, somebody looks whether the server is there.
    pub(super) async fn connecting<T>(
        self: &Arc<Self>,
        statement: &'static str,
        connect: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, StoreError> {
        let doubt = async {
            tokio::time::sleep(DOUBT).await;
            self.doubt();
            std::future::pending().await
        };
        let connect = async {
            tokio::select! {
                connected = connect => connected,
                never = doubt => never,
            }
        };
        self.during(async {
            connect.await.map_err(|error| {
                let error = refused(statement, &error);
                if error.is_transient() {
                    self.doubt();
                }
                error
            })
        })
        .await
    }

    /// Has somebody look whether the server is there, unless somebody does already.
    pub(super) fn doubt(self: &Arc<Self>) {
        if !self.is_looking.swap(true, Ordering::AcqRel) {
            tokio::spawn(look_until_there(Arc::downgrade(self)));
        }
    }

    async fn look(&self) -> Result<(), String> {
        let look = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            let writes = sqlx::query_scalar::<_, bool>(LOOK).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(writes)
        };
        match tokio::time::timeout(self.patience, look).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("it is a standby, which takes no changes".to_owned()),
            Ok(Err(error)) if is_said_by_a_living_server(&error) => Ok(()),
            Ok(Err(error)) => Err(refused("look", &error).to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }
}

/// A server that lets no more connections in, or not this one, may well go on with those it has:
/// only one that starts or stops (class 57) is as good as gone.
fn is_said_by_a_living_server(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(said) => !said.code().is_some_and(|code| code.starts_with("57")),
        _ => false,
    }
}

/// Looks until the server is there, or nobody needs it any more.
async fn look_until_there(reach: Weak<Reach>) {
    while let Some(reach) = reach.upgrade() {
        match reach.look().await {
            Ok(()) => {
                if reach.gone.send_replace(false) {
                    tracing::info!("the database is there again");
                }
                reach.is_looking.store(false, Ordering::Release);
                return;
            }
            Err(reason) => {
                if !reach.gone.send_replace(true) {
                    tracing::error!(reason, "the database cannot be reached");
                }
            }
        }
        drop(reach);
        tokio::time::sleep(PAUSE).await;
    }
}
