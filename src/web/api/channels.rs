//! Channels.

use salvo::prelude::Json;
use salvo::{Depot, Request};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::{ChannelBody, EventBody, Pagination};
use super::events::page_of;
use super::fields::Fields;
use super::{path_param, site};
use crate::domain::event::Viewer;
use crate::services::channels;
use crate::web::client::ClientInfo;
use crate::web::error::Problem;

/// A channel with a page of its events.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelDetail {
    /// The channel.
    pub channel: ChannelBody,
    /// Latest start first.
    pub events: Vec<EventBody>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// Shows a channel and its events.
#[endpoint(
    tags("channels"),
    parameters(
        ("slug" = String, Path, description = "The channel's slug."),
        ("page" = Option<i64>, Query, description = "From 1; one past the end is the last."),
    )
)]
pub async fn get_channel(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<ChannelDetail>, Problem> {
    let site = site(depot)?;
    let mut fields = Fields::from_query(request);
    let (page, per_page) = page_of(&mut fields, site.rules.events_per_page);
    fields.finish()?;
    let view = channels::view(
        site,
        path_param(request, "slug"),
        None,
        page,
        per_page,
        ClientInfo::of(depot).is_person(),
    )
    .await?;
    let (fading, now) = (&site.rules.fading, site.clock.now());
    let body = |summary| EventBody::new(summary, Viewer::Public, fading, now);
    Ok(Json(ChannelDetail {
        channel: ChannelBody::new(&view.channel, fading, now),
        events: view.events.iter().map(body).collect(),
        pagination: Pagination::new(view.page, per_page, view.total),
    }))
}
