//! A full site: events with twenty answers each.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

use openrsvp::domain::clock::{Clock, Entropy};
use openrsvp::domain::decay::Fading;
use openrsvp::domain::event::Event;
use openrsvp::domain::id;
use openrsvp::domain::rsvp::{Approval, Reply, Rsvp};
use openrsvp::domain::token::{Token, hash};
use openrsvp::services::seeding::{self, SeedOptions};
use openrsvp::services::{Error, Rules, Site};
use openrsvp::store::{events, rsvps};

use crate::server::Engine;

const BATCH: usize = 500;

/// Fills an empty database; gives back the id of one event.
pub async fn fill(engine: &Engine, event_count: usize, rsvp_count: usize) -> String {
    let site = open(engine).await;
    let now = site.clock.now();
    let all: Vec<Event> = (0..event_count).map(|number| event(&site, number, now)).collect();
    let ids: Vec<String> = all.iter().map(|event| event.id.clone()).collect();
    add_events(&site, &all).await;
    add_rsvps(&site, &ids, rsvp_count).await;
    site.db.close().await;
    ids[ids.len() / 2].clone()
}

/// Adds an event with this many guests; gives back the path of its organizer's page.
pub async fn crowd(engine: &Engine, guests: usize) -> String {
    let site = open(engine).await;
    let token = Token::generate(&Entropy::seeded(8));
    let event = Event { organizer_token: token.hash(), ..event(&site, 0, site.clock.now()) };
    let path = format!("/e/{}/admin/{}", event.id, token.reveal());
    let id = event.id.clone();
    add_events(&site, &[event]).await;
    add_rsvps(&site, &[id], guests).await;
    site.db.close().await;
    path
}

/// Makes up a large site, as `seed-data` does; tells how long that took.
pub async fn many(engine: &Engine, event_count: usize, channel_count: usize) -> Duration {
    let site = open(engine).await;
    let options = SeedOptions {
        seed: 1,
        channels: channel_count,
        events: event_count,
        answers: 5,
        private_percent: 10,
        private_answer_percent: 20,
    };
    let started = std::time::Instant::now();
    seeding::fill(&site, &options, |_| ()).await.unwrap();
    let took = started.elapsed();
    site.db.close().await;
    took
}

pub async fn open(engine: &Engine) -> Site {
    let rules = Rules {
        fading: Fading::default(),
        initial_event_score: 100.0,
        initial_channel_score: 100.0,
        events_per_page: 10,
        admin_rows_per_page: 25,
        max_companions: 5,
        instance_token: hash("none"),
        webhooks: None,
        replicas: Vec::new(),
    };
    let opening = openrsvp::app::Opening { patience: Duration::ZERO, migrates: true };
    let store = engine.store();
    openrsvp::app::open(&store, opening, rules, Clock::system(), Entropy::system()).await.unwrap()
}

async fn add_events(site: &Site, all: &[Event]) {
    for batch in all.chunks(BATCH) {
        let (batch, fading) = (batch.to_vec(), site.rules.fading);
        site.db
            .write(move |tx| {
                Box::pin(async move {
                    for event in &batch {
                        events::insert(tx, event, fading.fades(event)).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await
            .unwrap();
    }
}

async fn add_rsvps(site: &Site, ids: &[String], rsvp_count: usize) {
    let now = site.clock.now();
    for start in (0..rsvp_count).step_by(BATCH) {
        let batch: Vec<Rsvp> = (start..(start + BATCH).min(rsvp_count))
            .map(|number| rsvp(site, &ids[number % ids.len()], number, now))
            .collect();
        site.db
            .write(move |tx| {
                Box::pin(async move {
                    for rsvp in &batch {
                        rsvps::insert(tx, rsvp).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await
            .unwrap();
    }
}

fn event(site: &Site, number: usize, now: Timestamp) -> Event {
    let hours = i64::try_from(number).unwrap() % 2000 - 200;
    let starts_at = now + SignedDuration::from_hours(hours);
    Event {
        id: id::event_id(&site.entropy),
        organizer_token: Token::generate(&site.entropy).hash(),
        channel_id: None,
        title: format!("Dinner number {number} in the garden"),
        description: Some("The long table is back. Bring **one dish to share**.\n\n- Grill from 19:30\n- Music later".to_owned()),
        starts_at,
        ends_at: Some(starts_at + SignedDuration::from_hours(4)),
        zone: "Europe/Berlin".to_owned(),
        location: Some("Lindenhof 4, back garden".to_owned()),
        is_private: false,
        approval_required: false,
        rsvps_closed: false,
        rsvps_close_at: None,
        capacity: None,
        score: 100.0,
        scored_at: now,
        created_at: now,
        modified_at: now,
        accessed_at: now,
        revision: 1,
        sequence: 0,
    }
}

fn rsvp(site: &Site, event: &str, number: usize, now: Timestamp) -> Rsvp {
    Rsvp {
        id: id::row_id(now, &site.entropy),
        event_id: event.to_owned(),
        token: Token::generate(&site.entropy).hash(),
        name: format!("Guest {number}"),
        pronouns: None,
        reply: Reply::ALL[number % 3],
        approval: Approval::Approved,
        companions: i64::try_from(number % 3).unwrap(),
        is_private: number.is_multiple_of(7),
        created_at: now,
        modified_at: now,
    }
}
