//! Tasks: work that is owed and survives a restart, and when it is tried again.
//!
//! A task is done at least once: a process may die after the work and before it says so. So what
//! a task does must be safe to repeat.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Failures after which a task is given up; with the waits between them, some two days.
pub const ATTEMPTS: i64 = 16;
/// The wait after the first failure, at most; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_hours(6);
/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 500;

/// What comes first among tasks that are due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody waits for it.
    High,
    /// Most things.
    #[default]
    Normal,
    /// Whenever nothing else is due.
    Low,
}

impl Priority {
    /// All, the first to be done first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Its name, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// From its stored name.
    #[must_use]
    pub fn from_stored(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == name)
    }
}

/// Whether a task is still to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Open,
    /// It was given up; somebody may ask for it anew.
    Dead,
}

impl State {
    /// Its name, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Dead => "dead",
        }
    }

    /// From its stored name.
    #[must_use]
    pub fn from_stored(name: &str) -> Option<Self> {
        [Self::Open, Self::Dead].into_iter().find(|state| state.as_str() == name)
    }
}

/// Work that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What is to be done: the name of whatever does it.
    pub kind: &'static str,
    /// What it needs to know.
    pub payload: serde_json::Value,
    /// While a task with this key is open, another is not added.
    pub dedupe_key: Option<String>,
    /// What comes first.
    pub priority: Priority,
    /// Not before; at once when not set.
    pub run_at: Option<Timestamp>,
}

impl NewTask {
    /// An ordinary one, to be done soon.
    #[must_use]
    pub fn new(kind: &'static str, payload: serde_json::Value) -> Self {
        let (dedupe_key, priority, run_at) = (None, Priority::Normal, None);
        Self { kind, payload, dedupe_key, priority, run_at }
    }
}

/// Work that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// What is to be done.
    pub kind: String,
    /// What it needs to know.
    pub payload: serde_json::Value,
    /// While it is open, another with this key is not added.
    pub dedupe_key: Option<String>,
    /// What comes first.
    pub priority: Priority,
    /// Whether it is still to be done.
    pub state: State,
    /// When it may be taken, or when whoever took it loses it.
    pub due_at: Timestamp,
    /// Whoever is at it.
    pub lease: Option<String>,
    /// How often it was begun.
    pub attempts: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it failed last.
    pub failed_at: Option<Timestamp>,
    /// Why it failed last.
    pub reason: Option<String>,
}

/// Why a task was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may be done later.
    Passing(String),
    /// It never will.
    Final(String),
}

impl Failure {
    /// Why: short enough to keep, and in a line.
    #[must_use]
    pub fn reason(&self) -> String {
        let (Self::Passing(text) | Self::Final(text)) = self;
        let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        line.take(REASON_MAX).collect()
    }
}

/// What becomes of a task that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again at this time.
    Retry(Timestamp),
    /// It is given up.
    Bury,
}

/// What becomes of a task that failed in its `attempts`th attempt. `chance` spreads those that
/// failed together.
#[must_use]
pub fn after_failure(failure: &Failure, attempts: i64, now: Timestamp, chance: u32) -> Next {
    match failure {
        Failure::Passing(_) if attempts < ATTEMPTS => {
            let wait = SignedDuration::try_from(backoff(attempts, chance));
            let at = wait.ok().and_then(|wait| now.checked_add(wait).ok());
            Next::Retry(at.unwrap_or(Timestamp::MAX))
        }
        _ => Next::Bury,
    }
}

/// How long to wait after the `attempts`th failure: from half of the full wait to all of it.
#[must_use]
pub fn backoff(attempts: i64, chance: u32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
    let full = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    full.mul_f64(0.5 + f64::from(chance) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for priority in Priority::ALL {
            assert_eq!(Priority::from_stored(priority.as_str()), Some(priority));
        }
        for state in [State::Open, State::Dead] {
            assert_eq!(State::from_stored(state.as_str()), Some(state));
        }
        assert_eq!(Priority::from_stored("urgent"), None);
    }

    #[test]
    fn reasons_are_short_and_in_a_line() {
        let reason = Failure::Passing(format!("one\ntwo\0{}", "é".repeat(900))).reason();
        assert!(reason.starts_with("one two é") && reason.chars().count() == REASON_MAX);
    }

    #[test]
    fn a_task_is_tried_for_a_day_and_more_then_given_up() {
        let total: Duration = (1..ATTEMPTS).map(|attempt| backoff(attempt, 0)).sum();
        assert!(total > Duration::from_hours(12), "{total:?}");
        let (now, failure) = (Timestamp::UNIX_EPOCH, Failure::Passing(String::new()));
        assert!(matches!(after_failure(&failure, ATTEMPTS - 1, now, 0), Next::Retry(_)));
        assert_eq!(after_failure(&failure, ATTEMPTS, now, 0), Next::Bury);
        assert_eq!(after_failure(&Failure::Final(String::new()), 1, now, 0), Next::Bury);
    }

    proptest! {
        #[test]
        fn waits_grow_within_bounds(attempts in any::<i64>(), chance in any::<u32>()) {
            let wait = backoff(attempts, chance);
            prop_assert!(wait >= FIRST_WAIT / 2 && wait <= LONGEST_WAIT);
            prop_assert!(backoff(attempts.saturating_add(1), chance) >= wait);
            prop_assert!(backoff(attempts, 0) <= wait && wait <= backoff(attempts, u32::MAX));
        }

        #[test]
        fn a_retry_is_later(attempts in 1..ATTEMPTS, chance in any::<u32>(), at in any::<i32>()) {
            let now = Timestamp::from_second(i64::from(at)).unwrap();
            let next = after_failure(&Failure::Passing(String::new()), attempts, now, chance);
            prop_assert!(matches!(next, Next::Retry(later) if later > now));
        }
    }
}
