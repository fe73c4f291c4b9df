//! Figures about the program: what is counted where it happens, and how figures are written down
//! for a monitoring system. Counting takes no lock. No label holds anything that a visitor chose: not
//! an id, an address, or a token; so there are only so many series.

mod histogram;
mod http;
mod table;
mod text;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::domain::limit::Action;
use crate::domain::rsvp::Reply;

pub use histogram::Histogram;
pub use http::Http;
pub use table::Table;
pub use text::{Family, Kind, Row, Value, open_metrics, plain};

/// Most statements that are told apart; the program has fewer.
const STATEMENTS: usize = 512;
/// Most kinds of tasks that are told apart.
const KINDS: usize = 32;
/// What is counted as one thing where there is no room for more.
const OTHER: &str = "other";

/// Why something that was asked for did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There were not enough places.
    Full,
    /// The event takes no new answers.
    Closed,
    /// The client did too much of this.
    Limit(Action),
    /// A form came back sooner than a person fills it in.
    TooQuick,
    /// A form that lay open for too long, or that this site did not give out.
    NotOurs,
    /// A form with something in the field that people do not see.
    Bait,
}

impl Refusal {
    const ALL: [Self; 9] = [
        Self::Full,
        Self::Closed,
        Self::Limit(Action::CreateEvent),
        Self::Limit(Action::Answer),
        Self::Limit(Action::Change),
        Self::Limit(Action::Search),
        Self::TooQuick,
        Self::NotOurs,
        Self::Bait,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Closed => "closed",
            Self::Limit(Action::CreateEvent) => "limit_create_event",
            Self::Limit(Action::Answer) => "limit_answer",
            Self::Limit(Action::Change) => "limit_change",
            Self::Limit(Action::Search) => "limit_search",
            Self::TooQuick => "form_too_quick",
            Self::NotOurs => "form_not_ours",
            Self::Bait => "form_bait",
        }
    }
}

/// What became of a task that a worker had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// It is done.
    Done,
    /// It failed and is tried again.
    Failed,
    /// It failed and is given up.
    GivenUp,
}

impl TaskEnd {
    /// All.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::GivenUp];

    /// Its name in figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// What this process counts, beside its statements: those belong to the database.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests.
    pub http: Http,
    /// Events made.
    pub events_made: Counter,
    /// Tasks that a worker is at.
    pub tasks_running: Gauge,
    answers: [Counter; 3],
    refusals: [Counter; Refusal::ALL.len()],
    tasks: Tasks,
}

/// Ends of tasks by kind. Kinds come from the database, where another version may know more.
#[derive(Debug)]
struct Tasks(Table<[Counter; 3]>);

impl Default for Tasks {
    fn default() -> Self {
        Self(Table::new(KINDS))
    }
}

impl Metrics {
    /// Counts an answer that was given.
    pub fn answer_given(&self, reply: Reply) {
        self.answers[reply as usize].inc();
    }

    /// Counts something that was refused.
    pub fn refused(&self, refusal: Refusal) {
        let place = Refusal::ALL.iter().position(|other| *other == refusal);
        if let Some(counter) = place.and_then(|place| self.refusals.get(place)) {
            counter.inc();
        }
    }

    /// Counts a task that ended.
    pub fn task_ended(&self, kind: &str, end: TaskEnd) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_known = kind.len() <= 64 && kind.chars().all(is_name);
        self.tasks.0.get(if is_known { kind } else { OTHER })[end as usize].inc();
    }

    /// How many tasks of each kind ended how.
    #[must_use]
    pub fn ended_tasks(&self) -> Vec<(String, TaskEnd, u64)> {
        let mut ended = Vec::new();
        for (kind, counters) in self.tasks.0.all() {
            for end in TaskEnd::ALL {
                ended.push((kind.to_owned(), end, counters[end as usize].get()));
            }
        }
        ended
    }

    /// All that is counted here.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.http.families();
        let counter = |name, help| Family::new(Kind::Counter, name, help);
        let events = counter("openrsvp_events_created", "Events made");
        let answers = counter("openrsvp_answers", "Answers given, by what they say");
        let refusals = counter("openrsvp_refusals", "What was refused, by the reason");
        let tasks = counter("openrsvp_tasks", "Tasks that this process took and that ended");
        let running =
            Family::new(Kind::Gauge, "openrsvp_tasks_running", "Tasks that this process is at");
        families.push(events.row(&[], whole(self.events_made.get())));
        families.push(answers.rows(Reply::ALL.map(|reply| {
            let count = self.answers[reply as usize].get();
            Row::new(&[("reply", reply.as_str())], whole(count))
        })));
        families.push(refusals.rows(
            Refusal::ALL.iter().zip(&self.refusals).map(|(refusal, count)| {
                Row::new(&[("reason", refusal.name())], whole(count.get()))
            }),
        ));
        families.push(tasks.rows(self.ended_tasks().iter().map(|(kind, end, count)| {
            Row::new(&[("kind", kind), ("outcome", end.name())], whole(*count))
        })));
        families.push(running.row(&[], whole(self.tasks_running.get())));
        families
    }
}

/// Statements on a database: how often each ran, how long they took, how many failed.
#[derive(Debug)]
pub struct StatementFigures {
    counts: Table<Counter>,
    durations: Histogram,
    failed: Counter,
}

impl Default for StatementFigures {
    fn default() -> Self {
        let (durations, failed) = (Histogram::default(), Counter::default());
        Self { counts: Table::new(STATEMENTS), durations, failed }
    }
}

impl StatementFigures {
    /// Counts a statement that ran.
    pub fn ran(&self, name: &'static str, took: Duration, has_failed: bool) {
        self.counts.get(name).inc();
        self.durations.observe(took);
        if has_failed {
            self.failed.inc();
        }
    }

    /// All that is counted here.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let name_of = |name: &str| name.trim_start_matches("openrsvp::store::").to_owned();
        let counts = Family::new(
            Kind::Counter,
            "openrsvp_database_statements",
            "Statements that ran, by name",
        );
        let durations = Family::new(
            Kind::Histogram,
            "openrsvp_database_statement_duration_seconds",
            "How long statements took, with the way to the server and back",
        );
        let failed = Family::new(
            Kind::Counter,
            "openrsvp_database_statement_errors",
            "Statements that failed, expected clashes among them",
        );
        vec![
            counts.rows(self.counts.all().map(|(name, count)| {
                Row::new(&[("statement", &name_of(name))], whole(count.get()))
            })),
            durations.rows([Row::histogram(&[], &self.durations)]),
            failed.row(&[], whole(self.failed.get())),
        ]
    }
}

/// A whole number as figures are written; they are exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no figure comes near 2^53")]
pub fn whole(number: impl TryInto<i64>) -> f64 {
    number.try_into().map_or(f64::MAX, |number| number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_under_its_own_name() {
        let metrics = Metrics::default();
        for refusal in Refusal::ALL {
            metrics.refused(refusal);
        }
        let text = plain(metrics.families());
        for refusal in Refusal::ALL {
            let line = format!("openrsvp_refusals_total{{reason=\"{}\"}} 1.0\n", refusal.name());
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn kinds_that_are_no_names_are_folded() {
        let metrics = Metrics::default();
        metrics.task_ended("mail", TaskEnd::Done);
        metrics.task_ended("https://someone@example.org/", TaskEnd::GivenUp);
        for number in 0..1000 {
            metrics.task_ended(&format!("kind-{number}"), TaskEnd::Failed);
        }
        let ended = metrics.ended_tasks();
        assert!(ended.len() <= 3 * (KINDS + 1), "{}", ended.len());
        assert!(ended.contains(&("mail".to_owned(), TaskEnd::Done, 1)));
        assert!(ended.contains(&("other".to_owned(), TaskEnd::GivenUp, 1)));
        assert_eq!(ended.iter().map(|(_, _, count)| count).sum::<u64>(), 1002);
    }
}
