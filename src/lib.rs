//! OpenRSVP.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod jobs;
pub mod metrics;
pub mod outbound;
pub mod replica;
pub mod services;
pub mod store;
pub mod trace;
pub mod web;
