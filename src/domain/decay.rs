//! Fading: how attention wears off, and from when on an event is off the lists or may be purged.
//!
//! Nothing here is rewritten by the clock. A score is kept with the moment it was set; what it is
//! worth later is derived. So are the moments at which something happens, which the store keeps
//! as indexed columns: they change only when the event does, or the settings.

use jiff::{SignedDuration, Timestamp};

use super::channel::Channel;
use super::event::Event;

/// Highest score.
pub const SCORE_MAX: f64 = 100.0;

const DAY_MICROS: f64 = 86_400_000_000.0;

/// How attention fades on this site.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fading {
    /// What is left of a score after a day; above 0, at most 1 (never fades).
    pub decay_factor: f64,
    /// An event whose score is below it leaves the lists.
    pub hide_threshold: f64,
    /// What has a score at or below it may be purged.
    pub delete_threshold: f64,
    /// An event younger than this is listed whatever its score.
    pub hide_after_days: i64,
    /// An event younger than this is never purged.
    pub delete_after_days: i64,
    /// An event is never purged until this long after its end.
    pub delete_grace_days_after_end: i64,
    /// An event is never purged while it is not over.
    pub protect_upcoming_events: bool,
}

/// When what happens to an event by fading, unless it is touched or edited: what the store keeps
/// beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fades {
    /// From then on it is on no list.
    pub unlisted_at: Timestamp,
    /// From then on it may be purged.
    pub purgeable_at: Timestamp,
}

impl Default for Fading {
    fn default() -> Self {
        Self {
            decay_factor: 0.92,
            hide_threshold: 10.0,
            delete_threshold: 2.0,
            hide_after_days: 7,
            delete_after_days: 30,
            delete_grace_days_after_end: 30,
            protect_upcoming_events: true,
        }
    }
}

impl Fading {
    /// What a score set at `scored_at` is worth at `now`, 0 to [`SCORE_MAX`]. Before `scored_at`
    /// (a clock that was set back) it is worth all of itself.
    #[must_use]
    pub fn effective(&self, score: f64, scored_at: Timestamp, now: Timestamp) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
        let micros = (now.as_microsecond() - scored_at.as_microsecond()).max(0) as f64;
        in_range(score) * self.decay_factor.powf(micros / DAY_MICROS)
    }

    /// The score that a touch worth `boost` leaves, to be kept with `now`.
    #[must_use]
    pub fn touch(&self, score: f64, scored_at: Timestamp, now: Timestamp, boost: f64) -> f64 {
        in_range(self.effective(score, scored_at, now) + in_range(boost))
    }

    /// True when the event may stand on public lists at `now`, as far as attention decides: its
    /// score has not faded, or it is young, or it is not over.
    #[must_use]
    pub fn is_listed(&self, event: &Event, now: Timestamp) -> bool {
        now < self.unlisted_at(event)
    }

    /// The moment from which the event is off the lists, unless it is touched or edited.
    #[must_use]
    pub fn unlisted_at(&self, event: &Event) -> Timestamp {
        let faded_at = self.drops_below(self.hide_threshold, event.score, event.scored_at);
        faded_at.max(days_after(event.created_at, self.hide_after_days)).max(event.over_at())
    }

    /// True when the event may be purged at `now`.
    #[must_use]
    pub fn is_purgeable(&self, event: &Event, now: Timestamp) -> bool {
        self.purgeable_at(event) <= now
    }

    /// The moment from which the event may be purged, unless it is touched or edited.
    #[must_use]
    pub fn purgeable_at(&self, event: &Event) -> Timestamp {
        let last = event.ends_at.unwrap_or(event.starts_at);
        let protected = if self.protect_upcoming_events { event.over_at() } else { Timestamp::MIN };
        self.drops_to(self.delete_threshold, event.score, event.scored_at)
            .max(days_after(event.created_at, self.delete_after_days))
            .max(days_after(last, self.delete_grace_days_after_end))
            .max(protected)
    }

    /// Both moments of an event.
    #[must_use]
    pub fn fades(&self, event: &Event) -> Fades {
        Fades { unlisted_at: self.unlisted_at(event), purgeable_at: self.purgeable_at(event) }
    }

    /// True when the channel may be purged at `now`, provided that it has no event.
    #[must_use]
    pub fn is_channel_purgeable(&self, channel: &Channel, now: Timestamp) -> bool {
        self.channel_purgeable_at(channel) <= now
    }

    /// The moment from which the channel may be purged, unless it is touched, provided that it
    /// has no event then.
    #[must_use]
    pub fn channel_purgeable_at(&self, channel: &Channel) -> Timestamp {
        self.drops_to(self.delete_threshold, channel.score, channel.scored_at)
    }

    /// The first moment at which the score is worth less than `threshold`.
    fn drops_below(&self, threshold: f64, score: f64, scored_at: Timestamp) -> Timestamp {
        if in_range(score) < threshold {
            Timestamp::MIN
        } else {
            let meets_at = self.meets(threshold, score, scored_at);
            meets_at.saturating_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX)
        }
    }

    /// The first moment at which the score is worth `threshold` or less.
    fn drops_to(&self, threshold: f64, score: f64, scored_at: Timestamp) -> Timestamp {
        if in_range(score) <= threshold {
            Timestamp::MIN
        } else {
            self.meets(threshold, score, scored_at)
        }
    }

    /// When a score that is not below `threshold` has come down to it; [`Timestamp::MAX`] is never.
    fn meets(&self, threshold: f64, score: f64, scored_at: Timestamp) -> Timestamp {
        if threshold <= 0.0 || self.decay_factor >= 1.0 {
            return Timestamp::MAX;
        }
        // Two logarithms, not one of the quotient: it may be too small for a float.
        let days = (threshold.ln() - in_range(score).ln()) / self.decay_factor.ln();
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is never")]
        let micros = (days * DAY_MICROS) as i64;
        let at = scored_at.as_microsecond().saturating_add(micros);
        Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX)
    }
}

/// `score` within 0 and [`SCORE_MAX`]; what is no number is 0.
fn in_range(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score.clamp(0.0, SCORE_MAX) }
}

fn days_after(at: Timestamp, days: i64) -> Timestamp {
    let hours = days.saturating_mul(24).clamp(-1_000_000_000, 1_000_000_000);
    at.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
