//! Reading domain types out of rows, and writing times into them.

use jiff::Timestamp;

use super::db::{Row, StoreError};
use crate::domain::token::TokenHash;

/// A row being read from left to right. A value that does not fit its type is
/// [`StoreError::Corrupt`], with the table and the row's id (its first column).
pub(super) struct Reader<'r> {
    row: &'r Row,
    table: &'static str,
    next: usize,
}

impl<'r> Reader<'r> {
    /// Starts at the first column.
    pub(super) fn new(row: &'r Row, table: &'static str) -> Self {
        Self { row, table, next: 0 }
    }

    /// Starts at column `first`: for rows that join two tables.
    pub(super) fn starting_at(row: &'r Row, table: &'static str, first: usize) -> Self {
        Self { row, table, next: first }
    }

    /// The next column as it is.
    pub(super) fn get<T: super::db::FromValue>(&mut self) -> Result<T, StoreError> {
        let value = self.row.get(self.next);
        self.next += 1;
        value
    }

    /// The next column as a time.
    pub(super) fn time(&mut self) -> Result<Timestamp, StoreError> {
        let micros = self.get::<i64>()?;
        Timestamp::from_microsecond(micros).map_err(|_| self.corrupt())
    }

    /// The next column as a time or none.
    pub(super) fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.get::<Option<i64>>()?
            .map(|micros| Timestamp::from_microsecond(micros).map_err(|_| self.corrupt()))
            .transpose()
    }

    /// The next column as a token's hash.
    pub(super) fn token(&mut self) -> Result<TokenHash, StoreError> {
        let bytes = self.get::<Vec<u8>>()?;
        <[u8; 32]>::try_from(bytes).map(TokenHash).map_err(|_| self.corrupt())
    }

    /// The next column as one of a set of words.
    pub(super) fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let word = self.get::<String>()?;
        parse(&word).ok_or_else(|| self.corrupt())
    }

    fn corrupt(&self) -> StoreError {
        let id = self.row.get::<String>(0).unwrap_or_default();
        StoreError::Corrupt { table: self.table, id }
    }
}

/// A time as it is stored: Unix microseconds.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A time or none as it is stored.
pub(super) fn optional_micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}

/// Where a list by time and id stands: at this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The time the list is sorted by, in microseconds.
    pub at: i64,
    /// The row's id.
    pub id: String,
}

impl Place {
    /// Before the first row.
    pub fn start() -> Self {
        Self { at: i64::MIN, id: String::new() }
    }

    pub(super) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { at: row.get(0)?, id: row.get(1)? })
    }
}
