//! Lists of events and channels: the front page, a channel's page, and the page that finds them.

use salvo::http::StatusCode;
use salvo::{Depot, Request, Response, handler};

use super::rendered::Page;
use super::{page_number, render, rendered, see_other, show, show_html};
use crate::domain::channel::{Channel, Visibility};
use crate::domain::text::{clean_line, is_blank};
use crate::services::channels::{Jump, Order, Search};
use crate::services::{Site, channels, listings};
use crate::web::api::{path_param, site};
use crate::web::client::ClientInfo;
use crate::web::error::Problem;
use crate::web::text::{counted, relative};
use crate::web::views::channel::{ChannelPage, NoChannelPage};
use crate::web::views::discover::{Asked, ChannelCard, ChannelList, DiscoverPage};
use crate::web::views::home::HomePage;

/// Shows what is on.
#[handler]
pub async fn show_home(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let typed = request.query::<String>("channel").unwrap_or_default();
    if !is_blank(&typed) {
        return jump(site(depot)?, &typed, response).await;
    }
    let (site, number) = (site(depot)?, page_number(request));
    let address = ClientInfo::of(depot).absolute(&format!("/?page={number}"));
    let make = async || {
        let per_page = site.rules.events_per_page;
        let home = listings::home(site, number, per_page).await?;
        let now = site.clock.now();
        let upcoming = &home.upcoming;
        let page = HomePage {
            upcoming: upcoming.events.iter().map(|summary| show::card(summary, now)).collect(),
            past: if upcoming.page == 1 {
                home.recent.iter().map(|summary| show::card(summary, now)).collect()
            } else {
                Vec::new()
            },
            pages: show::pages("/", upcoming.page, per_page, upcoming.total),
            channels: channels::liveliest(site).await?,
        };
        Page::render(&page, None)
    };
    let page = rendered(depot)?.page(address, site, make).await?;
    show_html(response, page.html);
    Ok(())
}

/// Longest name or link of a channel that is shown again, in characters.
const TYPED_MAX: usize = 400;

/// Goes to the channel whose name or link was typed; where there is none, says so.
async fn jump(site: &Site, typed: &str, response: &mut Response) -> Result<(), Problem> {
    let found = match channels::jump(site, typed).await? {
        Jump::To(channel) => return see_other(response, &channel.path()),
        Jump::Nowhere(found) => found,
    };
    let now = site.clock.now();
    let typed: String = clean_line(typed).chars().take(TYPED_MAX).collect();
    let search = Asked { query: typed.clone(), sort: "rank".to_owned(), ..Asked::default() };
    response.status_code(StatusCode::NOT_FOUND);
    let alike = found.iter().map(|found| channel_card(found, now)).collect();
    render(response, &NoChannelPage { typed, alike, search: address_of(&search) })
}

/// Channels of a page.
const CHANNELS: i64 = 50;

/// Shows the public channels, those looked for; to a page that asks for it, the list alone.
#[handler]
pub async fn show_channels(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let word = |name: &str| request.query::<String>(name).unwrap_or_default();
    let is_on = |name: &str| matches!(word(name).as_str(), "1" | "true" | "on" | "yes");
    let (sort, order) = match word("sort").as_str() {
        "name" => ("name", Order::Name),
        "recent" => ("recent", Order::Recent),
        _ => ("rank", Order::Rank),
    };
    let asked = Asked {
        query: word("q").trim().to_owned(),
        sort: sort.to_owned(),
        is_inverted: is_on("invert"),
        has_upcoming: is_on("has_upcoming"),
    };
    let search = Search {
        query: asked.query.clone(),
        has_upcoming: asked.has_upcoming,
        order,
        is_inverted: asked.is_inverted,
    };
    let found = channels::find(site, search, page_number(request), CHANNELS).await?;
    let now = site.clock.now();
    let list = ChannelList {
        channels: found.channels.iter().map(|found| channel_card(found, now)).collect(),
        total: counted(found.total, "channel"),
        pages: show::pages(&address_of(&asked), found.page, CHANNELS, found.total),
        asked: asked.clone(),
    };
    if request.headers().contains_key("hx-request") {
        return render(response, &list);
    }
    render(response, &DiscoverPage { asked, list })
}

fn channel_card((channel, ahead): &(Channel, i64), now: jiff::Timestamp) -> ChannelCard {
    ChannelCard {
        href: channel.path(),
        name: channel.name.clone(),
        ahead: if *ahead > 0 {
            format!("{} ahead", counted(*ahead, "event"))
        } else {
            String::new()
        },
        used: format!("used {}", relative(channel.last_used_at, now)),
    }
}

/// The address that asks for the same again.
fn address_of(asked: &Asked) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("sort", &asked.sort);
    if !asked.query.is_empty() {
        query.append_pair("q", &asked.query);
    }
    for (name, is_on) in [("invert", asked.is_inverted), ("has_upcoming", asked.has_upcoming)] {
        if is_on {
            query.append_pair(name, "true");
        }
    }
    format!("/channels/discover?{}", query.finish())
}

/// Shows a public channel.
#[handler]
pub async fn show_channel(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    channel_page(request, response, depot, Visibility::Public).await
}

/// Shows a private channel, to whoever knows its address.
#[handler]
pub async fn show_private_channel(
    request: &mut Request,
    response: &mut Response,
    depot: &mut Depot,
) -> Result<(), Problem> {
    channel_page(request, response, depot, Visibility::Private).await
}

async fn channel_page(
    request: &Request,
    response: &mut Response,
    depot: &Depot,
    visibility: Visibility,
) -> Result<(), Problem> {
    let site = site(depot)?;
    let per_page = site.rules.events_per_page;
    let slug = path_param(request, "slug");
    let found = channels::view(
        site,
        slug,
        Some(visibility),
        page_number(request),
        per_page,
        ClientInfo::of(depot).is_person(),
    )
    .await?;
    let now = site.clock.now();
    let page = ChannelPage {
        name: found.channel.name.clone(),
        is_private: !found.channel.is_public(),
        events: found.events.iter().map(|summary| show::card(summary, now)).collect(),
        pages: show::pages(&found.channel.path(), found.page, per_page, found.total),
    };
    render(response, &page)
}
