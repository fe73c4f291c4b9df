//! What an import found and did.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ImportOptions;
use crate::domain::event::Event;
use crate::domain::rsvp::{Approval, Reply, Rsvp};

/// What an import found and did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file read.
    pub from: PathBuf,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// Rows of the source.
    pub source: Counts,
    /// Rows that are new here.
    pub added: Tables,
    /// Rows that were here already, equal.
    pub unchanged: Tables,
    /// Rows that were here, differed, and were overwritten.
    pub replaced: Tables,
    /// Rows left out because what they belong to is gone.
    pub left_out: LeftOut,
    /// Rows that were here and differ, and what could not be taken over as it was.
    pub conflicts: Vec<Conflict>,
    /// Whether the original's instance link works here.
    pub instance_link: bool,
    /// What was compared after writing; `None` for a dry run.
    pub verified: Option<Verified>,
}

/// Rows by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tables {
    /// Channels.
    pub channels: u64,
    /// Events.
    pub events: u64,
    /// Answers.
    pub rsvps: u64,
    /// Messages.
    pub messages: u64,
}

/// Rows by table and state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Channels.
    pub channels: u64,
    /// Events.
    pub events: u64,
    /// Events on no list.
    pub private_events: u64,
    /// Events that require approval.
    pub approval_events: u64,
    /// Answers.
    pub rsvps: u64,
    /// Answers that say yes.
    pub yes: u64,
    /// Answers that say maybe.
    pub maybe: u64,
    /// Answers that say no.
    pub no: u64,
    /// Answers that wait for the organizer.
    pub pending: u64,
    /// Answers that are approved.
    pub approved: u64,
    /// Answers that are rejected.
    pub rejected: u64,
    /// Guests and companions.
    pub people: i64,
    /// Messages.
    pub messages: u64,
}

impl Counts {
    /// Counts an event.
    pub(super) fn event(&mut self, event: &Event) {
        self.events += 1;
        self.private_events += u64::from(event.is_private);
        self.approval_events += u64::from(event.approval_required);
    }

    /// Counts an answer.
    pub(super) fn rsvp(&mut self, rsvp: &Rsvp) {
        self.rsvps += 1;
        self.people += rsvp.people();
        *match rsvp.reply {
            Reply::Yes => &mut self.yes,
            Reply::Maybe => &mut self.maybe,
            Reply::No => &mut self.no,
        } += 1;
        *match rsvp.approval {
            Approval::Pending => &mut self.pending,
            Approval::Approved => &mut self.approved,
            Approval::Rejected => &mut self.rejected,
        } += 1;
    }
}

/// Rows left out because what they belong to is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Answers whose event is gone.
    pub rsvps_of_deleted_events: u64,
    /// Messages whose event is gone.
    pub messages_of_deleted_events: u64,
    /// Messages whose answer is gone, of an event that is there.
    pub messages_of_deleted_rsvps: u64,
    /// Events that lost a channel that is gone.
    pub channels_of_events: u64,
}

/// A row that is here and differs from the source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Its table.
    pub table: &'static str,
    /// Its id.
    pub id: String,
    /// In what it differs, and what was done.
    pub what: String,
}

/// What was compared after writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Rows here that came from the source, by table and state.
    pub here: Counts,
    /// Rows whose content hash was compared.
    pub rows: u64,
    /// Token hashes compared.
    pub tokens: u64,
    /// Rows missing here or different, apart from those listed as conflicts.
    pub wrong: u64,
}

impl Report {
    pub(super) fn new(from: &Path, options: ImportOptions) -> Self {
        Self {
            from: from.to_owned(),
            dry_run: options.dry_run,
            source: Counts::default(),
            added: Tables::default(),
            unchanged: Tables::default(),
            replaced: Tables::default(),
            left_out: LeftOut::default(),
            conflicts: Vec::new(),
            instance_link: false,
            verified: None,
        }
    }

    /// True when everything of the source that can be here is here as it was.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.conflicts.is_empty() && self.verified.is_none_or(|verified| verified.wrong == 0)
    }
}
