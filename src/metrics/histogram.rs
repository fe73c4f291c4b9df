//! How long things took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in microseconds: from what a page takes when nothing waits, to what
/// nobody waits for.
const ENDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Durations by size. Whoever observes changes two numbers and waits for nobody.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; ENDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    /// Counts a duration.
    pub fn observe(&self, took: Duration) {
        // Cut to whole microseconds it would fall below an end that it passes.
        let micros = u64::try_from(took.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let bucket = ENDS.iter().take_while(|end| **end < micros).count();
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// True when nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(|bucket| bucket.load(Ordering::Relaxed) == 0)
    }

    /// The sum in seconds, and each bucket's upper end in seconds with its count.
    pub(super) fn read(&self) -> (f64, Vec<(f64, u64)>) {
        let ends = ENDS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64());
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets = ends.chain([f64::INFINITY]).zip(counts).collect();
        (Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64(), buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        assert!(histogram.is_empty());
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        histogram.observe(Duration::from_nanos(500_001));
        let (seconds, buckets) = histogram.read();
        assert!((seconds - 20.001_502).abs() < 0.000_001, "{seconds}");
        let counted: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(0.0005, 2), (0.001, 2), (10.0, 1), (f64::INFINITY, 1)]);
    }
}
