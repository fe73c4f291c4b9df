//! The server that tells figures to a monitoring system, at an address of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use salvo::server::ServerHandle;
use tokio::task::JoinHandle;

use super::{StartError, listen_on, serve_on};
use crate::jobs::scheduler::SchedulerOptions;
use crate::services::monitor::Monitor;
use crate::web::metrics;
use crate::web::ops::Readiness;

/// How long whoever asks may still read when the program stops.
const GRACE: Duration = Duration::from_secs(1);

/// Where and how figures are told.
#[derive(Debug, Clone)]
pub struct MetricsOptions {
    /// `host:port`; port 0 takes any. Without it nothing is told.
    pub listen: Option<String>,
    /// How long what the database and the machine told is told again.
    pub kept_for: Duration,
}

/// The running server.
pub struct FiguresServer {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<()>,
}

impl FiguresServer {
    /// Starts it, if it has an address. It answers before the database does.
    pub async fn start(
        options: &MetricsOptions,
        monitor: Arc<Monitor>,
        readiness: Readiness,
        scheduler: SchedulerOptions,
    ) -> Result<Option<Self>, StartError> {
        let Some(listen) = &options.listen else { return Ok(None) };
        let (listener, address) = listen_on(listen).await?;
        let server = serve_on(&listener)
            .map_err(|source| StartError::Listen { listen: listen.clone(), source })?;
        let handle = server.handle();
        let service = metrics::service(monitor, readiness, scheduler);
        let serving = tokio::spawn(server.serve(service));
        tracing::info!(%address, "telling figures");
        Ok(Some(Self { address, handle, serving }))
    }

    /// Stops.
    pub async fn stop(self) {
        self.handle.stop_graceful(GRACE);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the server of figures ended badly");
        }
    }
}
