//! Where a replica lies: a directory, or a bucket behind the S3 protocol. They differ in how their
//! files are named, and in nothing else.

mod bucket;
pub mod write;

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt as _};
use url::Url;

use super::legacy::{self, Generation, Piece};
use super::ltx::{HEADER_BYTES, Header, LtxError};
use super::plan::{File, SNAPSHOTS};

/// An address as it may be shown.
#[must_use]
pub fn without_query(address: &str) -> &str {
    address.split_once('?').map_or(address, |(plain, _)| plain)
}

/// Headers that are read at once.
const AT_ONCE: usize = 50;

/// Why a replica cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The address means nothing.
    #[error("a replica is named as file:///directory or s3://bucket/prefix, and {0} is neither")]
    Address(String),
    /// There is no such directory.
    #[error("the directory {0} is not there: is its disk mounted? Else make it")]
    NoDirectory(PathBuf),
    /// There is another one.
    #[error("the directory {0} is another than before: is its disk mounted?")]
    OtherDirectory(PathBuf),
    /// It held what was sent there, and holds nothing now.
    #[error(
        "the directory {0} holds nothing of what was sent there: is its disk mounted? If it is \
         meant to be empty, remove what ends in -replication beside the database, and start the \
         program anew"
    )]
    Emptied(PathBuf),
    /// It does not answer, or refuses.
    #[error("the replica cannot be read: {0}")]
    Store(#[from] object_store::Error),
    /// A file in it is broken.
    #[error("the file {name} of the replica cannot be used: {source}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        source: LtxError,
    },
    /// What a bucket needs is not there.
    #[error("the replica {0} cannot be used: {1}")]
    Bucket(String, String),
    /// The directory cannot be written to.
    #[error("the replica cannot be written: {0} ({1})")]
    Write(PathBuf, std::io::Error),
    /// Somebody else writes here.
    #[error(
        "another program writes to this replica: its file {0} is not ours. Give each program a \
         replica of its own, and start this one anew"
    )]
    Taken(String),
    /// Somebody else may be about to write here.
    #[error("another program has begun to send {0} to this replica; it is waited for")]
    Claimed(String),
    /// What was read cannot be kept for a while.
    #[error("{0} cannot be written: {1}")]
    Spool(PathBuf, std::io::Error),
}

/// A replica.
#[derive(Debug, Clone)]
pub struct Replica {
    store: Arc<dyn ObjectStore>,
    root: Key,
    is_bucket: bool,
    /// The directory, if it is one, and what it was when it was opened.
    dir: PathBuf,
    identity: (u64, u64),
}

/// Which directory it is, whatever its path.
fn identity(dir: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(dir).ok().filter(fs::Metadata::is_dir)?;
    Some((found.dev(), found.ino()))
}

impl Replica {
    /// The replica at `file:///directory`, or `s3://bucket/prefix` with what the bucket needs as a
    /// query: see [`bucket::open`].
    ///
    /// # Errors
    ///
    /// When the address means nothing, or the directory is not there.
    pub fn at(address: &str) -> Result<Self, PlaceError> {
        let wrong = || PlaceError::Address(without_query(address).to_owned());
        let url = Url::parse(address).map_err(|_| wrong())?;
        match url.scheme() {
            "file" => {
                let dir = url.to_file_path().map_err(|()| wrong())?;
                let identity =
                    identity(&dir).ok_or_else(|| PlaceError::NoDirectory(dir.clone()))?;
                let store = Arc::new(LocalFileSystem::new_with_prefix(&dir)?);
                Ok(Self { store, root: Key::from("ltx"), is_bucket: false, dir, identity })
            }
            // It would be shown with the address.
            "s3" if !url.username().is_empty() || url.password().is_some() => {
                Err(PlaceError::Bucket(
                    "s3://...@...".to_owned(),
                    "keys stand in a keys_file, or in variables".to_owned(),
                ))
            }
            "s3" => {
                let root = Key::from_url_path(url.path()).map_err(|_| wrong())?;
                if root.as_ref().is_empty() {
                    return Err(wrong());
                }
                let store = Arc::new(bucket::open(&url)?);
                let (dir, identity) = (PathBuf::new(), (0, 0));
                Ok(Self { store, root, is_bucket: true, dir, identity })
            }
            _ => Err(wrong()),
        }
    }

    /// The same; a directory is made where only the last one of its path is missing.
    ///
    /// # Errors
    ///
    /// When the address means nothing, or the directory cannot be made.
    pub fn at_or_new(address: &str) -> Result<Self, PlaceError> {
        match Self::at(address) {
            Err(PlaceError::NoDirectory(dir)) => {
                let made = fs::DirBuilder::new().mode(0o700).create(&dir);
                made.map_err(|error| PlaceError::Write(dir, error))?;
                Self::at(address)
            }
            opened => opened,
        }
    }

    /// Refuses a directory that is not the one that was opened: what lies below a disk that is not
    /// mounted is not the replica.
    fn require_same_directory(&self) -> Result<(), PlaceError> {
        if self.is_bucket {
            return Ok(());
        }
        match identity(&self.dir) {
            None => Err(PlaceError::NoDirectory(self.dir.clone())),
            Some(found) if found != self.identity => {
                Err(PlaceError::OtherDirectory(self.dir.clone()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether it is a bucket; else it is a directory.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        self.is_bucket
    }

    /// Refuses a directory that is empty, though files were sent there.
    ///
    /// # Errors
    ///
    /// When it is.
    pub fn require_some(&self, files: &[File]) -> Result<(), PlaceError> {
        if files.is_empty() && !self.is_bucket {
            return Err(PlaceError::Emptied(self.dir.clone()));
        }
        Ok(())
    }

    fn folder(&self, level: u8) -> Key {
        let name = if self.is_bucket { format!("{level:04x}") } else { level.to_string() };
        self.root.clone().join(name)
    }

    fn key(&self, file: &File) -> Key {
        self.folder(file.level).join(file.name())
    }

    /// Every file, by the times that the store knows.
    ///
    /// # Errors
    ///
    /// When the replica does not answer.
    pub async fn list(&self) -> Result<Vec<File>, PlaceError> {
        self.require_same_directory()?;
        let mut files = Vec::new();
        for level in 0..=SNAPSHOTS {
            let mut found = self.store.list(Some(&self.folder(level)));
            while let Some(object) = found.try_next().await? {
                let name = object.location.filename().unwrap_or_default();
                let Some((min, max)) = File::txids(name) else { continue };
                let seconds = object.last_modified.timestamp_millis();
                let at = Timestamp::from_millisecond(seconds).unwrap_or(Timestamp::MIN);
                files.push(File { level, min, max, at, size: object.size });
            }
        }
        // Where it is gone nothing is found, which is no error to whoever lists.
        self.require_same_directory()?;
        Ok(files)
    }

    /// What Litestream 0.3 wrote.
    ///
    /// # Errors
    ///
    /// When the replica does not answer.
    pub async fn list_legacy(&self) -> Result<Vec<Generation>, PlaceError> {
        let base = self.base();
        let listed = self.store.list(Some(&base.clone().join("generations")));
        let found = listed.map_ok(|object| {
            let path = object.location.as_ref().trim_start_matches(base.as_ref());
            let at = object.last_modified.timestamp_millis();
            let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MIN);
            (path.trim_start_matches('/').to_owned(), at, object.size)
        });
        let found: Vec<_> = found.try_collect().await?;
        Ok(legacy::generations(found.into_iter()))
    }

    /// Where everything lies: of a directory, one above the folders of today's layout.
    fn base(&self) -> Key {
        if self.is_bucket { self.root.clone() } else { Key::default() }
    }

    /// Opens a piece of what Litestream 0.3 wrote, as [`Self::open`] does.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or not be kept.
    pub async fn open_legacy(&self, piece: &Piece, spool: &Path) -> Result<fs::File, PlaceError> {
        let key = piece.path.split('/').fold(self.base(), Key::join);
        self.open_key(&key, spool).await
    }

    /// The same files with the times that they themselves say: those of a directory change when it
    /// is copied.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub async fn timed(&self, files: Vec<File>) -> Result<Vec<File>, PlaceError> {
        use futures_util::StreamExt as _;
        futures_util::stream::iter(files)
            .map(|file| async move {
                let header = self.header(&file).await?;
                Ok(File { at: header.at, ..file })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// What a file says about itself.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn header(&self, file: &File) -> Result<Header, PlaceError> {
        Ok(self.look_at(file).await?.0)
    }

    /// The same, and its size.
    pub(super) async fn look_at(&self, file: &File) -> Result<(Header, u64), PlaceError> {
        let range = GetRange::Bounded(0..HEADER_BYTES as u64);
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let found = self.store.get_opts(&self.key(file), options).await?;
        let size = found.meta.size;
        let bytes = found.bytes().await?;
        let header = match <&[u8; HEADER_BYTES]>::try_from(bytes.as_ref()) {
            Ok(bytes) => Header::read(bytes),
            Err(_) => Err(LtxError::Damaged("it ends too early")),
        };
        let header = header.map_err(|source| PlaceError::File { name: file.name(), source })?;
        Ok((header, size))
    }

    /// Opens a file for reading: the one in the directory, or what is downloaded to `spool`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or not be kept.
    pub async fn open(&self, file: &File, spool: &Path) -> Result<fs::File, PlaceError> {
        self.open_key(&self.key(file), spool).await
    }

    async fn open_key(&self, key: &Key, spool: &Path) -> Result<fs::File, PlaceError> {
        let found = self.store.get(key).await?;
        let mut stream = match found.payload {
            GetResultPayload::File(file, _) => return Ok(file),
            GetResultPayload::Stream(stream) => stream,
        };
        let full = |error| PlaceError::Spool(spool.to_owned(), error);
        let mut options = fs::File::options();
        // As the database itself, of which it is a part.
        options.create(true).truncate(true).read(true).write(true).mode(0o600);
        let mut kept = options.open(spool).map_err(full)?;
        while let Some(bytes) = stream.try_next().await? {
            kept.write_all(&bytes).map_err(full)?;
        }
        kept.rewind().map_err(full)?;
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_an_address_are_refused_and_not_shown() {
        let refused = Replica::at("s3://key:secret@bucket/prefix").expect_err("refused");
        let said = refused.to_string();
        assert!(said.contains("keys_file") && !said.contains("secret"), "{said}");
    }
}
