//! What a table holds, in a few numbers that are computed the same way on both sides.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::store::transfer::{Cells, Column, Table, encode};
use crate::store::value::Value;

/// What a table holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// Rows.
    pub rows: u64,
    /// Rows by column and what it says, for columns that say one of few things.
    pub states: BTreeMap<String, u64>,
    /// Hashes of tokens.
    pub tokens: u64,
    /// SHA-256 over keys and hashes of tokens; `None` where the table has none.
    pub tokens_sha256: Option<String>,
    /// SHA-256 over every row in the order of the keys.
    pub sha256: String,
}

/// Computes a [`Digest`], row by row.
pub(super) struct Digester {
    table: &'static Table,
    rows: u64,
    /// By the place of the column.
    states: BTreeMap<(usize, String), u64>,
    tokens: u64,
    token_hash: Option<Sha256>,
    hash: Sha256,
    buffer: Vec<u8>,
}

impl Digester {
    pub(super) fn new(table: &'static Table) -> Self {
        let has_tokens = table.columns.iter().any(|column| matches!(column, Column::Token(_)));
        Self {
            table,
            rows: 0,
            states: BTreeMap::new(),
            tokens: 0,
            token_hash: has_tokens.then(Sha256::new),
            hash: Sha256::new(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, row: &Cells) {
        self.rows += 1;
        self.buffer.clear();
        row.encode(&mut self.buffer);
        self.hash.update(&self.buffer);
        for (place, (column, value)) in self.table.columns.iter().zip(row.values()).enumerate() {
            let said = match (column, value) {
                (Column::State(_), Value::Text(Some(text))) => text.clone(),
                (Column::Bool(_), Value::Bool(Some(is))) => is.to_string(),
                (Column::Token(_), Value::Blob(Some(_))) => {
                    self.token(row, value);
                    continue;
                }
                _ => continue,
            };
            *self.states.entry((place, said)).or_default() += 1;
        }
    }

    fn token(&mut self, row: &Cells, token: &Value) {
        let Some(hash) = &mut self.token_hash else { return };
        self.tokens += 1;
        self.buffer.clear();
        for value in &row.key(self.table) {
            encode(value, &mut self.buffer);
        }
        encode(token, &mut self.buffer);
        hash.update(&self.buffer);
    }

    pub(super) fn finish(self) -> Digest {
        let name = |place: usize| self.table.columns.get(place).map_or("?", |column| column.name());
        let states = self.states.into_iter();
        Digest {
            rows: self.rows,
            states: states
                .map(|((place, said), rows)| (format!("{}={said}", name(place)), rows))
                .collect(),
            tokens: self.tokens,
            tokens_sha256: self.token_hash.map(hexadecimal),
            sha256: hexadecimal(self.hash),
        }
    }
}

fn hexadecimal(hash: Sha256) -> String {
    let mut text = String::new();
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
