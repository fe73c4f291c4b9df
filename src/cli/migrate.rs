//! `migrate`: the database schema.

use anyhow::Result;

use serde_json::json;

use super::options;
use super::out::{self, Shown};
use crate::config::Loaded;
use crate::domain::clock::Clock;
use crate::store::db::Db;

/// Brings the schema up to date.
pub(super) async fn run(loaded: &Loaded, shown: Shown) -> Result<()> {
    let db = Db::open(&options::store(&loaded.config)?).await?;
    let outcome = db.migrate(Clock::system().now()).await?;
    let (from, to) = (outcome.from, outcome.to);
    if shown.json {
        out::line(json!({ "from": from, "to": to }))?;
    } else if from == to {
        out::line(format_args!("The schema is up to date (version {to})."))?;
    } else {
        out::line(format_args!("The schema was brought from version {from} to {to}."))?;
    }
    db.close().await;
    Ok(())
}
