//! What is taken over: every table with its columns, in the order in which rows may be written. A
//! test compares this with the schemas of both engines, so that a migration cannot be forgotten.

/// A column and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// An integer, or a time.
    Int(&'static str),
    /// A real number.
    Real(&'static str),
    /// A text.
    Text(&'static str),
    /// A text out of few, that rows are counted by.
    State(&'static str),
    /// Yes or no; rows are counted by it.
    Bool(&'static str),
    /// Bytes.
    Blob(&'static str),
    /// The SHA-256 of a token.
    Token(&'static str),
}

impl Column {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int(name)
            | Self::Real(name)
            | Self::Text(name)
            | Self::State(name)
            | Self::Bool(name)
            | Self::Blob(name)
            | Self::Token(name) => name,
        }
    }
}

/// A table that is taken over.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// Every column.
    pub columns: &'static [Column],
    /// Columns that name a row of another table by its `id`, and that table.
    pub references: &'static [(&'static str, &'static str)],
    /// Which rows are taken over, where not all are.
    pub only: Option<&'static str>,
    /// Whether people made what is in it. A database without such rows is empty: the program
    /// itself writes the others.
    pub is_content: bool,
}

use Column::{Blob, Bool, Int, Real, State, Text, Token};

const CHANNELS: Table = Table {
    name: "channels",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("name"),
        Text("slug"),
        State("visibility"),
        Real("score"),
        Int("scored_at"),
        Int("created_at"),
        Int("last_used_at"),
        Int("purgeable_at"),
        Text("search_text"),
    ],
    references: &[],
    only: None,
    is_content: true,
};

const EVENTS: Table = Table {
    name: "events",
    key: &["id"],
    columns: &[
        Text("id"),
        Token("organizer_token"),
        Text("channel_id"),
        Text("title"),
        Text("description"),
        Int("starts_at"),
        Int("ends_at"),
        Text("zone"),
        Text("location"),
        Bool("is_private"),
        Bool("approval_required"),
        Bool("rsvps_closed"),
        Int("rsvps_close_at"),
        Int("capacity"),
        Real("score"),
        Int("scored_at"),
        Int("created_at"),
        Int("modified_at"),
        Int("accessed_at"),
        Int("revision"),
        Int("sequence"),
        Int("over_at"),
        Int("unlisted_at"),
        Int("purgeable_at"),
        Text("search_text"),
    ],
    references: &[("channel_id", "channels")],
    only: None,
    is_content: true,
};

const RSVPS: Table = Table {
    name: "rsvps",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("event_id"),
        Token("token"),
        Text("name"),
        Text("pronouns"),
        State("reply"),
        State("approval"),
        Int("companions"),
        Bool("is_private"),
        Int("created_at"),
        Int("modified_at"),
        Text("folded_name"),
    ],
    references: &[("event_id", "events")],
    only: None,
    is_content: true,
};

const MESSAGES: Table = Table {
    name: "messages",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("event_id"),
        Text("rsvp_id"),
        Text("author_id"),
        State("kind"),
        State("audience"),
        Text("content"),
        Int("created_at"),
    ],
    references: &[("event_id", "events"), ("rsvp_id", "rsvps")],
    only: None,
    is_content: true,
};

const META: Table = Table {
    name: "meta",
    key: &["key"],
    columns: &[Text("key"), Text("value"), Int("updated_at")],
    references: &[],
    // The first is the schema's own, the second the transfer's.
    only: Some("key NOT IN ('schema_needs', 'transfer')"),
    is_content: false,
};

const JOB_RUNS: Table = Table {
    name: "job_runs",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("job"),
        Int("number"),
        Int("started_at"),
        Int("ended_at"),
        State("outcome"),
        Text("counts"),
        Text("reason"),
    ],
    references: &[],
    only: None,
    is_content: false,
};

const TASKS: Table = Table {
    name: "tasks",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("kind"),
        Text("payload"),
        Text("dedupe_key"),
        State("priority"),
        State("state"),
        Int("due_at"),
        Text("lease"),
        Bool("again"),
        Int("attempts"),
        Int("created_at"),
        Int("failed_at"),
        Text("reason"),
    ],
    references: &[],
    only: None,
    is_content: false,
};

const WEBHOOKS: Table = Table {
    name: "webhooks",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("event_id"),
        Text("url"),
        Blob("secret"),
        Int("created_at"),
        Int("paused_at"),
    ],
    references: &[("event_id", "events")],
    only: None,
    is_content: true,
};

const DELIVERIES: Table = Table {
    name: "deliveries",
    key: &["id"],
    columns: &[
        Text("id"),
        Text("webhook_id"),
        Text("rsvp_id"),
        State("occasion"),
        State("state"),
        Int("attempts"),
        Text("reason"),
        Int("created_at"),
        Int("sent_at"),
    ],
    references: &[("webhook_id", "webhooks"), ("rsvp_id", "rsvps")],
    only: None,
    is_content: true,
};

/// Every table that is taken over; what a row refers to comes before it.
pub const TABLES: &[Table] =
    &[CHANNELS, EVENTS, RSVPS, MESSAGES, META, JOB_RUNS, TASKS, WEBHOOKS, DELIVERIES];

/// A table that is not taken over.
#[derive(Debug, Clone, Copy)]
pub struct LeftOut {
    /// Its name.
    pub name: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Whether it is emptied together with the others.
    pub is_cleared: bool,
}

/// Every other table.
pub const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        name: "schema_migrations",
        reason: "each database keeps how its own schema came about",
        is_cleared: false,
    },
    LeftOut {
        name: "limits",
        reason: "what clients did lately; it is forgotten within the hour",
        is_cleared: true,
    },
];

impl Table {
    /// The names of its columns, for a statement.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
    }

    /// Where the columns of the key are among all columns.
    pub(super) fn key_places(&self) -> impl Iterator<Item = usize> {
        self.key.iter().filter_map(|key| self.columns.iter().position(|one| one.name() == *key))
    }

    /// The statement that reads a page: rows in the order of the key, after a row or from the
    /// first.
    pub(super) fn page_text(&self, is_first: bool, limit: usize) -> String {
        let (key, columns) = (self.key.join(", "), self.column_list());
        let numbers: Vec<_> = (1..=self.key.len()).map(|number| format!("${number}")).collect();
        let after = (!is_first).then(|| format!("({key}) > ({})", numbers.join(", ")));
        let only = after.iter().map(String::as_str).chain(self.only).collect::<Vec<_>>();
        let only = where_text(&only);
        format!("SELECT {columns} FROM {}{only} ORDER BY {key} LIMIT {limit}", self.name)
    }

    /// The statement that counts the rows that are taken over.
    pub(super) fn count_text(&self) -> String {
        let only: Vec<_> = self.only.into_iter().collect();
        format!("SELECT CAST(COUNT(*) AS BIGINT) FROM {}{}", self.name, where_text(&only))
    }

    /// The statement that reads the key of the last row.
    pub(super) fn last_text(&self) -> String {
        let only: Vec<_> = self.only.into_iter().collect();
        let backwards: Vec<_> = self.key.iter().map(|key| format!("{key} DESC")).collect();
        format!(
            "SELECT {} FROM {}{} ORDER BY {} LIMIT 1",
            self.column_list(),
            self.name,
            where_text(&only),
            backwards.join(", ")
        )
    }

    /// The statement that empties it of what is taken over.
    pub(super) fn clear_text(&self) -> String {
        let only: Vec<_> = self.only.into_iter().collect();
        format!("DELETE FROM {}{}", self.name, where_text(&only))
    }

    /// The statement that counts rows whose column names a row that is not there.
    pub(super) fn orphans_text(&self, column: &str, parent: &str) -> String {
        format!(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM {} c WHERE c.{column} IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = c.{column})",
            self.name
        )
    }
}

fn where_text(conditions: &[&str]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    }
}
