//! A row on its way: its values in the order of the columns, and the bytes that stand for them, the
//! same on both engines.

use super::tables::{Column, Table};
use crate::store::error::StoreError;
use crate::store::value::Value;

/// A row, its values in the order of the columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells(pub(super) Vec<Value>);

impl Cells {
    /// The values.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The values of the key.
    pub fn key(&self, table: &Table) -> Vec<Value> {
        table.key_places().filter_map(|place| self.0.get(place).cloned()).collect()
    }

    /// The key for people.
    pub fn name(&self, table: &Table) -> String {
        let part = |value: &Value| match value {
            Value::Text(Some(text)) => text.clone(),
            Value::Int(Some(number)) => number.to_string(),
            _ => "?".to_owned(),
        };
        self.key(table).iter().map(part).collect::<Vec<_>>().join(" ")
    }

    /// About how much memory it takes.
    pub(super) fn weight(&self) -> usize {
        let of = |value: &Value| match value {
            Value::Text(Some(text)) => text.len(),
            Value::Blob(Some(bytes)) => bytes.len(),
            _ => 0,
        };
        self.0.iter().map(|value| of(value) + size_of::<Value>()).sum()
    }

    /// Appends the bytes that stand for the row: each value with its kind and length, so that no
    /// two rows share them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for value in &self.0 {
            encode(value, out);
        }
    }
}

/// Appends the bytes that stand for one value. A null is a null, whatever kind it could have been;
/// and a zero a zero, for SQLite keeps no sign of it.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut put = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Int(Some(number)) => put(b'i', &number.to_be_bytes()),
        Value::Real(Some(number)) => put(b'r', &(number + 0.0).to_bits().to_be_bytes()),
        Value::Text(Some(text)) => put(b't', text.as_bytes()),
        Value::Bool(Some(is)) => put(b'b', &[u8::from(*is)]),
        Value::Blob(Some(bytes)) => put(b'x', bytes),
        _ => out.push(b'0'),
    }
}

/// What SQLite has in a column, as the kind that the column is of: SQLite knows no booleans, and a
/// null of no kind.
pub(super) fn settle(table: &Table, column: Column, value: Value) -> Result<Value, StoreError> {
    if value.is_null() {
        return Ok(match column {
            Column::Int(_) => Value::Int(None),
            Column::Real(_) => Value::Real(None),
            Column::Text(_) | Column::State(_) => Value::Text(None),
            Column::Bool(_) => Value::Bool(None),
            Column::Blob(_) | Column::Token(_) => Value::Blob(None),
        });
    }
    match (column, value) {
        (Column::Bool(_), Value::Int(Some(number @ (0 | 1)))) => Ok(Value::Bool(Some(number == 1))),
        (Column::Int(_), value @ Value::Int(_))
        | (Column::Real(_), value @ Value::Real(_))
        | (Column::Text(_) | Column::State(_), value @ Value::Text(_))
        | (Column::Blob(_) | Column::Token(_), value @ Value::Blob(_)) => Ok(value),
        _ => Err(StoreError::Corrupt { table: table.name, id: format!("({})", column.name()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: Vec<Value>) -> Vec<u8> {
        let mut out = Vec::new();
        Cells(values).encode(&mut out);
        out
    }

    #[test]
    fn no_two_rows_share_their_bytes() {
        let text = |text: &str| Value::from(text);
        let rows = [
            vec![text(""), Value::Text(None)],
            vec![Value::Text(None), text("")],
            vec![text("a"), text("b")],
            vec![text("ab"), text("")],
            vec![Value::from(1_i64), Value::from(0_i64)],
            vec![Value::from(true), Value::from(false)],
            vec![Value::from(1.0), Value::from(0.0)],
            vec![Value::from(1.0), Value::from(5e-324)],
            vec![Value::from(&b"a"[..]), Value::from(&b"b"[..])],
        ];
        for (index, row) in rows.iter().enumerate() {
            for other in &rows[index + 1..] {
                assert_ne!(bytes(row.clone()), bytes(other.clone()), "{row:?} {other:?}");
            }
        }
    }

    #[test]
    fn nulls_and_zeros_are_equal_whatever_engine_they_come_from() {
        assert_eq!(bytes(vec![Value::from(0.0)]), bytes(vec![Value::from(-0.0)]));
        assert_eq!(bytes(vec![Value::Int(None)]), bytes(vec![Value::Text(None)]));
    }
}
