//! Who has done how much of what lately: the limits by client address.
//!
//! Each process decides by itself, at once, and shares what it let pass once a second
//! ([`exchange`]). So a client gets its quota from a single process exactly; from several no more
//! than what each lets pass before the next exchange, which is its burst at most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Error, Site};
use crate::domain::limit::{Action, Quota, network_of};
use crate::domain::stamp::StampKey;
use crate::store::limits;

/// Most clients that are remembered at once: a few megabytes.
const CLIENTS: usize = 100_000;
/// Clients told of in one transaction.
const BATCH: usize = 500;

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
    clients: Mutex<HashMap<Client, Cell>>,
}

type Client = (IpAddr, Action);

#[derive(Debug, Clone, Copy)]
struct Cell {
    /// Until when the client is busy, in Unix microseconds.
    busy_until: i64,
    /// How much of that the other processes do not know yet, in microseconds.
    unshared: i64,
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
        Self(Some(Arc::new(Inner { options, clients: Mutex::default() })))
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
        let mut clients = inner.clients();
        let quota = inner.options.quota(action);
        if clients.len() >= CLIENTS && !clients.contains_key(&client) {
            make_room(&mut clients, now);
        }
        let cell = clients.entry(client).or_insert(Cell { busy_until: now, unshared: 0 });
        let taken = quota.take(Some(cell.busy_until), now);
        cell.busy_until = taken.busy_until;
        match taken.wait {
            Some(wait) => Err(Error::TooMany { wait }),
            None => {
                cell.unshared = cell.unshared.saturating_add(quota.cost_micros());
                Ok(())
            }
        }
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

impl Inner {
    fn clients(&self) -> MutexGuard<'_, HashMap<Client, Cell>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the other processes do not know yet; it counts as told from now on.
    fn take_unshared(&self) -> Vec<(Client, i64)> {
        let mut clients = self.clients();
        let unshared = clients.iter_mut().filter(|(_, cell)| cell.unshared > 0);
        unshared.map(|(client, cell)| (*client, std::mem::take(&mut cell.unshared))).collect()
    }

    /// Learns what all processes together know of a client.
    fn learn(&self, client: Client, busy_until: i64) {
        if let Some(cell) = self.clients().get_mut(&client) {
            cell.busy_until = busy_until.saturating_add(cell.unshared);
        }
    }

    /// Takes back what could not be told.
    fn untold(&self, client: Client, cost: i64) {
        if let Some(cell) = self.clients().get_mut(&client) {
            cell.unshared = cell.unshared.saturating_add(cost);
        }
    }
}

/// Tells the other processes what this one let pass, and learns what they did.
pub async fn exchange(site: &Site) -> Result<(), Error> {
    let Some(inner) = &site.limits.0 else { return Ok(()) };
    let now = site.clock.now().as_microsecond();
    let mut told: Vec<_> = inner
        .take_unshared()
        .into_iter()
        .map(|(client, cost)| {
            let name = format!("{} {}", client.1.name(), client.0);
            (inner.options.stamp_key.conceal(&name), client, cost)
        })
        .collect();
    // In one order, so that two processes never wait for each other.
    told.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut result = Ok(());
    for batch in told.chunks(BATCH) {
        if result.is_ok() {
            result = exchange_batch(site, inner, batch, now).await;
        }
        if result.is_err() {
            batch.iter().for_each(|(_, client, cost)| inner.untold(*client, *cost));
        }
    }
    result
}

async fn exchange_batch(
    site: &Site,
    inner: &Inner,
    batch: &[(String, Client, i64)],
    now: i64,
) -> Result<(), Error> {
    let sent: Vec<_> = batch
        .iter()
        .map(|(name, client, cost)| {
            let latest = now.saturating_add(inner.options.quota(client.1).reach_micros());
            (name.clone(), latest, *cost)
        })
        .collect();
    let known = site
        .db
        .write(move |tx| {
            Box::pin(async move {
                let mut known = Vec::with_capacity(sent.len());
                for (name, latest, cost) in sent {
                    known.push(limits::add(tx, &name, now, latest, cost).await?);
                }
                Ok::<_, Error>(known)
            })
        })
        .await?;
    for ((_, client, _), busy_until) in batch.iter().zip(known) {
        inner.learn(*client, busy_until);
    }
    Ok(())
}

/// Forgets, for all processes, the clients that rested long enough.
pub async fn forget(site: &Site) -> Result<(), Error> {
    let now = site.clock.now();
    site.db
        .write(move |tx| {
            Box::pin(async move { limits::forget(tx, now).await.map_err(Error::from) })
        })
        .await
}

/// Forgets who has rested enough; if nearly nobody has, the half that is nearest to it.
fn make_room(clients: &mut HashMap<Client, Cell>, now: i64) {
    clients.retain(|_, cell| cell.busy_until > now || cell.unshared > 0);
    if clients.len() < CLIENTS / 2 {
        return;
    }
    let mut moments: Vec<i64> = clients.values().map(|cell| cell.busy_until).collect();
    let half = moments.len() / 2;
    let median = *moments.select_nth_unstable(half).1;
    clients.retain(|_, cell| cell.busy_until > median);
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
        assert!(inner.clients().len() <= CLIENTS);
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
