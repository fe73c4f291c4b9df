//! Writing to a replica. No file that is there is ever written over: so a second program that
//! writes to the same replica is found out.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{
    Attribute, Attributes, Error, MultipartUpload, ObjectMeta, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, PutPayload,
};

use tokio::time::Instant;

use super::{PlaceError, Replica};
use crate::replica::ltx::Header;
use crate::replica::plan::File;

/// Larger files are sent in parts of this size.
const PART_BYTES: u64 = 8 << 20;
/// As much of a file is brought to the disk at once: that may be the disk of the database, and
/// whoever commits waits for less at a time.
const PIECE_BYTES: u64 = 512 << 10;
/// Where a bucket keeps the time of a file (Litestream looks there).
const TIME: &str = "litestream-timestamp";
/// How often whoever sends a large file says that it still does.
const CLAIM_RENEWED: Duration = Duration::from_secs(60);
/// After so much time without that, nobody does.
const CLAIM_RESTS: Duration = Duration::from_secs(300);

/// Who writes, and how fast. Clones know of the same claims.
#[derive(Debug, Clone)]
pub struct Writer {
    /// A name that no other program has.
    pub name: String,
    /// Most bytes a second; as fast as can be where not set.
    pub bytes_per_second: Option<u64>,
    /// Others' claims that are waited for, as they were put there, and since when.
    claims: Arc<Mutex<HashMap<Key, (ObjectMeta, Instant)>>>,
    /// When the next byte may be sent.
    free_at: Arc<tokio::sync::Mutex<Option<Instant>>>,
}

impl Writer {
    /// Somebody who writes under this name.
    #[must_use]
    pub fn new(name: String, bytes_per_second: Option<u64>) -> Self {
        Self { name, bytes_per_second, claims: Arc::default(), free_at: Arc::default() }
    }

    /// Whether a claim has not been renewed for so long that it is nobody's, by a clock of our own.
    fn has_rested(&self, claim: &ObjectMeta) -> bool {
        let mut known = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&claim.location) {
            Some((same, since)) if same == claim => since.elapsed() >= CLAIM_RESTS,
            _ => {
                known.insert(claim.location.clone(), (claim.clone(), Instant::now()));
                false
            }
        }
    }

    /// Waits as long as so many bytes are to take, and those that others send meanwhile.
    async fn pace(&self, bytes: u64) {
        let Some(limit) = self.bytes_per_second else { return };
        let mut free_at = self.free_at.lock().await;
        let now = Instant::now();
        let takes = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
        let until = free_at.unwrap_or(now).max(now) + takes;
        *free_at = Some(until);
        drop(free_at);
        tokio::time::sleep_until(until).await;
    }
}

impl Replica {
    /// Puts a file into the replica; when this returns, it is there. One that is there already is
    /// ours if it is the same: then the answer was lost when it was put there.
    ///
    /// # Errors
    ///
    /// When the replica does not take it, or has another file by that name.
    pub async fn put(
        &self,
        file: &File,
        header: Header,
        body: &fs::File,
        writer: &Writer,
    ) -> Result<(), PlaceError> {
        let is_new = if !self.is_bucket {
            self.put_in_directory(file, body, writer).await?
        } else if file.size <= PART_BYTES {
            self.put_at_once(file, body, writer).await?
        } else {
            self.put_in_parts(file, body, writer).await?
        };
        // Whether it is ours is not known before it was looked at.
        if is_new || self.look_at(file).await? == (header, file.size) {
            return Ok(());
        }
        Err(PlaceError::Taken(file.name()))
    }

    async fn put_in_directory(
        &self,
        file: &File,
        body: &fs::File,
        writer: &Writer,
    ) -> Result<bool, PlaceError> {
        self.require_same_directory()?;
        let dir = self.dir.join("ltx").join(file.level.to_string());
        let to = dir.join(file.name());
        // One for each program, lest one writes into what another has just linked.
        let draft = dir.join(format!("openrsvp-{}.tmp", writer.name));
        let written = |error| PlaceError::Write(to.clone(), error);
        let body = body.try_clone().map_err(written)?;
        let (path, at) = (to.clone(), SystemTime::from(file.at));
        let linked = tokio::task::spawn_blocking(move || link(&path, &draft, body, at)).await;
        linked.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(written)
    }

    async fn put_at_once(
        &self,
        file: &File,
        body: &fs::File,
        writer: &Writer,
    ) -> Result<bool, PlaceError> {
        let bytes = part(body, 0, file.size).map_err(|error| self.unread(error))?;
        let options =
            PutOptions { mode: PutMode::Create, attributes: times(file), ..PutOptions::default() };
        let put = self.store.put_opts(&self.key(file), PutPayload::from(bytes), options).await;
        writer.pace(file.size).await;
        is_new(put)
    }

    /// In parts a file cannot be put only where there is none. So a small object says first who is
    /// at it, which only one can put there.
    async fn put_in_parts(
        &self,
        file: &File,
        body: &fs::File,
        writer: &Writer,
    ) -> Result<bool, PlaceError> {
        let claim = self.folder(file.level).join(format!("{}.claim", file.name()));
        let options = || PutOptions::from(PutMode::Create);
        let name = || PutPayload::from(writer.name.clone());
        if !is_new(self.store.put_opts(&claim, name(), options()).await)? {
            let found = self.store.get(&claim).await?;
            let meta = found.meta.clone();
            let is_own = found.bytes().await? == writer.name.as_bytes();
            if !is_own && !writer.has_rested(&meta) {
                return Err(PlaceError::Claimed(file.name()));
            }
        }
        if self.has(file).await? {
            return Ok(false);
        }
        let options = PutMultipartOptions { attributes: times(file), ..Default::default() };
        let mut upload = self.store.put_multipart_opts(&self.key(file), options).await?;
        let put = self.put_parts(upload.as_mut(), file, body, writer, &claim).await;
        if !matches!(put, Ok(true)) {
            // What was sent costs money until the bucket forgets it.
            let _ = upload.abort().await;
            return put;
        }
        self.store.delete(&claim).await?;
        Ok(true)
    }

    /// `false` when somebody else has put the file there meanwhile.
    async fn put_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &File,
        body: &fs::File,
        writer: &Writer,
        claim: &Key,
    ) -> Result<bool, PlaceError> {
        let (mut at, mut claimed) = (0, Instant::now());
        while at < file.size {
            let length = PART_BYTES.min(file.size - at);
            let bytes = part(body, at, length).map_err(|error| self.unread(error))?;
            upload.put_part(PutPayload::from(bytes)).await?;
            writer.pace(length).await;
            at += length;
            if claimed.elapsed() >= CLAIM_RENEWED {
                self.store.put(claim, PutPayload::from(writer.name.clone())).await?;
                claimed = Instant::now();
            }
        }
        // The end of it would write over what is there.
        if self.has(file).await? {
            return Ok(false);
        }
        upload.complete().await?;
        Ok(true)
    }

    /// Whether there is a file by that name.
    async fn has(&self, file: &File) -> Result<bool, PlaceError> {
        match self.store.head(&self.key(file)).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes files.
    ///
    /// # Errors
    ///
    /// When one cannot be removed. One that is gone is removed.
    pub async fn remove(&self, files: &[File]) -> Result<(), PlaceError> {
        let keys: Vec<_> = files.iter().map(|file| Ok(self.key(file))).collect();
        let keys = futures_util::stream::iter(keys).boxed();
        let mut removed = self.store.delete_stream(keys);
        loop {
            match removed.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(_)) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Tries to write: whether a file that is there is kept from being written over, as a second
    /// program would do.
    ///
    /// # Errors
    ///
    /// When nothing can be written at all.
    pub async fn probe(&self, name: &str) -> Result<bool, PlaceError> {
        if !self.is_bucket {
            let (dir, name) = (self.dir.clone(), format!("openrsvp-probe-{name}"));
            let probed = tokio::task::spawn_blocking(move || has_links(&dir, &name)).await;
            let probed = probed.unwrap_or_else(|error| Err(io::Error::other(error)));
            return probed.map_err(|error| PlaceError::Write(self.dir.clone(), error));
        }
        let key: Key = self.root.clone().join(format!("openrsvp-probe-{name}"));
        let create = || PutOptions::from(PutMode::Create);
        let put = || self.store.put_opts(&key, PutPayload::from_static(b"probe"), create());
        let first = is_new(put().await);
        // One that is refused at once was put by a try whose answer was lost: that tells as well.
        let second = if let Ok(true) = first { is_new(put().await) } else { Ok(false) };
        // It says nothing to whoever reads the replica, should it stay.
        let removed = self.store.delete(&key).await;
        first?;
        removed?;
        Ok(matches!(second, Ok(false)))
    }

    fn unread(&self, error: io::Error) -> PlaceError {
        PlaceError::Spool(PathBuf::from("a file on its way to the replica"), error)
    }
}

/// Whether a file that is there cannot be written over by a second name.
fn has_links(dir: &Path, name: &str) -> io::Result<bool> {
    let [first, second] = ["a", "b"].map(|end| dir.join(format!("{name}-{end}")));
    fs::write(&first, b"probe")?;
    // Somebody who tried may have been killed.
    let _ = fs::remove_file(&second);
    let linked = fs::hard_link(&first, &second);
    // It says nothing to whoever reads the replica, should it stay.
    let _ = fs::remove_file(&second);
    fs::remove_file(&first)?;
    Ok(linked.is_ok())
}

/// Makes a directory where there is none, for its owner alone: what a replica holds is not for
/// everybody.
fn make(dir: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes a file under a name that is free, by way of `draft`; `false` when it is not.
fn link(path: &Path, draft: &Path, mut body: fs::File, at: SystemTime) -> io::Result<bool> {
    let dir = path.parent().unwrap_or(Path::new("."));
    if !dir.exists() {
        // The replica itself is not made: where it is gone its disk is.
        dir.parent().map_or(Ok(()), make)?;
        make(dir)?;
    }
    // What a program left that was killed may be a file of the replica by another name: it is not
    // to be written into.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(draft)?;
    body.rewind()?;
    while io::copy(&mut io::Read::take(&mut body, PIECE_BYTES), &mut file)? > 0 {
        file.sync_data()?;
    }
    file.set_modified(at)?;
    file.sync_all()?;
    let linked = match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Some disks and shares have no links: there a second program may come in between.
        Err(_) if !path.exists() => fs::rename(draft, path).map(|()| true),
        linked => linked.map(|()| true),
    };
    // Renamed already.
    let _ = fs::remove_file(draft);
    if !linked? {
        return Ok(false);
    }
    fs::File::open(dir)?.sync_all()?;
    Ok(true)
}

fn times(file: &File) -> Attributes {
    [(Attribute::Metadata(TIME.into()), file.at.to_string())].into_iter().collect()
}

/// Whether an object was made; `false` when there was one.
fn is_new<T>(put: Result<T, Error>) -> Result<bool, PlaceError> {
    match put {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn part(body: &fs::File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    body.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_send_share_the_limit() {
        let (one, begun) = (Writer::new("one".to_owned(), Some(1000)), Instant::now());
        let other = one.clone();
        tokio::join!(one.pace(100), other.pace(50));
        one.pace(50).await;
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    }
}
