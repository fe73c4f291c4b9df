//! Work that nobody waits for.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::Job;

/// By how much its priority is lower (nice(2)).
const LESS: i32 = 10;

/// A thread that leaves the processor to those that answer people.
pub(super) struct Aside {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Aside {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let work = move || {
            // Linux has a priority for each thread. It is no matter where it cannot be lower.
            if cfg!(target_os = "linux") {
                let _ = rustix::process::nice(LESS);
            }
            waiting.into_iter().for_each(|job| job());
        };
        let thread = thread::Builder::new().name("replica".to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Does something in it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, result) = oneshot::channel();
        // Whoever does not wait any longer is told nothing.
        let job = Box::new(move || _ = done.send(work()));
        // Where its thread is gone, so is what it was to do, which is told below.
        _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
        result.await.map_err(io::Error::other)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What it is at ends first, lest it goes on beside another program.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
