//! Webhooks: where the host of an event has its new answers sent. What is to be sent is written in
//! the transaction of the answer, as a task; a worker sends it until it arrives.

use serde_json::json;

use super::access;
use super::error::Noun;
use super::{Error, Field, FieldError, Site, tasks};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::rsvp::Rsvp;
use crate::domain::task::{ATTEMPTS, Failure, NewTask, Task};
use crate::domain::webhook::{self, Delivery, DeliveryState, Occasion, PER_EVENT, Secret, Webhook};
use crate::outbound::webhooks::{Letter, Sender, Undelivered};
use crate::store::db::{StoreError, Tx};
use crate::store::{events, rsvps, webhooks};

/// The kind of a task that sends something.
pub const DELIVER: &str = "webhook.deliver";
/// Deliveries of a webhook that are kept; those that wait are, however many.
const KEPT: i64 = 50;
/// Deliveries of a webhook that are shown.
const SHOWN: i64 = 5;

/// A webhook, and what it sent lately.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The webhook.
    pub webhook: Webhook,
    /// What it sent, the newest first, each with the name of the guest that it tells of.
    pub deliveries: Vec<(Delivery, Option<String>)>,
}

/// The webhooks of an event, the oldest first.
pub(super) async fn list(tx: &mut Tx, event_id: &str) -> Result<Vec<Sent>, StoreError> {
    let mut all = Vec::new();
    for webhook in of_event(tx, event_id).await? {
        let deliveries = webhooks::list_deliveries(tx, &webhook.id, SHOWN).await?;
        all.push(Sent { webhook, deliveries });
    }
    Ok(all)
}

async fn of_event(tx: &mut Tx, event_id: &str) -> Result<Vec<Webhook>, StoreError> {
    webhooks::list_of_event(tx, event_id, i64::try_from(PER_EVENT).unwrap_or(i64::MAX)).await
}

/// Adds a webhook to an event, as its organizer, and sends a test to it.
pub async fn add(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    address: &str,
) -> Result<(), Error> {
    let sender = site.webhooks.as_ref().ok_or(Error::NotFound(Noun::Webhook))?;
    let refused = |message: String| Error::from(FieldError::new(Field::Url, message));
    let url = sender.reach().check(address).map_err(refused)?.to_string();
    as_host(site, event_id, token, move |tx, site, event| {
        Box::pin(async move {
            let there = of_event(tx, &event.id).await?;
            if there.iter().any(|webhook| webhook.url == url) {
                return Err(refused("Answers are sent to this address already.".to_owned()));
            }
            if there.len() >= PER_EVENT {
                let message = format!("An event can have at most {PER_EVENT}: remove one first.");
                return Err(refused(message));
            }
            let now = site.clock.now();
            let webhook = Webhook {
                id: id::row_id(now, &site.entropy),
                event_id: event.id,
                url,
                secret: Secret::generate(&site.entropy),
                created_at: now,
                paused_at: None,
            };
            webhooks::insert(tx, &webhook).await?;
            Ok(order(tx, site, &webhook.id, Occasion::Test, None).await?)
        })
    })
    .await
}

/// Removes a webhook and all that was to be sent to it, as the organizer.
pub async fn remove(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    webhook_id: &str,
) -> Result<(), Error> {
    let webhook_id = webhook_id.to_owned();
    as_host(site, event_id, token, move |tx, _, event| {
        Box::pin(async move {
            let is_removed = webhooks::delete(tx, &event.id, &webhook_id).await?;
            if is_removed { Ok(()) } else { Err(Error::NotFound(Noun::Webhook)) }
        })
    })
    .await
}

/// Sends a test, as the organizer; a webhook that was paused goes on.
pub async fn test(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    webhook_id: &str,
) -> Result<(), Error> {
    let webhook_id = webhook_id.to_owned();
    as_host(site, event_id, token, move |tx, site, event| {
        Box::pin(async move {
            let webhook = resume(tx, &event, &webhook_id).await?;
            Ok(order(tx, site, &webhook.id, Occasion::Test, None).await?)
        })
    })
    .await
}

/// Sends once more what did not arrive, as the organizer; a webhook that was paused goes on.
pub async fn send_again(
    site: &Site,
    event_id: &str,
    token: Option<&str>,
    webhook_id: &str,
    delivery_id: &str,
) -> Result<(), Error> {
    let (webhook_id, delivery_id) = (webhook_id.to_owned(), delivery_id.to_owned());
    as_host(site, event_id, token, move |tx, site, event| {
        Box::pin(async move {
            let webhook = resume(tx, &event, &webhook_id).await?;
            let found = webhooks::delivery_by_id(tx, &delivery_id).await?;
            let found = found.filter(|delivery| {
                delivery.webhook_id == webhook.id && delivery.state == DeliveryState::Failed
            });
            let mut delivery = found.ok_or(Error::NotFound(Noun::Webhook))?;
            delivery.state = DeliveryState::Waiting;
            webhooks::update_delivery(tx, &delivery).await?;
            Ok(enqueue(tx, site, &delivery.id).await?)
        })
    })
    .await
}

/// The webhook of this event, at work again if it was paused.
async fn resume(tx: &mut Tx, event: &Event, id: &str) -> Result<Webhook, Error> {
    let found = webhooks::by_id(tx, id).await?.filter(|webhook| webhook.event_id == event.id);
    let webhook = found.ok_or(Error::NotFound(Noun::Webhook))?;
    if webhook.paused_at.is_some() {
        webhooks::set_paused(tx, id, None).await?;
    }
    Ok(webhook)
}

type Step<'t> = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 't>>;

/// Changes an event's webhooks as its organizer, and wakes the worker.
async fn as_host<F>(site: &Site, event_id: &str, token: Option<&str>, step: F) -> Result<(), Error>
where
    F: for<'t> FnOnce(&'t mut Tx, &'t Site, Event) -> Step<'t> + Send + 'static,
{
    let (event_id, token, site_in) = (event_id.to_owned(), token.map(str::to_owned), site.clone());
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let event =
                    events::lock(tx, &event_id).await?.ok_or(Error::NotFound(Noun::Event))?;
                access::require_organizer(tx, &site_in.rules, &event, token.as_deref()).await?;
                step(tx, &site_in, event).await
            })
        })
        .await?;
    site.bell.ring();
    Ok(())
}

/// Has a new answer told to every webhook of its event that is not paused.
pub(super) async fn announce(tx: &mut Tx, site: &Site, rsvp: &Rsvp) -> Result<(), StoreError> {
    for webhook in of_event(tx, &rsvp.event_id).await? {
        if webhook.paused_at.is_none() {
            order(tx, site, &webhook.id, Occasion::RsvpCreated, Some(&rsvp.id)).await?;
        }
    }
    Ok(())
}

async fn order(
    tx: &mut Tx,
    site: &Site,
    webhook_id: &str,
    occasion: Occasion,
    rsvp_id: Option<&str>,
) -> Result<(), StoreError> {
    let now = site.clock.now();
    let delivery = Delivery {
        id: id::row_id(now, &site.entropy),
        webhook_id: webhook_id.to_owned(),
        rsvp_id: rsvp_id.map(str::to_owned),
        occasion,
        state: DeliveryState::Waiting,
        attempts: 0,
        reason: None,
        created_at: now,
        sent_at: None,
    };
    webhooks::insert_delivery(tx, &delivery).await?;
    enqueue(tx, site, &delivery.id).await
}

async fn enqueue(tx: &mut Tx, site: &Site, delivery_id: &str) -> Result<(), StoreError> {
    let task = NewTask {
        dedupe_key: Some(format!("{DELIVER} {delivery_id}")),
        ..NewTask::new(DELIVER, json!({ "delivery": delivery_id }))
    };
    tasks::enqueue(tx, &site.entropy, site.clock.now(), task).await
}

/// Sends what a task of the kind [`DELIVER`] asks for. Sent twice it has the same id, by which the
/// receiver can tell.
///
/// # Errors
///
/// When it did not arrive, and may yet.
pub async fn deliver(site: &Site, task: &Task) -> Result<(), Failure> {
    let passing = |error: Error| Failure::Passing(error.to_string());
    let Some(sender) = &site.webhooks else {
        return Err(Failure::Passing("webhooks are switched off in this process".to_owned()));
    };
    let id = task.payload["delivery"].as_str().unwrap_or_default().to_owned();
    let Some(due) = due(site, id).await.map_err(passing)? else { return Ok(()) };
    let sent = due.send(site, sender).await;
    let (state, reason, failure) = match sent {
        Ok(()) => (DeliveryState::Delivered, None, None),
        Err(Undelivered::Yet(reason)) if task.attempts < ATTEMPTS => {
            (DeliveryState::Waiting, Some(reason.clone()), Some(Failure::Passing(reason)))
        }
        Err(Undelivered::Yet(reason)) => {
            (DeliveryState::Failed, Some(reason.clone()), Some(Failure::Final(reason)))
        }
        // The host reads it, and nobody else can mend it.
        Err(Undelivered::Refused(reason)) => (DeliveryState::Failed, Some(reason), None),
    };
    let sent_at = Some(site.clock.now());
    let delivery = Delivery { state, reason, sent_at, attempts: task.attempts, ..due.delivery };
    record(site, delivery).await.map_err(passing)?;
    failure.map_or(Ok(()), Err)
}

/// Something that is to be sent, with all that is needed for it.
struct Due {
    webhook: Webhook,
    delivery: Delivery,
    event: Event,
    rsvp: Option<Rsvp>,
}

impl Due {
    async fn send(&self, site: &Site, sender: &Sender) -> Result<(), Undelivered> {
        // One that waits while its webhook is paused; whoever wants a failed one sent says so.
        if self.webhook.paused_at.is_some() && self.delivery.state == DeliveryState::Waiting {
            return Err(Undelivered::Refused("It was paused before this was sent.".to_owned()));
        }
        let (id, at) = (&self.delivery.id, site.clock.now());
        let occasion = self.delivery.occasion;
        let body = webhook::body(occasion, &self.event, self.rsvp.as_ref(), at);
        let signature = self.webhook.secret.sign(id, at, &body);
        sender.send(&self.webhook.url, Letter { id, at, signature, body }).await
    }
}

/// What is sent under this id; `None` when it has arrived, or what it tells of is gone.
async fn due(site: &Site, id: String) -> Result<Option<Due>, Error> {
    site.db
        .read(move |tx| {
            Box::pin(async move {
                let found = webhooks::delivery_by_id(tx, &id).await?;
                let found = found.filter(|found| found.state != DeliveryState::Delivered);
                let Some(delivery) = found else { return Ok(None) };
                let Some(webhook) = webhooks::by_id(tx, &delivery.webhook_id).await? else {
                    return Ok(None);
                };
                let Some(event) = events::by_id(tx, &webhook.event_id).await? else {
                    return Ok(None);
                };
                let rsvp = match &delivery.rsvp_id {
                    Some(id) => rsvps::by_id(tx, &event.id, id).await?,
                    None => None,
                };
                Ok(Some(Due { webhook, delivery, event, rsvp }))
            })
        })
        .await
}

/// Writes what became of a delivery. A webhook whose delivery failed for good is paused: the host
/// is to look at it first.
async fn record(site: &Site, delivery: Delivery) -> Result<(), Error> {
    let now = site.clock.now();
    site.db
        .write(move |tx| {
            Box::pin(async move {
                webhooks::update_delivery(tx, &delivery).await?;
                webhooks::prune_deliveries(tx, &delivery.webhook_id, KEPT).await?;
                if delivery.state == DeliveryState::Failed {
                    webhooks::set_paused(tx, &delivery.webhook_id, Some(now)).await?;
                }
                Ok(())
            })
        })
        .await
}
