//! Figures about the work on the database, for monitoring: what this process knows of it, without
//! asking the database.

use super::{Db, Inner};
use crate::metrics::{Family, Kind, whole};

impl Db {
    /// Statements, and who waits for what.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.1.families();
        match &*self.0 {
            Inner::Sqlite(threads, _) => {
                let [writes, reads] = threads.waiting();
                let waiting = Family::new(
                    Kind::Gauge,
                    "openrsvp_database_waiting",
                    "Transactions that wait for the thread that writes, and for those that read",
                );
                families.push(
                    waiting
                        .row(&[("queue", "write")], whole(writes))
                        .row(&[("queue", "read")], whole(reads)),
                );
            }
            Inner::Postgres(server) => {
                let [open, idle, most] = server.pooled();
                let connections = Family::new(
                    Kind::Gauge,
                    "openrsvp_database_connections",
                    "Connections of the pool of this process, by whether somebody uses them",
                );
                let limit = Family::new(
                    Kind::Gauge,
                    "openrsvp_database_connections_max",
                    "Most connections of the pool of this process",
                );
                families.push(
                    connections
                        .row(&[("state", "idle")], whole(idle))
                        .row(&[("state", "used")], whole(open.saturating_sub(idle))),
                );
                families.push(limit.row(&[], whole(most)));
            }
        }
        families
    }
}
