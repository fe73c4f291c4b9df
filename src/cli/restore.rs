//! `restore` and `backup`: databases out of replicas.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use super::backup_now::{self, Now};
use super::out;
use crate::config::Loaded;
use crate::replica::legacy;
use crate::replica::place::{Replica, without_query};
use crate::replica::plan::{self, Target};
use crate::replica::restore::{self, RestoreError, Restored};
use crate::replica::way::{self, Verified, Way};

/// How often is shown how far a restore is.
const SHOWN_INTERVAL: Duration = Duration::from_millis(100);

/// What to restore, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The replica: file:///directory or s3://bucket/prefix, with ?endpoint=...&region=...&keys_file=...
    /// or AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY [default: the first
    /// of backup.replicas]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Where to put the database [default: the configured one]
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
    /// The state just before this moment, such as 2026-06-13T17:00:00Z [default: the newest]
    #[arg(long, value_name = "RFC3339", value_parser = moment, conflicts_with = "txid")]
    timestamp: Option<Timestamp>,
    /// Exactly this state, in hexadecimal as `openrsvp backup list` shows those that can be had
    #[arg(long, value_parser = txid)]
    txid: Option<u64>,
    /// Change nothing: say what would be restored
    #[arg(long)]
    dry_run: bool,
    /// Replace a database that is there, and keep it under another name
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to do with replicas.
#[derive(Debug, Subcommand)]
pub(super) enum Backup {
    /// Show the states that can be restored, the newest first
    List(List),
    /// Make one plain file of the SQLite database, beside a server that runs or not
    Now(Now),
    /// Try whether the newest state can be restored: beside the database, and removed again
    Verify(Verify),
}

/// Which replica.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// The replica: file:///directory or s3://bucket/prefix [default: the first of backup.replicas]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which replica to try.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// The replica: file:///directory or s3://bucket/prefix [default: the first of backup.replicas]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A moment as it is written.
fn moment(text: &str) -> Result<Timestamp, String> {
    let wanted =
        "a moment with its offset, such as 2026-06-13T17:00:00Z or 2026-06-13T19:00:00+02:00";
    text.parse().map_err(|_| format!("it needs to be {wanted}"))
}

/// A txid as it is written: hexadecimal.
fn txid(text: &str) -> Result<u64, String> {
    let number = u64::from_str_radix(text.trim_start_matches("0x"), 16);
    number.map_err(|_| "a txid is a hexadecimal number such as 000000000000002a".to_owned())
}

/// Restores.
pub(super) async fn run(loaded: &Loaded, args: &Args) -> Result<()> {
    let configured = loaded.config.database.url.is_none();
    let to = match &args.to {
        Some(to) => to.clone(),
        None if configured => loaded.config.database.sqlite_path(),
        None => bail!("the configured database is PostgreSQL: say with --to where to put the file"),
    };
    let replica = Replica::at(&address(loaded, args.from.as_deref())?)?;
    let target = match (args.timestamp, args.txid) {
        (Some(at), _) => Target::Before(at),
        (None, Some(txid)) => Target::Txid(txid),
        (None, None) => Target::Latest,
    };
    let way = way::find(&replica, target).await?;
    if args.dry_run {
        return show(&way, args.json);
    }
    let restored = restore_shown(&replica, &way, &to, args.force).await?;
    if args.json {
        return Ok(out::line(json!({
            "to": to,
            "txid": restored.txid.map(txid_text),
            "written_at": restored.at.to_string(),
            "bytes": restored.bytes,
            "kept": restored.kept,
        }))?);
    }
    out::line(format_args!("{} is as it was at {}.", to.display(), said(&restored)))?;
    if let Some(kept) = restored.kept {
        out::line(format_args!("What was there before is kept as {}.", kept.display()))?;
    }
    Ok(())
}

/// Restores, and shows on a terminal how far it is.
async fn restore_shown(
    replica: &Replica,
    way: &Way,
    to: &Path,
    replaces: bool,
) -> Result<Restored, RestoreError> {
    let bar = ProgressBar::new(way.bytes());
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} {msg}")
    {
        bar.set_style(style);
    }
    let tell = |read| {
        bar.set_position(read);
        if read == way.bytes() {
            bar.set_message("checking it");
        }
    };
    let restored = restore::restore_telling(replica, way, to, replaces, SHOWN_INTERVAL, tell).await;
    bar.finish_and_clear();
    restored
}

fn txid_text(txid: u64) -> String {
    format!("{txid:016x}")
}

/// When a state was written, its txid where it has one, and its size.
fn said(restored: &Restored) -> String {
    let txid = restored.txid.map_or_else(String::new, |txid| format!("txid {txid:016x}, "));
    format!("{} ({txid}{} bytes)", restored.at, restored.bytes)
}

fn show(way: &Way, json: bool) -> Result<()> {
    let (reads, txid) = (way.reads(), way.txid().map(txid_text));
    let bytes: u64 = reads.iter().map(|(_, bytes)| bytes).sum();
    if json {
        let files: Vec<_> = reads.iter().map(|(path, _)| path).collect();
        return Ok(out::line(json!({ "txid": txid, "bytes": bytes, "files": files }))?);
    }
    let what = txid.map_or_else(|| "The database".to_owned(), |txid| format!("txid {txid}"));
    let count = reads.len();
    Ok(out::line(format_args!("{what} would be restored from {count} files, {bytes} bytes."))?)
}

/// Does something with replicas.
pub(super) async fn backup(loaded: &Loaded, command: &Backup) -> Result<()> {
    match command {
        Backup::List(wanted) => list(loaded, wanted).await,
        Backup::Now(now) => backup_now::run(loaded, now).await,
        Backup::Verify(verify) => try_one(loaded, verify).await,
    }
}

async fn try_one(loaded: &Loaded, args: &Verify) -> Result<()> {
    let configured = loaded.config.database.sqlite_path();
    let beside = configured.parent().filter(|dir| dir.is_dir()).map(Path::to_owned);
    let dir = beside.unwrap_or_else(tempfile::env::temp_dir);
    let replica = Replica::at(&address(loaded, args.from.as_deref())?)?;
    let Verified { restored, tables, rows } = way::verify(&replica, &dir).await?;
    if args.json {
        return Ok(out::line(json!({
            "txid": restored.txid.map(txid_text),
            "written_at": restored.at.to_string(),
            "bytes": restored.bytes,
            "tables": tables,
            "rows": rows,
        }))?);
    }
    Ok(out::line(format_args!(
        "The newest state is of {}: sound, {tables} tables with {rows} rows.",
        said(&restored)
    ))?)
}

/// The replica that is named, or else the first that is configured.
fn address(loaded: &Loaded, named: Option<&str>) -> Result<String> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let configured = &loaded.config.backup.replicas;
    let Some(first) = configured.first() else {
        bail!("say with --from which replica, for none is configured (backup.replicas)");
    };
    if configured.len() > 1 {
        let count = configured.len();
        // Not where JSON is read.
        eprintln!("Of {count} replicas the first is taken: {}", without_query(first));
    }
    Ok(first.clone())
}

/// Shows what is in a replica.
async fn list(loaded: &Loaded, list: &List) -> Result<()> {
    let replica = Replica::at(&address(loaded, list.from.as_deref())?)?;
    let files = replica.list().await?;
    let points = replica.timed(plan::points(&files).take(list.limit).collect()).await?;
    if list.json {
        let points = points.iter().map(|point| {
            json!({ "txid": format!("{:016x}", point.max), "written_at": point.at.to_string() })
        });
        return Ok(out::line(serde_json::Value::from_iter(points))?);
    }
    for point in &points {
        out::line(format_args!("{:016x}  {}", point.max, point.at))?;
    }
    if let Ok(chain) = legacy::chain(&replica.list_legacy().await?, None) {
        // It has no names for its states.
        let (from, to) = (chain.copy.at, chain.at);
        out::line(format_args!("Litestream 0.3: from {from} to {to}, by --timestamp"))?;
    } else if points.is_empty() {
        out::line("There is nothing in this replica.")?;
    }
    Ok(())
}
