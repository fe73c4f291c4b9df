//! The nouns and rules of the product: pure values and functions.

pub mod channel;
pub mod clock;
pub mod event;
pub mod id;
pub mod message;
pub mod rsvp;
pub mod token;
