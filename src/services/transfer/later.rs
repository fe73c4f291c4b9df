//! What came later: the source as it is now, compared with what was copied.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::report::Later;
use crate::store::error::StoreError;
use crate::store::transfer::{Cells, Source, Table};
use crate::store::value::Value;

/// The rows of a table, one after another.
struct Walk<'s> {
    source: &'s mut Source,
    table: &'static Table,
    page: VecDeque<Cells>,
    last: Option<Cells>,
}

impl<'s> Walk<'s> {
    fn new(source: &'s mut Source, table: &'static Table) -> Self {
        Self { source, table, page: VecDeque::new(), last: None }
    }

    async fn next(&mut self) -> Result<Option<Cells>, StoreError> {
        if self.page.is_empty() {
            self.page = self.source.page(self.table, self.last.as_ref()).await?.into();
            self.last = self.page.back().cloned().or(self.last.take());
        }
        Ok(self.page.pop_front())
    }
}

/// Compares a table as it was with how it is.
pub(super) async fn compare(
    then: &mut Source,
    now: &mut Source,
    table: &'static Table,
    mut tell: impl FnMut(),
) -> Result<Later, StoreError> {
    let mut later = Later { table: table.name, added: 0, changed: 0, removed: 0 };
    let (mut old_rows, mut new_rows) = (Walk::new(then, table), Walk::new(now, table));
    let (mut old, mut new) = (old_rows.next().await?, new_rows.next().await?);
    loop {
        let order = match (&old, &new) {
            (None, None) => return Ok(later),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => order(&old.key(table), &new.key(table)),
        };
        match order {
            Ordering::Less => later.removed += 1,
            Ordering::Greater => later.added += 1,
            Ordering::Equal => later.changed += u64::from(bytes(&old) != bytes(&new)),
        }
        if order.is_le() {
            tell();
            old = old_rows.next().await?;
        }
        if order.is_ge() {
            new = new_rows.next().await?;
        }
    }
}

fn bytes(row: &Option<Cells>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(row) = row {
        row.encode(&mut bytes);
    }
    bytes
}

/// The order in which both engines sort keys.
fn order(one: &[Value], other: &[Value]) -> Ordering {
    let pairs = one.iter().zip(other);
    pairs.fold(Ordering::Equal, |order, (one, other)| {
        order.then_with(|| match (one, other) {
            (Value::Int(one), Value::Int(other)) => one.cmp(other),
            (Value::Text(one), Value::Text(other)) => one.cmp(other),
            (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
            (Value::Blob(one), Value::Blob(other)) => one.cmp(other),
            _ => Ordering::Equal,
        })
    })
}
