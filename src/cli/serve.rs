//! `serve`: the web server.

use std::io::{IsTerminal, stdout};
use std::net::SocketAddr;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use super::{options, out};
use crate::app;
use crate::config::{Config, Loaded};
use crate::domain::clock::{Clock, Entropy};

/// How to serve.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address to listen on [default: 0.0.0.0]
    #[arg(long)]
    pub(super) host: Option<String>,
    /// Port to listen on [default: 8000]
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// Taken for the sake of scripts written for the original; changes nothing
    #[arg(long, hide = true)]
    dev: bool,
}

/// Serves until SIGTERM or SIGINT.
pub(super) async fn run(loaded: &Loaded) -> Result<()> {
    let config = &loaded.config;
    // Before the start, so that a signal that comes early is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = app::start(options::app(config)?, Clock::system(), Entropy::system()).await?;
    // Requests are answered all the same when nobody can read this.
    if let Err(error) = greet(config, running.address) {
        tracing::warn!(error = format!("{error:#}"), "the address could not be printed");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// Tells where the server is, and how its owner gets in.
fn greet(config: &Config, address: SocketAddr) -> Result<()> {
    let base = config.server.base_url.clone().unwrap_or_else(|| {
        let shown = if address.ip().is_unspecified() {
            format!("localhost:{}", address.port())
        } else {
            address.to_string()
        };
        format!("http://{shown}")
    });
    out::line(format_args!("OpenRSVP is at {base}"))?;
    if stdout().is_terminal() {
        let token = options::instance_token(config)?;
        out::line(format_args!(
            "Your link as the instance owner, keep it secret: {base}/admin/{}",
            token.reveal()
        ))?;
    } else {
        out::line("`openrsvp admin-token` prints the instance owner's link.")?;
    }
    Ok(())
}
