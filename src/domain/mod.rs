//! The nouns and rules of the product: pure values and functions.

pub mod capacity;
pub mod channel;
pub mod clock;
pub mod decay;
pub mod event;
pub mod ics;
pub mod id;
pub mod job;
pub mod limit;
pub mod markdown;
pub mod message;
pub mod rsvp;
pub mod slug;
pub mod stamp;
pub mod task;
pub mod text;
pub mod time;
pub mod token;
pub mod webhook;
