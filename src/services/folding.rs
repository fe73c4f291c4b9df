//! Folding the names that were written before the program knew how names are searched, or by an
//! older version beside this one.

use super::{Error, Site};
use crate::store::rsvps;

/// Names folded in one transaction.
const BATCH: i64 = 500;

/// Folds every name that no search finds yet. Safe to repeat, and to run twice at once.
pub async fn settle(site: &Site) -> Result<(), Error> {
    loop {
        let folded = site
            .db
            .write(|tx| {
                Box::pin(async move { Ok::<_, Error>(rsvps::fold_names(tx, BATCH).await?) })
            })
            .await?;
        if folded == 0 {
            return Ok(());
        }
    }
}
