//! What was typed into a form, and what is wrong with it. A refused form keeps all of it.

/// What is wrong with a form: the name of a field, and what to do about it.
pub type FormErrors = Vec<(&'static str, String)>;

/// Finds what is wrong with one field.
pub(super) fn find<'a>(errors: &'a FormErrors, field: &str) -> Option<&'a str> {
    errors.iter().find(|(name, _)| *name == field).map(|(_, message)| message.as_str())
}

/// True for a box that was ticked: browsers send its value, `on` unless it has one.
fn is_ticked(value: Option<String>) -> bool {
    value.is_some_and(|value| !matches!(value.trim(), "" | "0" | "false" | "off"))
}

/// The form that makes or edits an event, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventForm {
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// `2026-06-14T19:00`, in `timezone`.
    pub start_time: String,
    /// As `start_time`; may be blank.
    pub end_time: String,
    /// IANA name.
    pub timezone: String,
    /// Free text.
    pub location: String,
    /// The channel's name; blank is none.
    pub channel_name: String,
    /// `public` or `private`.
    pub channel_visibility: String,
    /// On no list.
    pub is_private: bool,
    /// Each answer waits for the host.
    pub admin_approval_required: bool,
    /// A number; blank is no limit.
    pub max_attendees: String,
    /// No new answers.
    pub rsvps_closed: bool,
    /// As `start_time`; may be blank.
    pub rsvp_close_at: String,
    /// The revision that the edit started from; blank for a new event.
    pub revision: String,
    /// Of a new event, the stamp that the form was given out with.
    pub started: String,
    /// What is wrong with it.
    pub errors: FormErrors,
}

impl EventForm {
    /// Reads the fields through `get`, which finds a value by its name.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| get(name).unwrap_or_default();
        Self {
            title: text("title"),
            description: text("description"),
            start_time: text("start_time"),
            end_time: text("end_time"),
            timezone: text("timezone"),
            location: text("location"),
            channel_name: text("channel_name"),
            channel_visibility: text("channel_visibility"),
            is_private: is_ticked(get("is_private")),
            admin_approval_required: is_ticked(get("admin_approval_required")),
            max_attendees: text("max_attendees"),
            rsvps_closed: is_ticked(get("rsvps_closed")),
            rsvp_close_at: text("rsvp_close_at"),
            revision: text("revision"),
            started: text("started"),
            errors: Vec::new(),
        }
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<&str> {
        find(&self.errors, field)
    }

    /// True when one of the fields is wrong: the section that holds them is then open.
    #[must_use]
    pub fn has_error_in(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.error(field).is_some())
    }
}

/// The form that answers an event, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerForm {
    /// The guest's name.
    pub name: String,
    /// May be blank.
    pub pronouns: String,
    /// `yes`, `maybe`, `no`; blank before a choice.
    pub attendance_status: String,
    /// A number of people beside the guest.
    pub guest_count: String,
    /// A note to the host.
    pub note: String,
    /// Counted, not named.
    pub is_private_rsvp: bool,
    /// Of a new answer, the stamp that the form was given out with.
    pub started: String,
    /// What is wrong with it.
    pub errors: FormErrors,
}

impl AnswerForm {
    /// Reads the fields through `get`, which finds a value by its name.
    #[must_use]
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| get(name).unwrap_or_default();
        Self {
            name: text("name"),
            pronouns: text("pronouns"),
            attendance_status: text("attendance_status"),
            guest_count: text("guest_count"),
            note: text("note"),
            is_private_rsvp: is_ticked(get("is_private_rsvp")),
            started: text("started"),
            errors: Vec::new(),
        }
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<&str> {
        find(&self.errors, field)
    }

    /// True for the choice that was made.
    #[must_use]
    pub fn says(&self, reply: &str) -> bool {
        self.attendance_status == reply
    }

    /// True when something under "More options" is filled in or wrong.
    #[must_use]
    pub fn uses_more(&self) -> bool {
        self.is_private_rsvp || !self.pronouns.is_empty() || self.error("pronouns").is_some()
    }
}

/// A form that writes something, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageForm {
    /// What is written.
    pub content: String,
    /// For hosts only.
    pub is_internal: bool,
    /// What is wrong with it.
    pub errors: FormErrors,
}

impl MessageForm {
    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<&str> {
        find(&self.errors, field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_typed() {
        let form = AnswerForm::read(|name| match name {
            "name" => Some(" Ana ".to_owned()),
            "is_private_rsvp" => Some("on".to_owned()),
            _ => None,
        });
        assert_eq!((form.name.as_str(), form.is_private_rsvp), (" Ana ", true));
        let form = EventForm::read(|name| (name == "is_private").then(|| "false".to_owned()));
        assert!(!form.is_private);
    }

    #[test]
    fn finds_what_is_wrong() {
        let errors = vec![("title", "Give it a title.".to_owned())];
        let form = EventForm { errors, ..EventForm::default() };
        assert_eq!(form.error("title"), Some("Give it a title."));
        assert!(form.has_error_in(&["title", "location"]) && !form.has_error_in(&["location"]));
    }
}
