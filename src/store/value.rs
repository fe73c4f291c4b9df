//! What goes into a statement and comes out of it: five kinds of value on both engines.

use super::error::StoreError;

/// A value of one of the five kinds that both engines share, or the null of that kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `INTEGER`, `BIGINT`.
    Int(Option<i64>),
    /// `REAL`, `DOUBLE PRECISION`.
    Real(Option<f64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `INTEGER` 0 or 1, `BOOLEAN`.
    Bool(Option<bool>),
    /// `BLOB`, `BYTEA`.
    Blob(Option<Vec<u8>>),
}

impl Value {
    /// Whether this is the null of its kind.
    pub fn is_null(&self) -> bool {
        match self {
            Self::Int(value) => value.is_none(),
            Self::Real(value) => value.is_none(),
            Self::Text(value) => value.is_none(),
            Self::Bool(value) => value.is_none(),
            Self::Blob(value) => value.is_none(),
        }
    }
}

macro_rules! from {
    ($($kind:ident($from:ty)),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$kind(Some(value.into()))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$kind(value.map(Into::into))
            }
        }
    )*};
}

from!(Int(i64), Real(f64), Text(String), Text(&str), Bool(bool), Blob(Vec<u8>), Blob(&[u8]));

/// A list of values for a statement, in the order of its placeholders.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        Vec::<$crate::store::value::Value>::from([
            $($crate::store::value::Value::from($value)),*
        ])
    };
}
pub(crate) use values;

/// A type that a column can be read as.
pub trait FromValue: Sized {
    /// What the type is called in errors.
    const KIND: &'static str;

    /// The value as this type; `None` when it is of another kind, or null.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    const KIND: &'static str = "an integer";

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Int(value) = value { *value } else { None }
    }
}

impl FromValue for f64 {
    const KIND: &'static str = "a real number";

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Real(value) = value { *value } else { None }
    }
}

impl FromValue for bool {
    const KIND: &'static str = "a boolean";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => *value,
            Value::Int(Some(0)) => Some(false),
            Value::Int(Some(1)) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for String {
    const KIND: &'static str = "text";

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(value) = value { value.clone() } else { None }
    }
}

impl FromValue for Vec<u8> {
    const KIND: &'static str = "bytes";

    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Blob(value) = value { value.clone() } else { None }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const KIND: &'static str = T::KIND;

    fn from_value(value: &Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_value(value).map(Some) }
    }
}

/// One row of a result.
#[derive(Debug, Clone)]
pub struct Row {
    statement: &'static str,
    values: Vec<Value>,
}

impl Row {
    pub(super) fn new(statement: &'static str, values: Vec<Value>) -> Self {
        Self { statement, values }
    }

    /// The column at `index`, counted from 0, as `T`; an error when it is missing or of another
    /// kind, or null and `T` is no `Option`.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, StoreError> {
        self.values.get(index).and_then(T::from_value).ok_or(StoreError::Column {
            statement: self.statement,
            index,
            expected: T::KIND,
        })
    }

    /// The columns as they are.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_as_their_kind_or_not_at_all() {
        let row = Row::new("q", values![1_i64, "a", None::<&str>, true, 0.5, vec![7_u8], 2_i64]);
        assert_eq!(row.get::<i64>(0).unwrap(), 1);
        assert!(row.get::<bool>(0).unwrap());
        assert_eq!(row.get::<String>(1).unwrap(), "a");
        assert_eq!(row.get::<Option<i64>>(2).unwrap(), None);
        assert!(row.get::<bool>(3).unwrap());
        assert_eq!(row.get::<f64>(4).unwrap(), 0.5);
        assert_eq!(row.get::<Option<Vec<u8>>>(5).unwrap(), Some(vec![7]));
        assert!(row.get::<bool>(6).is_err());
        assert!(row.get::<String>(2).is_err());
        assert!(row.get::<i64>(7).is_err());
        assert_eq!(row.get::<i64>(1).unwrap_err().to_string(), "column 1 of q is not an integer");
    }
}
