//! `admin-token` and `rotate-admin-token`: the instance owner's token.

use anyhow::{Context, Result, bail};

use serde_json::json;

use super::options;
use super::out::{self, Shown};
use crate::config::Loaded;
use crate::domain::clock::Entropy;
use crate::domain::token::Token;
use crate::services::{Error, instance};
use crate::store::meta;

/// Prints the token alone, for scripts, and the link for people; as JSON, both.
pub(super) fn print(loaded: &Loaded, shown: Shown) -> Result<()> {
    let token = options::instance_token(&loaded.config)?;
    let link = link(loaded, &token);
    if shown.json {
        return Ok(out::line(json!({ "token": token.reveal(), "link": link }))?);
    }
    out::line(token.reveal())?;
    if let Some(link) = link {
        eprintln!("{link}");
    }
    Ok(())
}

/// The owner's page; `None` where the address of the site is not configured.
fn link(loaded: &Loaded, token: &Token) -> Option<String> {
    let base = loaded.config.server.base_url.as_ref()?;
    Some(format!("{base}/admin/{}", token.reveal()))
}

/// Makes a new token; neither the old one nor an imported one works any more.
pub(super) async fn rotate(loaded: &Loaded, shown: Shown) -> Result<()> {
    let dir = &loaded.config.database.data_dir;
    let site = options::site(&loaded.config).await?;
    let now = site.clock.now();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                meta::set(tx, meta::IMPORTED_INSTANCE_TOKEN, "", now).await?;
                Ok::<_, Error>(())
            })
        })
        .await?;
    site.db.close().await;
    if loaded.config.instance.admin_token.is_some() {
        bail!(
            "an imported token no longer works, but your own is set in the configuration: \
             change instance.admin_token there"
        );
    }
    let token = instance::replace_token(dir, &Entropy::system())
        .with_context(|| format!("cannot write the token to {}", dir.display()))?;
    if shown.json {
        out::line(json!({ "token": token.reveal(), "link": link(loaded, &token) }))?;
    } else {
        out::line(token.reveal())?;
    }
    eprintln!("A running server takes the new token after a restart.");
    Ok(())
}
