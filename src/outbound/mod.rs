//! What goes out to other machines.

pub mod webhooks;
