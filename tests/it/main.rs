//! Everything that is tested from outside: over HTTP, by the command line, on both databases.

mod support;

mod capacity;
mod events;
mod import;
mod layers;
mod rsvps;
mod store;
