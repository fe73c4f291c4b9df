//! Rows put in and looked at directly, where going through the program would take too long.

use openrsvp::domain::job::{Job, Run};
use openrsvp::jobs::{self, Asked, Cancel};
use openrsvp::services::Site;
use openrsvp::store::db::{Db, Query, Row, StoreError};

/// Declares a statement that both engines read alike.
macro_rules! query {
    ($name:ident, $text:expr) => {
        static $name: Query = Query { name: stringify!($name), sqlite: $text, postgres: $text };
    };
}
pub(crate) use query;

/// The columns that [`faded_events`] fills.
macro_rules! event_columns {
    () => {
        "(id, organizer_token, channel_id, title, description, starts_at, ends_at, zone, location, \
         is_private, approval_required, rsvps_closed, rsvps_close_at, capacity, score, scored_at, \
         created_at, modified_at, accessed_at, revision, sequence, over_at, unlisted_at, \
         purgeable_at)"
    };
}
pub(crate) use event_columns;

/// Declares statements that add events that may be purged, each with a guest and so many bytes to
/// say.
macro_rules! faded_events {
    ($name:ident, $count:literal, $bytes:literal) => {
        static $name: [Query; 2] = [
            Query {
                name: "faded",
                sqlite: concat!(
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
                    $count,
                    ") INSERT INTO events ", $crate::support::rows::event_columns!(), " SELECT 'e' || i, randomblob(32), NULL, 'Old', ",
                    "hex(zeroblob(",
                    $bytes,
                    " / 2)), 1, 2, 'UTC', NULL, 0, 0, 0, NULL, NULL, 0.0, 1, 1, 1, ",
                    "1, 1, 0, 2, 2, 2 FROM n"
                ),
                postgres: concat!(
                    "INSERT INTO events ", $crate::support::rows::event_columns!(), " SELECT 'e' || i, sha256(CAST('e' || i AS BYTEA)), NULL, ",
                    "'Old', repeat('0', ",
                    $bytes,
                    "), 1, 2, 'UTC', NULL, FALSE, FALSE, FALSE, NULL, ",
                    "NULL, 0.0, 1, 1, 1, 1, 1, 0, 2, 2, 2 FROM generate_series(1, ",
                    $count,
                    ") i"
                ),
            },
            Query {
                name: "guests",
                sqlite: "INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at, modified_at)
                    SELECT 'r' || id, id, randomblob(32), 'Ada', NULL,
                    'yes', 'approved', 0, 0, 1, 1 FROM events",
                postgres: "INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private, created_at, modified_at)
                    SELECT 'r' || id, id, sha256(CAST(id AS BYTEA)),
                    'Ada', NULL, 'yes', 'approved', 0, FALSE, 1, 1 FROM events",
            },
        ];
    };
}
pub(crate) use faded_events;

/// Runs a statement that changes rows.
pub async fn change(db: &Db, query: &'static Query) {
    let changed =
        db.write(move |tx| Box::pin(async move { tx.execute(query, Vec::new()).await.map(drop) }));
    let changed: Result<(), StoreError> = changed.await;
    changed.unwrap();
}

/// The rows that a statement finds.
pub async fn rows(db: &Db, query: &'static Query) -> Vec<Row> {
    let read = db.read(move |tx| Box::pin(async move { tx.all(query, Vec::new()).await }));
    let rows: Result<_, StoreError> = read.await;
    rows.unwrap()
}

/// The number that a statement finds.
pub async fn number(db: &Db, query: &'static Query) -> i64 {
    rows(db, query).await[0].get(0).unwrap()
}

/// Runs a job as an operator would.
pub async fn ran(site: &Site, job: Job) -> Run {
    let (_stopping, cancel) = Cancel::new();
    match jobs::run(site, job, &cancel).await.unwrap() {
        Asked::Ran(run) => run,
        other => panic!("{other:?}"),
    }
}
