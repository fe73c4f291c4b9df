//! The host's page: numbers, filter, search, pages, and each act as plain form and as fragment.

use std::time::{Duration, Instant};

use openrsvp::domain::id;
use openrsvp::domain::rsvp::{Approval, Reply, Rsvp};
use openrsvp::domain::token::Token;
use openrsvp::services::{Error, folding};
use openrsvp::store::db::StoreOptions;
use openrsvp::store::rsvps;
use reqwest::{Method, StatusCode};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::support::{Answer, INSTANCE_TOKEN, TestApp, TestEvent, on_both};

/// The texts of all that a selector finds, each in one line.
fn texts(page: &str, selector: &str) -> Vec<String> {
    let document = Html::parse_document(page);
    let selector = Selector::parse(selector).expect("a selector");
    let line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    document.select(&selector).map(|element| line(element.text().collect())).collect()
}

fn names(page: &str) -> Vec<String> {
    texts(page, ".guest h3 > span")
}

async fn ids(app: &TestApp, event: &TestEvent) -> Vec<(String, String)> {
    let roster = app.get(&event.api("/rsvps"), &event.token).await.expect(StatusCode::OK);
    let word = |rsvp: &Value, key: &str| rsvp[key].as_str().expect("a word").to_owned();
    let all = roster["rsvps"].as_array().expect("a list").clone();
    all.iter().map(|rsvp| (word(rsvp, "name"), word(rsvp, "id"))).collect()
}

async fn id_of(app: &TestApp, event: &TestEvent, name: &str) -> String {
    let found = ids(app, event).await.into_iter().find(|(known, _)| known == name);
    found.expect("the guest").1
}

/// Sends a form as the page's script does.
async fn fragment(app: &TestApp, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = app.request(Method::POST, path).header("hx-request", "true").form(fields);
    Answer::of(request.send().await.expect("an answer")).await
}

/// Adds guests past the API: `Guest 0`, `Guest 1`, ...; of each reply and approval some.
async fn crowd(app: &TestApp, event: &TestEvent, count: usize) {
    let (site, event) = (app.running().site.clone(), event.id.clone());
    let now = site.clock.now();
    let all: Vec<Rsvp> = (0..count)
        .map(|number| Rsvp {
            id: id::row_id(now, &site.entropy),
            event_id: event.clone(),
            token: Token::generate(&site.entropy).hash(),
            name: format!("Guest {number}"),
            pronouns: None,
            reply: Reply::ALL[number % 3],
            approval: Approval::ALL[(number / 3) % 3],
            companions: 1,
            is_private: false,
            created_at: now,
            modified_at: now,
        })
        .collect();
    let add = site.db.write(move |tx| {
        Box::pin(async move {
            for rsvp in &all {
                rsvps::insert(tx, rsvp).await?;
            }
            Ok::<_, Error>(())
        })
    });
    add.await.unwrap();
}

/// Takes away what is searched, as if an older version had written the rows.
async fn unfold(app: &TestApp) {
    let sql = "UPDATE rsvps SET folded_name = NULL";
    match app.options() {
        StoreOptions::Sqlite(options) => {
            let connection = rusqlite::Connection::open(&options.path).unwrap();
            connection.busy_timeout(Duration::from_secs(5)).unwrap();
            connection.execute(sql, []).unwrap();
        }
        StoreOptions::Postgres(options) => {
            let mut connection = sqlx::PgConnection::connect(&options.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long it really takes is what is tested")]
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (work.await, start.elapsed())
}

async fn search(app: &TestApp, host: &str, query: &str) -> Vec<String> {
    let mut address = url::form_urlencoded::Serializer::new(format!("{host}?"));
    let page = app.get(&address.append_pair("q", query).finish(), "").await;
    assert_eq!(page.status, StatusCode::OK, "{query:?}: {}", page.text);
    names(&page.text)
}

on_both! {
    async fn each_group_is_shown_and_counted_in_people(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true, "max_attendees": 20 })).await;
        let host = event.page(&format!("/admin/{}", event.token));
        for (name, reply, companions, verdict) in [
            ("Ana", "yes", 2, "approve"), ("Bo", "maybe", 1, "approve"), ("Cy", "no", 0, "approve"),
            ("Di", "yes", 3, ""), ("Ed", "maybe", 0, ""), ("Flo", "yes", 4, "reject"),
        ] {
            app.answer(&event, name, json!({ "attendance_status": reply, "guest_count": companions })).await;
            if !verdict.is_empty() {
                let id = id_of(app, &event, name).await;
                app.form(&format!("{host}/rsvp/{id}/{verdict}"), &[]).await;
            }
        }
        let page = app.get(&host, "").await.text;
        assert_eq!(texts(&page, "#numbers dt"), ["Coming", "Maybe", "Can’t come", "Waiting for you", "Places left"]);
        assert_eq!(texts(&page, "#numbers dd"), ["3 of 20", "2", "1", "5", "13"], "Di holds seats while waiting");
        assert_eq!(names(&page), ["Di", "Ed", "Ana", "Bo", "Cy", "Flo"], "who waits comes first");
        assert_eq!(texts(&page, "#guest-filters a"), [
            "All 16", "Waiting 5", "Coming 3", "Maybe 2", "Can’t come 1", "Declined 5",
        ]);
        for (shown, expected) in [
            ("all", vec!["Di", "Ed", "Ana", "Bo", "Cy", "Flo"]), ("waiting", vec!["Di", "Ed"]), ("coming", vec!["Ana"]),
            ("maybe", vec!["Bo"]), ("cannot", vec!["Cy"]), ("rejected", vec!["Flo"]), ("nonsense", vec!["Di", "Ed", "Ana", "Bo", "Cy", "Flo"]),
        ] {
            let page = app.get(&format!("{host}?show={shown}"), "").await.text;
            assert_eq!(names(&page), expected, "{shown}");
            assert_eq!(texts(&page, "#guest-filters [aria-current]").len(), 1, "{shown}");
        }
        let narrowed = app.get(&format!("{host}?show=coming&q=b"), "").await.text;
        assert_eq!(names(&narrowed), Vec::<String>::new());
        assert!(narrowed.contains("Nobody found"), "{narrowed}");
        let deletes = texts(&page, "#delete details > p");
        assert!(deletes[0].starts_with("6 answers (16 people)"), "{deletes:?}");
    }

    async fn a_name_is_found_as_it_is_written_in_any_case(app: &TestApp) {
        let event = app.event(json!({})).await;
        let host = event.page(&format!("/admin/{}", event.token));
        for name in ["Zoë MÜLLER", "100% Real", "under_score", "under-score", "Łukasz", "Straße", "ΟΔΟΣ", "Ёлка", "wow!", "back\\slash", "'; DROP TABLE rsvps"] {
            app.answer(&event, name, json!({ "attendance_status": "maybe" })).await;
        }
        for _ in 0..2 {
            for (query, found) in [
                ("zoë", vec!["Zoë MÜLLER"]), ("müll", vec!["Zoë MÜLLER"]), ("MULLER", vec!["Zoë MÜLLER"]),
                ("%", vec!["100% Real"]), ("_", vec!["under_score"]), ("er_s", vec!["under_score"]), ("!", vec!["wow!"]),
                ("\\", vec!["back\\slash"]), ("ŁUK", vec!["Łukasz"]), ("STRASSE", vec!["Straße"]), ("οδος", vec!["ΟΔΟΣ"]),
                ("ёЛ", vec!["Ёлка"]), ("'; drop", vec!["'; DROP TABLE rsvps"]), ("Ｚｏë", vec!["Zoë MÜLLER"]), ("nobody", vec![]),
            ] {
                assert_eq!(search(app, &host, query).await, found, "{query}");
            }
            assert_eq!(search(app, &host, "  ").await.len(), 11, "a blank search is none");
            // What an older version wrote is found after the next start.
            unfold(app).await;
            assert_eq!(search(app, &host, "zoë").await.len(), 0);
            folding::settle(&app.running().site).await.unwrap();
        }
        for query in ["%".repeat(3000), "x".repeat(3000), "ﷺ".repeat(300), "<script>alert(1)</script>".to_owned(), "\u{0}\u{7}".to_owned(), "\u{202e}".to_owned()] {
            search(app, &host, &query).await;
        }
        let page = app.get(&format!("{host}?q=%3Cscript%3Ealert(1)%3C/script%3E"), "").await;
        assert!(!page.text.contains("<script>alert"), "{}", page.text);
        assert_eq!(app.get(&format!("{host}?q=%ff%fe&page=-9&show=%00"), "").await.status, StatusCode::OK);
        // A changed name is found by the new one only.
        let token = app.answer(&event, "Before", json!({ "attendance_status": "maybe" })).await;
        app.patch(&event.api("/rsvps/self"), &token, json!({ "name": "After" })).await.expect(StatusCode::OK);
        assert_eq!((search(app, &host, "before").await.len(), search(app, &host, "after").await.len()), (0, 1));
    }

    async fn an_act_leads_back_to_the_list_it_came_from(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true })).await;
        let host = event.page(&format!("/admin/{}", event.token));
        app.answer(&event, "Ana & Bo", json!({})).await;
        let id = id_of(app, &event, "Ana & Bo").await;
        let list = "?show=waiting&q=ana+%26";
        let page = app.get(&format!("{host}{list}"), "").await.text;
        let escaped = format!("{host}/rsvp/{id}/approve?show=waiting&#38;q=ana+%26");
        assert!(page.contains(&escaped) || page.contains(&escaped.replace("&#38;", "&amp;")), "{page}");
        for (action, fields, goal) in [
            ("note", vec![("content", "x")], format!("guest-{id}")), ("message", vec![("content", "x")], format!("guest-{id}")),
            ("approve", vec![], "guests".to_owned()), ("reject", vec![("reason", "")], "guests".to_owned()),
            ("pending", vec![], "guests".to_owned()), ("force_accept", vec![], "guests".to_owned()), ("delete", vec![], "guests".to_owned()),
        ] {
            let done = app.form(&format!("{host}/rsvp/{id}/{action}{list}"), &fields).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{action}: {}", done.text);
            assert_eq!(done.header("location"), format!("{host}{list}#{goal}"), "{action}");
        }
    }

    async fn a_long_conversation_is_shown_by_its_end(app: &TestApp) {
        let event = app.event(json!({})).await;
        let token = app.answer(&event, "Ana", json!({})).await;
        app.answer(&event, "Robin", json!({ "note": "Robin writes once" })).await;
        for number in 0..30 {
            app.clock.advance(jiff::SignedDuration::from_secs(1));
            let said = json!({ "content": format!("Message {number:02}") });
            app.post(&event.api("/rsvps/self/messages"), &token, said).await.expect(StatusCode::CREATED);
        }
        let (id, host) = (id_of(app, &event, "Ana").await, event.page(&format!("/admin/{}", event.token)));
        let said = |page: &str| texts(page, &format!("#guest-{id} .message-text"));
        let page = app.get(&host, "").await.text;
        assert_eq!(said(&page), (24..30).map(|number| format!("Message {number:02}")).collect::<Vec<_>>());
        assert!(page.contains("Robin writes once"), "{page}");
        let all = format!("{host}?guest={id}");
        assert!(page.contains(&format!("href=\"{all}#guest-{id}\"")), "{page}");
        let page = app.get(&all, "").await.text;
        assert_eq!(said(&page).len(), 30);
        assert!(!page.contains("written before") && page.contains("Robin writes once"));
        // What is done there leads back there.
        let noted = app.form(&format!("{host}/rsvp/{id}/note?guest={id}"), &[("content", "x")]).await;
        assert_eq!(noted.header("location"), format!("{all}#guest-{id}"));
        let odd = app.get(&format!("{host}?guest=%22%3E%3Cb%3E"), "").await;
        assert!(odd.status == StatusCode::OK && !odd.text.contains("\"><b>"), "{}", odd.text);
        // A new link is no new answer.
        let before = app.get(&event.api("/rsvps"), &event.token).await.json();
        app.clock.advance(jiff::SignedDuration::from_hours(1));
        let fresh = app.post(&event.api(&format!("/rsvps/{id}/link")), &event.token, Value::Null).await;
        assert_eq!(fresh.expect(StatusCode::OK)["rsvp"]["name"], "Ana");
        assert_eq!(app.get(&event.api("/rsvps"), &event.token).await.json()["rsvps"], before["rsvps"]);
        assert_eq!(app.get(&event.api("/rsvps/self"), &token).await.status, StatusCode::NOT_FOUND);
    }

    async fn a_fragment_holds_what_changed_and_no_more(app: &TestApp) {
        let event = app.event(json!({ "admin_approval_required": true, "max_attendees": 3 })).await;
        let host = event.page(&format!("/admin/{}", event.token));
        let own = app.answer(&event, "<i>Ana</i>", json!({ "guest_count": 1 })).await;
        app.answer(&event, "Bo", json!({ "attendance_status": "maybe" })).await;
        let id = id_of(app, &event, "<i>Ana</i>").await;
        for (action, fields, chip, coming, said) in [
            ("approve", vec![], "Coming", "2 of 3", "You said yes to <i>Ana</i>."),
            ("reject", vec![("reason", "Too <b>late</b>")], "Declined", "0 of 3", "You declined <i>Ana</i>."),
            ("pending", vec![], "Waiting for you", "0 of 3", "<i>Ana</i> waits for you again."),
            ("force_accept", vec![], "Coming", "2 of 3", "<i>Ana</i> has a place now."),
            ("note", vec![("content", "Sings well")], "Sings well", "2 of 3", "Your note about <i>Ana</i> is kept."),
            ("message", vec![("content", "Ring twice")], "Ring twice", "2 of 3", "<i>Ana</i> can read your message now."),
        ] {
            let change = fragment(app, &format!("{host}/rsvp/{id}/{action}"), &fields).await;
            assert_eq!(change.status, StatusCode::OK, "{action}: {}", change.text);
            assert_eq!(change.header("cache-control"), "no-store");
            assert_eq!(names(&change.text), ["<i>Ana</i>"], "{action}");
            assert!(texts(&change.text, ".guest").concat().contains(chip), "{action}: {}", change.text);
            assert_eq!(texts(&change.text, "#numbers dd")[0], coming, "{action}");
            assert_eq!(texts(&change.text, "#said"), [said]);
            assert!(!change.text.contains("<html") && !change.text.contains("<i>") && !change.text.contains("<b>late"));
        }
        let fresh = fragment(app, &format!("{host}/rsvp/{id}/link"), &[]).await;
        let document = Html::parse_fragment(&fresh.text);
        let field = document.select(&Selector::parse(".keep-url").expect("a selector")).next().expect("the link");
        let link = field.value().attr("value").expect("a link").trim_start_matches(&app.base).to_owned();
        assert_eq!(app.get(&link, "").await.status, StatusCode::OK);
        assert_eq!(app.get(&event.page(&format!("/rsvp/{own}")), "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(app.get(&event.api("/rsvps/self"), &own).await.status, StatusCode::NOT_FOUND);
        assert!(!app.get(&host, "").await.text.contains(&link), "it is shown once");

        let removed = fragment(app, &format!("{host}/rsvp/{id}/delete"), &[]).await;
        assert!(removed.text.contains(&format!("id=\"guest-{id}\" hx-swap-oob=\"delete\"")), "{}", removed.text);
        assert_eq!(texts(&removed.text, "#said"), ["<i>Ana</i> is removed."]);
        let again = fragment(app, &format!("{host}/rsvp/{id}/approve"), &[]).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND, "another tab still shows the card");
        assert!(again.text.contains("hx-swap-oob=\"delete\"") && again.text.contains("no longer there"), "{}", again.text);
        let wrong = fragment(app, &format!("{}/rsvp/{id}/approve", event.page("/admin/wrong")), &[]).await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN);
        assert!(!wrong.text.contains("id=\"said\""));
    }

    async fn a_refused_act_keeps_what_was_typed(app: &TestApp) {
        let event = app.event(json!({ "max_attendees": 1 })).await;
        let host = event.page(&format!("/admin/{}", event.token));
        app.answer(&event, "Ana", json!({})).await;
        let id = id_of(app, &event, "Ana").await;
        let long = "Long ".repeat(1001);
        for (action, field) in [("message", "content"), ("note", "content"), ("reject", "reason")] {
            let path = format!("{host}/rsvp/{id}/{action}");
            // Also on a page that does not list the guest.
            for path in [path.clone(), format!("{path}?q=nobody")] {
                let page = app.form(&path, &[(field, &long)]).await;
                assert_eq!(page.status, StatusCode::BAD_REQUEST, "{action}");
                assert!(page.text.contains(long.trim()) && page.text.contains("at most 5000"), "{action}");
                let change = fragment(app, &path, &[(field, &long)]).await;
                assert_eq!(change.status, StatusCode::BAD_REQUEST, "{action}");
                assert!(change.text.contains(long.trim()) && change.text.contains("is-alarm"), "{action}");
            }
        }
        let blank = fragment(app, &format!("{host}/rsvp/{id}/message"), &[("content", " \u{200b}")]).await;
        assert_eq!(texts(&blank.text, "#said"), ["Write a message first."]);
        app.form(&format!("{host}/rsvp/{id}/reject"), &[]).await;
        app.answer(&event, "Bo", json!({})).await;
        let full = fragment(app, &format!("{host}/rsvp/{id}/approve"), &[]).await;
        assert_eq!(full.status, StatusCode::BAD_REQUEST);
        assert!(texts(&full.text, ".guest .field-error")[0].contains("no place left"), "{}", full.text);
        let forced = fragment(app, &format!("{host}/rsvp/{id}/force_accept"), &[]).await;
        assert_eq!(texts(&forced.text, "#numbers dd")[0], "2 of 1");
    }

    async fn five_thousand_guests_are_read_a_page_at_a_time(app: &TestApp) {
        let event = app.event(json!({})).await;
        let host = event.page(&format!("/admin/{}", event.token));
        crowd(app, &event, 5_000).await;
        let mut best = Duration::MAX;
        for _ in 0..4 {
            let (page, took) = timed(app.get(&host, "")).await;
            best = best.min(took);
            assert_eq!(names(&page.text).len(), 25);
            assert!(page.text.len() < 130_000, "{} bytes", page.text.len());
            assert!(page.text.contains("Page 1 of 200") && page.text.contains("5000 answers, 10000 people"));
        }
        // Release is held to 150 ms by the benchmark; a debug build takes a multiple.
        assert!(best < Duration::from_secs(1), "{best:?}");

        // No guest is lost or shown twice where one group ends and the next begins.
        let mut seen = std::collections::HashSet::new();
        let shown = [("waiting", 1668_usize), ("coming", 556), ("maybe", 556), ("cannot", 555), ("rejected", 1665)];
        for (shown, count) in shown {
            let first = app.get(&format!("{host}?show={shown}&page=1"), "").await.text;
            let last = app.get(&format!("{host}?show={shown}&page=99999999999"), "").await.text;
            let pages = count.div_ceil(25);
            assert!(first.contains(&format!("{count} answers")), "{shown}: {:?}", texts(&first, ".found"));
            assert!(last.contains(&format!("Page {pages} of {pages}")), "{shown}");
            assert_eq!(names(&last).len(), count - (pages - 1) * 25, "{shown}");
        }
        for page in 1..=200 {
            // The pages around each border, and some between.
            if ![22, 23, 44, 45, 66, 67, 89, 90, 133, 134, 199, 200].contains(&page) { continue; }
            let shown = names(&app.get(&format!("{host}?page={page}"), "").await.text);
            assert_eq!(shown.len(), 25, "page {page}");
            for name in shown {
                assert!(seen.insert(name.clone()), "{name} is shown twice");
            }
        }
        assert_eq!(search(app, &host, "GUEST 4999").await, ["Guest 4999"]);
        let found = app.get(&format!("{host}?q=guest+49&page=2"), "").await.text;
        assert!(found.contains("111 answers, 222 people") && found.contains("Page 2 of 5"), "{:?}", texts(&found, ".found"));
        assert!(found.contains("q=guest+49") && found.contains("page=3"));
    }

    async fn the_sites_key_is_never_shown_as_the_events(app: &TestApp) {
        let event = app.event(json!({})).await;
        let owner = app.get(&event.page(&format!("/admin/{INSTANCE_TOKEN}")), "").await;
        assert_eq!(owner.status, StatusCode::OK);
        assert!(!owner.text.contains("id=\"host-link\"") && owner.text.contains("never send the address"));
        let host = app.get(&event.page(&format!("/admin/{}", event.token)), "").await;
        assert!(host.text.contains("id=\"host-link\""));
    }
}
