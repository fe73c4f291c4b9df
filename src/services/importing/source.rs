//! The original's file, row by row, as the types of today.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{BATCH, ImportError};
use crate::domain::channel::{Channel, Visibility};
use crate::domain::event::Event;
use crate::domain::message::{Audience, Message, MessageKind};
use crate::domain::rsvp::{Approval, Reply, Rsvp};
use crate::domain::slug;
use crate::domain::token;
use crate::store::db::Value;
use crate::store::foreign::{ForeignDb, ForeignRow};

/// What every revision of the original has. Channels and messages came later.
const NEEDED: [(&str, &[&str]); 4] = [
    ("events", &["id", "admin_token", "title", "start_time", "created_at"]),
    ("rsvps", &["id", "event_id", "rsvp_token", "name", "attendance_status", "created_at"]),
    ("channels", &["id", "name"]),
    ("messages", &["id", "event_id", "content", "created_at"]),
];
/// Tables that the first revisions lack.
const LATER: [&str; 2] = ["channels", "messages"];
/// More people than any guest brings: a larger number is a typing error, or none at all.
const COMPANIONS_MAX: i64 = 10_000;

/// The original's file.
pub(super) struct Source {
    db: ForeignDb,
}

type Page<T> = Result<Vec<T>, ImportError>;

impl Source {
    /// Opens the file read-only and checks that it is whole and the original's.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let db = ForeignDb::open(path)?;
        for (table, needed) in NEEDED {
            let columns = db.columns(table);
            if columns.is_empty() && LATER.contains(&table) {
                continue;
            }
            if columns.is_empty() {
                return Err(ImportError::NotOpenRsvp(format!("it has no table {table}")));
            }
            if let Some(missing) = needed.iter().find(|&&name| !columns.iter().any(|c| c == name)) {
                let what = format!("its table {table} has no column {missing}");
                return Err(ImportError::NotOpenRsvp(what));
            }
        }
        Ok(Self { db })
    }

    /// Rows of all tables that are imported.
    pub(super) fn rows(&self) -> Result<u64, ImportError> {
        let mut rows = 0;
        for (table, _) in NEEDED {
            if !self.db.columns(table).is_empty() {
                rows += self.db.count(table)?.unsigned_abs();
            }
        }
        Ok(rows)
    }

    /// The channels.
    pub(super) fn channels(&self) -> impl Iterator<Item = Page<Channel>> {
        self.pages("channels", channel)
    }

    /// The events.
    pub(super) fn events(&self) -> impl Iterator<Item = Page<Event>> {
        self.pages("events", event)
    }

    /// The answers.
    pub(super) fn rsvps(&self) -> impl Iterator<Item = Page<Rsvp>> {
        self.pages("rsvps", rsvp)
    }

    /// The messages. One of a deleted event has a blank event id.
    pub(super) fn messages(&self) -> impl Iterator<Item = Page<Message>> {
        self.pages("messages", message)
    }

    /// The instance token, where the original made one.
    pub(super) fn instance_token(&self) -> Result<Option<String>, ImportError> {
        for page in self.pages("meta", meta) {
            if let Some((_, value)) = page?.into_iter().find(|(key, _)| key == "root_admin_token") {
                return Ok(value);
            }
        }
        Ok(None)
    }

    /// The rows of a table, some at once; none when there is no such table.
    fn pages<T>(
        &self,
        table: &'static str,
        read: fn(&Columns<'_>) -> Result<T, ImportError>,
    ) -> impl Iterator<Item = Page<T>> {
        let names: Vec<&str> = self.db.columns(table).iter().map(String::as_str).collect();
        let mut after = None;
        let mut ended = names.is_empty();
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let rows = match self.db.page(table, &names, after, BATCH) {
                Ok(rows) => rows,
                Err(error) => {
                    ended = true;
                    return Some(Err(error.into()));
                }
            };
            ended = rows.len() < BATCH;
            after = rows.last().map(|row| row.rowid);
            Some(rows.iter().map(|row| read(&Columns { table, names: &names, row })).collect())
        })
    }
}

/// One row, by the names of its columns.
struct Columns<'r> {
    table: &'static str,
    names: &'r [&'r str],
    row: &'r ForeignRow,
}

impl Columns<'_> {
    /// The value of a column; `None` when it is null, or no column of this revision.
    fn get(&self, column: &str) -> Option<&Value> {
        let index = self.names.iter().position(|name| *name == column)?;
        self.row.values.get(index).filter(|value| !value.is_null())
    }

    fn wrong(&self, column: &'static str, expected: &'static str) -> ImportError {
        let row = match self.get("id") {
            Some(Value::Text(Some(id))) => id.clone(),
            _ => format!("number {}", self.row.rowid),
        };
        let found = match self.get(column) {
            // Tokens are secrets even in an error.
            Some(_) if column.ends_with("token") => "something else".to_owned(),
            Some(Value::Text(Some(text))) => {
                format!("{:?}", text.chars().take(40).collect::<String>())
            }
            Some(Value::Int(Some(number))) => number.to_string(),
            Some(Value::Real(Some(number))) => number.to_string(),
            Some(Value::Blob(Some(bytes))) => format!("{} bytes", bytes.len()),
            _ => "nothing".to_owned(),
        };
        ImportError::Row { table: self.table, row, column, found, expected }
    }

    /// A text; no database of today keeps NUL, so it becomes the replacement character.
    fn optional_text(&self, column: &'static str) -> Result<Option<String>, ImportError> {
        match self.get(column) {
            None => Ok(None),
            Some(Value::Text(Some(text))) => Ok(Some(text.replace('\0', "\u{FFFD}"))),
            Some(Value::Int(Some(number))) => Ok(Some(number.to_string())),
            Some(_) => Err(self.wrong(column, "text")),
        }
    }

    fn text(&self, column: &'static str) -> Result<String, ImportError> {
        self.optional_text(column)?.ok_or_else(|| self.wrong(column, "text"))
    }

    /// A word of a set, in any case.
    fn word(&self, column: &'static str) -> Result<Option<String>, ImportError> {
        Ok(self.optional_text(column)?.map(|word| word.trim().to_lowercase()))
    }

    fn token(&self, column: &'static str) -> Result<token::TokenHash, ImportError> {
        match self.get(column) {
            Some(Value::Text(Some(text))) if !text.is_empty() => Ok(token::hash(text)),
            _ => Err(self.wrong(column, "a token")),
        }
    }

    fn integer(&self, column: &'static str) -> Result<Option<i64>, ImportError> {
        match self.get(column) {
            None => Ok(None),
            Some(Value::Int(Some(number))) => Ok(Some(*number)),
            Some(_) => Err(self.wrong(column, "a whole number")),
        }
    }

    fn boolean(&self, column: &'static str) -> Result<bool, ImportError> {
        Ok(self.integer(column)?.unwrap_or(0) != 0)
    }

    fn real(&self, column: &'static str, default: f64) -> Result<f64, ImportError> {
        match self.get(column) {
            None => Ok(default),
            Some(Value::Real(Some(number))) if number.is_finite() => Ok(*number),
            #[expect(clippy::cast_precision_loss, reason = "scores are at most 100")]
            Some(Value::Int(Some(number))) => Ok(*number as f64),
            Some(_) => Err(self.wrong(column, "a number")),
        }
    }

    /// A time: `YYYY-MM-DD HH:MM:SS` with or without a fraction, or with a `T`; in UTC, unless it
    /// names an offset.
    fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, ImportError> {
        let Some(text) = self.optional_text(column)? else { return Ok(None) };
        let wrong = || self.wrong(column, "a time");
        if let Ok(time) = text.parse() {
            return Ok(Some(time));
        }
        let civil: DateTime = text.parse().map_err(|_| wrong())?;
        let zoned = civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        Ok(Some(zoned.timestamp()))
    }

    fn time(&self, column: &'static str) -> Result<Timestamp, ImportError> {
        self.optional_time(column)?.ok_or_else(|| self.wrong(column, "a time"))
    }
}

fn channel(row: &Columns<'_>) -> Result<Channel, ImportError> {
    let name = row.text("name")?;
    let slug = row.optional_text("slug")?.filter(|slug| !slug.is_empty());
    let slug = slug.unwrap_or_else(|| slug::slug(&name));
    let used = row.optional_time("last_used_at")?;
    let created_at = row.optional_time("created_at")?.or(used).unwrap_or(Timestamp::UNIX_EPOCH);
    let last_used_at = used.unwrap_or(created_at);
    let private = row.word("visibility")?.as_deref() == Some("private");
    Ok(Channel {
        id: row.text("id")?,
        name,
        slug,
        visibility: if private { Visibility::Private } else { Visibility::Public },
        score: row.real("score", 100.0)?,
        scored_at: last_used_at,
        created_at,
        last_used_at,
    })
}

fn event(row: &Columns<'_>) -> Result<Event, ImportError> {
    let created_at = row.time("created_at")?;
    let accessed_at = row.optional_time("last_accessed")?.unwrap_or(created_at);
    Ok(Event {
        id: row.text("id")?,
        organizer_token: row.token("admin_token")?,
        channel_id: row.optional_text("channel_id")?,
        title: row.text("title")?,
        description: row.optional_text("description")?,
        starts_at: row.time("start_time")?,
        ends_at: row.optional_time("end_time")?,
        zone: "UTC".to_owned(),
        location: row.optional_text("location")?,
        is_private: row.boolean("is_private")?,
        approval_required: row.boolean("admin_approval_required")?,
        rsvps_closed: row.boolean("rsvps_closed")?,
        rsvps_close_at: row.optional_time("rsvp_close_at")?,
        // The original takes zero and less as unlimited.
        capacity: row.integer("max_attendees")?.filter(|capacity| *capacity > 0),
        score: row.real("score", 100.0)?,
        scored_at: accessed_at,
        created_at,
        modified_at: row.optional_time("last_modified")?.unwrap_or(created_at),
        accessed_at,
        revision: 1,
        sequence: 0,
    })
}

fn rsvp(row: &Columns<'_>) -> Result<Rsvp, ImportError> {
    let created_at = row.time("created_at")?;
    // Before approvals existed, every answer counted.
    let approval = match row.word("status")? {
        None => Approval::Approved,
        Some(word) => Approval::from_stored(&word)
            .ok_or_else(|| row.wrong("status", "pending, approved or rejected"))?,
    };
    Ok(Rsvp {
        id: row.text("id")?,
        event_id: row.text("event_id")?,
        token: row.token("rsvp_token")?,
        name: row.text("name")?,
        pronouns: row.optional_text("pronouns")?,
        reply: Reply::lenient(&row.text("attendance_status")?),
        approval,
        companions: row.integer("guest_count")?.unwrap_or(0).clamp(0, COMPANIONS_MAX),
        is_private: row.boolean("is_private")?,
        created_at,
        modified_at: row.optional_time("last_modified")?.unwrap_or(created_at),
    })
}

fn message(row: &Columns<'_>) -> Result<Message, ImportError> {
    let rsvp_id = row.optional_text("rsvp_id")?;
    // A type that nobody knows, or none, is read as what the fewest may see.
    let internal =
        if rsvp_id.is_some() { MessageKind::AdminNote } else { MessageKind::EventInternal };
    let kind = row.word("message_type")?.and_then(|word| MessageKind::from_stored(&word));
    let audience = row.word("visibility")?.and_then(|word| Audience::from_stored(&word));
    Ok(Message {
        id: row.text("id")?,
        event_id: row.optional_text("event_id")?.unwrap_or_default(),
        rsvp_id,
        author_id: row.optional_text("author_id")?,
        audience: audience.filter(|_| kind.is_some()).unwrap_or(Audience::Organizer),
        kind: kind.unwrap_or(internal),
        content: row.text("content")?,
        created_at: row.time("created_at")?,
    })
}

fn meta(row: &Columns<'_>) -> Result<(String, Option<String>), ImportError> {
    Ok((row.optional_text("key")?.unwrap_or_default(), row.optional_text("value")?))
}
