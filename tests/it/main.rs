//! Everything that is tested from outside: over HTTP, by the command line, on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

mod backups;
mod calendar;
mod capacity;
mod channels;
mod cli;
mod cluster;
mod conformance;
mod decay;
mod edges;
mod events;
mod faults;
mod golden;
mod import;
mod jobs;
mod kill;
mod layers;
mod licences;
mod limits;
mod litestream;
mod looks;
mod markdown;
mod messages;
mod metrics;
mod organizer;
mod owner;
mod pages;
mod plans;
mod queue;
mod released;
mod replicate;
mod restore;
mod rolling;
mod rsvps;
mod scheduler;
mod schema;
mod secrecy;
mod seeding;
mod sharing;
mod size;
mod store;
mod traces;
mod transfer;
mod vacuum;
mod webhooks;
mod workers;
mod zones;
