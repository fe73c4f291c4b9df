//! Jobs: what the program does by itself, when it is due, and what is known of a run.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// After a run that did not come to its end the next one waits this long, so that a fault that
/// stays does not keep the machine busy.
pub const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Something the program does by itself, now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// Closes what is due to be closed, and purges what has faded.
    DecayCycle,
    /// Gives back space, and keeps the database's plans good.
    VacuumDb,
    /// Tries whether replicas can be restored.
    VerifyBackup,
}

impl Job {
    /// Every job, in the order they run when several are due.
    pub const ALL: [Self; 3] = [Self::DecayCycle, Self::VacuumDb, Self::VerifyBackup];

    /// Its name in commands, in the database, and on pages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DecayCycle => "decay-cycle",
            Self::VacuumDb => "vacuum-db",
            Self::VerifyBackup => "verify-backup",
        }
    }

    /// What it does, in words.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::DecayCycle => {
                "closes answers that are due, deletes events and channels that have faded"
            }
            Self::VacuumDb => "gives back disk space, and helps the database plan its work",
            Self::VerifyBackup => "tries whether the newest state of each replica can be restored",
        }
    }

    /// The job with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }
}

/// How a run ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Under way, or its process has died and nobody has noticed yet.
    Running,
    /// It did all there was to do.
    Done,
    /// It was told to stop; what it had done is kept.
    Stopped,
    /// It could not go on; what it had done is kept.
    Failed,
    /// Its process died; what it had done is kept.
    Lost,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [Self::Running, Self::Done, Self::Stopped, Self::Failed, Self::Lost];

    /// The stored word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }

    /// The outcome for a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// What a run did, in numbers, by name: `events_purged` and so on.
pub type Counts = BTreeMap<String, i64>;

/// One run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// UUID text.
    pub id: String,
    /// Which job.
    pub job: Job,
    /// Counts the runs of this job, in the order they began.
    pub number: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; for a lost one, when that was noticed.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it did.
    pub counts: Counts,
    /// Why it failed or stopped, for the operator: safe to show to them, without values.
    pub reason: Option<String>,
}

impl Run {
    /// What it did, for a line of text: `events purged 3, rsvps closed 1`.
    #[must_use]
    pub fn counts_in_words(&self) -> String {
        let words = |(name, count): (&String, &i64)| format!("{} {count}", name.replace('_', " "));
        self.counts.iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

/// When a job shall run: once in each period, all of them counted from one moment for all
/// processes. So a run that was missed happens once, and two processes agree on what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How long a period is; at least a second.
    pub every: SignedDuration,
}

impl Schedule {
    /// Once in so many hours, at least one.
    #[must_use]
    pub fn hours(hours: u32) -> Self {
        Self { every: SignedDuration::from_hours(i64::from(hours.max(1))) }
    }

    /// True when the job shall run at `now`, given its last run. A clock that was set to another
    /// period, forwards or back, makes it due: better one run too many than none for a year.
    #[must_use]
    pub fn is_due(self, last: Option<&Run>, now: Timestamp) -> bool {
        let Some(last) = last else { return true };
        match last.outcome {
            Outcome::Done => self.period(last.started_at) != self.period(now),
            // What was stopped has not been finished, and nothing was wrong with it.
            Outcome::Stopped => true,
            Outcome::Running | Outcome::Failed | Outcome::Lost => {
                let since = last.ended_at.unwrap_or(last.started_at);
                now.duration_since(since).abs() >= RETRY_AFTER
            }
        }
    }

    /// The first moment at which the job is due, as far as can be told now; `None` is now.
    #[must_use]
    pub fn due_at(self, last: Option<&Run>, now: Timestamp) -> Option<Timestamp> {
        if self.is_due(last, now) {
            return None;
        }
        let retry = last.filter(|last| last.outcome != Outcome::Done);
        match retry {
            Some(last) => last.ended_at.unwrap_or(last.started_at).saturating_add(RETRY_AFTER).ok(),
            None => {
                let next = (self.period(now) + 1).saturating_mul(self.micros());
                Some(Timestamp::from_microsecond(next).unwrap_or(Timestamp::MAX))
            }
        }
    }

    fn micros(self) -> i64 {
        i64::try_from(self.every.as_micros()).unwrap_or(i64::MAX).max(1_000_000)
    }

    fn period(self, at: Timestamp) -> i64 {
        at.as_microsecond().div_euclid(self.micros())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn run(started: &str, outcome: Outcome) -> Run {
        Run {
            id: String::new(),
            job: Job::DecayCycle,
            number: 1,
            started_at: at(started),
            ended_at: (outcome != Outcome::Running).then(|| at(started)),
            outcome,
            counts: Counts::new(),
            reason: None,
        }
    }

    #[test]
    fn once_in_each_period_however_often_asked() {
        let hourly = Schedule::hours(1);
        assert!(hourly.is_due(None, at("2031-05-10T10:00:00Z")));
        let last = run("2031-05-10T10:07:00Z", Outcome::Done);
        assert!(!hourly.is_due(Some(&last), at("2031-05-10T10:59:59Z")));
        assert!(hourly.is_due(Some(&last), at("2031-05-10T11:00:00Z")));
        assert_eq!(
            hourly.due_at(Some(&last), at("2031-05-10T10:30:00Z")),
            Some(at("2031-05-10T11:00:00Z"))
        );
        let again = run("2031-05-10T11:00:01Z", Outcome::Done);
        assert!(!hourly.is_due(Some(&again), at("2031-05-10T11:59:00Z")));
        assert_eq!(Schedule::hours(0), hourly);
    }

    #[test]
    fn a_clock_that_steps_never_silences_a_job() {
        let twelve = Schedule::hours(12);
        let future = run("2099-01-01T00:00:00Z", Outcome::Done);
        assert!(twelve.is_due(Some(&future), at("2031-05-10T10:00:00Z")));
        let past = run("1970-01-01T00:00:00Z", Outcome::Done);
        assert!(twelve.is_due(Some(&past), at("2031-05-10T10:00:00Z")));
        let before = run("1969-12-31T23:00:00Z", Outcome::Done);
        assert!(twelve.is_due(Some(&before), at("1970-01-01T01:00:00Z")));
        let failed = run("2099-01-01T00:00:00Z", Outcome::Failed);
        assert!(twelve.is_due(Some(&failed), at("2031-05-10T10:00:00Z")));
    }

    #[test]
    fn what_did_not_come_to_its_end_is_tried_again_after_a_while() {
        let hourly = Schedule::hours(1);
        for outcome in [Outcome::Failed, Outcome::Lost, Outcome::Running] {
            let last = run("2031-05-10T10:59:00Z", outcome);
            assert!(!hourly.is_due(Some(&last), at("2031-05-10T11:03:59Z")), "{outcome:?}");
            assert!(hourly.is_due(Some(&last), at("2031-05-10T11:04:00Z")), "{outcome:?}");
            assert_eq!(
                hourly.due_at(Some(&last), at("2031-05-10T11:00:00Z")),
                Some(at("2031-05-10T11:04:00Z"))
            );
        }
        let stopped = run("2031-05-10T10:59:00Z", Outcome::Stopped);
        assert!(hourly.is_due(Some(&stopped), at("2031-05-10T10:59:00Z")));
    }

    proptest! {
        #[test]
        fn wherever_the_clock_goes_the_job_follows_and_runs_once(
            hours in 1_u32..200,
            clock in proptest::collection::vec(-4_000_000_000_000_000..4_000_000_000_000_000_i64, 1..40),
        ) {
            let schedule = Schedule::hours(hours);
            let mut last: Option<Run> = None;
            for micros in clock {
                let now = Timestamp::from_microsecond(micros).unwrap();
                if schedule.is_due(last.as_ref(), now) {
                    last = Some(Run { started_at: now, ..run("1970-01-01T00:00:00Z", Outcome::Done) });
                }
                let ran = last.as_ref().unwrap();
                prop_assert!(!schedule.is_due(last.as_ref(), now));
                prop_assert!(now.duration_since(ran.started_at).abs() < schedule.every);
                let due = schedule.due_at(last.as_ref(), now).unwrap();
                prop_assert!(due > now && due.duration_since(now) <= schedule.every);
                prop_assert!(schedule.is_due(last.as_ref(), due));
            }
        }
    }

    #[test]
    fn names_and_words_come_back() {
        for job in Job::ALL {
            assert_eq!(Job::from_name(job.name()), Some(job));
        }
        assert_eq!(Outcome::from_stored("lost"), Some(Outcome::Lost));
        assert_eq!(Outcome::from_stored("dancing"), None);
    }
}
