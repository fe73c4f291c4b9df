//! Backups, as whoever runs the site sees them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;

use crate::metrics::{Figures, parsed, promtool, scrape};
use crate::support::INSTANCE_TOKEN;
use crate::support::server::{TestServer, free_port, read_log};

/// A server that keeps a replica in each of these directories, and where it tells figures.
async fn server(dir: &Path, replicas: &[&Path]) -> (TestServer, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let addresses: Vec<_> =
        replicas.iter().map(|path| format!("\"file://{}\"", path.display())).collect();
    let (replicas, listen) = (format!("[{}]", addresses.join(", ")), address.to_string());
    let variables =
        [("OPENRSVP_BACKUP__REPLICAS", &*replicas), ("OPENRSVP_METRICS__LISTEN", &*listen)];
    (TestServer::single(dir, &variables).await, address)
}

fn of(figures: &Figures, name: &str, replica: &Path) -> f64 {
    figures[&format!("openrsvp_replica_{name}{{replica=\"file://{}\"}}", replica.display())]
}

/// Asks until something holds.
async fn until(dir: &Path, address: SocketAddr, holds: impl Fn(&Figures) -> bool) -> String {
    let asking = async {
        loop {
            let text = scrape(address, "text/plain").await.text;
            if holds(&parsed(&text)) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(30), asking).await;
    asked.unwrap_or_else(|_| panic!("{}", read_log(dir)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_replica_is_told_by_page_and_by_figures() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good"), dir.path().join("missing/bad"));
    let (server, address) = server(dir.path(), &[&good, &bad]).await;
    let is_there = |figures: &Figures| {
        of(figures, "sent_files_total", &good) >= 1.0 && of(figures, "failures_total", &bad) >= 1.0
    };
    let text = until(dir.path(), address, is_there).await;
    assert_eq!(promtool(&text), "0", "{text}");
    let told = parsed(&text);
    assert_eq!(of(&told, "lag_seconds", &good), 0.0);
    assert!(of(&told, "lag_seconds", &bad) > 0.0);
    assert_eq!((of(&told, "up", &good), of(&told, "up", &bad)), (1.0, 0.0));
    assert_eq!(of(&told, "whole_copies_total", &good), 1.0);
    assert!(of(&told, "sent_bytes_total", &good) > 1000.0);
    assert!(of(&told, "last_success_timestamp_seconds", &good) > 1.7e9);
    assert_eq!(of(&told, "last_success_timestamp_seconds", &bad), 0.0);

    let page = server.get(&format!("/admin/{INSTANCE_TOKEN}/status")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("everything is there"), "{}", page.text);
    assert!(page.text.contains("for less than a minute: "), "{}", page.text);
    assert!(page.text.contains("All is well") || page.text.contains("base_url"), "not yet late");
}
