//! Work that is owed: asked for in the transaction of a change, taken by one worker at a time, and
//! tried again until it is done or given up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::{Error, Site};
use crate::domain::clock::Entropy;
use crate::domain::id;
use crate::domain::task::{self, Failure, NewTask, Next, Priority, State, Task};
use crate::metrics::{Family, Kind, whole};
use crate::store::db::{StoreError, Tx};
use crate::store::tasks;

/// How long a worker holds a task before it must say that it is still at it. Clocks of processes
/// that share a database may differ by less than this.
pub const LEASE: Duration = Duration::from_secs(60);
/// Rows of a long list that are changed in one transaction.
const BATCH: i64 = 200;
/// Tasks that are counted, of each priority and state; beyond it nobody needs to know how many.
const COUNTED: i64 = 100_000;

/// Wakes the worker of this process for what was asked for a moment ago; the other processes see it
/// when they look.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Call it once the change is kept. It is heard by whoever listens now, or else next.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits until it rings.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}

/// Asks for a task, as a part of the transaction: it is owed exactly if the change is kept.
pub async fn enqueue(
    tx: &mut Tx,
    entropy: &Entropy,
    now: Timestamp,
    new: NewTask,
) -> Result<(), StoreError> {
    let task = Task {
        id: id::row_id(now, entropy),
        kind: new.kind.to_owned(),
        payload: new.payload,
        dedupe_key: new.dedupe_key,
        priority: new.priority,
        state: State::Open,
        due_at: new.run_at.unwrap_or(now),
        lease: None,
        attempts: 0,
        created_at: now,
        failed_at: None,
        reason: None,
    };
    tasks::insert(tx, &task).await
}

/// Takes up to `limit` tasks that are due, the most urgent first. Nobody else has them until the
/// lease runs out.
pub async fn take(site: &Site, limit: usize) -> Result<Vec<Task>, Error> {
    let now = site.clock.now();
    let (lease, until) = (id::row_id(now, &site.entropy), lease_end(now));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let mut taken = Vec::new();
                for priority in Priority::ALL {
                    let left = limit - i64::try_from(taken.len()).unwrap_or(limit);
                    if left > 0 {
                        let mut more = tasks::take(tx, priority, left, now, &lease, until).await?;
                        more.sort_by(|a, b| a.id.cmp(&b.id));
                        taken.append(&mut more);
                    }
                }
                Ok(taken)
            })
        })
        .await
}

/// Says that a worker is still at a task; `false` when it has lost it.
pub async fn renew(site: &Site, task: &Task) -> Result<bool, Error> {
    let until = lease_end(site.clock.now());
    let (id, lease) = held(task);
    site.db
        .write(move |tx| Box::pin(async move { Ok(tasks::renew(tx, &id, &lease, until).await?) }))
        .await
}

/// Records that tasks are done, in one transaction. Gives back the ids of those that the worker had
/// lost, and that are done once more.
pub async fn finish(site: &Site, done: Vec<Task>) -> Result<BTreeSet<String>, Error> {
    let (now, mut by_lease) = (site.clock.now(), BTreeMap::<String, BTreeSet<String>>::new());
    for task in &done {
        let (id, lease) = held(task);
        by_lease.entry(lease).or_default().insert(id);
    }
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let mut lost = BTreeSet::new();
                for (lease, mut ids) in by_lease {
                    let all: Vec<_> = ids.iter().cloned().collect();
                    for some in all.chunks(tasks::FINISHED_AT_ONCE) {
                        let some: Vec<&str> = some.iter().map(String::as_str).collect();
                        for removed in tasks::finish(tx, &lease, &some).await? {
                            ids.remove(&removed);
                        }
                    }
                    for id in ids {
                        // Asked for again while somebody was at it: it is to be done anew.
                        if tasks::lock_held(tx, &id, &lease).await?.is_some() {
                            tasks::restart(tx, &id, now).await?;
                        } else {
                            lost.insert(id);
                        }
                    }
                }
                Ok(lost)
            })
        })
        .await
}

/// Records that a task failed, and gives back what becomes of it; `None` when the worker had lost
/// it.
pub async fn fail(site: &Site, task: &Task, failure: &Failure) -> Result<Option<Next>, Error> {
    let now = site.clock.now();
    let mut chance = [0; 4];
    site.entropy.fill(&mut chance);
    let next = task::after_failure(failure, task.attempts, now, u32::from_le_bytes(chance));
    let ((id, lease), reason) = (held(task), failure.reason());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let Some(again) = tasks::lock_held(tx, &id, &lease).await? else {
                    return Ok(None);
                };
                match next {
                    Next::Retry(at) => tasks::retry(tx, &id, at, now, &reason).await?,
                    // Whoever asked for it meanwhile asked for all attempts.
                    Next::Bury if again => {
                        tasks::restart(tx, &id, now).await?;
                        return Ok(Some(Next::Retry(now)));
                    }
                    Next::Bury => tasks::bury(tx, &id, now, &reason).await?,
                }
                Ok(Some(next))
            })
        })
        .await
}

/// Gives back tasks that were taken and not ended.
pub async fn give_back(site: &Site, taken: Vec<Task>) -> Result<(), Error> {
    let now = site.clock.now();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                for task in &taken {
                    let (id, lease) = held(task);
                    tasks::give_back(tx, &id, &lease, now).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Up to `limit` tasks in a state, the oldest first.
pub async fn list(site: &Site, state: State, limit: i64) -> Result<Vec<Task>, Error> {
    site.db
        .read(move |tx| Box::pin(async move { Ok(tasks::list(tx, state, "", limit).await?) }))
        .await
}

/// What to do about dead tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// Try them again, now.
    Retry,
    /// Forget them.
    Discard,
}

/// Tries one dead task again or forgets it; `false` when there is none with this id, or what it
/// would do is being done already.
pub async fn settle(site: &Site, id: String, what: Dead) -> Result<bool, Error> {
    let now = site.clock.now();
    site.db
        .write(move |tx| Box::pin(async move { Ok(settle_one(tx, &id, what, now).await?) }))
        .await
}

/// Tries all dead tasks again or forgets them, and gives back how many.
pub async fn settle_all(site: &Site, what: Dead) -> Result<u64, Error> {
    let (now, mut settled, mut after) = (site.clock.now(), 0, String::new());
    loop {
        let from = after.clone();
        let batch = site.db.write(move |tx| {
            Box::pin(async move {
                let mut done = 0;
                let dead = tasks::list(tx, State::Dead, &from, BATCH).await?;
                for task in &dead {
                    done += u64::from(settle_one(tx, &task.id, what, now).await?);
                }
                Ok::<_, Error>((done, dead.last().map(|task| task.id.clone())))
            })
        });
        let (done, last) = batch.await?;
        settled += done;
        match last {
            Some(last) => after = last,
            None => return Ok(settled),
        }
    }
}

async fn settle_one(tx: &mut Tx, id: &str, what: Dead, now: Timestamp) -> Result<bool, StoreError> {
    match what {
        Dead::Retry => tasks::revive(tx, id, now).await,
        Dead::Discard => tasks::discard(tx, id).await,
    }
}

/// How long the queue is, and how late.
pub(super) async fn families(site: &Site) -> Result<Vec<Family>, Error> {
    let now = site.clock.now();
    let depths = site.db.read(move |tx| Box::pin(tasks::depths(tx, now, COUNTED))).await?;
    let mut depth = Family::new(
        Kind::Gauge,
        "openrsvp_queue_tasks",
        "Tasks by state (due; later: to be done later, or being done; dead: given up) and priority, up to 100000 each",
    );
    let mut age = Family::new(
        Kind::Gauge,
        "openrsvp_queue_oldest_due_age_seconds",
        "How long the task that has been due for the longest time has been so; 0 when none is due",
    );
    for (priority, found) in depths {
        let priority = priority.as_str();
        for (state, count) in [("due", found.due), ("later", found.later), ("dead", found.dead)] {
            depth = depth.row(&[("state", state), ("priority", priority)], whole(count));
        }
        let late = found.first_at.map_or(0.0, |first| now.duration_since(first).as_secs_f64());
        age = age.row(&[("priority", priority)], late.max(0.0));
    }
    Ok(vec![depth, age])
}

/// A task and the lease it was taken with.
fn held(task: &Task) -> (String, String) {
    (task.id.clone(), task.lease.clone().unwrap_or_default())
}

fn lease_end(now: Timestamp) -> Timestamp {
    let lease = SignedDuration::try_from(LEASE).unwrap_or(SignedDuration::MAX);
    now.checked_add(lease).unwrap_or(Timestamp::MAX)
}
