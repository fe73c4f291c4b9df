//! Rows as PostgreSQL's binary `COPY` takes them: every value bit by bit, nothing to escape.

use super::row::Cells;
use crate::store::value::Value;

/// The signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;
const NULL: i32 = -1;

/// The whole message of one `COPY`.
pub(super) fn encoded(rows: &[Cells]) -> Vec<u8> {
    let weight: usize = rows.iter().map(Cells::weight).sum();
    let mut out = Vec::with_capacity(weight + HEAD.len());
    out.extend_from_slice(HEAD);
    for row in rows {
        let width = i16::try_from(row.values().len()).unwrap_or(i16::MAX);
        out.extend_from_slice(&width.to_be_bytes());
        for value in row.values() {
            field(value, &mut out);
        }
    }
    out.extend_from_slice(&END.to_be_bytes());
    out
}

fn field(value: &Value, out: &mut Vec<u8>) {
    let mut put = |bytes: &[u8]| {
        // The server refuses a field of a gigabyte, and so long before this one overflows.
        out.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Int(Some(number)) => put(&number.to_be_bytes()),
        Value::Real(Some(number)) => put(&number.to_bits().to_be_bytes()),
        Value::Text(Some(text)) => put(text.as_bytes()),
        Value::Bool(Some(is)) => put(&[u8::from(*is)]),
        Value::Blob(Some(bytes)) => put(bytes),
        _ => out.extend_from_slice(&NULL.to_be_bytes()),
    }
}
