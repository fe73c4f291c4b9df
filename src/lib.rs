//! OpenRSVP.

pub mod domain;
pub mod store;
