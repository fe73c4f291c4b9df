//! The original's database, imported: every event, guest and link is in place.

use std::io::Read;
use std::path::{Path, PathBuf};

use openrsvp::domain::decay::Fading;
use openrsvp::domain::job::Job;
use openrsvp::services::importing::{self, ImportError, ImportOptions, Report};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::rows::ran;
use crate::support::{Answer, TestApp, on_both};

const SAMPLE: &[u8] = include_bytes!("../fixtures/openrsvp-0.16-sample.db.gz");
const KNOWN: &str = include_str!("../fixtures/openrsvp-0.16-sample.known.json");

/// The sample, unpacked.
struct Original {
    dir: tempfile::TempDir,
}

impl Original {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let original = Self { dir };
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(SAMPLE).read_to_end(&mut bytes).expect("a gzip file");
        std::fs::write(original.path(), bytes).expect("written");
        original
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("original.db")
    }

    /// Changes the file, as an older revision or a fault would have it.
    fn change(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("opens");
        connection.execute_batch("PRAGMA foreign_keys = OFF").expect("runs");
        connection.execute_batch(sql).expect("runs");
    }
}

async fn import(app: &TestApp, path: &Path, options: ImportOptions) -> Result<Report, ImportError> {
    importing::import(&app.running().site, path, options, |_| {}).await
}

on_both! {
    async fn every_known_link_works(app: &TestApp) {
        let original = Original::new();
        app.clock.set("2026-11-23T01:10:00Z".parse().expect("a time"));
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(report.is_complete(), "{report:?}");
        let known: Vec<Value> = serde_json::from_str(KNOWN).expect("JSON");
        assert!(known.len() > 40);
        for request in &known {
            let method = Method::from_bytes(text(request, "method").as_bytes()).expect("a method");
            let token = request["bearer"].as_str().unwrap_or_default();
            let body = request.get("body").cloned().unwrap_or(Value::Null);
            let path = text(request, "path");
            let mut answer = app.send(method, path, token, body).await;
            if text(request, "why") == "owner console" {
                // The original showed every guest at once; here they come 25 a page.
                for page in 2..=3 {
                    answer.text += &app.get(&format!("{path}?page={page}"), "").await.text;
                }
            }
            check_known(request, &answer);
        }
    }

    async fn counts_are_those_of_the_original(app: &TestApp) {
        let original = Original::new();
        let before = std::fs::read(original.path()).expect("read");
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        let verified = report.verified.expect("verified");
        let here = verified.here;
        assert_eq!((here.channels, here.events, here.private_events), (25, 300, 85));
        assert_eq!((here.rsvps, here.yes, here.maybe, here.no), (4000, 2315, 820, 865));
        assert_eq!((here.approved, here.pending, here.rejected), (3456, 348, 196));
        assert_eq!((here.approval_events, here.people, here.messages), (77, 7803, 7102));
        assert_eq!((verified.tokens, verified.wrong), (4300, 0));
        let left = report.left_out;
        assert_eq!((left.messages_of_deleted_events, left.messages_of_deleted_rsvps), (470, 139));
        assert_eq!(std::fs::read(original.path()).expect("read"), before, "the source is untouched");
    }

    async fn a_second_import_changes_nothing(app: &TestApp) {
        let original = Original::new();
        import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        let again = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(again.is_complete(), "{again:?}");
        assert_eq!((again.added.events, again.unchanged.events), (0, 300));
        assert_eq!((again.unchanged.rsvps, again.unchanged.messages), (4000, 7102));
    }

    async fn what_the_clock_closed_is_no_difference(app: &TestApp) {
        let original = Original::new();
        app.clock.set("2026-11-01T12:00:00Z".parse().expect("a time"));
        import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        let cycle = ran(&app.running().site, Job::DecayCycle).await;
        assert!(cycle.counts["rsvps_closed"] > 0 && cycle.counts["events_purged"] == 0, "{cycle:?}");
        let again = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(again.is_complete(), "{again:?}");
        assert_eq!(again.unchanged.events, 300);
    }

    async fn a_dry_run_writes_nothing(app: &TestApp) {
        let original = Original::new();
        let options = ImportOptions { dry_run: true, replace: false };
        let report = import(app, &original.path(), options).await.expect("reads");
        assert_eq!((report.added.events, report.added.rsvps), (300, 4000));
        let answer = app.get("/api/v1/events/945800bc-f3fa-4f4b-9a2f-a665acf0df41", "").await;
        assert_eq!(answer.status, 404);
    }

    async fn what_differs_is_listed_and_replaced_only_when_asked(app: &TestApp) {
        let original = Original::new();
        import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        original.change("UPDATE events SET title = 'Changed there' WHERE id = '945800bc-f3fa-4f4b-9a2f-a665acf0df41'");
        let title = async || {
            let answer = app.get("/api/v1/events/945800bc-f3fa-4f4b-9a2f-a665acf0df41", "").await;
            answer.json()["event"]["title"].as_str().expect("a title").to_owned()
        };
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert_eq!(report.conflicts.len(), 1, "{:?}", report.conflicts);
        assert!(!report.is_complete());
        assert_eq!(title().await, "Low-tide foraging walk (spring)");
        let options = ImportOptions { dry_run: false, replace: true };
        let report = import(app, &original.path(), options).await.expect("imports");
        assert_eq!((report.replaced.events, report.conflicts.len()), (1, 0));
        assert_eq!(title().await, "Changed there");
    }

    async fn an_older_revision_is_read(app: &TestApp) {
        let original = Original::new();
        original.change(
            "ALTER TABLE events DROP COLUMN rsvps_closed; ALTER TABLE events DROP COLUMN rsvp_close_at;
             DROP TABLE meta; DROP TABLE alembic_version",
        );
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(report.is_complete() && !report.instance_link);
        assert_eq!(report.added.events, 300);
    }

    async fn the_first_revision_is_read(app: &TestApp) {
        let original = Original::new();
        original.change(
            "DROP TABLE messages; DROP TABLE channels; ALTER TABLE rsvps DROP COLUMN pronouns;
             UPDATE rsvps SET status = 'Approved' WHERE status = 'approved';
             UPDATE rsvps SET guest_count = 9223372036854775807 WHERE rowid = 1",
        );
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(report.is_complete(), "{:?}", report.conflicts);
        assert_eq!((report.added.events, report.added.rsvps, report.added.messages), (300, 4000, 0));
        assert_eq!(report.verified.expect("verified").here.approved, 3456);
    }

    async fn what_a_message_does_not_say_is_read_as_for_the_fewest(app: &TestApp) {
        let original = Original::new();
        original.change(
            "ALTER TABLE messages DROP COLUMN visibility; UPDATE messages SET message_type = 'poem'",
        );
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(report.is_complete());
        let public = app.get("/api/v1/events/945800bc-f3fa-4f4b-9a2f-a665acf0df41", "").await.json();
        assert_eq!(public["event"]["messages"], json!([]));
    }

    async fn channels_of_one_slug_become_one(app: &TestApp) {
        let original = Original::new();
        original.change(
            "CREATE TABLE copy AS SELECT * FROM channels; DROP TABLE channels;
             ALTER TABLE copy RENAME TO channels;
             UPDATE channels SET slug = 'same', visibility = 'public' WHERE rowid IN (1, 2);
             UPDATE channels SET slug = 'same', visibility = 'private' WHERE rowid = 3",
        );
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert_eq!((report.conflicts.len(), report.added.channels, report.added.events), (2, 23, 300));
        assert_eq!(report.verified.expect("verified").wrong, 0);
    }

    async fn an_offset_in_a_time_counts(app: &TestApp) {
        let original = Original::new();
        original.change(
            "UPDATE events SET start_time = '2026-03-01 18:00:00+02:00', end_time = NULL
             WHERE id = '945800bc-f3fa-4f4b-9a2f-a665acf0df41'",
        );
        import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        let event = app.get("/api/v1/events/945800bc-f3fa-4f4b-9a2f-a665acf0df41", "").await.json();
        assert_eq!(event["event"]["start_time"], "2026-03-01T16:00:00");
    }

    async fn dangling_references_are_left_out_and_counted(app: &TestApp) {
        let original = Original::new();
        original.change(
            "DELETE FROM events WHERE id = '945800bc-f3fa-4f4b-9a2f-a665acf0df41';
             DELETE FROM channels WHERE slug = 'rooftop-beekeepers'",
        );
        let report = import(app, &original.path(), ImportOptions::default()).await.expect("imports");
        assert!(report.is_complete());
        assert_eq!(report.left_out.rsvps_of_deleted_events, 61);
        assert!(report.left_out.channels_of_events > 0);
    }

    async fn a_bad_row_stops_before_anything_is_written(app: &TestApp) {
        let original = Original::new();
        original.change("UPDATE rsvps SET created_at = 'last tuesday' WHERE rowid = 4000");
        let error = import(app, &original.path(), ImportOptions::default()).await.expect_err("refused");
        let message = error.to_string();
        assert!(message.contains("created_at") && message.contains("last tuesday"), "{message}");
        let listed = app.get("/api/v1/events", "").await.json();
        assert_eq!(listed["pagination"]["total_events"], 0);
    }

    async fn foreign_and_damaged_files_are_refused(app: &TestApp) {
        let original = Original::new();
        let foreign = original.dir.path().join("foreign.db");
        Connection::open(&foreign).expect("opens").execute_batch("CREATE TABLE t (a)").expect("runs");
        let text = original.dir.path().join("text.db");
        std::fs::write(&text, "a letter to grandmother, much longer than a header of SQLite is").expect("written");
        let mut bytes = std::fs::read(original.path()).expect("read");
        bytes[40_000..90_000].fill(0x5a);
        let damaged = original.dir.path().join("damaged.db");
        std::fs::write(&damaged, bytes).expect("written");
        let missing = original.dir.path().join("missing.db");
        for (path, words) in [
            (&foreign, "not a database of OpenRSVP"),
            (&text, "not a SQLite database"),
            (&damaged, "damaged"),
            (&missing, "cannot read"),
        ] {
            let error = import(app, path, ImportOptions::default()).await.expect_err("refused");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn check_known(request: &Value, answer: &Answer) {
    let why = text(request, "why");
    let expect = &request["expect"];
    assert_eq!(
        u64::from(answer.status.as_u16()),
        expect["status"].as_u64().expect("a status"),
        "{why}"
    );
    for (path, wanted) in expect["fields"].as_object().into_iter().flatten() {
        check_field(why, &answer.json(), path, wanted);
    }
    for path in expect["absent"].as_array().into_iter().flatten() {
        let path = path.as_str().expect("a path");
        assert!(at(&answer.json(), path).is_none(), "{why}: {path} is there");
    }
    for (path, wanted) in expect["counts"].as_object().into_iter().flatten() {
        let json = answer.json();
        let found = at(&json, path).and_then(Value::as_array).map(Vec::len);
        assert_eq!(found, wanted.as_u64().map(|n| n as usize), "{why}: {path}");
    }
    for wanted in expect["contains"].as_array().into_iter().flatten() {
        let wanted = wanted.as_str().expect("text");
        let page = unescaped(&answer.text);
        assert!(page.contains(wanted), "{why}: {wanted} is missing in {page}");
    }
}

fn check_field(why: &str, json: &Value, path: &str, wanted: &Value) {
    let inner = |name: &str| path.strip_prefix(name).and_then(|rest| rest.strip_suffix(')'));
    let found = if let Some(path) = inner("sha256(") {
        let text = at(json, path).and_then(Value::as_str).expect("text");
        Value::from(
            Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>(),
        )
    } else if let Some(path) = inner("length(") {
        Value::from(at(json, path).and_then(Value::as_str).expect("text").chars().count())
    } else {
        at(json, path).cloned().unwrap_or(Value::Null)
    };
    // Scores fade between the moment the original printed them and the test's.
    if path.ends_with(".score") {
        let (found, wanted) =
            (found.as_f64().expect("a number"), wanted.as_f64().expect("a number"));
        let most = wanted * Fading::default().decay_factor.powf(80.0) - 1e-9;
        assert!((most..=wanted + 1e-9).contains(&found), "{why}: {path} is {found}, was {wanted}");
    } else {
        assert_eq!(&found, wanted, "{why}: {path}");
    }
}

fn at<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(json, |value, key| value.get(key))
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
        .replace("&#38;", "&")
}
