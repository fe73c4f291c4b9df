//! Bringing the database of the original (OpenRSVP 0.16 and before) over: every event, answer,
//! message and channel with its id, times and token, so that every link ever handed out works.
//!
//! The source is only read. It is read and checked whole before the first row is written.
//! Running the import again recognises what is there already.

mod report;
mod rows;
mod source;
mod target;

use std::collections::HashSet;
use std::path::Path;

pub use report::{Conflict, Counts, Report};

use super::{Error, Site};
use crate::store::foreign::ForeignError;
use source::Source;

/// Rows read or written at once.
const BATCH: usize = 500;

/// Why an import ends before it is done.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be imported from; nothing was written.
    #[error(transparent)]
    Source(#[from] ForeignError),
    /// The file is an SQLite database, but not one of OpenRSVP; nothing was written.
    #[error("this is not a database of OpenRSVP 0.16 or before: {0}")]
    NotOpenRsvp(String),
    /// A row cannot be understood; nothing was written.
    #[error("row {row} of {table}: {column} holds {found}, expected {expected}")]
    Row {
        /// Its table.
        table: &'static str,
        /// Its id.
        row: String,
        /// The column.
        column: &'static str,
        /// What is there, shortened.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The target refused a row. What was written stays; running the import again goes on.
    #[error("writing failed: {0}")]
    Target(#[from] Error),
}

/// What an import does.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Overwrite rows that are there already and differ.
    pub replace: bool,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: &'static str,
    /// Rows done.
    pub done: u64,
    /// Rows in all.
    pub total: u64,
}

/// Tells how far one step is.
struct Step<'p, P> {
    step: &'static str,
    done: u64,
    total: u64,
    progress: &'p mut P,
}

impl<'p, P: FnMut(Progress)> Step<'p, P> {
    fn new(step: &'static str, total: u64, progress: &'p mut P) -> Self {
        Self { step, done: 0, total, progress }
    }

    fn done(&mut self, rows: usize) {
        self.done += rows as u64;
        (self.progress)(Progress { step: self.step, done: self.done, total: self.total });
    }
}

/// Imports the database at `path`, telling `progress` after each batch.
pub async fn import(
    site: &Site,
    path: &Path,
    options: ImportOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ImportError> {
    let source = Source::open(path)?;
    let mut report = Report::new(path, options);
    let mut known = survey(&source, &mut report, &mut progress)?;
    let mut target = target::Target::new(site, options);
    target.channels(&source, &mut report, &mut progress).await?;
    target.events(&source, &mut known, &mut report, &mut progress).await?;
    target.rsvps(&source, &mut known, &mut report, &mut progress).await?;
    target.messages(&source, &known, &mut report, &mut progress).await?;
    target.instance_token(&source, &mut report).await?;
    if !options.dry_run {
        target.verify(&source, &known, &mut report, &mut progress).await?;
    }
    Ok(report)
}

/// The ids that a row may refer to.
struct Known {
    channels: HashSet<String>,
    events: HashSet<String>,
    rsvps: HashSet<String>,
}

/// Reads every row once: what cannot be understood is found before anything is written.
fn survey(
    source: &Source,
    report: &mut Report,
    progress: &mut impl FnMut(Progress),
) -> Result<Known, ImportError> {
    let total = source.rows()?;
    let mut done = 0;
    let mut step = |rows: usize, progress: &mut dyn FnMut(Progress)| {
        done += rows as u64;
        progress(Progress { step: "Reading", done, total });
    };
    let mut known =
        Known { channels: HashSet::new(), events: HashSet::new(), rsvps: HashSet::new() };
    for page in source.channels() {
        let page = page?;
        step(page.len(), progress);
        known.channels.extend(page.into_iter().map(|channel| channel.id));
    }
    for page in source.events() {
        let page = page?;
        step(page.len(), progress);
        for event in page {
            report.source.event(&event);
            known.events.insert(event.id);
        }
    }
    for page in source.rsvps() {
        let page = page?;
        step(page.len(), progress);
        for rsvp in page {
            report.source.rsvp(&rsvp);
            if known.events.contains(&rsvp.event_id) {
                known.rsvps.insert(rsvp.id);
            }
        }
    }
    for page in source.messages() {
        let page = page?;
        step(page.len(), progress);
        report.source.messages += page.len() as u64;
    }
    report.source.channels = known.channels.len() as u64;
    Ok(known)
}
