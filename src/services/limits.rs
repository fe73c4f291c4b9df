//! Who has done how much of what lately: the limits by client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Error;
use crate::domain::limit::{Action, Quota, network_of};
use crate::domain::stamp::StampKey;

/// Most clients that are remembered at once: a few megabytes.
const CLIENTS: usize = 100_000;

/// What is limited, and how.
#[derive(Debug, Clone)]
pub struct LimitOptions {
    /// The quota of each action.
    pub create_event: Quota,
    /// See `create_event`.
    pub answer: Quota,
    /// See `create_event`.
    pub change: Quota,
    /// See `create_event`.
    pub search: Quota,
    /// A form that comes back sooner was not filled in by a person; zero asks nothing.
    pub minimum_fill: Duration,
    /// Signs the moment at which a form was given out.
    pub stamp_key: StampKey,
}

impl LimitOptions {
    fn quota(&self, action: Action) -> Quota {
        match action {
            Action::CreateEvent => self.create_event,
            Action::Answer => self.answer,
            Action::Change => self.change,
            Action::Search => self.search,
        }
    }
}

/// The limits of a site; by default there are none.
#[derive(Debug, Clone, Default)]
pub struct Limits(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    options: LimitOptions,
    /// Until when each client is busy, in Unix microseconds.
    busy: Mutex<HashMap<(IpAddr, Action), i64>>,
}

/// Why a form was not filled in by a person, as it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It came back sooner than anybody types.
    TooQuick,
    /// It was not given out by this site, or before its owner's secret changed.
    NotOurs,
}

impl Limits {
    /// Limits that hold.
    #[must_use]
    pub fn new(options: LimitOptions) -> Self {
        Self(Some(Arc::new(Inner { options, busy: Mutex::default() })))
    }

    /// True when there are limits.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Counts one `action` of the client at `ip`.
    ///
    /// # Errors
    /// [`Error::TooMany`] when the client has used up its quota; nothing is counted then.
    pub fn take(&self, ip: IpAddr, action: Action, now: Timestamp) -> Result<(), Error> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let (now, client) = (now.as_microsecond(), (network_of(ip), action));
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let quota = inner.options.quota(action);
        let next =
            quota.take(busy.get(&client).copied(), now).map_err(|wait| Error::TooMany { wait })?;
        if busy.len() >= CLIENTS && !busy.contains_key(&client) {
            make_room(&mut busy, now);
        }
        busy.insert(client, next);
        Ok(())
    }

    /// What a form carries out, to be brought back; blank when nothing is asked.
    #[must_use]
    pub fn stamp(&self, now: Timestamp) -> String {
        self.0.as_ref().map_or_else(String::new, |inner| inner.options.stamp_key.sign(now))
    }

    /// Looks at the stamp that a form brought back. One without a stamp is a program's that says
    /// so, or a form of version 0.16: it passes, as the JSON API does.
    pub fn check_stamp(&self, stamp: &str, now: Timestamp) -> Result<(), Doubt> {
        let Some(inner) = self.0.as_ref().filter(|_| !stamp.is_empty()) else { return Ok(()) };
        let given_out = inner.options.stamp_key.read(stamp).ok_or(Doubt::NotOurs)?;
        let minimum = SignedDuration::try_from(inner.options.minimum_fill).unwrap_or_default();
        let took = now.duration_since(given_out);
        // A clock that was set back makes forms of the future: they are as good as old ones.
        if !took.is_negative() && took < minimum { Err(Doubt::TooQuick) } else { Ok(()) }
    }
}

/// Forgets who has rested enough; if nearly nobody has, the half that is nearest to it.
fn make_room(busy: &mut HashMap<(IpAddr, Action), i64>, now: i64) {
    busy.retain(|_, until| *until > now);
    if busy.len() < CLIENTS / 2 {
        return;
    }
    let mut moments: Vec<i64> = busy.values().copied().collect();
    let half = moments.len() / 2;
    let median = *moments.select_nth_unstable(half).1;
    busy.retain(|_, until| *until > median);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn limits(burst: u32) -> Limits {
        let quota = Quota { burst, per_hour: 60 };
        Limits::new(LimitOptions {
            create_event: quota,
            answer: quota,
            change: quota,
            search: quota,
            minimum_fill: Duration::from_secs(2),
            stamp_key: StampKey::derive(b"a secret"),
        })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).expect("a time")
    }

    #[test]
    fn each_client_and_each_action_by_itself() {
        let limits = limits(1);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(limits.take(ip("2001:db8::1"), Action::Answer, at(0)).is_ok());
        let again = limits.take(ip("2001:db8::2"), Action::Answer, at(30));
        assert!(matches!(again, Err(Error::TooMany { wait }) if wait.as_secs() == 30));
        assert!(limits.take(ip("2001:db8::2"), Action::Change, at(30)).is_ok());
        assert!(limits.take(ip("2001:db8:0:1::2"), Action::Answer, at(30)).is_ok());
        assert!(limits.take(ip("2001:db8::2"), Action::Answer, at(60)).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let limits = limits(5);
        for number in 0..300_000 {
            let ip = IpAddr::V4(Ipv4Addr::from_bits(number));
            assert!(limits.take(ip, Action::Answer, at(0)).is_ok());
        }
        let inner = limits.0.as_ref().expect("on");
        assert!(inner.busy.lock().expect("not poisoned").len() <= CLIENTS);
    }

    #[test]
    fn forms_are_not_filled_in_in_no_time() {
        let limits = limits(1);
        let stamp = limits.stamp(at(10));
        assert_eq!(limits.check_stamp(&stamp, at(11)), Err(Doubt::TooQuick));
        assert_eq!(limits.check_stamp(&stamp, at(12)), Ok(()));
        assert_eq!(limits.check_stamp(&stamp, at(9)), Ok(()), "the clock was set back");
        assert_eq!(limits.check_stamp("12.ab", at(12)), Err(Doubt::NotOurs));
        assert_eq!(limits.check_stamp("", at(12)), Ok(()));
        assert_eq!(Limits::default().stamp(at(0)), "");
    }
}
