//! `migrate`: the database schema.

use anyhow::Result;

use super::{options, out};
use crate::config::Loaded;
use crate::domain::clock::Clock;
use crate::store::db::Db;

/// Brings the schema up to date.
pub(super) async fn run(loaded: &Loaded) -> Result<()> {
    let db = Db::open(&options::store(&loaded.config)?).await?;
    let outcome = db.migrate(Clock::system().now()).await?;
    if outcome.from == outcome.to {
        out::line(format_args!("The schema is up to date (version {}).", outcome.to))?;
    } else {
        let (from, to) = (outcome.from, outcome.to);
        out::line(format_args!("The schema was brought from version {from} to {to}."))?;
    }
    db.close().await;
    Ok(())
}
