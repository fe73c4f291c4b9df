//! `migrate`: the database schema.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::options;
use super::out::{self, Shown};
use crate::config::Loaded;
use crate::domain::clock::Clock;
use crate::store::db::{Db, Engine};
use crate::store::migrate::{self, Migration};

/// What to do about the schema.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing: say whether there is something to do (exit code 1), or not (0)
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// Change nothing: print the statements that would run
    #[arg(long)]
    dry_run: bool,
    /// Taken for the sake of scripts written for the original; changes nothing
    #[arg(long, hide = true)]
    no_backup: bool,
    #[command(flatten)]
    shown: Shown,
}

/// Brings the schema up to date, or says what that would take.
pub(super) async fn run(loaded: &Loaded, args: &Args) -> Result<ExitCode> {
    let db = Db::open(&options::store(&loaded.config)?).await?;
    let done = match (args.check, args.dry_run) {
        (false, false) => migrate(&db, args.shown).await,
        _ => preview(&db, args).await,
    };
    db.close().await;
    done
}

async fn migrate(db: &Db, shown: Shown) -> Result<ExitCode> {
    let outcome = db.migrate(Clock::system().now()).await?;
    let (from, to) = (outcome.from, outcome.to);
    if shown.json {
        out::line(json!({ "from": from, "to": to }))?;
    } else if from == to {
        out::line(format_args!("The schema is up to date (version {to})."))?;
    } else {
        out::line(format_args!("The schema was brought from version {from} to {to}."))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn preview(db: &Db, args: &Args) -> Result<ExitCode> {
    let found = db.schema_version().await?;
    let pending: Vec<&Migration> = migrate::after_version(found).collect();
    if pending.is_empty() {
        // A newer schema may still be one that this program does not work on.
        db.require_schema().await?;
    }
    let names: Vec<_> = pending.iter().map(|migration| migration.name).collect();
    if args.shown.json {
        out::line(json!({ "found": found, "known": migrate::known(), "pending": names }))?;
    } else if args.dry_run {
        for migration in &pending {
            let sql = match db.engine() {
                Engine::Sqlite => migration.sqlite,
                Engine::Postgres => migration.postgres,
            };
            out::line(format_args!("-- {}\n{}", migration.name, sql.trim_end()))?;
        }
    } else if pending.is_empty() {
        out::line(format_args!("There is nothing to do (version {found})."))?;
    } else {
        let known = migrate::known();
        out::line(format_args!("From version {found} to {known}: {}.", names.join(", ")))?;
    }
    let is_behind = args.check && !pending.is_empty();
    Ok(if is_behind { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
