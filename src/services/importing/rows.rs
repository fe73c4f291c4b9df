//! What the import promises to keep of each row, and how a row is compared and written.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::channel::Channel;
use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::domain::rsvp::Rsvp;
use crate::services::{Error, Site};
use crate::store::db::{Tx, Value};
use crate::store::{channels, events, messages, rsvps};

/// A row that can be compared with what is here, and written.
pub(super) trait Row: Clone + Send + Sync + 'static {
    const TABLE: &'static str;

    fn id(&self) -> &str;
    /// SHA-256 of all that the import promises to keep. What looking at a thing changes (score,
    /// last look) is no part of it: it changes with the first visit. Nor is what the clock brings
    /// about until `now`.
    fn fingerprint(&self, now: Timestamp) -> [u8; 32];
    /// Whether both are the same by what the import keeps.
    fn equals(&self, other: &Self, now: Timestamp) -> bool {
        self.fingerprint(now) == other.fingerprint(now)
    }
    fn stored(&self, tx: &mut Tx) -> impl Future<Output = Result<Option<Self>, Error>> + Send;
    fn add(&self, tx: &mut Tx, site: &Site) -> impl Future<Output = Result<bool, Error>> + Send;
    fn overwrite(&self, tx: &mut Tx, site: &Site)
    -> impl Future<Output = Result<(), Error>> + Send;
}

/// SHA-256 of values, each with its kind and length, so that no two lists share one text.
fn fingerprint(values: &[Value]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for value in values {
        let text = format!("{value:?}");
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

impl Row for Channel {
    const TABLE: &'static str = "channels";

    fn id(&self) -> &str {
        &self.id
    }

    fn fingerprint(&self, _: Timestamp) -> [u8; 32] {
        fingerprint(&[
            self.id.as_str().into(),
            self.name.as_str().into(),
            self.slug.as_str().into(),
            self.visibility.as_str().into(),
            micros(self.created_at).into(),
        ])
    }

    async fn stored(&self, tx: &mut Tx) -> Result<Option<Self>, Error> {
        Ok(channels::by_id(tx, &self.id).await?)
    }

    async fn add(&self, tx: &mut Tx, site: &Site) -> Result<bool, Error> {
        Ok(channels::insert(tx, self, site.rules.fading.channel_purgeable_at(self)).await?)
    }

    async fn overwrite(&self, tx: &mut Tx, site: &Site) -> Result<(), Error> {
        Ok(channels::update(tx, self, site.rules.fading.channel_purgeable_at(self)).await?)
    }
}

impl Row for Event {
    const TABLE: &'static str = "events";

    fn id(&self) -> &str {
        &self.id
    }

    fn fingerprint(&self, now: Timestamp) -> [u8; 32] {
        let mut closed = self.clone();
        closed.close_if_due(now);
        fingerprint(&[
            self.id.as_str().into(),
            self.organizer_token.as_bytes().as_slice().into(),
            self.channel_id.clone().into(),
            self.title.as_str().into(),
            self.description.clone().into(),
            micros(self.starts_at).into(),
            self.ends_at.map(micros).into(),
            self.location.clone().into(),
            self.is_private.into(),
            self.approval_required.into(),
            closed.rsvps_closed.into(),
            closed.rsvps_close_at.map(micros).into(),
            self.capacity.into(),
            micros(self.created_at).into(),
            micros(self.modified_at).into(),
        ])
    }

    async fn stored(&self, tx: &mut Tx) -> Result<Option<Self>, Error> {
        Ok(events::by_id(tx, &self.id).await?)
    }

    async fn add(&self, tx: &mut Tx, site: &Site) -> Result<bool, Error> {
        Ok(events::insert(tx, self, site.rules.fading.fades(self)).await?)
    }

    async fn overwrite(&self, tx: &mut Tx, site: &Site) -> Result<(), Error> {
        let Some(stored) = events::by_id(tx, &self.id).await? else { return Ok(()) };
        // Forms that are open and calendars that were read notice the change; the original knew no
        // zones.
        let event = Event {
            zone: stored.zone,
            revision: stored.revision + 1,
            sequence: stored.sequence + 1,
            ..self.clone()
        };
        events::update(tx, &event, site.rules.fading.fades(&event)).await?;
        Ok(())
    }
}

impl Row for Rsvp {
    const TABLE: &'static str = "rsvps";

    fn id(&self) -> &str {
        &self.id
    }

    fn fingerprint(&self, _: Timestamp) -> [u8; 32] {
        fingerprint(&[
            self.id.as_str().into(),
            self.event_id.as_str().into(),
            self.token.as_bytes().as_slice().into(),
            self.name.as_str().into(),
            self.pronouns.clone().into(),
            self.reply.as_str().into(),
            self.approval.as_str().into(),
            self.companions.into(),
            self.is_private.into(),
            micros(self.created_at).into(),
            micros(self.modified_at).into(),
        ])
    }

    async fn stored(&self, tx: &mut Tx) -> Result<Option<Self>, Error> {
        Ok(rsvps::by_id(tx, &self.event_id, &self.id).await?)
    }

    async fn add(&self, tx: &mut Tx, _: &Site) -> Result<bool, Error> {
        Ok(rsvps::insert(tx, self).await?)
    }

    async fn overwrite(&self, tx: &mut Tx, _: &Site) -> Result<(), Error> {
        rsvps::update(tx, self).await?;
        Ok(())
    }
}

impl Row for Message {
    const TABLE: &'static str = "messages";

    fn id(&self) -> &str {
        &self.id
    }

    fn fingerprint(&self, _: Timestamp) -> [u8; 32] {
        fingerprint(&[
            self.id.as_str().into(),
            self.event_id.as_str().into(),
            self.rsvp_id.clone().into(),
            self.author_id.clone().into(),
            self.kind.as_str().into(),
            self.audience.as_str().into(),
            self.content.as_str().into(),
            micros(self.created_at).into(),
        ])
    }

    async fn stored(&self, tx: &mut Tx) -> Result<Option<Self>, Error> {
        Ok(messages::by_id(tx, &self.id).await?)
    }

    async fn add(&self, tx: &mut Tx, _: &Site) -> Result<bool, Error> {
        Ok(messages::insert(tx, self).await?)
    }

    async fn overwrite(&self, tx: &mut Tx, _: &Site) -> Result<(), Error> {
        Ok(messages::update(tx, self).await?)
    }
}
