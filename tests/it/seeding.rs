//! Made-up events: the same from the same seed, and as the program itself would have made them.

use openrsvp::services::seeding::{self, SeedOptions};
use openrsvp::store::db::Query;
use reqwest::StatusCode;

use crate::support::rows::{number, query, rows};
use crate::support::server::openrsvp;
use crate::support::{TestApp, on_both};

const OPTIONS: SeedOptions = SeedOptions {
    seed: 7,
    channels: 25,
    events: 210,
    answers: 20,
    private_percent: 10,
    private_answer_percent: 20,
};

query!(TITLES, "SELECT id, title FROM events ORDER BY id");
query!(NAMES, "SELECT id, name FROM rsvps ORDER BY id");
query!(
    OVERSOLD,
    "SELECT COUNT(*) FROM events e WHERE e.capacity < (SELECT COALESCE(SUM(1 + r.companions), 0)
        FROM rsvps r WHERE r.event_id = e.id AND r.reply = 'yes' AND r.approval <> 'rejected')"
);
query!(
    EARLY,
    "SELECT COUNT(*) FROM rsvps r JOIN events e ON e.id = r.event_id
    WHERE r.created_at < e.created_at OR r.created_at > e.starts_at"
);

async fn texts(app: &TestApp, query: &'static Query) -> Vec<(String, String)> {
    let rows = rows(&app.running().site.db, query).await;
    rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect()
}

on_both! {
    async fn the_same_seed_makes_the_same_site(app: &TestApp) {
        let site = &app.running().site;
        let mut told = Vec::new();
        let made = seeding::fill(site, &OPTIONS, |events| told.push(events)).await.unwrap();
        assert_eq!((made.channels, made.events, told), (25, 210, vec![210]));
        assert!(made.answers > 1_500 && made.messages > made.answers);
        assert_eq!(number(&site.db, &OVERSOLD).await, 0);
        assert_eq!(number(&site.db, &EARLY).await, 0);

        let again = seeding::fill(site, &OPTIONS, |_| ()).await.unwrap();
        assert_eq!((again.channels, again.events, again.answers), (0, 0, 0));

        let other = TestApp::start(openrsvp::store::db::Engine::Sqlite).await;
        seeding::fill(&other.running().site, &OPTIONS, |_| ()).await.unwrap();
        for query in [&TITLES, &NAMES] {
            assert!(texts(app, query).await == texts(&other, query).await);
        }
        let different = SeedOptions { seed: 8, ..OPTIONS };
        let more = seeding::fill(site, &different, |_| ()).await.unwrap();
        assert_eq!((more.channels, more.events), (0, 210));
        other.stop().await;

        assert_eq!(made.links.len(), 5);
        for (title, path) in &made.links {
            let page = app.get(path, "").await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.text.contains(title.as_str()), "{title}");
        }
        for path in ["/", "/channels/discover", "/api/v1/events"] {
            assert_eq!(app.get(path, "").await.status, StatusCode::OK);
        }
    }
}

#[test]
fn a_database_that_is_in_use_is_not_filled_by_accident() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| openrsvp(dir.path()).args(arguments).output().unwrap();
    let first = run(&["seed-data", "--events", "20", "--json"]);
    assert!(first.status.success(), "{first:?}");
    let told: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!((&told["events"], &told["channels"]), (&20.into(), &5.into()));
    let refused = run(&["seed-data"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"), "{refused:?}");
    let forced = run(&["seed-data", "--seed", "2", "--force"]);
    let told = String::from_utf8_lossy(&forced.stdout).into_owned();
    assert!(told.contains("Made 15 events") && told.contains("For trials only"), "{told}");
}
