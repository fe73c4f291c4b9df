//! `backup now`: one plain file of the SQLite database.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::json;

use super::out;
use crate::config::Loaded;
use crate::replica::save;

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Now {
    /// The file to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Makes the file, beside a server that runs or not.
pub(super) async fn run(loaded: &Loaded, now: &Now) -> Result<()> {
    let database = &loaded.config.database;
    if database.url.is_some() {
        bail!(
            "the configured database is PostgreSQL: `pg_dump` makes its backups, and `pg_restore` \
             restores them"
        );
    }
    let (from, to, replaces) = (database.sqlite_path(), now.to.clone(), now.force);
    let saved = tokio::task::spawn_blocking(move || save::save(&from, &to, replaces));
    let bytes = saved.await??;
    if now.json {
        return Ok(out::line(json!({ "to": now.to, "bytes": bytes }))?);
    }
    let to = now.to.display();
    Ok(out::line(format_args!("{to} is the whole database as it was just now ({bytes} bytes)."))?)
}
