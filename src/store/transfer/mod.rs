//! Copying one database into another, row by row, whichever engine each is: few kinds of value make
//! it one generic copy. Both sides have connections of their own, outside the pools.
//!
//! Statements are made of the names in [`tables`], which are constants; there are no others.

mod copy;
mod files;
mod row;
mod source;
mod tables;
mod target;

use std::path::Path;

use super::error::StoreError;
use super::options::StoreOptions;

pub use files::back_up;
pub use row::{Cells, encode};
pub use source::Source;
pub use tables::{Column, LEFT_OUT, LeftOut, TABLES, Table};
pub use target::Target;

/// Most rows read or written at once.
const PAGE_ROWS: usize = 2000;
/// About the most bytes read or written at once.
const PAGE_BYTES: usize = 4 << 20;

/// What a database is called in reports: where it is, never who may enter.
pub fn label(options: &StoreOptions) -> Result<String, StoreError> {
    match options {
        StoreOptions::Sqlite(options) => Ok(format!("sqlite:{}", absolute(&options.path))),
        StoreOptions::Postgres(options) => super::postgres::label(options),
    }
}

fn absolute(path: &Path) -> String {
    let whole = path.canonicalize().or_else(|_| std::path::absolute(path));
    whole.unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Refuses a schema that is not the one this program knows to the last column.
fn require_exactly(found: i64) -> Result<(), StoreError> {
    let known = super::migrate::known();
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::SchemaTooOld { found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::SchemaTooNew { found, known }),
    }
}
