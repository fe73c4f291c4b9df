//! The command line: a file for each command.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration (EX_CONFIG of sysexits.h).

mod admin_token;
mod backup_now;
mod check;
mod config;
mod import;
mod job;
mod logging;
mod migrate;
mod options;
mod out;
mod queue;
mod reference;
mod restore;
mod seed_data;
mod serve;
mod transfer;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::config::{ConfigError, Loaded, Sources};
use crate::trace;

const EXIT_CONFIG: u8 = 78;
/// How long a look-up may go on when all else has ended.
const LAST_LOOK: Duration = Duration::from_secs(1);
const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration (EX_CONFIG).";

/// Self-hosted event pages that need no accounts.
#[derive(Debug, Parser)]
#[command(name = "openrsvp", version, about, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Args)]
struct Global {
    /// Configuration file [default: ./openrsvp.toml, when it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// single (one process, SQLite) or cluster (many processes, PostgreSQL)
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Directory of the database and the instance token
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// auto, text or json
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the web server
    #[command(alias = "runserver")]
    Serve(serve::Args),
    /// Print the instance owner's link
    AdminToken(out::Shown),
    /// Make a new instance token; the old link stops working
    RotateAdminToken(out::Shown),
    /// Say whether everything is in order, and what to do where it is not
    Check(out::Shown),
    /// Bring the database schema up to date (serve does so by itself)
    #[command(alias = "upgrade-db")]
    Migrate(migrate::Args),
    /// Bring over the database of OpenRSVP 0.16 or before
    Import(import::Args),
    /// Move the site from SQLite to PostgreSQL, or back
    Transfer(transfer::Args),
    /// Make the database out of a replica that this program or Litestream wrote
    Restore(restore::Args),
    /// Show what is in a replica; make one plain file of the database
    #[command(subcommand)]
    Backup(restore::Backup),
    /// Run what the program otherwise does by itself, or show when it did
    #[command(subcommand)]
    Job(job::Command),
    /// Do what is owed after changes, until told to stop
    Worker(worker::Args),
    /// Show what is owed; try again or forget what could not be done
    #[command(subcommand)]
    Queue(queue::Command),
    /// The original's name for `job decay-cycle`, and with --vacuum for `job vacuum-db` after it
    Decay(job::Decay),
    /// Fill a database with made-up events, to try the program with; whoever knows the seed knows
    /// their links
    SeedData(seed_data::Args),
    /// Show the effective configuration and where each value comes from
    Config(config::Args),
    /// Print the manual page, or write one for each command
    Man(reference::Man),
    /// Print completions for a shell
    Completions(reference::Completions),
}

impl Command {
    /// Whether what it does is told to a collector of traces.
    fn is_traced(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Worker(_) | Self::Job(_) | Self::Decay(_))
    }
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let Some(command) = cli.command else {
        // Help is what somebody who types the bare name wants.
        return exit_of(out::quietly(Cli::command().print_help()).map_err(Into::into));
    };
    match &command {
        // These need no configuration, so a wrong one is in nobody's way.
        Command::Man(args) => return exit_of(reference::man(Cli::command(), args)),
        Command::Completions(args) => return exit_of(reference::completions(Cli::command(), args)),
        _ => {}
    }
    let loaded = match load(&cli.global, &command) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("openrsvp: {error}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if !matches!(command, Command::Config(_)) {
        logging::start(&loaded);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit_of(Err(error.into())),
    };
    let wanted = options::tracing(&loaded.config).filter(|_| command.is_traced());
    let tracing = wanted.and_then(|options| {
        // Such as a machine without certificates: no reason not to serve.
        trace::start(&options, runtime.handle())
            .inspect_err(|error| tracing::error!(%error, "there are no traces"))
            .ok()
    });
    let code = perform(&runtime, &loaded, command);
    if let Some(tracing) = tracing {
        tracing.stop();
        // The collector's name may still be looked up.
        runtime.shutdown_timeout(LAST_LOOK);
    }
    code
}

fn perform(runtime: &Runtime, loaded: &Loaded, command: Command) -> ExitCode {
    match command {
        Command::Serve(_) => exit_of(runtime.block_on(serve::run(loaded))),
        Command::AdminToken(shown) => exit_of(admin_token::print(loaded, shown)),
        Command::RotateAdminToken(shown) => {
            exit_of(runtime.block_on(admin_token::rotate(loaded, shown)))
        }
        Command::Check(shown) => code_of(runtime.block_on(check::run(loaded, shown))),
        Command::Migrate(args) => code_of(runtime.block_on(migrate::run(loaded, &args))),
        Command::Import(args) => code_of(runtime.block_on(import::run(loaded, &args))),
        Command::Transfer(args) => code_of(runtime.block_on(transfer::run(loaded, &args))),
        Command::Restore(args) => exit_of(runtime.block_on(restore::run(loaded, &args))),
        Command::Backup(command) => exit_of(runtime.block_on(restore::backup(loaded, &command))),
        Command::Job(command) => code_of(runtime.block_on(job::run(loaded, &command))),
        Command::Worker(args) => exit_of(runtime.block_on(worker::run(loaded, &args))),
        Command::Queue(command) => code_of(runtime.block_on(queue::run(loaded, &command))),
        Command::Decay(args) => code_of(runtime.block_on(job::decay(loaded, &args))),
        Command::SeedData(args) => exit_of(runtime.block_on(seed_data::run(loaded, &args))),
        Command::Config(args) => exit_of(config::show(loaded, &args)),
        Command::Man(_) | Command::Completions(_) => ExitCode::SUCCESS,
    }
}

fn load(global: &Global, command: &Command) -> Result<Loaded, ConfigError> {
    let mut sources = Sources::of_process();
    sources.profile.clone_from(&global.profile);
    sources.named_file.clone_from(&global.config);
    let mut set = |key, value: &Option<String>| {
        sources.flags.extend(value.clone().map(|value| (key, value)));
    };
    set("database.data_dir", &global.data_dir);
    set("log.format", &global.log_format);
    if let Command::Serve(args) = command {
        set("server.host", &args.host);
        set("server.port", &args.port.map(|port| port.to_string()));
    }
    sources.load()
}

fn exit_of(result: anyhow::Result<()>) -> ExitCode {
    code_of(result.map(|()| ExitCode::SUCCESS))
}

fn code_of(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("openrsvp: {error:#}");
            ExitCode::FAILURE
        }
    }
}
