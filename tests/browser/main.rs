//! Whole journeys in a real browser, with and without JavaScript, on a phone and on a desk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

// The program is started as the other tests start it; they use more of it.
#[path = "../it/support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the other tests")]
mod support;

mod axe;
mod browser;
mod channel;
mod device;
mod host;
mod journey;
mod keyboard;
mod refusals;
mod watch;
mod whole;
