//! The instance owner's pages: every event, every channel.

use salvo::{Depot, Request, Response, handler};

use super::{page_number, render, see_other, show};
use crate::domain::channel::Channel;
use crate::domain::event::{EventSummary, Viewer};
use crate::services::{channels, events, listings};
use crate::web::api::{path_param, site};
use crate::web::error::Problem;
use crate::web::text::{counted, relative};
use crate::web::views::owner::{ChannelRow, OwnerChannelsPage, OwnerPage, OwnerPlaces, OwnerRow};

/// Shows the instance owner every event.
#[handler]
pub async fn show_all_events(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let root = path_param(request, "root");
    let query = sought(request);
    let per_page = site.rules.admin_rows_per_page;
    let list = listings::list_all(site, Some(root), &query, page_number(request), per_page).await?;
    let now = site.clock.now();
    let path = format!("/admin/{root}/events");
    let page = OwnerPage {
        events: list.events.iter().map(|summary| owner_row(summary, root, now)).collect(),
        total: counted(list.total, "event"),
        pages: show::pages(&searched(&path, &query), list.page, per_page, list.total),
        places: places(root),
        path,
        query,
    };
    render(response, &page)
}

/// What is searched for.
fn sought(request: &Request) -> String {
    request.query::<String>("q").unwrap_or_default().trim().to_owned()
}

/// The address of a list of what was searched for.
fn searched(path: &str, query: &str) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let mut address = url::form_urlencoded::Serializer::new(format!("{path}?"));
    address.append_pair("q", query).finish()
}

/// The pages of the instance owner.
pub(super) fn places(root: &str) -> OwnerPlaces {
    OwnerPlaces {
        events: format!("/admin/{root}"),
        channels: format!("/admin/{root}/channels"),
        status: format!("/admin/{root}/status"),
    }
}

fn owner_row(summary: &EventSummary, root: &str, now: jiff::Timestamp) -> OwnerRow {
    let facts = show::facts(summary, Viewer::Instance, now);
    let id = &summary.event.id;
    OwnerRow {
        title: facts.title,
        when: facts.when,
        channel: facts.channel.map(|channel| channel.label),
        people: summary.headcount.approved,
        waiting: summary.headcount.waiting,
        is_private: facts.is_private,
        public_href: facts.href,
        console_href: format!("/e/{id}/admin/{root}"),
        delete_action: format!("/admin/{root}/events/{id}/delete"),
    }
}

/// Deletes an event as the instance owner.
#[handler]
pub async fn delete_event(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let root = path_param(request, "root");
    events::delete_as_instance(site(depot)?, path_param(request, "event_id"), root).await?;
    see_other(response, &format!("/admin/{root}"))
}

/// Shows the instance owner every channel, or those whose name or slug holds what is searched for.
#[handler]
pub async fn show_all_channels(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let root = path_param(request, "root");
    let query = sought(request);
    let per_page = site.rules.admin_rows_per_page;
    let found = channels::list_all(site, root, &query, page_number(request), per_page).await?;
    let now = site.clock.now();
    let path = format!("/admin/{root}/channels");
    let row = |found: &(Channel, i64)| channel_row(found, &path, now);
    let page = OwnerChannelsPage {
        places: places(root),
        channels: found.channels.iter().map(row).collect(),
        total: counted(found.total, "channel"),
        pages: show::pages(&searched(&path, &query), found.page, per_page, found.total),
        path,
        query,
    };
    render(response, &page)
}

fn channel_row((channel, events): &(Channel, i64), path: &str, now: jiff::Timestamp) -> ChannelRow {
    ChannelRow {
        href: channel.path(),
        name: channel.name.clone(),
        slug: channel.slug.clone(),
        is_private: !channel.is_public(),
        events: *events,
        used: relative(channel.last_used_at, now),
        delete_action: format!("{path}/{}/delete", channel.id),
    }
}

/// Deletes a channel as the instance owner; its events stay, in no channel.
#[handler]
pub async fn delete_channel(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let root = path_param(request, "root");
    channels::delete(site(depot)?, path_param(request, "channel_id"), root).await?;
    see_other(response, &format!("/admin/{root}/channels"))
}
