//! Brings to one replica what it has not got.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::aside::Aside;
use super::shelf::Shelf;
use super::{Replicas, ReplicateError};
use crate::replica::place::write::Writer;
use crate::replica::place::{PlaceError, Replica, without_query};
use crate::replica::plan::{self, File, SNAPSHOTS, Target};
use crate::replica::source::{Batch, Position, Source, SourceError};

/// The longest pause after a failure; the first is two intervals, and each is twice the one before.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Commits that are in the log no longer are sent at once, but no more often than others, nor than
/// this: where they come one after the other they are sent together.
const HURRY_EVERY: Duration = Duration::from_secs(5);
/// A replica whose newest file is younger may have another program that writes to it.
const FRESH: Duration = Duration::from_secs(120);

/// Who brings commits to one replica.
pub(super) struct Courier {
    replicas: Replicas,
    number: usize,
    address: String,
    writer: Writer,
    /// The replica, once it is known what is in it; its keeper looks after it from then on.
    shelf: watch::Sender<Option<Arc<Shelf>>>,
    /// The whole database, on its way.
    whole: Option<Batch>,
    /// Makes files of commits.
    aside: Option<Aside>,
}

impl Courier {
    pub(super) fn new(
        replicas: Replicas,
        number: usize,
        shelf: watch::Sender<Option<Arc<Shelf>>>,
    ) -> Self {
        let options = &replicas.0.options;
        let writer = Writer::new(replicas.0.state.writer(), options.bytes_per_second);
        let address = options.replicas[number].clone();
        Self { number, address, writer, shelf, whole: None, aside: None, replicas }
    }

    /// Works until told to stop, and then once more.
    pub(super) async fn work(mut self, mut stop: watch::Receiver<bool>) {
        let interval = self.replicas.0.options.sync_interval;
        let mut pause = interval;
        let mut moved = self.replicas.0.moved.subscribe();
        let mut hurried_at: Option<Instant> = None;
        loop {
            // A closed channel means the program is gone: stop as well.
            let is_last = *stop.borrow() || stop.has_changed().is_err();
            match self.round().await {
                Ok(()) => {
                    self.succeeded();
                    pause = interval;
                }
                Err(ReplicateError::Place(error @ PlaceError::Taken(_))) => {
                    return self.give_up(&error).await;
                }
                Err(error) => {
                    self.failed(&error).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            if is_last {
                return;
            }
            let hurry = async {
                // It fails where the program ends, and that is told apart.
                let _ = moved.changed().await;
                if let Some(at) = hurried_at {
                    tokio::time::sleep_until(at + interval.min(HURRY_EVERY)).await;
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
                () = hurry, if pause == interval => hurried_at = Some(Instant::now()),
            }
        }
    }

    fn name(&self) -> &str {
        without_query(&self.address)
    }

    fn succeeded(&self) {
        let now = self.replicas.0.clock.now();
        self.replicas.tell(self.number, |status| {
            if status.fault.take().is_some() {
                tracing::info!(replica = status.address, "the replica is reached again");
            }
            status.current_at = Some(now);
        });
    }

    /// Says so once, not with each try, whose words may differ: how long it took, say.
    async fn failed(&mut self, error: &ReplicateError) {
        self.replicas.tell(self.number, |status| {
            status.failures += 1;
            if status.fault.is_none() {
                tracing::warn!(replica = status.address, %error, "the replica is behind");
            }
            status.fault = Some(error.to_string());
        });
        let shelf = self.shelf.borrow().clone();
        match (error, shelf) {
            // Somebody tidied up, or another disk lies there: look again at what is there.
            (
                ReplicateError::Place(
                    PlaceError::Store(object_store::Error::NotFound { .. })
                    | PlaceError::NoDirectory(_)
                    | PlaceError::OtherDirectory(_),
                ),
                _,
            ) => self.forget(),
            // Its keys may be others now. Where there are none just now, they are read again later.
            (ReplicateError::Place(_), Some(shelf)) => _ = shelf.reopen(),
            _ => {}
        }
        // What is wrong with the database was told just now.
        let _ = self.source(|source, number| source.reached(number, false)).await;
        let _ = self.look().await;
    }

    /// What is in the replica is not known any longer.
    fn forget(&mut self) {
        self.shelf.send_replace(None);
        self.whole = None;
    }

    /// Leaves the replica to the program that writes to it.
    async fn give_up(&self, error: &PlaceError) {
        let now = self.replicas.0.clock.now();
        self.replicas.tell(self.number, |status| {
            status.failures += 1;
            status.fault = Some(error.to_string());
            status.is_given_up = true;
            status.behind_since.get_or_insert(now);
        });
        tracing::error!(replica = self.name(), %error, "the replica is given up");
        self.shelf.send_replace(None);
        // The log need not be kept for it any longer.
        let lost = self.source(Source::lose).await;
        if let Err(error) = lost.and_then(|lost| Ok(lost?)) {
            tracing::warn!(%error, "the log is kept for a replica that is given up");
        }
    }

    /// Brings everything there is.
    async fn round(&mut self) -> Result<(), ReplicateError> {
        let known = self.shelf.borrow().clone();
        let shelf = match known {
            Some(shelf) => shelf,
            None => self.find().await?,
        };
        shelf.taken()?;
        self.look().await?;
        self.send_whole(&shelf).await?;
        self.send_commits(&shelf).await?;
        self.remember().await
    }

    /// Reads the log on, and tells whether the replica is behind.
    async fn look(&self) -> Result<(), ReplicateError> {
        let looked = self.source(|source, number| {
            source.follow()?;
            Ok::<_, SourceError>(source.is_current(number))
        });
        let is_current = looked.await?? && self.whole.is_none();
        let now = self.replicas.0.clock.now();
        self.replicas.tell(self.number, |status| {
            status.behind_since =
                if is_current { None } else { Some(status.behind_since.unwrap_or(now)) };
        });
        Ok(())
    }

    /// Looks at what the replica has, and goes on from there if that is certain to be right.
    async fn find(&mut self) -> Result<Arc<Shelf>, ReplicateError> {
        self.replicas.0.state.keep_name()?;
        let is_known = self.replicas.0.state.position(self.name()).is_some();
        // A directory that is gone, or empty, is a disk that is not mounted.
        let opened = if is_known { Replica::at } else { Replica::at_or_new };
        let replica = opened(&self.address)?;
        let mut files = replica.list().await?;
        if is_known {
            replica.require_some(&files)?;
        }
        let is_guarded = replica.probe(&self.writer.name).await?;
        if !is_guarded {
            tracing::warn!(
                replica = self.name(),
                "files of this replica can be written over: see that no second program writes here"
            );
        }
        let at = self.resume(&replica, &files).await?;
        // What cannot be restored is not gone on with.
        let planned = plan::plan(&files, Target::Latest).ok();
        let reached = planned.and_then(|planned| planned.last().map(|file| file.max));
        if at.is_none() || at.map(|at| at.txid) != reached {
            self.source(Source::lose).await??;
            files = self.watch(&replica, files).await?;
        }
        self.replicas.tell(self.number, |status| {
            status.txid = newest(&files);
            status.is_guarded = Some(is_guarded);
        });
        let (replicas, writer) = (self.replicas.clone(), self.writer.clone());
        let shelf = Arc::new(Shelf::new(replicas, self.number, writer, replica, files));
        self.shelf.send_replace(Some(shelf.clone()));
        Ok(shelf)
    }

    /// Goes on from what is remembered, if what came after is still there; and from files that came
    /// after it, if they hold just that: then the program ended before it remembered them.
    async fn resume(
        &self,
        replica: &Replica,
        files: &[File],
    ) -> Result<Option<Position>, ReplicateError> {
        let Some(mut at) = self.replicas.0.state.position(self.name()) else { return Ok(None) };
        let unable = |why: &str| {
            tracing::info!(replica = self.name(), why, "the replica cannot go on where it was");
            Ok(None)
        };
        if !files.iter().any(|file| file.max == at.txid) {
            return unable("its last file is gone");
        }
        let next = self.source(|source, number| source.next_txid(number)).await?;
        if next == Some(newest(files) + 1) && next == Some(at.txid + 1) {
            // It was followed from there all the time.
            return Ok(Some(at));
        }
        while let Some(file) = files.iter().find(|file| (file.level, file.min) == (0, at.txid + 1))
        {
            let scratch = self.replicas.scratch()?;
            let header = replica.header(file).await?;
            let body = replica.open(file, scratch.path()).await?;
            let next = self.source(move |source, _| source.recognize(at, header, &body));
            let Some(next) = next.await?? else {
                return unable("its last file is not what was committed here");
            };
            at = next;
        }
        // What comes before is kept no longer.
        self.replicas.0.state.remember(self.name(), at)?;
        if !self.source(move |source, number| source.resume(number, at)).await?? {
            return unable("what was committed since is not all there");
        }
        Ok(Some(at))
    }

    /// Makes sure that nobody else writes to a replica that was written to just now.
    async fn watch(
        &self,
        replica: &Replica,
        files: Vec<File>,
    ) -> Result<Vec<File>, ReplicateError> {
        let now = self.replicas.0.clock.now();
        let is_fresh = |file: &File| now.duration_since(file.at).unsigned_abs() < FRESH;
        if !files.iter().any(is_fresh) {
            return Ok(files);
        }
        tokio::time::sleep(self.replicas.0.options.watch).await;
        let later = replica.list().await?;
        match later.iter().max_by_key(|file| file.max) {
            Some(file) if file.max > newest(&files) => Err(PlaceError::Taken(file.name()).into()),
            _ => Ok(later),
        }
    }

    /// Sends the whole database, where the replica cannot go on.
    async fn send_whole(&mut self, shelf: &Shelf) -> Result<(), ReplicateError> {
        if self.source(|source, number| source.is_lost(number)).await? {
            self.whole = None;
            // What is there now: the answer to the last thing that was put may have been lost.
            let files = shelf.relist().await?;
            self.whole = Some(self.take_whole(&files).await?);
        }
        if let Some(batch) = &self.whole {
            shelf.put(SNAPSHOTS, batch.size, batch.header, &batch.file).await?;
            self.source(Source::begun).await?;
            self.replicas.tell(self.number, |status| status.whole_copies += 1);
            self.whole = None;
        }
        Ok(())
    }

    /// Makes a file of the whole database, to follow these. Commits are counted from there on; so
    /// the replica stays lost where it cannot be made.
    async fn take_whole(&self, files: &[File]) -> Result<Batch, ReplicateError> {
        tracing::info!(replica = self.name(), "sending the whole database to the replica");
        // Times never go back, whatever becomes of the clock.
        let since = files.iter().map(|file| file.at).max().unwrap_or_default();
        let anew = Some((newest(files) + 1, since));
        let taken = match self.source(move |source, number| source.freeze(number, anew)).await {
            Ok(Ok(Some(frozen))) => self.replicas.encode(|dir| frozen.encode(dir)).await,
            Ok(Ok(None)) => {
                Err(SourceError::Io(io::Error::other("there is nothing to follow")).into())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error),
        };
        if taken.is_err() {
            self.source(Source::lose).await??;
        }
        taken
    }

    /// Sends what was committed until now. What is committed meanwhile waits for the next round:
    /// else there would be no end to it, nor to what it costs.
    async fn send_commits(&mut self, shelf: &Shelf) -> Result<(), ReplicateError> {
        let now = self.replicas.0.clock.now();
        let until = self.source(Source::prepare).await??;
        loop {
            let next = self.source(|source, number| source.next(number)).await?;
            let Some(draft) = next.filter(|draft| Some(draft.after.txid) <= until) else { break };
            let aside = match &self.aside {
                Some(aside) => aside,
                None => self.aside.insert(Aside::start()?),
            };
            let batch = aside.run(self.replicas.settled(move |dir| draft.encode(dir))).await??;
            shelf.put(0, batch.size, batch.header, &batch.file).await?;
            self.source(move |source, number| source.sent(number, batch.header.max)).await?;
            self.remember().await?;
        }
        // What is missing now was committed since.
        self.replicas.tell(self.number, |status| {
            status.behind_since = status.behind_since.map(|since| since.max(now));
        });
        Ok(())
    }

    /// Remembers how far the replica is, so that it can go on there after the next start.
    async fn remember(&self) -> Result<(), ReplicateError> {
        let at = self.source(|source, number| {
            source.reached(number, true);
            source.position(number)
        });
        if let Some(at) = at.await?.filter(|_| self.whole.is_none()) {
            self.replicas.0.state.remember(self.name(), at)?;
            self.source(move |source, number| source.remembered(number, at)).await??;
        }
        self.look().await
    }

    /// Asks the database for what concerns this replica.
    async fn source<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Source, usize) -> T + Send + 'static,
    ) -> Result<T, ReplicateError> {
        let number = self.number;
        Ok(self.replicas.with_source(move |source| ask(source, number)).await?)
    }
}

/// The last txid in a replica; 0 when there is none.
fn newest(files: &[File]) -> u64 {
    files.iter().map(|file| file.max).max().unwrap_or(0)
}
