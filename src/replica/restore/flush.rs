//! Brings a file to the disk while more of it is written: so the disk is never idle, and little is
//! left at the end.

use std::fs::File;
use std::io;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

/// A thread that waits for the disk.
pub(super) struct Flusher {
    wake: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

/// Tells it that there is more.
pub(super) struct Wake(SyncSender<()>);

impl Flusher {
    /// For this file.
    pub(super) fn start(file: File) -> io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        let flush = move || woken.iter().try_for_each(|()| file.sync_data());
        let thread = thread::Builder::new().name("flush".to_owned()).spawn(flush)?;
        Ok(Self { wake, thread })
    }

    /// For whoever writes.
    pub(super) fn wake(&self) -> Wake {
        Wake(self.wake.clone())
    }

    /// Waits until all of the file is on the disk; when nobody writes any more.
    pub(super) fn end(self, file: &File) -> io::Result<()> {
        drop(self.wake);
        // The kernel tells of a failure once: it may be told here.
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("its thread has stopped")))?;
        file.sync_all()
    }
}

impl Wake {
    /// Has the disk begin with what was written.
    pub(super) fn up(&self) {
        // Where it cannot be told it is told already, or it has failed, which is known at the end.
        let _ = self.0.try_send(());
    }
}
