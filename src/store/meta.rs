//! What the instance remembers about itself.

use jiff::Timestamp;

use super::db::{StoreError, Tx};
use super::decode::micros;
use super::{queries, values};

/// SHA-256, in hexadecimal, of the instance token that an import brought along; blank once it was
/// taken back, so that no later import brings it again.
pub const IMPORTED_INSTANCE_TOKEN: &str = "imported_instance_token";
/// The fading settings that the derived columns were last computed with.
pub const FADING: &str = "fading";

queries! {
    GET = "SELECT value FROM meta WHERE key = $1";
    SET = "INSERT INTO meta (key, value, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
}

/// The value under this key.
pub async fn get(tx: &mut Tx, key: &str) -> Result<Option<String>, StoreError> {
    tx.one(&GET, values![key]).await?.map(|row| row.get(0)).transpose()
}

/// Sets the value under this key.
pub async fn set(tx: &mut Tx, key: &str, value: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&SET, values![key, value, micros(now)]).await?;
    Ok(())
}
