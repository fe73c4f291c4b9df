//! HTTP: the route table.

pub mod api;
pub mod around;
pub mod assets;
mod body;
pub mod client;
pub mod error;
mod limits;
pub mod metrics;
pub mod ops;
pub mod pages;
pub mod qr;
mod route;
pub mod text;
mod traces;
pub mod views;

use std::sync::Arc;

use salvo::Service;
use salvo::affix_state;
use salvo::routing::Router;
use salvo_compression::{Compression, CompressionLevel};

use self::api::openapi;
use self::around::{Around, WebOptions};
use self::pages::rendered::Rendered;
use self::route::at;
use crate::domain::clock::Entropy;
use crate::domain::limit::Action;
use crate::jobs::scheduler::SchedulerOptions;
use crate::metrics::Metrics;
use crate::services::Site;

/// Everything that answers HTTP.
#[must_use]
pub fn service(
    site: Site,
    readiness: ops::Readiness,
    scheduler: SchedulerOptions,
    options: WebOptions,
) -> Service {
    let around = Around {
        options: Arc::new(options),
        entropy: site.entropy.clone(),
        readiness: readiness.clone(),
        metrics: site.metrics.clone(),
    };
    let api = api_routes();
    let document = openapi::document(&api).to_json().unwrap_or_default();
    let router = Router::new()
        .hoop(
            affix_state::inject(site)
                .inject(readiness)
                .inject(Arc::new(Rendered::default()))
                .inject(scheduler),
        )
        .push(at("healthz").get(ops::healthz).done())
        .push(at("readyz").get(ops::readyz).done())
        .push(at("api/docs").get(pages::docs::ServeDocs::new(&document)).done())
        .push(at("api/openapi.json").get(openapi::ServeDocument(document.into())).done())
        .push(api)
        .push(page_routes());
    traces::surround(Service::new(router)).hoop(around).hoop(compression())
}

/// What answers before the database does: alive, not ready, and a kind page for everybody.
#[must_use]
pub fn waiting(entropy: Entropy, options: WebOptions, metrics: Arc<Metrics>) -> Service {
    let readiness = ops::Readiness::default();
    let around = Around { options: Arc::new(options), entropy, readiness, metrics };
    let router = Router::new()
        .push(at("healthz").get(ops::healthz).done())
        .push(Router::with_path("{**rest}").goal(ops::wait_for_database));
    Service::new(router).hoop(around)
}

fn compression() -> Compression {
    Compression::new()
        .enable_brotli(CompressionLevel::Fastest)
        .enable_gzip(CompressionLevel::Fastest)
        .min_length(1024)
}

fn page_routes() -> Router {
    use pages::{answers, events, guests, kept, lists, organizer, owner, status, webhooks};
    let own = "e/{event_id}/rsvp/{token}";
    let host = "e/{event_id}/admin/{token}";
    let below = |base: &str, path: &str| format!("{base}/{path}");
    let mut files = assets::SITE_FILES.map(|name| at(name).get(assets::site_file).done()).into();
    Router::new()
        .push(at("static/{name}").get(assets::static_asset).done())
        .append(&mut files)
        .push(at("").get(lists::show_home).limit(Action::Search).done())
        .push(at("help").get(kept::show_help).done())
        .push(at("my-events").get(kept::show_own_events).done())
        .push(at("my-rsvps").get(kept::show_own_answers).done())
        .push(at("event/create").get(events::show_create_form).done())
        .push(at("events").post(events::create_event).limit(Action::CreateEvent).done())
        .push(at("e/{event_id}").get(events::show_event).done())
        .push(
            at("e/{event_id}/rsvp")
                .get(events::show_answer_form)
                .post(answers::create_answer)
                .limit(Action::Answer)
                .done(),
        )
        .push(at(own).get(answers::show_own_answer).post(answers::update_own_answer).done())
        .push(at(&below(own, "messages")).post(answers::create_own_message).done())
        .push(at(&below(own, "event.ics")).get(answers::show_calendar).done())
        .push(at(&below(host, "event.ics")).get(answers::show_calendar).done())
        .push(at(&below(own, "delete")).post(answers::delete_own_answer).done())
        .push(at(host).get(organizer::show_organizer).post(organizer::update_event).done())
        .push(at(&below(host, "delete")).post(organizer::delete_event).done())
        .push(at(&below(host, "link")).post(organizer::reissue_link).done())
        .push(at(&below(host, "messages")).post(organizer::create_message).done())
        .push(at(&below(host, "webhooks")).post(webhooks::add_webhook).done())
        .push(
            at(&below(host, "webhooks/{webhook_id}/{action}"))
                .post(webhooks::act_on_webhook)
                .done(),
        )
        .push(at(&below(host, "rsvp/{rsvp_id}/{action}")).post(guests::act_on_guest).done())
        .push(at("channels/discover").get(lists::show_channels).limit(Action::Search).done())
        .push(at("channel/{slug}").get(lists::show_channel).done())
        .push(at("channel/p/{slug}").get(lists::show_private_channel).limit(Action::Search).done())
        .push(at("admin/{root}").get(owner::show_all_events).done())
        .push(at("admin/{root}/events").get(owner::show_all_events).done())
        .push(at("admin/{root}/status").get(status::show_status).done())
        .push(at("admin/{root}/channels").get(owner::show_all_channels).done())
        .push(at("admin/{root}/channels/{channel_id}/delete").post(owner::delete_channel).done())
        .push(at("admin/{root}/events/{event_id}/delete").post(owner::delete_event).done())
}

fn api_routes() -> Router {
    use api::{calendar, channels, events, guests, rsvps};
    let event = "api/v1/events/{event_id}";
    let below = |path: &str| format!("{event}/{path}");
    Router::new()
        .push(
            at("api/v1/events")
                .get(events::list_events)
                .post(events::create_event)
                .limit(Action::CreateEvent)
                .done(),
        )
        .push(
            at(event)
                .get(events::get_event)
                .patch(events::update_event)
                .delete(events::delete_event)
                .done(),
        )
        .push(at(&below("event.ics")).get(calendar::get_event_calendar).done())
        .push(
            at(&below("rsvps"))
                .get(guests::list_rsvps)
                .post(rsvps::create_rsvp)
                .limit(Action::Answer)
                .done(),
        )
        .push(
            at(&below("rsvps/self"))
                .get(rsvps::get_own_rsvp)
                .patch(rsvps::update_own_rsvp)
                .delete(rsvps::delete_own_rsvp)
                .done(),
        )
        .push(at(&below("rsvps/self/messages")).post(rsvps::create_own_message).done())
        .push(at(&below("rsvps/{rsvp_id}")).delete(guests::delete_rsvp).done())
        .push(at(&below("rsvps/{rsvp_id}/link")).post(guests::reissue_rsvp_link).done())
        .push(at(&below("link")).post(events::reissue_event_link).done())
        .push(organizer_routes("api/v1/events/{event_id}"))
        .push(at("api/v1/channels").get(channels::list_channels).limit(Action::Search).done())
        .push(at("api/v1/channels/{slug}").get(channels::get_channel).limit(Action::Search).done())
        // The original answers these without the prefix too.
        .push(organizer_routes("events/{event_id}"))
}

fn organizer_routes(event: &str) -> Router {
    use api::{guests, messages};
    let below = |path: &str| format!("{event}/{path}");
    Router::new()
        .push(at(&below("rsvps/{rsvp_id}/approve")).post(guests::approve_rsvp).done())
        .push(at(&below("rsvps/{rsvp_id}/reject")).post(guests::reject_rsvp).done())
        .push(at(&below("rsvps/{rsvp_id}/pending")).post(guests::set_rsvp_pending).done())
        .push(at(&below("rsvps/{rsvp_id}/messages")).post(messages::create_rsvp_message).done())
        .push(at(&below("messages")).post(messages::create_event_message).done())
}
