//! The clock and the randomness, and the only place that reads either. Everything else is handed
//! a [`Clock`] and an [`Entropy`], so a test can stop the one and repeat the other.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Tells the time, cut to microseconds: what the store keeps. Clones share one frozen time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Frozen(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::set`] or [`Clock::advance`].
    #[must_use]
    pub fn frozen(now: Timestamp) -> Self {
        Self(Source::Frozen(Arc::new(Mutex::new(to_microseconds(now)))))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => to_microseconds(read_system_clock()),
            Source::Frozen(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Puts a frozen clock, and all its clones, to `now`; the system's clock is left alone.
    pub fn set(&self, now: Timestamp) {
        if let Source::Frozen(held) = &self.0 {
            *held.lock().unwrap_or_else(PoisonError::into_inner) = to_microseconds(now);
        }
    }

    /// Moves a frozen clock, and all its clones, by `step`; the system's clock is left alone.
    pub fn advance(&self, step: SignedDuration) {
        if let Source::Frozen(held) = &self.0 {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            *held = to_microseconds(held.saturating_add(step).unwrap_or(Timestamp::MAX));
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn read_system_clock() -> Timestamp {
    Timestamp::now()
}

/// `at` without what is finer than a microsecond.
fn to_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// Gives random bytes. Clones share one stream, and one count.
#[derive(Clone)]
pub struct Entropy {
    stream: Stream,
    count: Arc<AtomicU32>,
}

#[derive(Clone)]
enum Stream {
    System,
    Seeded(Arc<Mutex<Seeded>>),
}

/// SHA-256 over seed and counter: repeatable, and good enough that ids never clash in a test.
struct Seeded {
    seed: u64,
    block: u64,
}

impl Entropy {
    /// The operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self { stream: Stream::System, count: Arc::default() }
    }

    /// The same bytes at every run; for tests and sample data, never for links.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let seeded = Arc::new(Mutex::new(Seeded { seed, block: 0 }));
        Self { stream: Stream::Seeded(seeded), count: Arc::default() }
    }

    /// Fills `bytes`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: without it no link would be secret.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads randomness")]
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.stream {
            Stream::System => getrandom::fill(bytes).expect("the system gives random bytes"),
            Stream::Seeded(seeded) => {
                seeded.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
            }
        }
    }
}

impl Entropy {
    /// Counts the calls, to tell apart and put in order what is made in one instant.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stream {
            Stream::System => "Entropy(system)",
            Stream::Seeded(_) => "Entropy(seeded)",
        })
    }
}

impl Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(self.seed.to_le_bytes());
            hash.update(self.block.to_le_bytes());
            self.block += 1;
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told_and_its_clones_follow() {
        let start: Timestamp = "2031-05-10T10:00:00Z".parse().unwrap();
        let clock = Clock::frozen(start);
        let clone = clock.clone();
        assert_eq!(clone.now(), start);
        clock.advance(SignedDuration::from_hours(2));
        assert_eq!(clone.now().to_string(), "2031-05-10T12:00:00Z");
        clone.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn times_are_whole_microseconds() {
        let clock = Clock::frozen("2031-05-10T10:00:00.123456789Z".parse().unwrap());
        assert_eq!(clock.now().to_string(), "2031-05-10T10:00:00.123456Z");
        assert_eq!(Clock::system().now().subsec_nanosecond() % 1000, 0);
    }

    #[test]
    fn the_system_clock_cannot_be_moved() {
        let clock = Clock::system();
        clock.set(Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_hours(-1_000_000));
        assert!(clock.now() > "2025-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn seeded_bytes_repeat_and_never_stand_still() {
        let draw = |entropy: &Entropy| {
            let mut bytes = [0; 40];
            entropy.fill(&mut bytes);
            bytes
        };
        let (one, same, other) = (Entropy::seeded(1), Entropy::seeded(1), Entropy::seeded(2));
        let first = draw(&one);
        assert_eq!(first, draw(&same));
        assert_ne!(first, draw(&other));
        assert_ne!(first, draw(&one.clone()));
        assert_ne!(draw(&Entropy::system()), draw(&Entropy::system()));
    }
}
