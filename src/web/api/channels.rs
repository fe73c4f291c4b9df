//! Channels.

use salvo::prelude::Json;
use salvo::{Depot, Request};
use salvo_oapi::{ToSchema, endpoint};
use serde::Serialize;

use super::bodies::{ChannelBody, EventBody, Pagination};
use super::events::{PER_PAGE_MAX, page_of};
use super::fields::Fields;
use super::{path_param, site};
use crate::domain::event::Viewer;
use crate::services::channels::{self, Search};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;

/// A page of the public channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelList {
    /// What is looked at most, first.
    pub channels: Vec<ChannelBody>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// Lists public channels.
#[endpoint(
    tags("channels"),
    parameters(
        ("q" = Option<String>, Query, description = "Words that name or slug hold."),
        ("page" = Option<i64>, Query, description = "From 1; one past the end is the last."),
        ("per_page" = Option<i64>, Query, description = "1 to 50."),
    )
)]
pub async fn list_channels(
    request: &mut Request,
    depot: &mut Depot,
) -> Result<Json<ChannelList>, Problem> {
    let site = site(depot)?;
    let mut fields = Fields::from_query(request);
    let (page, per_page) = page_of(&mut fields, site.rules.admin_rows_per_page.min(PER_PAGE_MAX));
    let query = fields.line("q").value().unwrap_or_default();
    fields.finish()?;
    let search = Search { query: query.clone(), ..Search::default() };
    let found = channels::find(site, search, page, per_page).await?;
    let (fading, now) = (&site.rules.fading, site.clock.now());
    let body = |(channel, _): &_| ChannelBody::new(channel, fading, now);
    Ok(Json(ChannelList {
        channels: found.channels.iter().map(body).collect(),
        pagination: Pagination {
            query: Some(query),
            ..Pagination::new(found.page, per_page, found.total)
        },
    }))
}

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
