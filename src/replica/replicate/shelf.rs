//! The files of one replica, as far as this program knows them: it alone writes there.

use std::fs;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Replicas, ReplicateError};
use crate::replica::ltx::Header;
use crate::replica::place::write::Writer;
use crate::replica::place::{PlaceError, Replica};
use crate::replica::plan::File;

/// A replica, shared by whoever brings commits to it and whoever keeps it small.
pub(super) struct Shelf {
    replicas: Replicas,
    number: usize,
    writer: Writer,
    replica: Mutex<Replica>,
    files: Mutex<Vec<File>>,
    /// A file that another program has put here.
    taken: OnceLock<String>,
}

impl Shelf {
    pub(super) fn new(
        replicas: Replicas,
        number: usize,
        writer: Writer,
        replica: Replica,
        files: Vec<File>,
    ) -> Self {
        let (replica, files) = (Mutex::new(replica), Mutex::new(files));
        Self { replicas, number, writer, replica, files, taken: OnceLock::new() }
    }

    pub(super) fn replica(&self) -> Replica {
        lock(&self.replica).clone()
    }

    /// Reaches a bucket anew: what that takes may be different now, its keys for one.
    pub(super) fn reopen(&self) -> Result<(), PlaceError> {
        if self.replica().is_bucket() {
            *lock(&self.replica) = Replica::at(&self.replicas.addresses()[self.number])?;
        }
        Ok(())
    }

    pub(super) fn files(&self) -> Vec<File> {
        lock(&self.files).clone()
    }

    /// Looks again at what is here.
    pub(super) async fn relist(&self) -> Result<Vec<File>, PlaceError> {
        let before = self.files();
        let mut found = self.replica().list().await?;
        let mut files = lock(&self.files);
        // What was put here meanwhile may not be among them.
        found.extend(files.iter().filter(|file| !before.contains(file)));
        found.sort_by_key(|file| (file.level, file.min, file.max));
        found.dedup_by_key(|file| (file.level, file.min, file.max));
        files.clone_from(&found);
        Ok(found)
    }

    /// The file by which another program was found out.
    pub(super) fn taken(&self) -> Result<(), PlaceError> {
        self.taken.get().map_or(Ok(()), |name| Err(PlaceError::Taken(name.clone())))
    }

    /// Puts a file here.
    pub(super) async fn put(
        &self,
        level: u8,
        size: u64,
        header: Header,
        body: &fs::File,
    ) -> Result<(), ReplicateError> {
        let file = File { level, min: header.min, max: header.max, at: header.at, size };
        let put = self.replica().put(&file, header, body, &self.writer).await;
        if let Err(PlaceError::Taken(name)) = &put {
            // Told already.
            let _ = self.taken.set(name.clone());
        }
        put?;
        lock(&self.files).push(file);
        self.replicas.tell(self.number, |status| {
            status.txid = status.txid.max(header.max);
            status.bytes += size;
            status.files += 1;
        });
        Ok(())
    }

    /// Removes files.
    pub(super) async fn remove(&self, old: &[File]) -> Result<(), PlaceError> {
        if !old.is_empty() {
            self.replica().remove(old).await?;
            lock(&self.files).retain(|file| !old.contains(file));
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
