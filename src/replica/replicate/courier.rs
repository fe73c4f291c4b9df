//! Brings to one replica what it has not got.

use std::fs;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::NamedTempFile;
use tokio::sync::watch;

use super::{Replicas, ReplicateError};
use crate::replica::ltx::Header;
use crate::replica::place::write::Writer;
use crate::replica::place::{PlaceError, Replica, without_query};
use crate::replica::plan::{File, SNAPSHOTS};
use crate::replica::source::{Batch, Frozen, Position, Source, SourceError};

/// The longest pause after a failure; the first is two intervals, and each is twice the one before.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A replica whose newest file is younger may have another program that writes to it.
const FRESH: Duration = Duration::from_secs(120);

/// Who brings commits to one replica.
pub(super) struct Courier {
    pub(super) replicas: Replicas,
    pub(super) number: usize,
    address: String,
    writer: Writer,
    /// The replica and the files in it, once they are known.
    pub(super) known: Option<(Replica, Vec<File>)>,
    /// The whole database, on its way.
    whole: Option<Batch>,
    /// When each level was merged last.
    pub(super) merged_at: Vec<Timestamp>,
}

impl Courier {
    pub(super) fn new(replicas: Replicas, number: usize) -> Self {
        let shared = &replicas.0;
        let writer = Writer {
            name: shared.state.writer(),
            bytes_per_second: shared.options.bytes_per_second,
        };
        let merged_at = vec![shared.clock.now(); shared.options.levels.len()];
        let address = shared.options.replicas[number].clone();
        Self { number, address, writer, known: None, whole: None, merged_at, replicas }
    }

    /// Works until told to stop, and then once more.
    pub(super) async fn work(mut self, mut stop: watch::Receiver<bool>) {
        let interval = self.replicas.0.options.sync_interval;
        let mut pause = interval;
        let mut moved = self.replicas.0.moved.subscribe();
        loop {
            // A closed channel means the program is gone: stop as well.
            let is_last = *stop.borrow() || stop.has_changed().is_err();
            match self.round(is_last).await {
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
            let is_well = pause == interval;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
                _ = moved.changed(), if is_well => {}
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
        let is_gone =
            |error: &object_store::Error| matches!(error, object_store::Error::NotFound { .. });
        if matches!(error, ReplicateError::Place(PlaceError::Store(error)) if is_gone(error)) {
            // Somebody tidied up: look again at what is there.
            self.known = None;
        }
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "it is not known how far the replica is behind");
        }
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
        // The log need not be kept for it any longer.
        if let Err(error) = self.source(Source::lose).await {
            tracing::warn!(%error, "the log is kept for a replica that is given up");
        }
    }

    /// Brings everything there is. Upkeep is left out where the program stops.
    async fn round(&mut self, is_last: bool) -> Result<(), ReplicateError> {
        if self.known.is_none() {
            self.find().await?;
        }
        self.look().await?;
        self.send_whole().await?;
        self.send_commits().await?;
        if !is_last {
            self.look_after().await?;
        }
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
    async fn find(&mut self) -> Result<(), ReplicateError> {
        let replica = Replica::at_or_new(&self.address)?;
        let mut files = replica.list().await?;
        let is_guarded = !replica.is_bucket() || replica.probe(&self.writer.name).await?;
        if !is_guarded {
            tracing::warn!(
                replica = self.name(),
                "files of this replica can be written over: see that no second program writes here"
            );
        }
        let at = self.resume(&replica, &files).await?;
        if at.is_none_or(|at| at.txid != newest(&files)) {
            self.source(Source::lose).await?;
            files = self.watch(&replica, files).await?;
        }
        self.replicas.tell(self.number, |status| {
            status.txid = newest(&files);
            status.is_guarded = Some(is_guarded);
        });
        self.known = Some((replica, files));
        Ok(())
    }

    /// Goes on from what is remembered, if the log still has it; and from files that came after
    /// it, if the log has those too: then the program ended before it remembered them.
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
        while let Some(file) = files.iter().find(|file| (file.level, file.min) == (0, at.txid + 1))
        {
            let spool = self.spool()?;
            let header = replica.header(file).await?;
            let body = replica.open(file, spool.path()).await?;
            let next = self.source(move |source, _| source.recognize(at, header, &body));
            let Some(next) = next.await?? else {
                return unable("its last file is not what the log says");
            };
            at = next;
        }
        if !self.source(move |source, number| source.resume(number, at)).await?? {
            return unable("the log was moved into the database before all of it was sent");
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
    async fn send_whole(&mut self) -> Result<(), ReplicateError> {
        let Some((_, files)) = &self.known else { return Ok(()) };
        // Times never go back, whatever becomes of the clock.
        let last = files.iter().map(|file| file.at).max();
        let (first, now) =
            (newest(files) + 1, self.replicas.0.clock.now().max(last.unwrap_or_default()));
        let frozen = self.source(move |source, number| {
            source.is_lost(number).then(|| source.freeze(number, first, now)).transpose()
        });
        if let Some(frozen) = frozen.await?? {
            tracing::info!(replica = self.name(), "sending the whole database to the replica");
            self.whole = Some(self.encode(frozen).await?);
        }
        if let Some(batch) = &self.whole {
            let (body, size, header) = (batch.file.try_clone()?, batch.size, batch.header);
            self.put(SNAPSHOTS, size, header, &body).await?;
            self.replicas.tell(self.number, |status| status.whole_copies += 1);
            self.whole = None;
        }
        Ok(())
    }

    /// Sends what was committed until now. What is committed meanwhile waits for the next round:
    /// else there would be no end to it, nor to what it costs.
    pub(super) async fn send_commits(&mut self) -> Result<(), ReplicateError> {
        let now = self.replicas.0.clock.now();
        let until = self.source(move |source, number| source.prepare(number, now)).await??;
        loop {
            let next = self.source(move |source, number| {
                let next = source.next(number).filter(|batch| Some(batch.after.txid) <= until);
                let Some(batch) = next else { return Ok(None) };
                let body = batch.file.try_clone()?;
                Ok::<_, SourceError>(Some((body, batch.size, batch.header)))
            });
            let Some((body, size, header)) = next.await?? else { break };
            self.put(0, size, header, &body).await?;
            self.source(move |source, number| source.sent(number, header.max)).await?;
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
        let at = self.source(|source, number| source.position(number)).await?;
        if let Some(at) = at.filter(|_| self.whole.is_none()) {
            self.replicas.0.state.remember(self.name(), at)?;
        }
        self.look().await
    }

    /// Makes a file of the whole database.
    pub(super) async fn encode(&self, frozen: Frozen) -> Result<Batch, ReplicateError> {
        let dir = self.replicas.0.dir.clone();
        let encoded = tokio::task::spawn_blocking(move || frozen.encode(&dir)).await;
        Ok(encoded.map_err(io::Error::other)??)
    }

    /// Puts a file into the replica.
    pub(super) async fn put(
        &mut self,
        level: u8,
        size: u64,
        header: Header,
        body: &fs::File,
    ) -> Result<(), ReplicateError> {
        let Some((replica, files)) = &mut self.known else { return Ok(()) };
        let file = File { level, min: header.min, max: header.max, at: header.at, size };
        replica.put(&file, header, body, &self.writer).await?;
        files.push(file);
        self.replicas.tell(self.number, |status| {
            status.txid = status.txid.max(header.max);
            status.bytes += size;
            status.files += 1;
        });
        Ok(())
    }

    /// A file for a while, for what is read from the replica.
    pub(super) fn spool(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::with_prefix_in(crate::replica::source::COPY, &self.replicas.0.dir)
    }

    /// Asks the database for what concerns this replica.
    pub(super) async fn source<T: Send + 'static>(
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
