//! A moment that this site signed: a form carries it out and back, and nothing need be kept.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// Bytes of the signature that are kept: enough for a moment that opens nothing.
const SIGNATURE_BYTES: usize = 16;

/// The key of a site's stamps. It prints as `StampKey(…)`.
#[derive(Clone)]
pub struct StampKey([u8; 32]);

impl std::fmt::Debug for StampKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StampKey(…)")
    }
}

impl StampKey {
    /// The key that every process derives from the secret they share.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        Self(mac(secret, b"openrsvp form stamp").finalize().into_bytes().into())
    }

    /// `now` to the second, signed: `seconds.signature`, hexadecimal.
    #[must_use]
    pub fn sign(&self, now: Timestamp) -> String {
        let seconds = now.as_second().to_string();
        let signature = mac(&self.0, seconds.as_bytes()).finalize().into_bytes();
        format!("{seconds}.{}", hex(&signature))
    }

    /// A name for `text` that does not tell it: the same for whoever has this key.
    #[must_use]
    pub fn conceal(&self, text: &str) -> String {
        hex(&mac(&self.0, format!("name {text}").as_bytes()).finalize().into_bytes())
    }

    /// The moment of a stamp; `None` when this key did not sign it.
    #[must_use]
    pub fn read(&self, stamp: &str) -> Option<Timestamp> {
        let (seconds, hex) = stamp.split_once('.')?;
        let signature = (0..SIGNATURE_BYTES)
            .map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok())
            .collect::<Option<Vec<u8>>>()
            .filter(|_| hex.len() == 2 * SIGNATURE_BYTES)?;
        mac(&self.0, seconds.as_bytes()).verify_truncated_left(&signature).ok()?;
        Timestamp::from_second(seconds.parse().ok()?).ok()
    }
}

fn hex(signature: &[u8]) -> String {
    signature.iter().take(SIGNATURE_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_sites_stamps_count() {
        let key = StampKey::derive(b"a secret");
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().expect("a time");
        let stamp = key.sign(now);
        assert_eq!(key.read(&stamp), Some(now));
        assert_eq!(StampKey::derive(b"another").read(&stamp), None);
        let later = stamp.replacen("17", "18", 1);
        for forged in
            [later.as_str(), "", ".", "1", "1.", "1.zz", "é.é", &stamp[1..], &format!("{stamp}0")]
        {
            assert_eq!(key.read(forged), None, "{forged}");
        }
    }
}
