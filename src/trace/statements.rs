//! Which statements a transaction ran: their names, never what they were given.

use std::sync::{Arc, Mutex, PoisonError};

/// Names that are kept at most.
const MOST: usize = 64;

/// Noted while the transaction runs, on whatever thread. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Statements(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
pub(super) struct Noted {
    /// In the order they ran; one that ran again and again stands once.
    pub(super) names: Vec<&'static str>,
    /// How many ran.
    pub(super) count: i64,
    /// The one that failed.
    pub(super) failed: Option<&'static str>,
}

impl Statements {
    /// A statement is about to run.
    pub fn ran(&self, name: &'static str) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.count += 1;
        if noted.names.len() < MOST && noted.names.last() != Some(&name) {
            noted.names.push(name);
        }
    }

    /// The statement that ran last failed.
    pub fn failed(&self) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.failed = noted.names.last().copied();
    }

    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
