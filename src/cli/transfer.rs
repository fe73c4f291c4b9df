//! `transfer`: from one database to another.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::{options, out};
use crate::config::{Config, Loaded};
use crate::domain::clock::Clock;
use crate::services::transfer::{self, Order, Progress, Report};
use crate::store::db::{PostgresOptions, SqliteOptions, StoreOptions};

/// The word for the database that the configuration names.
const CONFIGURED: &str = "configured";

/// From where to where, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The database to read: sqlite:PATH, postgres://..., or configured; it is only read
    #[arg(long, value_name = "DATABASE", default_value = CONFIGURED)]
    from: String,
    /// A file that holds the address of the database to read
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    from_file: Option<PathBuf>,
    /// The database to write: sqlite:PATH, postgres://..., or configured
    #[arg(long, value_name = "DATABASE", required_unless_present = "to_file")]
    to: Option<String>,
    /// A file that holds the address of the database to write: others can see the arguments of a
    /// process, and a password in them
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    to_file: Option<PathBuf>,
    /// Delete what is in the database to write, and begin anew
    #[arg(long)]
    replace: bool,
    /// Where to keep the backup and the report [default: transfer in the data directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Transfers, and prints the report; fails when both sides are not the same afterwards.
pub(super) async fn run(loaded: &Loaded, args: &Args) -> Result<ExitCode> {
    let config = &loaded.config;
    let from = database(config, Some(&args.from), args.from_file.as_deref())?;
    let to = database(config, args.to.as_deref(), args.to_file.as_deref())?;
    let dir = args.dir.clone().unwrap_or_else(|| config.database.data_dir.join("transfer"));
    make_private(&dir)?;
    let switch = switch(config, args, &to);
    let order = Order { from, to, dir, replace: args.replace, switch };
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg:14} {bar:40} {pos}/{len} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let tell = |progress: Progress| {
        bar.set_message(progress.step);
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let transferred = transfer::transfer(&order, &Clock::system(), tell).await;
    bar.finish_and_clear();
    let (report, path) = transferred?;
    if args.json {
        out::line(serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report, &path)?;
    }
    Ok(if report.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Backups hold what people wrote.
fn make_private(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make the directory {}", dir.display()))
}

/// The database that an argument or a file names. What cannot be understood is not repeated: it
/// may hold a password.
fn database(config: &Config, named: Option<&str>, file: Option<&Path>) -> Result<StoreOptions> {
    let address = match (file, named) {
        (Some(file), _) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
        (None, named) => named.unwrap_or(CONFIGURED).to_owned(),
    };
    let address = address.trim();
    let patience = Duration::from_secs(config.database.acquire_timeout_seconds);
    if address == CONFIGURED {
        options::store(config)
    } else if let Some(path) = address.strip_prefix("sqlite:") {
        // Both `sqlite:data/x.db` and `sqlite:///srv/x.db` are in use.
        let path = path.strip_prefix("//").unwrap_or(path);
        let mut options = SqliteOptions::new(path);
        options.busy_timeout = patience;
        Ok(StoreOptions::Sqlite(options))
    } else if ["postgres://", "postgresql://"].iter().any(|start| address.starts_with(start)) {
        let mut options = PostgresOptions::new(address);
        options.ca_file.clone_from(&config.database.ca_file);
        options.acquire_timeout = patience;
        Ok(StoreOptions::Postgres(options))
    } else {
        bail!("a database is named as sqlite:PATH, postgres://USER@HOST/NAME, or {CONFIGURED}")
    }
}

/// The lines that make the configuration use the target.
fn switch(config: &Config, args: &Args, to: &StoreOptions) -> Vec<String> {
    let absolute = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        format!("{:?}", path.display().to_string())
    };
    if args.to.as_deref() == Some(CONFIGURED) {
        return vec!["# The configuration names this database already.".to_owned()];
    }
    let mut lines = vec!["[database]".to_owned()];
    match to {
        StoreOptions::Sqlite(options) => {
            lines.push(format!("path = {}", absolute(&options.path)));
            lines.push("# and neither url nor url_file; the profile is single".to_owned());
        }
        StoreOptions::Postgres(options) => {
            lines.push(match &args.to_file {
                Some(file) => format!("url_file = {}", absolute(file)),
                None if has_password(&options.url) => {
                    "url_file = \"/etc/openrsvp/database-url\"  # a file that holds the address \
                     given as --to, for the server's user alone"
                        .to_owned()
                }
                None => format!("url = {:?}", options.url),
            });
            if config.instance.admin_token.is_none() {
                let kept = config.database.data_dir.join("admin_token");
                lines.push("[instance]".to_owned());
                lines.push(format!(
                    "admin_token_file = {}  # the instance owner's link stays",
                    absolute(&kept)
                ));
            }
        }
    }
    lines
}

fn has_password(url: &str) -> bool {
    let is_in_query = url.contains("password=");
    url::Url::parse(url).map_or(true, |url| url.password().is_some() || is_in_query)
}

fn print(report: &Report, path: &Path) -> io::Result<()> {
    out::line(format_args!("{} -> {}", report.from, report.to))?;
    if let Some(backup) = &report.backup {
        out::line(format_args!("  backup of the source: {}", backup.display()))?;
    }
    if report.is_resumed {
        out::line("  taken up where an earlier run had stopped")?;
    }
    for table in &report.tables {
        let verdict = if table.is_equal { "equal" } else { "NOT EQUAL" };
        let (there, here) = (table.source.rows, table.target.rows);
        let hash = table.source.sha256.get(..12).unwrap_or_default();
        out::line(format_args!(
            "  {:10} {there:>9} read, {here:>9} there, {} tokens, sha256 {hash}..., {verdict}",
            table.table, table.target.tokens
        ))?;
    }
    for reference in report.references.iter().filter(|reference| reference.orphans > 0) {
        let (column, to) = (&reference.column, reference.to);
        out::line(format_args!("  {column}: {} rows name no row of {to}", reference.orphans))?;
    }
    for table in &report.left_out {
        out::line(format_args!("  left out: {}: {}", table.table, table.reason))?;
    }
    print_later(report)?;
    out::line(format_args!("Report: {}", path.display()))?;
    if !report.is_equal() {
        return out::line(
            "The target does NOT hold what was read: go on using the source, and run again with --replace.",
        );
    }
    out::line(
        "Everything is there. To use it, stop the server, put this into its configuration, and start it:\n",
    )?;
    report.switch.iter().try_for_each(out::line)
}

fn print_later(report: &Report) -> io::Result<()> {
    let Some(later) = &report.later else {
        return out::line("  later changes: the source could not be read again");
    };
    let mut changed = later.iter().filter(|table| table.rows() > 0).peekable();
    if changed.peek().is_none() {
        return out::line("  later changes: none; the source is as it was copied");
    }
    for table in changed {
        out::line(format_args!(
            "  came later, and is NOT in the target: {}: {} added, {} changed, {} removed",
            table.table, table.added, table.changed, table.removed
        ))?;
    }
    out::line(
        "  To take that over too, stop the server of the source and run again with --replace.",
    )
}
