//! What each page shows: one file and one template for each, holding data that is ready to be
//! shown. Every state of a page is among its `samples`, which the tests render.

pub mod answer;
pub mod api;
pub mod channel;
pub mod create;
pub mod deleted;
pub mod discover;
pub mod error;
pub mod event;
pub mod forms;
pub mod guests;
pub mod home;
pub mod kept;
pub mod manage;
pub mod organizer;
pub mod owner;
pub mod parts;
pub mod status;
pub mod webhooks;

#[cfg(test)]
pub(crate) mod samples;
