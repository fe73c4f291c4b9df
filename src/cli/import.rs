//! `import`: the original's database.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::{options, out};
use crate::config::Loaded;
use crate::services::importing::{self, ImportOptions, Progress, Report};

/// Most conflicts listed for people; `--json` has them all.
const SHOWN_CONFLICTS: usize = 20;

/// What to import and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The SQLite file of OpenRSVP 0.16 or before; it is only read
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Overwrite what is here already and differs
    #[arg(long)]
    replace: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Imports, and prints the report; fails when not all could be taken over as it was.
pub(super) async fn run(loaded: &Loaded, args: &Args) -> Result<ExitCode> {
    let site = options::site_to_fill(&loaded.config).await?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg:18} {bar:40} {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let tell = |progress: Progress| {
        bar.set_message(progress.step);
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let how = ImportOptions { dry_run: args.dry_run, replace: args.replace };
    let imported = importing::import(&site, &args.from, how, tell).await;
    bar.finish_and_clear();
    site.db.close().await;
    let report = imported?;
    if args.json {
        out::line(serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report)?;
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) -> io::Result<()> {
    let did = if report.dry_run { "would be added" } else { "added" };
    out::line(report.from.display())?;
    let (source, added) = (&report.source, &report.added);
    let (unchanged, replaced) = (&report.unchanged, &report.replaced);
    for (what, found, added, unchanged, replaced) in [
        ("channels", source.channels, added.channels, unchanged.channels, replaced.channels),
        ("events", source.events, added.events, unchanged.events, replaced.events),
        ("answers", source.rsvps, added.rsvps, unchanged.rsvps, replaced.rsvps),
        ("messages", source.messages, added.messages, unchanged.messages, replaced.messages),
    ] {
        out::line(format_args!(
            "  {what:9} {found:>8} found, {added:>8} {did}, {unchanged:>8} here already, {replaced:>6} replaced"
        ))?;
    }
    let left = &report.left_out;
    out::line(format_args!(
        "  left out: {} messages of deleted events, {} of deleted answers, {} answers of deleted events",
        left.messages_of_deleted_events,
        left.messages_of_deleted_rsvps,
        left.rsvps_of_deleted_events
    ))?;
    for conflict in report.conflicts.iter().take(SHOWN_CONFLICTS) {
        out::line(format_args!(
            "  conflict: {} {}: {}",
            conflict.table, conflict.id, conflict.what
        ))?;
    }
    if report.conflicts.len() > SHOWN_CONFLICTS {
        out::line(format_args!(
            "  and {} more conflicts (--json lists them)",
            report.conflicts.len() - SHOWN_CONFLICTS
        ))?;
    }
    if let Some(verified) = &report.verified {
        let here = &verified.here;
        out::line(format_args!(
            "  compared: {} rows, {} tokens, {} wrong; here now {} events ({} private), {} answers \
             ({} yes, {} maybe, {} no; {} waiting, {} rejected), {} people",
            verified.rows,
            verified.tokens,
            verified.wrong,
            here.events,
            here.private_events,
            here.rsvps,
            here.yes,
            here.maybe,
            here.no,
            here.pending,
            here.rejected,
            here.people
        ))?;
    }
    out::line(match (report.is_complete(), report.dry_run) {
        (true, true) => "Nothing was written. All of it can be imported.",
        (true, false) => "All of it is here, and every link works.",
        (false, true) => "Nothing was written. See the conflicts above.",
        (false, false) => {
            "Not all of it could be taken over as it was: see above. Nothing else was changed."
        }
    })
}
