//! Where the host has new answers sent.

use jiff::Timestamp;
use salvo::{Depot, Request, Response, handler};

use super::organizer::{Place, organizer_page};
use super::{for_form, form_fields, render, see_other};
use crate::domain::webhook::{Delivery, PER_EVENT};
use crate::services::Error;
use crate::services::error::Noun;
use crate::services::webhooks::{self, Sent};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::relative;
use crate::web::views::parts::KeepLink;
use crate::web::views::webhooks::{DeliveryRow, WebhookList, WebhookRow};

/// Adds an address.
#[handler]
pub async fn add_webhook(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let typed = form_fields(request).await?("url").unwrap_or_default();
    let (site, client, place) = (site(depot)?, ClientInfo::of(depot), Place::of(request));
    let Err(error) = webhooks::add(site, &place.event, Some(&place.token), &typed).await else {
        return see_other(response, &format!("{}#programs", place.base));
    };
    let (status, errors) = for_form(error)?;
    let desk = place.desk(site).await?;
    let mut page = organizer_page(site, &client, &place, &desk);
    if let Some(list) = &mut page.webhooks {
        (list.url, list.errors) = (typed, errors);
    }
    response.status_code(status);
    render(response, &page)
}

/// Does something with one: `test`, `again` with what did not arrive, `remove`.
#[handler]
pub async fn act_on_webhook(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let delivery = form_fields(request).await?("delivery").unwrap_or_default();
    let (site, place) = (site(depot)?, Place::of(request));
    let (event, token) = (place.event.as_str(), Some(place.token.as_str()));
    let webhook = path_param(request, "webhook_id");
    match path_param(request, "action") {
        "test" => webhooks::test(site, event, token, webhook).await?,
        "again" => webhooks::send_again(site, event, token, webhook, &delivery).await?,
        "remove" => webhooks::remove(site, event, token, webhook).await?,
        _ => return Err(Error::NotFound(Noun::Webhook).into()),
    }
    see_other(response, &format!("{}#programs", place.base))
}

/// The list, as it stands.
pub(super) fn webhook_list(sent: &[Sent], now: Timestamp) -> WebhookList {
    let row = |sent: &Sent| WebhookRow {
        id: sent.webhook.id.clone(),
        url: sent.webhook.url.clone(),
        secret: KeepLink {
            url: sent.webhook.secret.reveal(),
            label: "Copy the secret".to_owned(),
            id: format!("secret-{}", sent.webhook.id),
            ..KeepLink::default()
        },
        paused: sent.webhook.paused_at.map(|at| relative(at, now)),
        deliveries: sent.deliveries.iter().map(|delivery| delivery_row(delivery, now)).collect(),
    };
    WebhookList {
        hooks: sent.iter().map(row).collect(),
        may_add: sent.len() < PER_EVENT,
        ..WebhookList::default()
    }
}

fn delivery_row((delivery, guest): &(Delivery, Option<String>), now: Timestamp) -> DeliveryRow {
    let at = delivery.sent_at.unwrap_or(delivery.created_at);
    DeliveryRow {
        id: delivery.id.clone(),
        guest: guest.clone(),
        state: delivery.state,
        when: relative(at, now),
        iso: at.to_string(),
        reason: delivery.reason.clone(),
    }
}
