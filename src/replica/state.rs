//! What is remembered of each replica beside the database. Whoever loses it loses nothing: the
//! replica then begins anew with the whole database.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::source::Position;

/// The file, and what it says.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    is_written: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// A name that no other program has.
    writer: String,
    /// How far each replica is, by its address.
    replicas: BTreeMap<String, Position>,
}

impl State {
    /// Reads what is remembered in `dir`; what cannot be read is forgotten. `name` is taken where
    /// there is none yet.
    #[must_use]
    pub fn read(dir: &Path, name: &str) -> Self {
        let path = dir.join("state.json");
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let is_written = AtomicBool::new(kept.is_some());
        let fresh = || Kept { writer: name.to_owned(), ..Kept::default() };
        Self { path, is_written, kept: Mutex::new(kept.unwrap_or_else(fresh)) }
    }

    /// Sees to it that the name outlives the program: what it began to send when it was killed is
    /// known as its own then.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn keep_name(&self) -> io::Result<()> {
        let kept = self.lock();
        if self.is_written.load(Ordering::Relaxed) { Ok(()) } else { self.write(&kept) }
    }

    /// The name of this program among those that write to replicas.
    pub fn writer(&self) -> String {
        self.lock().writer.clone()
    }

    /// How far a replica was.
    pub fn position(&self, address: &str) -> Option<Position> {
        self.lock().replicas.get(address).copied()
    }

    /// Remembers how far a replica is.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn remember(&self, address: &str, at: Position) -> io::Result<()> {
        let mut kept = self.lock();
        let before = kept.replicas.insert(address.to_owned(), at);
        if before == Some(at) {
            return Ok(());
        }
        let written = self.write(&kept);
        if written.is_err() {
            // The next try is to write it.
            kept.replicas.remove(address);
            kept.replicas.extend(before.map(|before| (address.to_owned(), before)));
        }
        written
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        let draft = self.path.with_extension("tmp");
        fs::write(&draft, serde_json::to_vec(kept)?)?;
        fs::rename(&draft, &self.path)?;
        self.is_written.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
