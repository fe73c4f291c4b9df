//! How each engine runs each statement: no list walks a table or sorts where an index has its rows
//! in order. The plans are those for values that are not known yet, on a site of some size.
//!
//! A statement that is added has no place in the tables below, and the test says so: name the index
//! that a list walks, or say why it needs none.

use std::collections::BTreeMap;
use std::time::Duration;

use openrsvp::store::db::{Db, Engine, Query};
use openrsvp::store::{statements, vacuum};

use crate::support::rows::{change, rows};
use crate::support::{TestDatabase, postgres};

/// How much of an index a list reads.
#[derive(Clone, Copy, PartialEq)]
enum Walk {
    /// What its conditions single out, and no more.
    Part,
    /// From one end until it has found enough, or to the other end: for the reason given.
    Whole(&'static str),
}
use Walk::{Part, Whole};

const PAGE: &str = "the index is the order: it is read until the page is full";
const SUBSTRING: &str = "a part of a name can be anywhere: names are read from the index in order, until the page is full";
const COUNTED: &str = "a page says how many there are in all: it counts names in an index, which takes 20 ms for 100,000 channels";
const ONE_PAGE: &str = "the events of one page, which the index has singled out";
const COUNTED_FOR_OWNER: &str =
    "the owner's status page says how many there are; nobody else waits for it";
const HOUSEKEEPING: &str = "the index holds only what is to be done";

/// Every `SELECT` that can find more than one row, or reads more than one to count: the index that
/// it walks.
const LISTS: &[(&str, &str, Walk)] = &[
    ("channels::FOUND_BY_RANK", "channels_by_rank", Whole(SUBSTRING)),
    ("channels::FOUND_BY_RANK_UP", "channels_by_rank", Whole(SUBSTRING)),
    ("channels::FOUND_BY_NAME", "channels_by_name", Whole(SUBSTRING)),
    ("channels::FOUND_BY_NAME_DOWN", "channels_by_name", Whole(SUBSTRING)),
    ("channels::FOUND_BY_USE", "channels_by_use", Whole(SUBSTRING)),
    ("channels::FOUND_BY_USE_UP", "channels_by_use", Whole(SUBSTRING)),
    ("channels::COUNT_FOUND", "channels_by_name", Whole(COUNTED)),
    ("channels::LIST_ALL", "channels_by_last_use", Whole(SUBSTRING)),
    ("channels::COUNT_ALL", "", Whole(COUNTED)),
    ("channels::LIVELIEST", "channels_by_rank", Whole(PAGE)),
    ("channels::COUNT", "", Whole(COUNTED_FOR_OWNER)),
    ("channels::LIST_UNFOLDED", "channels_unfolded", Whole(HOUSEKEEPING)),
    ("channels::LIST_AFTER", "channels_pkey", Part),
    ("channels::LIST_PURGEABLE", "channels_by_purge", Part),
    ("channels::HAS_EVENT", "events_by_channel", Part),
    ("channels::HAS_LASTING_EVENT", "events_by_channel", Part),
    ("events::LIST_PUBLIC", "events_public_by_start", Part),
    ("events::COUNT_PUBLIC", "events_public_by_start", Part),
    ("events::LIST_UPCOMING", "events_public_by_start", Part),
    ("events::COUNT_UPCOMING", "events_public_by_over", Part),
    ("events::LIST_PAST", "events_public_by_over", Part),
    ("events::LIST_OF_CHANNEL", "events_by_channel", Part),
    ("events::COUNT_OF_CHANNEL", "events_by_channel", Part),
    ("events::LIST_NEWEST", "events_by_creation", Whole(PAGE)),
    ("events::LIST_FOUND", "events_by_creation", Whole(SUBSTRING)),
    ("events::COUNT_FOUND", "", Whole(COUNTED)),
    ("events::LIST_UNFOLDED", "events_unfolded", Whole(HOUSEKEEPING)),
    (
        "events::COUNT_ALL",
        "",
        Whole(
            "all are counted; a number kept beside them would make every change wait for one row",
        ),
    ),
    ("events::LIST_AFTER", "events_pkey", Part),
    ("events::LIST_PURGEABLE", "events_by_purge", Part),
    ("events::COUNT_BELOW", "messages_by_event", Part),
    ("events::LIST_CLOSABLE", "events_by_close", Part),
    ("jobs::LIST_LAST", "job_runs_job_number_key", Part),
    ("jobs::LAST_DONE", "job_runs_job_number_key", Part),
    ("jobs::NEXT_NUMBER", "job_runs_job_number_key", Part),
    ("messages::LIST_OF_EVENT", "messages_about_event", Part),
    ("messages::LIST_PUBLIC", "messages_about_event", Part),
    ("messages::LIST_OF_RSVP", "messages_by_rsvp", Part),
    ("messages::LIST_LATEST", "messages_by_rsvp", Part),
    ("rsvps::COUNT_ALL", "", Whole(COUNTED_FOR_OWNER)),
    ("rsvps::LIST_NAMED", "rsvps_by_", Part),
    ("rsvps::LIST_COMING", "rsvps_by_turn", Part),
    ("rsvps::LIST_ALL", "rsvps_by_", Part),
    ("rsvps::LIST_SLICE", "rsvps_by_turn", Part),
    ("rsvps::LIST_SLICE_FOUND", "rsvps_by_turn", Part),
    ("rsvps::TALLY_FOUND", "rsvps_by_", Part),
    ("rsvps::LIST_UNFOLDED", "rsvps_unfolded", Whole(HOUSEKEEPING)),
    ("rsvps::TALLY", "rsvps_by_event", Part),
    ("rsvps::SEATED", "rsvps_by_", Part),
    ("tasks::COUNT_DUE", "tasks_by_due", Part),
    ("tasks::COUNT_LATER", "tasks_by_due", Part),
    ("tasks::COUNT_DEAD", "tasks_by_state", Part),
    ("tasks::FIRST_DUE", "tasks_by_due", Part),
    ("tasks::TAKE", "tasks_by_due", Part),
    ("tasks::LIST", "tasks_by_state", Part),
    ("webhooks::LIST_OF_EVENT", "webhooks_by_event", Part),
    ("webhooks::LIST_DELIVERIES", "deliveries_by_webhook", Part),
];

/// Every `SELECT` that finds one row by its key, and so needs no more than not to walk a table.
const ONES: &[&str] = &[
    "channels::BY_SLUG",
    "channels::BY_SLUG_LOCKED",
    "channels::BY_ID",
    "channels::BY_ID_LOCKED",
    "events::BY_ID",
    "events::BY_ID_LOCKED",
    "events::SUMMARY",
    "messages::BY_ID",
    "meta::GET",
    "rsvps::BY_TOKEN",
    "rsvps::BY_ID",
    "tasks::HELD",
    "webhooks::BY_ID",
    "webhooks::DELIVERY_BY_ID",
];

/// What may sort, and why that is right.
const SORTS: &[(&str, &str)] = &[
    ("events::LIST_PUBLIC", ONE_PAGE),
    ("events::LIST_UPCOMING", ONE_PAGE),
    ("events::LIST_PAST", ONE_PAGE),
    ("events::LIST_OF_CHANNEL", ONE_PAGE),
    ("events::LIST_NEWEST", ONE_PAGE),
    ("events::LIST_FOUND", ONE_PAGE),
    ("messages::LIST_LATEST", "the newest few of each guest of a page, taken together"),
    ("rsvps::LIST_NAMED", "the API lists all named guests of one event in one answer, by age"),
    ("rsvps::LIST_ALL", "the API lists all guests of one event in one answer, by age"),
    ("rsvps::LIST_COMING", "at most twice the limit, from the index of either reply"),
];

/// What may walk a table, and why that is right.
const SCANS: &[(&str, &str)] = &[
    ("channels::COUNT", "all of them, for the owner's status page"),
    ("rsvps::COUNT_ALL", "all of them, for the owner's status page"),
    (
        "events::COUNT_ALL",
        "all of them: PostgreSQL takes the table where it is as small as the index",
    ),
    (
        "events::COUNT_FOUND",
        "all titles: PostgreSQL takes the table where it is as small as the index",
    ),
    (
        "channels::COUNT_ALL",
        "all names: PostgreSQL takes the table where it is as small as the index",
    ),
];

macro_rules! seed {
    ($name:ident, $count:literal, $before:literal $(, $after:literal)?) => {
        static $name: Query = Query {
            name: stringify!($name),
            sqlite: concat!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
                $count, ") ", $before $(, " CAST('t' || i AS BLOB) ", $after)?
            ),
            postgres: concat!(
                "WITH n (i) AS (SELECT CAST(g AS BIGINT) FROM generate_series(1, ", $count, ") g) ",
                $before $(, " CAST('t' || i AS BYTEA) ", $after)?
            ),
        };
    };
}
seed!(CHANNELS, 2000, "INSERT INTO channels (id, name, slug, visibility, score, scored_at, created_at, last_used_at,
        purgeable_at, search_text)
    SELECT 'c' || i, 'Channel ' || i, 'channel-' || i, CASE WHEN i % 10 = 0 THEN 'private' ELSE 'public' END,
        100.0, i, i, i, i + 5000, 'channel ' || i FROM n");
seed!(EVENTS, 20000, "INSERT INTO events (id, organizer_token, channel_id, title, description, starts_at, ends_at, zone,
        location, is_private, approval_required, rsvps_closed, rsvps_close_at, capacity, score, scored_at, created_at,
        modified_at, accessed_at, revision, sequence, over_at, unlisted_at, purgeable_at, search_text)
    SELECT 'e' || i,", ", CASE WHEN i % 3 = 0 THEN NULL ELSE 'c' || (1 + i % 2000) END, 'Dinner ' || i,
        'The table stands from six o''clock on; bring something to share, and a chair if you have one. The table stands from six o''clock on; bring something to share, and a chair if you have one. The table stands from six o''clock on; bring something to share, and a chair if you have one. The table stands from six o''clock on; bring something to share, and a chair if you have one. ',
        i * 10, NULL,
        'UTC', 'Garden', i % 10 = 1, FALSE, i % 7 = 0, CASE WHEN i % 5 = 0 THEN i * 10 - 5 END, NULL, 100.0, i, i,
        i, i, 1, 0, i * 10 + 3, i * 10 + 500, i * 10 + 900, 'dinner ' || i FROM n");
seed!(RSVPS, 20000, "INSERT INTO rsvps (id, event_id, token, name, pronouns, reply, approval, companions, is_private,
        created_at, modified_at, folded_name)
    SELECT 'r' || i, 'e' || (CASE WHEN i < 5000 THEN 1 ELSE i END),", ", 'Guest ' || i, NULL,
        CASE i % 3 WHEN 0 THEN 'no' WHEN 1 THEN 'yes' ELSE 'maybe' END,
        CASE i % 7 WHEN 0 THEN 'pending' WHEN 1 THEN 'rejected' ELSE 'approved' END, 0, i % 9 = 0, i, i,
        'guest ' || i FROM n");
seed!(
    MESSAGES,
    20000,
    "INSERT INTO messages (id, event_id, rsvp_id, author_id, kind, audience, content, created_at)
    SELECT 'm' || i, CASE WHEN i >= 5000 THEN 'e' || i ELSE 'e1' END,
        CASE WHEN i % 2 = 0 THEN 'r' || i END, NULL, 'event_update', 'public',
        'The gate is open from half past five; whoever comes later rings at the house, please.', i FROM n"
);
seed!(
    RUNS,
    2000,
    "INSERT INTO job_runs (id, job, number, started_at, ended_at, outcome, counts, reason)
    SELECT 'j' || i, 'job ' || i % 50, i, i, i, 'done', '{}', NULL FROM n"
);
seed!(FACTS, 2000, "INSERT INTO meta (key, value, updated_at) SELECT 'fact ' || i, 'x', i FROM n");

seed!(CLIENTS, 2000, "INSERT INTO limits (client, busy_until_at) SELECT 'client ' || i, i FROM n");

seed!(
    TASKS,
    20000,
    "INSERT INTO tasks (id, kind, payload, dedupe_key, priority, state, due_at, lease, again, attempts, created_at,
        failed_at, reason)
    SELECT 't' || i, 'test', '{}', 'key ' || i, CASE WHEN i % 10 = 0 THEN 'high' ELSE 'normal' END,
        CASE WHEN i % 4 = 0 THEN 'dead' ELSE 'open' END, i, NULL, FALSE, 0, i, NULL, NULL FROM n"
);

seed!(
    WEBHOOKS,
    5000,
    "INSERT INTO webhooks (id, event_id, url, secret, created_at, paused_at)
    SELECT 'w' || i, 'e' || i, 'https://example.org/answers',",
    ", i, NULL FROM n"
);
seed!(
    DELIVERIES,
    20000,
    "INSERT INTO deliveries (id, webhook_id, rsvp_id, occasion, state, attempts, reason, created_at, sent_at)
    SELECT 'd' || i, 'w' || (1 + i % 200), 'r' || i, 'rsvp.created',
        CASE WHEN i % 9 = 0 THEN 'waiting' ELSE 'delivered' END, 1, NULL, i, i FROM n"
);

/// A page of events as it is asked for: PostgreSQL plans with the values that come; not knowing
/// them it takes a tenth of the table for a page, and joins that.
fn first_page(query: &'static Query) -> &'static Query {
    if !query.postgres.contains(") p CROSS JOIN ") {
        return query;
    }
    let mut text = query.postgres.to_owned();
    for number in 1..=9 {
        text = text.replace(&format!("LIMIT ${number}"), "LIMIT 25");
        text = text.replace(&format!("OFFSET ${number}"), "OFFSET 0");
    }
    let postgres = Box::leak(text.into_boxed_str());
    Box::leak(Box::new(Query { name: query.name, sqlite: query.sqlite, postgres }))
}

type Plans = BTreeMap<&'static str, (&'static Query, String)>;

/// The plan of each statement, by its name without what all share.
async fn plans(db: &Db) -> Plans {
    let mut plans = BTreeMap::new();
    for query in statements() {
        let name = query.name.strip_prefix("openrsvp::store::").unwrap();
        plans.insert(name, (query, db.explain(first_page(query)).await.unwrap()));
    }
    plans
}

static UNSEEN: Query = Query {
    name: "unseen",
    sqlite: "SELECT 0",
    postgres: "SELECT COUNT(*) FROM pg_class WHERE relkind = 'r'
        AND relnamespace = 'public'::regnamespace AND relallvisible < relpages",
};

async fn fill(db: &Db) {
    for query in [
        &CHANNELS,
        &EVENTS,
        &RSVPS,
        &MESSAGES,
        &RUNS,
        &FACTS,
        &CLIENTS,
        &TASKS,
        &WEBHOOKS,
        &DELIVERIES,
    ] {
        change(db, query).await;
    }
    db.analyze().await.unwrap();
    // A session that begins elsewhere on the server may keep rows from counting as seen by all; a
    // plan that reads an index alone needs them to.
    for _ in 0..50 {
        for table in vacuum::tables() {
            assert!(db.vacuum_table(table, std::future::pending()).await.unwrap());
        }
        if count(db, &UNSEEN).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("rows are not seen by all");
}

async fn count(db: &Db, query: &'static Query) -> i64 {
    rows(db, query).await[0].get(0).unwrap()
}

/// SQLite calls what a constraint made by a number.
fn own_name(plan: &str) -> String {
    plan.replace("sqlite_autoindex_job_runs_2", "job_runs_job_number_key")
        .replace("sqlite_autoindex_channels_1", "channels_pkey")
        .replace("sqlite_autoindex_events_1", "events_pkey")
}

/// The lines that walk a table without an index; and whether one reads all of an index on SQLite.
fn walks(engine: Engine, plan: &str) -> (Vec<&str>, bool) {
    let lines = plan.lines().map(str::trim);
    match engine {
        Engine::Postgres => (lines.filter(|line| line.contains("Seq Scan")).collect(), false),
        Engine::Sqlite => {
            // A part of the statement that was made before (`p`, `y`, `m7`), or no table at all.
            let made = |line: &str| {
                let name =
                    line.trim_start_matches("SCAN ").trim_end_matches(|c: char| c.is_ascii_digit());
                ["CONSTANT ROW", "y", "m", "p"].contains(&name)
            };
            let scans: Vec<&str> =
                lines.filter(|line| line.starts_with("SCAN ") && !made(line)).collect();
            let through = |line: &&str| line.contains(" INDEX ");
            (
                scans.iter().copied().filter(|line| !through(line)).collect(),
                scans.iter().any(through),
            )
        }
    }
}

fn is_sorted(engine: Engine, plan: &str) -> bool {
    match engine {
        Engine::Postgres => {
            plan.lines().any(|line| line.trim().trim_start_matches("->  ").starts_with("Sort "))
        }
        Engine::Sqlite => plan.contains("TEMP B-TREE"),
    }
}

fn assert_indexes(engine: Engine, plans: &Plans) {
    let mut faults = Vec::new();
    for (name, (query, plan)) in plans {
        let plan = own_name(plan);
        let (tables, is_whole) = walks(engine, &plan);
        let list = LISTS.iter().find(|list| list.0 == *name);
        let mut fault = |what: &str| faults.push(format!("{name}: {what}\n{plan}\n"));
        if query.sqlite.trim_start().starts_with("SELECT") && list.is_some() == ONES.contains(name)
        {
            fault("is to be in one of LISTS and ONES");
        }
        if !tables.is_empty() && SCANS.iter().all(|allowed| allowed.0 != *name) {
            fault("walks a table");
        }
        if is_sorted(engine, &plan) && SORTS.iter().all(|allowed| allowed.0 != *name) {
            fault("sorts");
        }
        if is_whole && !matches!(list, Some((_, _, Whole(_)))) {
            fault("reads all of an index");
        }
        if list.is_some_and(|(_, index, _)| !plan.contains(index)) {
            fault("does not use its index");
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let named = LISTS.iter().map(|list| list.0).chain(ONES.iter().copied());
    for name in named.chain(SORTS.iter().chain(SCANS).map(|allowed| allowed.0)) {
        assert!(plans.contains_key(name), "{name} is gone");
    }
}

async fn each_statement_has_its_index(engine: Engine) {
    let database = TestDatabase::new(engine).await;
    let db = Db::open(&database.options).await.unwrap();
    db.migrate(jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    if engine == Engine::Sqlite {
        // Until its first vacuum a site has no statistics.
        assert_indexes(engine, &plans(&db).await);
    }
    fill(&db).await;
    assert_indexes(engine, &plans(&db).await);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    each_statement_has_its_index(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    if !postgres::is_skipped() {
        each_statement_has_its_index(Engine::Postgres).await;
    }
}
