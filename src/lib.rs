//! OpenRSVP.

pub mod domain;
