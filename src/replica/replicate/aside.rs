//! Work that nobody waits for.

use std::io;

use tokio::sync::oneshot;

/// How much lower its priority is (nice(2)).
const LESS: i32 = 10;

/// Does something in a thread of its own, which leaves the processor to those that answer people.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name("replica".to_owned()).spawn(move || {
        // Linux has a priority for each thread. It is no matter where that cannot be set.
        if cfg!(target_os = "linux") {
            let _ = rustix::process::setpriority_process(None, LESS);
        }
        // Whoever does not wait any longer is told nothing.
        let _ = done.send(work());
    })?;
    result.await.map_err(io::Error::other)
}
