//! `job`: what the program does by itself, done now or looked at; and `decay`, its name in the
//! original.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::options;
use super::out::{self, Shown};
use crate::config::{Config, Loaded};
use crate::domain::job::{Job, Outcome, Run};
use crate::jobs::scheduler::SchedulerOptions;
use crate::jobs::{self, Asked, Cancel};
use crate::services::Site;
use crate::services::jobs as records;

/// Which job, or what to show.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the jobs, when each ran last and when it is due
    List(Shown),
    /// Show what ran, the last first
    History(History),
    /// Close answers that are due, delete what has faded
    DecayCycle(Once),
    /// Give back disk space, and help the database plan its work
    VacuumDb(Once),
    /// Try whether the newest state of each replica can be restored
    VerifyBackup(Once),
}

/// How to run a job.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Once {
    /// End after so many seconds, at the next step; what is done stays done
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// Runs of this job only: decay-cycle, vacuum-db or verify-backup
    #[arg(long, value_parser = known_job)]
    job: Option<Job>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn known_job(name: &str) -> Result<Job, String> {
    Job::from_name(name).ok_or_else(|| {
        let names = Job::ALL.map(Job::name);
        format!("there is no such job; there are {}", names.join(", "))
    })
}

/// The original's `decay`.
#[derive(Debug, clap::Args)]
pub(super) struct Decay {
    /// Give back disk space as well
    #[arg(long)]
    vacuum: bool,
}

/// Runs a job or shows them.
pub(super) async fn run(loaded: &Loaded, command: &Command) -> Result<ExitCode> {
    let site = options::site(&loaded.config).await?;
    let done = match command {
        Command::List(shown) => list(&loaded.config, &site, *shown).await,
        Command::History(wanted) => history(&site, wanted).await,
        Command::DecayCycle(once) => one(&site, Job::DecayCycle, *once).await,
        Command::VacuumDb(once) => one(&site, Job::VacuumDb, *once).await,
        Command::VerifyBackup(once) => verify(&site, *once).await,
    };
    site.db.close().await;
    done
}

/// Runs the decay cycle, and the vacuum where asked for, as the original did.
pub(super) async fn decay(loaded: &Loaded, args: &Decay) -> Result<ExitCode> {
    let site = options::site(&loaded.config).await?;
    let done = decay_of(&site, args).await;
    site.db.close().await;
    done
}

async fn decay_of(site: &Site, args: &Decay) -> Result<ExitCode> {
    let asked = ask(site, Job::DecayCycle, None).await?;
    match &asked {
        Asked::Ran(run) if run.outcome == Outcome::Done => {
            out::line(format_args!("Decay complete: {}", json!(run.counts)))?;
        }
        other => out::line(said(Job::DecayCycle, other))?,
    }
    if !is_good(&asked) || !args.vacuum {
        return Ok(code(&asked));
    }
    one(site, Job::VacuumDb, Once { timeout: None, shown: Shown { json: false } }).await
}

/// Tries the replicas, if there are any.
async fn verify(site: &Site, once: Once) -> Result<ExitCode> {
    let job = Job::VerifyBackup;
    if !site.rules.replicas.is_empty() {
        return one(site, job, once).await;
    }
    if once.shown.json {
        out::line(json!({ "job": job.name(), "outcome": "nothing" }))?;
    } else {
        out::line("There is nothing to verify: no replicas are configured (backup.replicas).")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn one(site: &Site, job: Job, once: Once) -> Result<ExitCode> {
    let asked = ask(site, job, once.timeout.map(Duration::from_secs)).await?;
    if once.shown.json {
        out::line(match &asked {
            Asked::Ran(run) => run_json(run),
            Asked::Busy | Asked::NotDue => json!({ "job": job.name(), "outcome": "busy" }),
        })?;
    } else {
        out::line(said(job, &asked))?;
    }
    Ok(code(&asked))
}

/// Runs a job now; a signal ends it at its next step, and so does the end of its time.
async fn ask(site: &Site, job: Job, timeout: Option<Duration>) -> Result<Asked> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stopping, cancel) = Cancel::new();
    let running = jobs::run(site, job, &cancel);
    tokio::pin!(running);
    tokio::select! {
        asked = &mut running => return Ok(asked?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = tokio::time::sleep(timeout.unwrap_or(Duration::MAX)) => {}
    }
    // The job listens: it is running.
    let _ = stopping.send(true);
    Ok(running.await?)
}

/// Another process that is at it does what was asked for.
fn is_good(asked: &Asked) -> bool {
    match asked {
        Asked::Ran(run) => run.outcome == Outcome::Done,
        Asked::Busy | Asked::NotDue => true,
    }
}

fn code(asked: &Asked) -> ExitCode {
    if is_good(asked) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn said(job: Job, asked: &Asked) -> String {
    match asked {
        Asked::Ran(run) => line_of(run),
        Asked::Busy | Asked::NotDue => {
            format!("{}: another process is at it; nothing to do here", job.name())
        }
    }
}

/// A run in a line.
fn line_of(run: &Run) -> String {
    let mut line = format!("{}: {}", run.job.name(), run.outcome.as_str());
    if let Some(reason) = &run.reason {
        line.push_str(&format!(" ({reason})"));
    }
    if !run.counts.is_empty() {
        line.push_str(&format!("; {}", run.counts_in_words()));
    }
    line
}

fn run_json(run: &Run) -> Value {
    json!({
        "id": run.id,
        "job": run.job.name(),
        "number": run.number,
        "started_at": run.started_at.to_string(),
        "ended_at": run.ended_at.map(|at| at.to_string()),
        "outcome": run.outcome.as_str(),
        "counts": run.counts,
        "reason": run.reason,
    })
}

async fn list(config: &Config, site: &Site, shown: Shown) -> Result<ExitCode> {
    let scheduler: SchedulerOptions = options::scheduler(config);
    let now = site.clock.now();
    let mut all = Vec::new();
    for (job, last) in records::last_runs(site).await? {
        let Some(schedule) = scheduler.schedule(job) else { continue };
        let hours = schedule.every.as_hours();
        let due = schedule.due_at(last.as_ref(), now);
        if shown.json {
            all.push(json!({
                "job": job.name(),
                "purpose": job.purpose(),
                "every_hours": hours,
                "scheduled": scheduler.enabled,
                "due_at": due.unwrap_or(now).to_string(),
                "last": last.as_ref().map(run_json),
            }));
            continue;
        }
        out::line(format_args!("{}: {}", job.name(), job.purpose()))?;
        let last = last.map_or_else(
            || "never".to_owned(),
            |run| format!("{:.0}, {}", run.started_at, run.outcome.as_str()),
        );
        let due = due.map_or_else(|| "now".to_owned(), |at| format!("{at:.0}"));
        out::line(format_args!("  every {hours} h; last run {last}; due {due}"))?;
    }
    if shown.json {
        out::line(Value::Array(all))?;
    } else if !scheduler.enabled {
        out::line("The scheduler is off (scheduler.enabled): jobs run when they are called.")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn history(site: &Site, wanted: &History) -> Result<ExitCode> {
    let runs = records::history(site, wanted.job, wanted.limit).await?;
    if wanted.json {
        out::line(Value::from_iter(runs.iter().map(run_json)))?;
        return Ok(ExitCode::SUCCESS);
    }
    for run in &runs {
        out::line(format_args!("{:.0}  {}", run.started_at, line_of(run)))?;
    }
    if runs.is_empty() {
        out::line("Nothing ran yet.")?;
    }
    Ok(ExitCode::SUCCESS)
}
