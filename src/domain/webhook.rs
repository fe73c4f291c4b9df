//! Webhooks: another program is told of each new answer to an event. What is sent is signed by the
//! rules of Standard Webhooks 1.0 (<https://www.standardwebhooks.com>), so that any library for
//! them can check who sent it, and when.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use url::{Host, Url};

use super::clock::Entropy;
use super::event::Event;
use super::rsvp::Rsvp;

/// Most webhooks of an event.
pub const PER_EVENT: usize = 5;
/// Longest address, in characters.
pub const URL_MAX: usize = 2000;
/// Bytes of a secret.
const SECRET_BYTES: usize = 32;

/// Where an event's new answers are sent.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// The event.
    pub event_id: String,
    /// The address.
    pub url: String,
    /// What it signs with.
    pub secret: Secret,
    /// When it was added.
    pub created_at: Timestamp,
    /// Since when nothing is sent, because what was sent did not arrive.
    pub paused_at: Option<Timestamp>,
}

/// What a webhook signs with. Whoever receives has it too, so it is kept as it is, not hashed. It
/// prints as `Secret(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &Entropy) -> Self {
        let mut bytes = vec![0; SECRET_BYTES];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// One as it was kept.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What is kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// The text that the receiver is given: `whsec_` and base64.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// The header `webhook-signature`: `v1,` and HMAC-SHA256 over `id.seconds.body` in base64.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{}.{body}", at.as_second()).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A guest answered.
    RsvpCreated,
    /// The host tries whether it arrives.
    Test,
}

impl Occasion {
    /// Its name: as stored, and as `type` in what is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RsvpCreated => "rsvp.created",
            Self::Test => "test",
        }
    }

    /// From its stored name.
    #[must_use]
    pub fn from_stored(name: &str) -> Option<Self> {
        [Self::RsvpCreated, Self::Test].into_iter().find(|occasion| occasion.as_str() == name)
    }
}

/// What became of something that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is to be sent, or sent again.
    Waiting,
    /// It arrived.
    Delivered,
    /// It did not, and is not tried any more.
    Failed,
}

impl DeliveryState {
    /// Its name, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// From its stored name.
    #[must_use]
    pub fn from_stored(name: &str) -> Option<Self> {
        let all = [Self::Waiting, Self::Delivered, Self::Failed];
        all.into_iter().find(|state| state.as_str() == name)
    }
}

/// Something that is sent, and what became of it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id: the same however often it is sent, so that a receiver can tell.
    pub id: String,
    /// The webhook.
    pub webhook_id: String,
    /// The answer that it tells of.
    pub rsvp_id: Option<String>,
    /// Why it is sent.
    pub occasion: Occasion,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: i64,
    /// Why it did not arrive when it was sent last.
    pub reason: Option<String>,
    /// When there was a reason to send it.
    pub created_at: Timestamp,
    /// When it was sent last.
    pub sent_at: Option<Timestamp>,
}

/// What is sent: JSON. An answer is told of as it is when it is sent, not as it was: what a guest
/// took back meanwhile goes nowhere.
#[must_use]
pub fn body(occasion: Occasion, event: &Event, rsvp: Option<&Rsvp>, at: Timestamp) -> String {
    let told = json!({
        "type": occasion.as_str(),
        "timestamp": at.to_string(),
        "data": {
            "event": {
                "id": event.id,
                "title": event.title,
                "start_time": event.starts_at.to_string(),
                "timezone": event.zone,
            },
            "rsvp": rsvp.map_or(Value::Null, |rsvp| json!({
                "id": rsvp.id,
                "name": rsvp.name,
                "pronouns": rsvp.pronouns,
                "attendance_status": rsvp.reply.as_str(),
                "approval_status": rsvp.approval.as_str(),
                "guest_count": rsvp.companions,
                "is_private_rsvp": rsvp.is_private,
                "created_at": rsvp.created_at.to_string(),
                "last_modified": rsvp.modified_at.to_string(),
            })),
        },
    });
    told.to_string()
}

/// Which addresses of the network may be sent to: those of the internet, and those that the
/// instance owner named. `http` goes to the latter alone, for everybody on the way can read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Networks that the instance owner named.
    pub named: Vec<IpNet>,
}

impl Reach {
    /// Whether this address may be sent to.
    #[must_use]
    pub fn covers(&self, address: IpAddr, is_secure: bool) -> bool {
        let address = address.to_canonical();
        self.named.iter().any(|net| net.contains(&address)) || (is_secure && is_public(address))
    }

    /// What a host typed as an address, or what to do about it: a sentence. Names are looked up
    /// when something is sent.
    ///
    /// # Errors
    ///
    /// When nothing may be sent there, whatever the name means.
    pub fn check(&self, text: &str) -> Result<Url, String> {
        let text = text.trim();
        if text.chars().count() > URL_MAX {
            return Err(format!("An address can have at most {URL_MAX} characters."));
        }
        let example = "such as https://example.org/answers.";
        let url = Url::parse(text).map_err(|_| format!("Type a whole address, {example}"))?;
        let is_secure = url.scheme() == "https";
        if !is_secure && (url.scheme() != "http" || self.named.is_empty()) {
            return Err(format!("Begin the address with https://, {example}"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("Leave the name and password out of the address.".to_owned());
        }
        // Mail and other services of old take a request for their own language.
        if !matches!(url.port_or_known_default(), Some(80 | 443 | 1024..)) {
            return Err("Use port 80, 443, or one from 1024 on.".to_owned());
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(format!("Type a whole address, {example}")),
        };
        if literal.is_some_and(|address| !self.covers(address, is_secure)) {
            return Err(
                "This address lies in a private network: use one that everybody can reach."
                    .to_owned(),
            );
        }
        Ok(url)
    }
}

/// Networks of IPv4 that are not of the internet (IANA's registry of special-purpose addresses,
/// RFC 6890).
const SPECIAL_4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Where IPv6 of the internet lies.
const GLOBAL_6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IPv4 addresses that networks without IPv4 reach by a translator (RFC 6052).
const TRANSLATED: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Networks in [`GLOBAL_6`] that are not of the internet, or lead to IPv4 by a tunnel.
const SPECIAL_6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is of the internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !SPECIAL_4.into_iter().any(|net| is_in_4(address, net)),
        IpAddr::V6(address) if is_in_6(address, TRANSLATED) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => {
            is_in_6(address, GLOBAL_6) && !SPECIAL_6.into_iter().any(|net| is_in_6(address, net))
        }
    }
}

fn is_in_4(address: Ipv4Addr, (network, length): (Ipv4Addr, u8)) -> bool {
    Ipv4Net::new(network, length).is_ok_and(|net| net.contains(&address))
}

fn is_in_6(address: Ipv6Addr, (network, length): (Ipv6Addr, u8)) -> bool {
    Ipv6Net::new(network, length).is_ok_and(|net| net.contains(&address))
}

#[cfg(test)]
mod tests;
