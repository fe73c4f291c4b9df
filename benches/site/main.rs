//! How fast the release binary is, on a full site, beside two floors on the same machine: a bare
//! hyper server that sends the same bytes, and a bare rusqlite loop that inserts the same rows.
//!
//! `cargo bench` runs it and writes the table to `target/bench.md`; `cargo bench -- queue` runs one
//! part of it. Load and server share the machine, so the ratios of one run tell more than its
//! numbers.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures, and ends where it cannot"
)]

mod floor;
mod load;
mod queue;
mod replication;
mod seed;
mod server;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use load::Load;
use server::{Engine, Server};

/// Events and answers of the full site.
const EVENTS: usize = 10_000;
const RSVPS: usize = 200_000;
/// Events of the small site.
const FEW_EVENTS: usize = 100;
/// Events of the large site, whose lists are measured.
const MANY_EVENTS: usize = 100_000;
const MANY_CHANNELS: usize = 5_000;
/// Guests of one crowded event.
const CROWD: usize = 5_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--floor") {
        floor::serve(&arguments.next().unwrap()).await;
        return;
    }
    // Cargo adds an option of its own.
    let parts: Vec<String> =
        std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    let mut table = Table::new();
    if wants("sqlite") {
        sqlite(&mut table).await;
    }
    if wants("lists") {
        lists(&mut table).await;
    }
    if wants("postgres") {
        postgres(&mut table).await;
    }
    if wants("queue") {
        queues(&mut table).await;
    }
    if wants("replication") {
        replication::measure(&mut table).await;
    }
    println!("{}", table.text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench.md");
    std::fs::write(&path, &table.text).unwrap();
    println!("written to {}", path.display());
}

/// All measurements on SQLite, with the floors.
async fn sqlite(table: &mut Table) {
    let small = tempfile::tempdir().unwrap();
    let few = seed::fill(&Engine::Sqlite(small.path().into()), FEW_EVENTS, FEW_EVENTS * 20).await;
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::Sqlite(dir.path().into());
    let event = seed::fill(&engine, EVENTS, RSVPS).await;

    let server = Server::start(&Engine::Sqlite(small.path().into())).await;
    let with_few = Load::get(&server.address, &format!("/e/{few}")).run(&server).await;
    drop(server);

    let crowd = seed::crowd(&engine, CROWD).await;

    let server = Server::start(&engine).await;
    let start = server.first_answer;
    let page = format!("/e/{event}");
    let body = load::body_of(&server.address, &page).await;
    let bare = floor::Process::start(&body).await;
    let bytes = Load::get(&bare.address, "/").run(&bare).await;
    drop(bare);
    table.row("bare hyper, the event page's bytes", &bytes, None);
    let with_many = Load::get(&server.address, &page).run(&server).await;
    table.row("SQLite: event page", &with_many, Some(&bytes));
    table.row("SQLite: event page, 100 events", &with_few, Some(&bytes));
    reads(table, "SQLite", &server, &event, &bytes).await;
    let desk = Load::get(&server.address, &crowd).run(&server).await;
    table.row("SQLite: host's page of 5,000 guests", &desk, Some(&bytes));
    let groups = floor::insert_in_groups(dir.path(), &event);
    table.plain("bare rusqlite, the same rows in groups of 64", groups);
    let answers = Load::answers(&server.address, &event).run(&server).await;
    table.plain("SQLite: POST …/rsvps, 64 clients", answers.per_second);
    table.row("SQLite: POST …/rsvps, against the groups", &answers, None);
    let mut spread = Vec::new();
    for _ in 0..load::CONNECTIONS {
        let event = load::make_event(&server.address).await;
        spread.push(Load::answers(&server.address, &event));
    }
    let spread = Load::all(spread).run(&server).await;
    table.row("SQLite: POST …/rsvps to 64 events", &spread, None);
    let _ = writeln!(
        table.text,
        "\n- event page against bare hyper: {:.2} (target 0.5)\n- answers against grouped inserts: {:.2} (target 0.5)\n\
         - event page with {EVENTS} events against {FEW_EVENTS}: {:.2}\n- start to first answer: {} ms (target 100)\n\
         - resident memory after the run: {} MB (target 60)\n",
        with_many.per_second / bytes.per_second,
        answers.per_second / groups,
        with_many.per_second / with_few.per_second,
        start.as_millis(),
        server.resident_megabytes(),
    );
}

/// The lists of a large site.
async fn lists(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::Sqlite(dir.path().into());
    let took = seed::many(&engine, MANY_EVENTS, MANY_CHANNELS).await;
    let server = Server::start(&engine).await;
    table.header();
    for (what, path) in [
        ("home page", "/"),
        ("channels", "/channels/discover"),
        ("channels with events ahead", "/channels/discover?has_upcoming=1"),
        ("channels found", "/channels/discover?q=cycling"),
        ("owner's events", "/admin/a-token-for-the-benchmark/events"),
        ("owner's events, last page", "/admin/a-token-for-the-benchmark/events?page=4000"),
        ("owner's events found", "/admin/a-token-for-the-benchmark/events?q=dinner"),
        ("owner's channels", "/admin/a-token-for-the-benchmark/channels"),
        ("owner's status", "/admin/a-token-for-the-benchmark/status"),
        ("GET /api/v1/events", "/api/v1/events"),
    ] {
        let figures = Load::get(&server.address, path).run(&server).await;
        table.row(&format!("SQLite, {MANY_EVENTS} events: {what}"), &figures, None);
    }
    let _ = writeln!(
        table.text,
        "\n- `seed-data` of {MANY_EVENTS} events: {:.0} s (target 60)\n",
        took.as_secs_f64()
    );
}

async fn postgres(table: &mut Table) {
    let cluster = server::Postgres::start();
    let engine = Engine::Postgres(cluster.url.clone());
    let event = seed::fill(&engine, EVENTS, RSVPS).await;
    let server = Server::start(&engine).await;
    table.header();
    let page = Load::get(&server.address, &format!("/e/{event}")).run(&server).await;
    table.row("PostgreSQL: event page", &page, None);
    reads(table, "PostgreSQL", &server, &event, &page).await;
    let answers = Load::answers(&server.address, &event).run(&server).await;
    table.row("PostgreSQL: POST …/rsvps", &answers, None);
    drop(server);
    processes(table, &engine, &event).await;
}

/// Tasks that do nothing, done by one worker and by four.
async fn queues(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let cluster = server::Postgres::start();
    table.header();
    for (name, engine) in [
        ("SQLite", Engine::Sqlite(dir.path().into())),
        ("PostgreSQL", Engine::Postgres(cluster.url.clone())),
    ] {
        for workers in [1, 4] {
            let speed = queue::drain(&engine, workers).await;
            table.plain(&format!("{name}: tasks of the queue, workers: {workers}"), speed);
        }
    }
}

/// One, two and three processes that share the database, and nothing else.
async fn processes(table: &mut Table, engine: &Engine, event: &str) {
    let (mut servers, mut alone) = (Vec::new(), None);
    for count in 1..=3 {
        servers.push(Server::start(engine).await);
        let addresses = || servers.iter().map(|server: &Server| server.address.as_str());
        let page = format!("/e/{event}");
        let pages = Load::all(addresses().map(|address| Load::get(address, &page)));
        let pages = pages.run(servers.as_slice()).await;
        let mut answers = Vec::new();
        for address in addresses().cycle().take(load::CONNECTIONS / count * count) {
            answers.push(Load::answers(address, &load::make_event(address).await));
        }
        let answers = Load::all(answers).run(servers.as_slice()).await;
        let (page_alone, answers_alone) = *alone.get_or_insert((pages, answers));
        let of = if count == 1 { "1 process" } else { &format!("{count} processes") };
        table.row(&format!("PostgreSQL, {of}: event page"), &pages, Some(&page_alone));
        let what = format!("PostgreSQL, {of}: POST …/rsvps to 64 events");
        table.row(&what, &answers, Some(&answers_alone));
    }
}

async fn reads(
    table: &mut Table,
    name: &str,
    server: &Server,
    event: &str,
    beside: &load::Figures,
) {
    for (what, path) in [
        ("home page", "/".to_owned()),
        ("GET /api/v1/events/{id}", format!("/api/v1/events/{event}")),
    ] {
        let figures = Load::get(&server.address, &path).run(server).await;
        table.row(&format!("{name}: {what}"), &figures, Some(beside));
    }
}

/// The table as Markdown.
struct Table {
    text: String,
}

impl Table {
    fn new() -> Self {
        let mut table = Self {
            text: format!(
                "{EVENTS} events, {RSVPS} answers, {} connections\n\n",
                load::CONNECTIONS
            ),
        };
        table.header();
        table
    }

    fn header(&mut self) {
        self.text += "| what | a second | p50 ms | p99 ms | CPU µs each | against the first |\n| --- | --- | --- | --- | --- | --- |\n";
    }

    fn row(&mut self, what: &str, figures: &load::Figures, beside: Option<&load::Figures>) {
        let ratio = beside.map_or_else(String::new, |floor| {
            format!("{:.2}", figures.per_second / floor.per_second)
        });
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let line = format!(
            "| {what} | {:.0} | {:.2} | {:.2} | {:.0} | {ratio} |",
            figures.per_second,
            ms(figures.p50),
            ms(figures.p99),
            figures.cpu_micros
        );
        println!("{line}");
        self.text += &(line + "\n");
    }

    fn plain(&mut self, what: &str, per_second: f64) {
        let line = format!("| {what} | {per_second:.0} | | | | |");
        println!("{line}");
        self.text += &(line + "\n");
    }
}
