//! The nouns and rules of the product: pure values and functions.

pub mod channel;
pub mod event;
pub mod message;
pub mod rsvp;
