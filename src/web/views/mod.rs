//! What each page shows: one file and one template for each, holding data that is ready to be
//! shown. Every state of a page is among its `samples`, which the tests render.

pub mod answer;
pub mod error;
pub mod event;
pub mod forms;
pub mod parts;

#[cfg(test)]
pub(crate) mod samples;
