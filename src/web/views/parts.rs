//! Pieces that several pages show.

use super::super::qr;
use super::super::text::When;
use super::forms::AnswerForm;

/// A link with its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Where it goes.
    pub href: String,
    /// What it says.
    pub label: String,
    /// True where it names what is shown already.
    pub is_current: bool,
}

/// The way through a list of several pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// This page, from 1.
    pub page: i64,
    /// How many there are.
    pub total: i64,
    /// The page before.
    pub previous: Option<String>,
    /// The page after.
    pub next: Option<String>,
}

/// An event in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventCard {
    /// Its public page.
    pub href: String,
    /// Its title.
    pub title: String,
    /// When it is.
    pub when: When,
    /// Where it is, if the reader may know.
    pub location: Option<String>,
    /// The channel's name, if the reader may know.
    pub channel: Option<String>,
    /// `12 coming`, or blank.
    pub coming: String,
    /// `5 places left`, `Full`, `Closed`, or blank.
    pub state: String,
}

/// What heads each page about one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// Its public page.
    pub href: String,
    /// Its title.
    pub title: String,
    /// When it is.
    pub when: When,
    /// Where it is, if it is known and the reader may know.
    pub location: Option<String>,
    /// The place is shown only to guests whom the host let in.
    pub hides_location: bool,
    /// The channel, if the reader may know.
    pub channel: Option<Link>,
    /// On no list.
    pub is_private: bool,
    /// The calendar file.
    pub calendar_href: String,
}

/// Whether an event takes answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Openness {
    /// It does.
    #[default]
    Open,
    /// It does, and this many people may still come.
    Left(i64),
    /// Nobody more may come; Maybe and Can't come are still taken.
    Full,
    /// The host takes no new answers.
    Closed,
    /// It is over.
    Over,
}

/// The form that answers an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerBlock {
    /// Where it is sent.
    pub action: String,
    /// What is in it.
    pub form: AnswerForm,
    /// Whether answers are taken.
    pub openness: Openness,
    /// "I'm coming" cannot be chosen: the event is full, and this guest has no place in it.
    pub is_coming_barred: bool,
    /// The answer waits for the host.
    pub needs_approval: bool,
    /// How many people a guest may bring.
    pub companions_max: i64,
    /// `Answers close Fri 12 June 2026, 18:00`, or blank.
    pub closing: String,
    /// The guest changes an answer given before.
    pub is_edit: bool,
}

impl AnswerBlock {
    /// True when the form is shown: an answer given before may always be changed.
    #[must_use]
    pub fn takes_answers(&self) -> bool {
        self.is_edit || !matches!(self.openness, Openness::Closed | Openness::Over)
    }

    /// `5 places left`, or blank.
    #[must_use]
    pub fn places_left(&self) -> String {
        match self.openness {
            Openness::Left(places) => super::super::text::counted(places, "place") + " left",
            _ => String::new(),
        }
    }

    /// The people beside the guest, as typed; none where that is no number.
    #[must_use]
    pub fn companions(&self) -> i64 {
        self.form.guest_count.trim().parse().unwrap_or(0)
    }
}

/// A message as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageView {
    /// `The host`, `You`, a guest's name.
    pub author: String,
    /// When it was written: `Fri 5 June 2026, 12:30`.
    pub written: String,
    /// RFC 3339 in UTC.
    pub iso: String,
    /// What it says; plain text.
    pub content: String,
    /// Written by whoever looks at the page.
    pub is_own: bool,
    /// `Only for hosts`, `A note`, or blank.
    pub kind: String,
}

/// A link to be kept or shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepLink {
    /// The whole address.
    pub url: String,
    /// What the copy button says.
    pub label: String,
    /// The id of the field, unique on the page.
    pub id: String,
    /// The address as a QR code, an SVG picture; blank is none.
    pub qr: String,
    /// For links that may go round: what they are about, or blank. A link that is a key has none,
    /// and is not offered to the system's share sheet.
    pub shared_as: Option<String>,
}

impl KeepLink {
    /// The link under `id`, which is unique on its page.
    #[must_use]
    pub fn new(id: &str, label: &str, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            label: label.to_owned(),
            id: id.to_owned(),
            qr: qr::svg(url),
            shared_as: None,
        }
    }

    /// The same link for everybody who should know of `title`.
    #[must_use]
    pub fn shared_as(self, title: &str) -> Self {
        Self { shared_as: Some(title.to_owned()), ..self }
    }
}

/// A link that the reader may have remembered on the device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptLink {
    /// `admin` for a host's, `rsvp` for a guest's: as in its path.
    pub kind: &'static str,
    /// The path.
    pub path: String,
    /// What the event is called.
    pub title: String,
    /// When it is, in words.
    pub when: String,
    /// RFC 3339 in UTC.
    pub start: String,
}

impl KeptLink {
    /// The host's link of an event.
    #[must_use]
    pub fn host(path: &str, title: &str, when: &When) -> Self {
        Self::new("admin", path, title, when)
    }

    /// A guest's link of an event.
    #[must_use]
    pub fn guest(path: &str, facts: &EventFacts) -> Self {
        Self::new("rsvp", path, &facts.title, &facts.when)
    }

    fn new(kind: &'static str, path: &str, title: &str, when: &When) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            title: title.to_owned(),
            when: format!("{} {}", when.date_line, when.zone),
            start: when.iso_start.clone(),
        }
    }
}
