//! One SQL text for both engines, and the few fragments that differ: the spelling of placeholders
//! and the row lock.

/// A statement of the program: its name and its text on each engine. Declared by `queries!`.
#[derive(Debug)]
pub struct Query {
    /// Module and name of the constant: what errors and logs say instead of the text.
    pub name: &'static str,
    /// The text on SQLite.
    pub sqlite: &'static str,
    /// The text on PostgreSQL.
    pub postgres: &'static str,
}

impl Query {
    /// Whether the statement can change nothing, told by its words.
    pub(super) fn only_reads(&self) -> bool {
        let text = self.sqlite.trim_start();
        let writes = || ["INSERT ", "UPDATE ", "DELETE "].iter().any(|word| text.contains(word));
        text.starts_with("SELECT") || (text.starts_with("WITH") && !writes())
    }
}

/// Spells `$1` as `?1`, for SQLite takes `$1` for a name and numbers names by first appearance.
#[doc(hidden)]
pub const fn numbered<const N: usize>(sql: &str) -> [u8; N] {
    let bytes = sql.as_bytes();
    let mut out = [0; N];
    let mut at = 0;
    while at < N {
        let before_digit = at + 1 < N && bytes[at + 1].is_ascii_digit();
        out[at] = if bytes[at] == b'$' && before_digit { b'?' } else { bytes[at] };
        at += 1;
    }
    out
}

/// Text out of [`numbered`]'s bytes, in constants.
#[doc(hidden)]
pub const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("a statement is not UTF-8"),
    }
}

/// Declares the statements of a module, and `QUERIES`, the list of them all.
///
/// ```text
/// queries! {
///     BY_ID = "SELECT id, title FROM events WHERE id = $1";
///     BY_ID_LOCKED = lock "SELECT id, title FROM events WHERE id = $1";
/// }
/// ```
///
/// `lock` makes the rows that a `SELECT` finds the transaction's own until it ends: it adds
/// `FOR UPDATE` on PostgreSQL, and nothing on SQLite, whose transactions for writing come one
/// after another. The text may be any constant expression that `concat!` takes.
///
/// `take (pick) change WHERE and` is for rows that several processes share out: `change` is done to
/// the rows whose ids `pick` finds, that nobody else holds, and for which `and` still is true. On
/// PostgreSQL their ids are made a list first: however many it expects, it looks up each.
macro_rules! queries {
    (@next [$($done:ident)*]) => {
        /// Every statement of this module.
        pub static QUERIES: &[&$crate::store::dialect::Query] = &[$(&$done),*];
    };
    (@next [$($done:ident)*] $name:ident = lock $sql:expr; $($rest:tt)*) => {
        $crate::store::queries!(@one $name, $sql, concat!($sql, " FOR UPDATE"));
        $crate::store::queries!(@next [$($done)* $name] $($rest)*);
    };
    (@next [$($done:ident)*] $name:ident = $sql:expr; $($rest:tt)*) => {
        $crate::store::queries!(@one $name, $sql, $sql);
        $crate::store::queries!(@next [$($done)* $name] $($rest)*);
    };
    (@next [$($done:ident)*] $name:ident = take ($pick:expr) $change:literal WHERE $and:expr;
        $($rest:tt)*) => {
        $crate::store::queries!(
            @one $name,
            concat!(
                "WITH p AS MATERIALIZED (", $pick, ") ", $change, " WHERE id IN (SELECT id FROM p)",
                " AND ", $and
            ),
            concat!(
                "WITH p AS MATERIALIZED (", $pick, " FOR UPDATE SKIP LOCKED) ", $change,
                " WHERE id = ANY (ARRAY(SELECT id FROM p)) AND ", $and
            )
        );
        $crate::store::queries!(@next [$($done)* $name] $($rest)*);
    };
    (@one $name:ident, $sqlite:expr, $postgres:expr) => {
        static $name: $crate::store::dialect::Query = {
            const SHARED: &str = $sqlite;
            const BYTES: [u8; SHARED.len()] = $crate::store::dialect::numbered(SHARED);
            $crate::store::dialect::Query {
                name: concat!(module_path!(), "::", stringify!($name)),
                sqlite: $crate::store::dialect::text(&BYTES),
                postgres: $postgres,
            }
        };
    };
    ($name:ident = $($rest:tt)*) => {
        $crate::store::queries!(@next [] $name = $($rest)*);
    };
}
pub(crate) use queries;

#[cfg(test)]
mod tests {
    queries! {
        PLAIN = "SELECT $2, $1, '$' FROM t";
        LOCKED = lock concat!("SELECT a ", "FROM t WHERE b = $1");
        CHANGE = "UPDATE t SET a = $1";
        NAMED = "WITH s AS (SELECT 1 AS a) SELECT a FROM s";
        NAMED_CHANGE = "WITH s AS (SELECT 1 AS a) UPDATE t SET a = (SELECT a FROM s)";
    }

    #[test]
    fn placeholders_are_numbered_and_dollars_kept() {
        assert_eq!(PLAIN.sqlite, "SELECT ?2, ?1, '$' FROM t");
        assert_eq!(PLAIN.postgres, "SELECT $2, $1, '$' FROM t");
        assert!(PLAIN.name.ends_with("dialect::tests::PLAIN"));
    }

    #[test]
    fn locks_are_for_postgres() {
        assert_eq!(LOCKED.sqlite, "SELECT a FROM t WHERE b = ?1");
        assert_eq!(LOCKED.postgres, "SELECT a FROM t WHERE b = $1 FOR UPDATE");
    }

    #[test]
    fn the_list_has_them_all() {
        assert_eq!(QUERIES.len(), 5);
    }

    #[test]
    fn statements_that_change_something_are_known() {
        let changes: Vec<_> =
            QUERIES.iter().filter(|query| !query.only_reads()).map(|query| query.name).collect();
        assert_eq!(changes, [CHANGE.name, NAMED_CHANGE.name]);
    }
}
