//! Access tokens: the secret half of a link, and the hash of it that is all the database holds.

use std::fmt;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::clock::Entropy;

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// A secret that opens what it was made for. It prints as `Token(…)`; only [`Token::reveal`] gives
/// its text, so that it cannot reach a log by accident.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token: 256 random bits as URL-safe base64 without padding, 43 characters.
    #[must_use]
    pub fn generate(entropy: &Entropy) -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        entropy.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A token as somebody sent or configured it; any text, for imported links may look otherwise.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret text, for the link that is shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the database keeps of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 of a token's text. Comparing takes the same time whatever differs.
#[derive(Clone, Copy)]
pub struct TokenHash(pub [u8; 32]);

/// The hash of a token's text, as it came in a link or header.
#[must_use]
pub fn hash(text: &str) -> TokenHash {
    TokenHash(Sha256::digest(text.as_bytes()).into())
}

impl TokenHash {
    /// The bytes to store and look up.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Lower-case hexadecimal, 64 characters.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        black_box(pairs.fold(0, |differing, (a, b)| black_box(differing | (a ^ b)))) == 0
    }
}

impl Eq for TokenHash {}

/// The hash opens nothing, but it tells which rows belong together: it stays out of logs too.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_token_is_43_url_safe_characters_and_never_the_same() {
        let entropy = Entropy::seeded(7);
        let tokens: HashSet<String> =
            (0..100).map(|_| Token::generate(&entropy).reveal().to_owned()).collect();
        assert_eq!(tokens.len(), 100);
        for token in tokens {
            assert_eq!(token.len(), 43);
            assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        }
    }

    #[test]
    fn debug_keeps_the_secret() {
        let token = Token::from_text("open-sesame");
        assert_eq!(format!("{token:?} {:?}", token.hash()), "Token(…) TokenHash(…)");
    }

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        let hex: String = hash("abc").as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Token::from_text("abc").hash(), hash("abc"));
    }

    #[test]
    fn hashes_differ_when_any_byte_does() {
        let hash = hash("abc");
        assert_eq!(TokenHash(*hash.as_bytes()), hash);
        for place in 0..32 {
            let mut other = hash;
            other.0[place] ^= 0x80;
            assert_ne!(other, hash);
        }
    }
}
