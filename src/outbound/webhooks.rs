//! Sends webhooks, to public addresses alone: strangers choose where, and must not reach through
//! this program what only it can reach. Names are looked up once, and what was looked up is what
//! is connected to; redirects are not followed, and no proxy is asked.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls::crypto::ring;

use crate::domain::webhook::Reach;
use crate::trace;

/// A connection must be there within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How webhooks are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Which addresses may be sent to.
    pub reach: Reach,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
}

/// What is sent, by the names of Standard Webhooks.
#[derive(Debug)]
pub struct Letter<'a> {
    /// The header `webhook-id`: the same each time it is sent.
    pub id: &'a str,
    /// The header `webhook-timestamp`.
    pub at: Timestamp,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The body: JSON.
    pub body: String,
}

/// Why something did not arrive: a sentence for whoever typed the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// It may arrive later.
    Yet(String),
    /// It may not be sent there, or the receiver wants nothing more.
    Refused(String),
}

/// Sends webhooks.
#[derive(Clone)]
pub struct Sender {
    options: WebhookOptions,
    secure: Result<Client, String>,
    plain: Result<Client, String>,
}

impl Sender {
    /// One that keeps to these options.
    #[must_use]
    pub fn new(options: WebhookOptions) -> Self {
        // Another part of the program may have chosen it already.
        let _ = ring::default_provider().install_default();
        let client = |is_secure| {
            let resolver = Resolver { reach: options.reach.clone(), is_secure };
            let builder = Client::builder()
                .dns_resolver(Arc::new(resolver))
                .redirect(Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(options.timeout)
                .user_agent(concat!("OpenRSVP/", env!("CARGO_PKG_VERSION")));
            // Such as a machine without certificates: no reason not to serve.
            builder.build().map_err(|error| innermost(&error))
        };
        Self { secure: client(true), plain: client(false), options }
    }

    /// Which addresses may be sent to.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.options.reach
    }

    /// Sends JSON and waits for the receiver to take it.
    ///
    /// # Errors
    ///
    /// When it did not arrive.
    pub async fn send(&self, url: &str, letter: Letter<'_>) -> Result<(), Undelivered> {
        let url = self.options.reach.check(url).map_err(Undelivered::Refused)?;
        let client = if url.scheme() == "https" { &self.secure } else { &self.plain };
        let client = client.as_ref().map_err(|reason| {
            Undelivered::Yet(format!("This server cannot send anything: {reason}."))
        })?;
        let span = trace::outbound("POST");
        let asking = async move {
            let mut traced = HeaderMap::new();
            trace::write_headers(&mut traced);
            let request = client
                .post(url)
                .headers(traced)
                .header(CONTENT_TYPE, "application/json")
                .header("webhook-id", letter.id)
                .header("webhook-timestamp", letter.at.as_second())
                .header("webhook-signature", letter.signature)
                .body(letter.body);
            request.send().await
        };
        let answer = span.around(asking).await;
        span.end_outbound(answer.as_ref().ok().map(|answer| answer.status().as_u16()));
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Ok(()),
            Ok(StatusCode::GONE) => Err(Undelivered::Refused(
                "The answer was 410: the receiver wants nothing more.".to_owned(),
            )),
            Ok(status) if status.is_redirection() => Err(Undelivered::Yet(format!(
                "The answer was {}, a redirect: use the address that it leads to.",
                status.as_u16()
            ))),
            Ok(status) => {
                Err(Undelivered::Yet(format!("The answer was {}, not 200.", status.as_u16())))
            }
            Err(error) => Err(self.explain(&error)),
        }
    }

    fn explain(&self, error: &reqwest::Error) -> Undelivered {
        if is_caused_by::<Private>(error) {
            return Undelivered::Refused("This name leads into a private network.".to_owned());
        }
        if is_caused_by::<Unknown>(error) {
            return Undelivered::Yet("No machine has this name.".to_owned());
        }
        if error.is_timeout() {
            let seconds = self.options.timeout.as_secs();
            return Undelivered::Yet(format!("No answer came within {seconds} seconds."));
        }
        let reason = innermost(error);
        if error.is_connect() {
            return Undelivered::Yet(format!("No connection: {reason}."));
        }
        Undelivered::Yet(format!("No proper answer: {reason}."))
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Looks up names, and gives back only those addresses that may be sent to.
struct Resolver {
    reach: Reach,
    is_secure: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, is_secure) = (self.reach.clone(), self.is_secure);
        Box::pin(async move {
            let Ok(found) = tokio::net::lookup_host((name.as_str(), 0)).await else {
                return Err(Unknown.into());
            };
            let found: Vec<SocketAddr> =
                found.filter(|address| reach.covers(address.ip(), is_secure)).collect();
            if found.is_empty() {
                return Err(Private.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A name leads to no address that may be sent to.
#[derive(Debug, thiserror::Error)]
#[error("a private address")]
struct Private;

/// A name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("an unknown name")]
struct Unknown;

fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn StdError + 'static)| (*error).source())
}

fn is_caused_by<E: StdError + 'static>(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.is::<E>())
}

/// The first cause in a line: it names no address.
fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
