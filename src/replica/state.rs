//! What is remembered of each replica beside the database. Whoever loses it loses nothing: the
//! replica then begins anew with the whole database.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::source::Position;

/// The file, and what it says.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
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
        let fresh = || Kept { writer: name.to_owned(), ..Kept::default() };
        Self { path, kept: Mutex::new(kept.unwrap_or_else(fresh)) }
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
        if kept.replicas.insert(address.to_owned(), at) == Some(at) {
            return Ok(());
        }
        let draft = self.path.with_extension("tmp");
        fs::write(&draft, serde_json::to_vec(&*kept)?)?;
        fs::rename(&draft, &self.path)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
