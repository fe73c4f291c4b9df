//! A site of a hundred thousand events: pages and lists stay quick, the last page too.

use std::time::{Duration, Instant};

use openrsvp::domain::job::Job;
use openrsvp::store::db::Query;
use reqwest::StatusCode;

use crate::support::rows::{change, ran};
use crate::support::{INSTANCE_TOKEN, TestApp, on_both};

macro_rules! seed {
    ($name:ident, $before:literal, $after:literal) => {
        static $name: Query = Query {
            name: stringify!($name),
            sqlite: concat!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) ",
                $before, " randomblob(32) ", $after
            ),
            postgres: concat!(
                "WITH n (i) AS (SELECT CAST(g AS BIGINT) FROM generate_series(1, 100000) g) ",
                $before, " sha256(CAST('t' || i AS BYTEA)) ", $after
            ),
        };
    };
}
// Half of them over, half ahead of the tests' day, an hour apart; one public channel for every ten.
seed!(EVENTS, "INSERT INTO events (id, organizer_token, channel_id, title, description, starts_at, ends_at, zone,
        location, is_private, approval_required, rsvps_closed, rsvps_close_at, capacity, score, scored_at, created_at,
        modified_at, accessed_at, revision, sequence, over_at, unlisted_at, purgeable_at, search_text)
    SELECT 'e' || i,", ", 'c' || (1 + i % 10000), 'Dinner ' || i, 'Bring something to share.',
        1780315200000000 + (i - 50000) * 3600000000, NULL, 'UTC', 'Garden', FALSE, FALSE, FALSE, NULL, NULL, 100.0,
        1780315200000000, 1780315200000000, 1780315200000000, 1780315200000000, 1, 0,
        1780315200000000 + (i - 49997) * 3600000000, 4000000000000000, 4000000000000000, 'dinner ' || i FROM n");
seed!(RSVPS, "INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private,
        created_at, modified_at, folded_name)
    SELECT 'r' || i, 'e' || i,", ", 'Guest ' || i, NULL, 'yes', 'approved', 0, FALSE, i, i, 'guest ' || i FROM n");
seed!(CHANNELS, "INSERT INTO channels (id, name, slug, visibility, score, scored_at, created_at, last_used_at,
        purgeable_at, search_text)
    SELECT 'c' || i, 'Channel ' || i, 'channel-' || i, 'public', 100.0, i, i, i, 4000000000000000 + i,
        'channel ' || i FROM (SELECT i,", "AS t FROM n WHERE i <= 10000) n");

/// Opens a page that may take this long, on a slow and busy machine and in a build for tests.
#[expect(clippy::disallowed_methods, reason = "how long this machine takes")]
async fn quick(app: &TestApp, path: &str) -> String {
    let started = Instant::now();
    let answer = app.get(path, "").await;
    let took = started.elapsed();
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    assert!(took < Duration::from_secs(1), "{path} took {took:?}");
    answer.text
}

on_both! {
    async fn first_and_last_pages_of_all_lists_are_quick(app: &TestApp) {
        let site = &app.running().site;
        for query in [&CHANNELS, &EVENTS, &RSVPS] { change(&site.db, query).await; }
        ran(site, Job::VacuumDb).await;
        let owner = |below: &str| format!("/admin/{INSTANCE_TOKEN}{below}");
        assert!(quick(app, "/").await.contains("1 coming"));
        for path in ["/?page=999999", "/api/v1/events?page=10000", "/api/v1/events?per_page=50&page=2000&start_before=9999-12-31"] {
            assert!(quick(app, path).await.contains("Dinner 100000"), "{path}");
        }
        assert!(quick(app, "/channel/channel-77").await.contains("Channel 77"));
        for path in ["/channels/discover?sort=name&page=200", "/channels/discover?has_upcoming=true&q=9999", "/api/v1/channels?q=9999"] {
            assert!(quick(app, path).await.contains("Channel 9999"), "{path}");
        }
        assert!(quick(app, "/channels/discover?q=nothing+is+called+that").await.contains("No channel fits"));
        assert!(quick(app, &owner("/events")).await.contains("Dinner"));
        assert!(quick(app, &owner("/events?page=4000")).await.contains("Dinner"));
        assert!(quick(app, &owner("/events?q=dinner+99999")).await.contains("Dinner 99999"));
        assert!(quick(app, &owner("/status")).await.contains("<h1"));
        assert!(quick(app, &owner("/channels?q=9999")).await.contains("Channel 9999"));
    }
}
