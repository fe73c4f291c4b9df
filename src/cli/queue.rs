//! `queue`: what is owed, and what could not be done.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::options;
use super::out;
use crate::config::Loaded;
use crate::domain::task::{State, Task};
use crate::services::Site;
use crate::services::tasks::{self, Dead};

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show tasks, the oldest first
    List(List),
    /// Try tasks again that could not be done
    Retry(Which),
    /// Forget tasks that could not be done
    Discard(Which),
}

/// Which tasks to show.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Those that could not be done, or those still to be done
    #[arg(long, value_enum, default_value_t = Wanted::Dead)]
    state: Wanted,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Wanted {
    Dead,
    Open,
}

/// Which of the tasks that could not be done.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The one with this id
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows tasks or settles them.
pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<ExitCode> {
    let site = options::site(&loaded.config).await?;
    let done = match command {
        Command::List(wanted) => list(&site, wanted).await,
        Command::Retry(which) => settle(&site, which, Dead::Retry).await,
        Command::Discard(which) => settle(&site, which, Dead::Discard).await,
    };
    site.db.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(site: &Site, wanted: &List) -> Result<()> {
    let state = match wanted.state {
        Wanted::Dead => State::Dead,
        Wanted::Open => State::Open,
    };
    let found = tasks::list(site, state, wanted.limit).await?;
    if wanted.json {
        out::line(Value::from_iter(found.iter().map(task_json)))?;
        return Ok(());
    }
    for task in &found {
        out::line(line_of(task))?;
    }
    if found.is_empty() {
        out::line(match state {
            State::Dead => "Everything could be done so far.",
            State::Open => "Nothing is to be done.",
        })?;
    }
    Ok(())
}

async fn settle(site: &Site, which: &Which, what: Dead) -> Result<()> {
    let count = match &which.id {
        Some(id) => u64::from(tasks::settle(site, id.clone(), what).await?),
        None => tasks::settle_all(site, what).await?,
    };
    if let (Some(id), 0) = (&which.id, count) {
        bail!(
            "no task {id} is dead, or another that does the same is under way; see `openrsvp queue \
             list`"
        );
    }
    let word = match what {
        Dead::Retry => "retried",
        Dead::Discard => "discarded",
    };
    if which.json {
        out::line(json!({ word: count }))?;
    } else {
        out::line(format_args!("{word}: {count}"))?;
    }
    Ok(())
}

/// A task in a line.
fn line_of(task: &Task) -> String {
    let mut line = format!("{}  {}, {}", task.id, task.kind, task.priority.as_str());
    line.push_str(&match (task.state, &task.lease) {
        (State::Dead, _) => format!("; given up after {} attempts", task.attempts),
        (State::Open, Some(_)) => format!("; somebody is at it, until {:.0} at least", task.due_at),
        (State::Open, None) => format!("; due {:.0}", task.due_at),
    });
    if let Some(reason) = &task.reason {
        line.push_str(&format!("; {reason}"));
    }
    line
}

/// Without the payload, which may hold what people wrote.
fn task_json(task: &Task) -> Value {
    json!({
        "id": task.id,
        "kind": task.kind,
        "priority": task.priority.as_str(),
        "state": task.state.as_str(),
        "due_at": task.due_at.to_string(),
        "taken": task.lease.is_some(),
        "attempts": task.attempts,
        "created_at": task.created_at.to_string(),
        "failed_at": task.failed_at.map(|at| at.to_string()),
        "reason": task.reason,
    })
}
