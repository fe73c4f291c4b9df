//! The only SQL. [`db`] has the handle to either database and the rules for statements; the files
//! named after nouns hold their statements. Nothing here decides anything about the product.

pub mod channels;
pub mod db;
mod decode;
pub mod dialect;
pub mod error;
pub mod events;
pub mod foreign;
pub mod jobs;
pub mod limits;
pub mod lock;
pub mod messages;
pub mod meta;
pub mod migrate;
pub mod options;
mod postgres;
mod queue;
mod reach;
pub mod rsvps;
mod sqlite;
pub mod tasks;
pub mod transfer;
pub mod vacuum;
pub mod value;
pub mod webhooks;

pub use decode::Place;

pub(crate) use dialect::queries;
pub(crate) use value::values;

/// Every statement of the program: a test prepares each on both engines.
pub fn statements() -> impl Iterator<Item = &'static db::Query> {
    [
        channels::QUERIES,
        events::QUERIES,
        jobs::QUERIES,
        limits::QUERIES,
        messages::QUERIES,
        meta::QUERIES,
        rsvps::QUERIES,
        tasks::QUERIES,
        webhooks::QUERIES,
    ]
    .into_iter()
    .flatten()
    .copied()
}
