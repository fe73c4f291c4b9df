//! The host's page: who comes, news, and everything that can be changed.

use askama::Template;

use super::super::text::people;
use super::forms::{EventForm, MessageForm};
use super::parts::{EventFacts, KeepLink, Link, MessageView, Pages};
use crate::domain::rsvp::{Approval, Reply};

/// The people of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// People coming.
    pub coming: i64,
    /// People who may come.
    pub maybe: i64,
    /// People who cannot.
    pub cannot: i64,
    /// People who wait for the host.
    pub waiting: i64,
    /// How many may come.
    pub places: Option<i64>,
    /// How many more may come.
    pub left: Option<i64>,
}

impl Numbers {
    /// True before the first answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.coming + self.maybe + self.cannot + self.waiting == 0
    }
}

/// A guest as the host sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestRow {
    /// The answer's id.
    pub id: String,
    /// The guest's name.
    pub name: String,
    /// The guest's pronouns.
    pub pronouns: Option<String>,
    /// What the guest says.
    pub reply: Reply,
    /// What the host says.
    pub approval: Approval,
    /// People beside the guest.
    pub companions: i64,
    /// Counted, not named, before other guests.
    pub is_private: bool,
    /// When the answer last changed: `2 hours ago`.
    pub answered: String,
    /// RFC 3339 in UTC.
    pub iso: String,
    /// The conversation and the hosts' notes, oldest first.
    pub messages: Vec<MessageView>,
    /// "Set back to waiting" is offered: the event asks for approval.
    pub offers_pending: bool,
    /// "Let in anyway" is offered: there is no place left for this guest, or no more answers.
    pub offers_force: bool,
    /// The forms below the guest are shown at once.
    pub is_open: bool,
}

impl GuestRow {
    /// The guest and the people they bring.
    fn people(&self) -> String {
        people(1 + self.companions)
    }

    /// A word for the looks.
    #[must_use]
    pub fn approval_word(&self) -> &'static str {
        self.approval.as_str()
    }

    /// What the guest says, in words.
    #[must_use]
    pub fn reply_words(&self) -> &'static str {
        match self.reply {
            Reply::Yes => "Coming",
            Reply::Maybe => "Maybe",
            Reply::No => "Can’t come",
        }
    }

    /// What declining does to the places; blank where it does nothing.
    #[must_use]
    pub fn frees(&self) -> String {
        match (self.reply, self.companions) {
            (Reply::Yes, 0) => "This frees 1 place.".to_owned(),
            (Reply::Yes, more) => format!("This frees {} places.", more + 1),
            _ => String::new(),
        }
    }

    /// What removing takes along.
    #[must_use]
    pub fn removes(&self) -> String {
        format!(
            "Removes {} and all that was written here. Their link stops working.",
            self.people()
        )
    }
}

/// A guest's link, made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreshLink {
    /// Whose it is.
    pub name: String,
    /// The link.
    pub link: KeepLink,
}

/// The host's page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/organizer.html")]
pub struct OrganizerPage {
    /// What it is about.
    pub facts: EventFacts,
    /// This page's path, `/e/{id}/admin/{token}`: the actions lie below it.
    pub base: String,
    /// The people.
    pub numbers: Numbers,
    /// Answers wait for the host.
    pub asks_approval: bool,
    /// All, Waiting, Approved, Declined; fewer than two are not shown.
    pub filters: Vec<Link>,
    /// The guests; those who wait come first.
    pub guests: Vec<GuestRow>,
    /// The way to the others.
    pub pages: Pages,
    /// What the host announced or noted, newest first.
    pub announcements: Vec<MessageView>,
    /// The form that announces.
    pub message: MessageForm,
    /// The form that edits.
    pub edit: EventForm,
    /// The public link.
    pub share: KeepLink,
    /// The host's link.
    pub key: Option<KeepLink>,
    /// What deleting takes along.
    pub deletes: String,
    /// A link that was just made.
    pub fresh_link: Option<FreshLink>,
    /// What was just done.
    pub notice: Option<String>,
}

impl OrganizerPage {
    /// The two links of the page, from whole addresses.
    #[must_use]
    pub fn links(public_url: &str, host_url: &str) -> (KeepLink, KeepLink) {
        (
            KeepLink::new("share-link", "Copy the guests’ link", public_url),
            KeepLink::new("host-link", "Copy your link", host_url),
        )
    }

    /// What deleting an event with `answers` answers takes along.
    #[must_use]
    pub fn deletes(answers: i64) -> String {
        let answers = match answers {
            0 => "There are no answers yet.".to_owned(),
            1 => "1 answer and all messages go with it.".to_owned(),
            more => format!("{more} answers and all messages go with it."),
        };
        answers + " Every link of this event stops working. It cannot be undone."
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, event_form, facts, message, pages};
    use super::*;

    fn guest(name: &str, reply: Reply, approval: Approval) -> GuestRow {
        GuestRow {
            id: name.to_lowercase().replace(' ', "-"),
            name: name.to_owned(),
            pronouns: None,
            reply,
            approval,
            companions: 0,
            is_private: false,
            answered: "2 hours ago".to_owned(),
            iso: "2026-06-10T10:00:00Z".to_owned(),
            messages: Vec::new(),
            offers_pending: true,
            offers_force: false,
            is_open: false,
        }
    }

    fn base() -> OrganizerPage {
        let base = "/e/1b4e28ba/admin/Zk3vJx0yQm1nT8rW5aPbC7dEfGhIjKlMnOpQrStUvWx";
        let (share, key) = OrganizerPage::links(
            "https://rsvp.example.org/e/1b4e28ba",
            &format!("https://rsvp.example.org{base}"),
        );
        OrganizerPage {
            facts: facts(),
            base: base.to_owned(),
            edit: event_form(),
            share,
            key: Some(key),
            deletes: OrganizerPage::deletes(0),
            ..OrganizerPage::default()
        }
    }

    fn busy() -> OrganizerPage {
        let filter = |label: &str, is_current| Link {
            href: format!("?show={label}#guests"),
            label: label.to_owned(),
            is_current,
        };
        let ana = GuestRow {
            companions: 2,
            messages: vec![message("Ana Lindqvist", "We bring the cordial.")],
            offers_force: true,
            is_open: true,
            ..guest("Ana Lindqvist", Reply::Yes, Approval::Pending)
        };
        let robin = GuestRow {
            pronouns: Some("they/them".to_owned()),
            is_private: true,
            ..guest("Robin", Reply::Maybe, Approval::Approved)
        };
        OrganizerPage {
            numbers: Numbers {
                coming: 12,
                maybe: 3,
                cannot: 4,
                waiting: 3,
                places: Some(17),
                left: Some(2),
            },
            asks_approval: true,
            filters: vec![
                filter("All", true),
                filter("Waiting", false),
                filter("Approved", false),
                filter("Declined", false),
            ],
            guests: vec![
                ana,
                guest(
                    "Christopher-Alexander von und zu Hohenfelden",
                    Reply::Yes,
                    Approval::Pending,
                ),
                robin,
                guest("محمد العلي", Reply::Yes, Approval::Approved),
                guest("Kit", Reply::No, Approval::Rejected),
            ],
            pages: pages(),
            announcements: vec![message("The host", "It may rain: we have a tent now.")],
            deletes: OrganizerPage::deletes(14),
            notice: Some("Saved.".to_owned()),
            ..base()
        }
    }

    #[test]
    fn renders_every_state() {
        let mut refused = busy();
        refused.edit.errors = vec![("title", "Give the event a title.".to_owned())];
        refused.message.errors = vec![("content", "Write something first.".to_owned())];
        let link = KeepLink::new("fresh-link", "Copy", "https://rsvp.example.org/e/1/rsvp/Zk3v");
        let fresh_link = Some(FreshLink { name: "Robin".to_owned(), link });
        let fresh = OrganizerPage { fresh_link, ..busy() };
        let states =
            vec![("busy", busy()), ("empty", base()), ("refused", refused), ("fresh", fresh)];
        check("organizer", states);
    }
}
