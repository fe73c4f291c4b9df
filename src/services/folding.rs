//! Folding the names that were written before the program knew how names are searched, or by an
//! older version beside this one.

use super::{Error, Site};
use crate::store::{channels, events, rsvps};

/// Names folded in one transaction.
const BATCH: i64 = 500;

/// Folds every name that no search finds yet. Safe to repeat, and to run twice at once.
pub async fn settle(site: &Site) -> Result<(), Error> {
    let fold = || {
        site.db.write(|tx| {
            Box::pin(async move {
                let guests = rsvps::fold_names(tx, BATCH).await?;
                let channels = channels::fold_names(tx, BATCH).await?;
                Ok::<_, Error>(guests + channels + events::fold_titles(tx, BATCH).await?)
            })
        })
    };
    while fold().await? > 0 {}
    Ok(())
}
