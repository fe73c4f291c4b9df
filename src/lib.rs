//! OpenRSVP.

pub mod app;
pub mod domain;
pub mod services;
pub mod store;
pub mod web;
