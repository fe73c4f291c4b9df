//! What replication costs: the same load with it and without it, one after the other and again; and
//! a large database on its way out and back.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Table;
use crate::load::{self, Figures, Load};
use crate::seed;
use crate::server::{Engine, Server};

/// How often each is measured; the best of them counts.
const TURNS: usize = 3;
/// Bytes of the large database.
const LARGE: u64 = 1 << 30;

pub async fn measure(table: &mut Table) {
    answers(table).await;
    large(table).await;
}

/// Answers by 64 clients to 64 events.
async fn answers(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let replica = dir.path().join("replica");
    let engine = Engine::Sqlite(dir.path().join("data"));
    std::fs::create_dir(dir.path().join("data")).unwrap();
    seed::fill(&engine, crate::EVENTS, crate::RSVPS).await;
    let address = format!("file://{}", replica.display());
    let mut best: [Option<Figures>; 2] = [None, None];
    for turn in 0..TURNS * 2 {
        let on = turn % 2;
        // The weekly trial of a replica would come at once.
        let variables = [
            ("OPENRSVP_SCHEDULER__ENABLED", "false"),
            ("OPENRSVP_BACKUP__REPLICAS", address.as_str()),
        ];
        let server = Server::start_with(&engine, &variables[..=on]).await;
        let mut loads = Vec::new();
        for _ in 0..load::CONNECTIONS {
            let event = load::make_event(&server.address).await;
            loads.push(Load::answers(&server.address, &event));
        }
        let figures = Load::all(loads).run(&server).await;
        let known = best[on].take().filter(|known| known.per_second > figures.per_second);
        best[on] = Some(known.unwrap_or(figures));
    }
    let [Some(off), Some(on)] = best else { unreachable!("each was measured") };
    table.header();
    table.row("SQLite: POST …/rsvps to 64 events, no replica", &off, Some(&off));
    table.row("SQLite: POST …/rsvps to 64 events, a replica", &on, Some(&off));
    let _ = writeln!(
        table.text,
        "\n- answers with a replica against without: {:.2} (target 0.8); p99: {:.2} (target 1.25)\n",
        on.per_second / off.per_second,
        on.p99.as_secs_f64() / off.p99.as_secs_f64(),
    );
}

/// A database of a gigabyte: how much memory its first copy takes, and how fast it comes back.
async fn large(table: &mut Table) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let engine = Engine::Sqlite(data.clone());
    seed::fill(&engine, crate::FEW_EVENTS, crate::FEW_EVENTS).await;
    let file = data.join("openrsvp.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch("CREATE TABLE ballast (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        .unwrap();
    // Half of it can be packed.
    let fill = "INSERT INTO ballast (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1
        FROM n WHERE i < 2000) SELECT randomblob(8000) || zeroblob(8000) FROM n";
    while file.metadata().unwrap().len() < LARGE {
        connection.execute_batch(fill).unwrap();
    }
    drop(connection);
    let before = {
        let server = Server::start(&engine).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.resident_megabytes()
    };
    let address = format!("file://{}", dir.path().join("replica").display());
    let started = Instant::now();
    let server = Server::start_with(&engine, &[("OPENRSVP_BACKUP__REPLICAS", &address)]).await;
    let mut most = 0;
    while !dir.path().join("replica/ltx/9/0000000000000001-0000000000000001.ltx").exists() {
        most = most.max(server.resident_megabytes());
        assert!(started.elapsed() < Duration::from_secs(600), "the copy does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let copied = started.elapsed();
    drop(server);
    let (restored, took) = (dir.path().join("restored.db"), Instant::now());
    restore(dir.path(), &address, &restored);
    let took = took.elapsed();
    let megabytes = |path: &Path| path.metadata().unwrap().len() as f64 / 1e6;
    let started = Instant::now();
    let mut plain = std::fs::File::create(dir.path().join("plain.db")).unwrap();
    std::io::copy(&mut std::fs::File::open(&restored).unwrap(), &mut plain).unwrap();
    plain.sync_all().unwrap();
    let plain = started.elapsed();
    let size = megabytes(&restored);
    let _ = writeln!(
        table.text,
        "\n- first copy of {size:.0} MB: {:.1} s, {} MB of memory more (target 64)\n\
         - restored: {:.1} s, {:.0} MB/s; `cp` and fsync of the same file: {:.1} s\n",
        copied.as_secs_f64(),
        most.saturating_sub(before),
        took.as_secs_f64(),
        size / took.as_secs_f64(),
        plain.as_secs_f64(),
    );
}

fn restore(dir: &Path, address: &str, to: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrsvp"));
    command.env_clear().current_dir(dir).args(["restore", "--from", address, "--to"]).arg(to);
    let restored = command.output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}
