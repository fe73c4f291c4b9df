//! How often one client may do something: the generic cell rate algorithm (ITU-T I.371), in the
//! form that keeps one moment for each client and action.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// What is limited, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Making an event.
    CreateEvent,
    /// Answering an event.
    Answer,
    /// Changing or deleting something, or writing a message.
    Change,
    /// Looking for something by a name that may be guessed: searches, private channels.
    Search,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::CreateEvent, Self::Answer, Self::Change, Self::Search];

    /// Its name in the configuration, in metrics and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateEvent => "create_event",
            Self::Answer => "answer",
            Self::Change => "change",
            Self::Search => "search",
        }
    }
}

/// So many at once, and so many an hour in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many at once, after a rest; at least 1.
    pub burst: u32,
    /// How many an hour; at least 1.
    pub per_hour: u32,
}

const HOUR_MICROS: i64 = 3_600_000_000;

impl Quota {
    /// What one use costs, in microseconds of rest.
    #[must_use]
    pub fn cost_micros(self) -> i64 {
        HOUR_MICROS / i64::from(self.per_hour.max(1))
    }

    /// How far ahead of now a client may be busy, in microseconds: a whole burst.
    #[must_use]
    pub fn reach_micros(self) -> i64 {
        self.cost_micros().saturating_mul(i64::from(self.burst.max(1)))
    }

    /// Takes one use at `now`, in Unix microseconds, by a client that is busy until `busy_until`
    /// with paying off earlier ones.
    ///
    /// A moment further ahead than a whole burst cannot come from this quota: the clock was set
    /// back, the quota was lowered, or several processes let the same client pass. It counts as a
    /// burst just used up, and no more.
    #[must_use]
    pub fn take(self, busy_until: Option<i64>, now: i64) -> Taken {
        let (cost, reach) = (self.cost_micros(), self.reach_micros());
        let busy_until = busy_until.unwrap_or(now).clamp(now, now.saturating_add(reach));
        let next = busy_until.saturating_add(cost);
        let over = next.saturating_sub(now).saturating_sub(reach);
        if over > 0 {
            return Taken { busy_until, wait: Some(Duration::from_micros(over.unsigned_abs())) };
        }
        Taken { busy_until: next, wait: None }
    }
}

/// What came of asking for one use more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Until when the client is busy now, in Unix microseconds.
    pub busy_until: i64,
    /// How long to wait, when the use was refused.
    pub wait: Option<Duration>,
}

/// The network that stands for a client: an IPv4 address itself; of IPv6 the /64, which one line
/// or one machine has for itself.
#[must_use]
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUOTA: Quota = Quota { burst: 3, per_hour: 60 };
    const MINUTE: i64 = 60_000_000;

    #[test]
    fn a_burst_then_one_at_a_time() {
        let mut busy = None;
        let mut take = |now| {
            let taken = QUOTA.take(busy, now);
            busy = Some(taken.busy_until);
            taken.wait.map(|wait| wait.as_secs())
        };
        assert_eq!([take(0), take(0), take(0)], [None; 3]);
        assert_eq!(take(0), Some(60));
        assert_eq!(take(10_000_000), Some(50));
        assert_eq!(take(MINUTE), None, "one is free again");
        assert_eq!(take(MINUTE), Some(60));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let taken = QUOTA.take(Some(1_000 * MINUTE), 0);
        assert_eq!(taken.wait, Some(Duration::from_secs(60)));
        assert_eq!(QUOTA.take(Some(taken.busy_until), MINUTE).wait, None, "it is forgiven");
        assert!(QUOTA.take(Some(i64::MAX), i64::MIN).wait.is_some());
        assert!(QUOTA.take(Some(i64::MIN), i64::MAX - 1).wait.is_none());
    }

    #[test]
    fn a_line_is_one_client() {
        let net = |text: &str| network_of(text.parse().expect("an address")).to_string();
        assert_eq!(net("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(net("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(net("192.0.2.7"), "192.0.2.7");
    }

    proptest! {
        /// However uses are spread, no span sees more than the burst and what the span pays for.
        #[test]
        fn never_more_than_promised(
            burst in 1_u32..20,
            per_hour in 1_u32..5_000,
            steps in prop::collection::vec(0_i64..600_000_000, 1..200),
        ) {
            let quota = Quota { burst, per_hour };
            let (mut now, mut busy, mut taken) = (0, None, Vec::new());
            for step in steps {
                now += step;
                let asked = quota.take(busy, now);
                busy = Some(asked.busy_until);
                if asked.wait.is_none() {
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let paid = (to - from) / quota.cost_micros() + 1;
                    let count = i64::try_from(last - first + 1).expect("few");
                    prop_assert!(count <= i64::from(burst) + paid);
                }
            }
        }
    }
}
