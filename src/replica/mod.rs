//! Replicas of a SQLite database in the format of Litestream 0.5: a directory or a bucket that
//! holds every state of it. This layer knows files and buckets, and nothing of the product.

pub mod legacy;
pub mod log;
pub mod ltx;
pub mod merge;
pub mod place;
pub mod plan;
pub mod replicate;
pub mod restore;
pub mod room;
pub mod save;
pub mod source;
pub mod state;
pub mod way;
