//! Who stands behind a token.

use super::Error;
use crate::domain::event::{Event, Viewer};
use crate::domain::rsvp::Rsvp;
use crate::domain::token::{TokenHash, hash};
use crate::services::Rules;
use crate::store::db::Tx;
use crate::store::{meta, rsvps};

/// What a token says about its holder at one event.
pub(super) struct Holder {
    /// What they may see.
    pub(super) viewer: Viewer,
    /// Their own answer, when they are a guest.
    pub(super) rsvp: Option<Rsvp>,
}

/// Tells who holds `token` at `event`; a token that opens nothing here is a stranger's.
pub(super) async fn holder(
    tx: &mut Tx,
    rules: &Rules,
    event: &Event,
    token: Option<&str>,
) -> Result<Holder, Error> {
    let Some(hash) = token.map(hash) else {
        return Ok(Holder { viewer: Viewer::Public, rsvp: None });
    };
    if let Some(viewer) = organizer_viewer(tx, rules, event, &hash).await? {
        return Ok(Holder { viewer, rsvp: None });
    }
    let rsvp = rsvps::by_token(tx, &event.id, &hash).await?;
    let viewer = rsvp
        .as_ref()
        .map_or(Viewer::Public, |rsvp| Viewer::Guest { may_see_place: rsvp.may_see_place() });
    Ok(Holder { viewer, rsvp })
}

/// Lets the organizer and the instance owner pass.
pub(super) async fn require_organizer(
    tx: &mut Tx,
    rules: &Rules,
    event: &Event,
    token: Option<&str>,
) -> Result<Viewer, Error> {
    let hash = hash(token.ok_or(Error::MissingToken)?);
    organizer_viewer(tx, rules, event, &hash).await?.ok_or(Error::Forbidden)
}

/// Lets the instance owner pass.
pub(super) async fn require_instance(
    tx: &mut Tx,
    rules: &Rules,
    token: Option<&str>,
) -> Result<(), Error> {
    let hash = hash(token.ok_or(Error::MissingToken)?);
    if opens_instance(tx, rules, &hash).await? { Ok(()) } else { Err(Error::Forbidden) }
}

async fn organizer_viewer(
    tx: &mut Tx,
    rules: &Rules,
    event: &Event,
    hash: &TokenHash,
) -> Result<Option<Viewer>, Error> {
    if *hash == event.organizer_token {
        return Ok(Some(Viewer::Organizer));
    }
    Ok(opens_instance(tx, rules, hash).await?.then_some(Viewer::Instance))
}

async fn opens_instance(tx: &mut Tx, rules: &Rules, hash: &TokenHash) -> Result<bool, Error> {
    if *hash == rules.instance_token {
        return Ok(true);
    }
    let imported = meta::get(tx, meta::IMPORTED_INSTANCE_TOKEN).await?;
    Ok(imported.is_some_and(|imported| imported == hash.to_hex()))
}
