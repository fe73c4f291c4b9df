//! The guest list of the host's page, and what an act on one guest changes there.

use askama::Template;

use super::super::text::{counted, people};
use super::parts::{KeepLink, Link, MessageView};
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
    /// Answers wait for the host.
    pub asks_approval: bool,
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
    /// Where what was written before that is shown; blank where all is.
    pub earlier_href: String,
    /// "Set back to waiting" is offered: the event asks for approval.
    pub offers_pending: bool,
    /// "Let in anyway" is offered: there is no place left for this guest, or no more answers.
    pub offers_force: bool,
    /// What was refused a moment ago.
    pub refused: Option<Refused>,
    /// A link that was just made.
    pub fresh: Option<KeepLink>,
}

/// What was refused about a guest, with what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The act: `message`, `note`, `reject`.
    pub action: String,
    /// What was typed for it.
    pub typed: String,
    /// Why, and what to do about it.
    pub sentence: String,
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

    /// True when the forms below the guest are shown at once.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.refused.is_some() || self.fresh.is_some()
    }

    /// What was typed for an act that was refused; else nothing.
    #[must_use]
    pub fn typed(&self, action: &str) -> &str {
        let refused = self.refused.as_ref().filter(|refused| refused.action == action);
        refused.map_or("", |refused| refused.typed.as_str())
    }

    /// Why an act was refused.
    #[must_use]
    pub fn problem(&self, action: &str) -> Option<&str> {
        let refused = self.refused.as_ref().filter(|refused| refused.action == action);
        refused.map(|refused| refused.sentence.as_str())
    }

    /// Why an act without a field of its own was refused.
    #[must_use]
    pub fn plain_problem(&self) -> Option<&str> {
        let has_field =
            |refused: &&Refused| ["message", "note", "reject"].contains(&&*refused.action);
        self.refused.as_ref().filter(|r| !has_field(r)).map(|refused| refused.sentence.as_str())
    }

    /// What declining does to the places; blank where it does nothing.
    #[must_use]
    pub fn frees(&self) -> String {
        match self.reply {
            Reply::Yes => format!("This frees {}.", counted(1 + self.companions, "place")),
            _ => String::new(),
        }
    }

    /// What removing takes along.
    #[must_use]
    pub fn removes(&self) -> String {
        format!(
            "Removes {} and all that was written here. Their link stops working. It cannot be undone.",
            self.people()
        )
    }
}

/// Which guests the list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestList {
    /// What the address of the page says about the list: `?show=waiting&q=ana&page=2`, or blank.
    pub address: String,
    /// All, waiting, coming, ...; none where there is nothing to choose.
    pub filters: Vec<Link>,
    /// The choice, where it is not all.
    pub shown: Option<&'static str>,
    /// What is searched for.
    pub query: String,
    /// The search is offered.
    pub offers_search: bool,
    /// `34 answers, 51 people`, where filter or search leave some out.
    pub found: String,
    /// The list without filter and search.
    pub all_href: String,
}

impl GuestList {
    /// `34 answers, 51 people`.
    #[must_use]
    pub fn found_words(answers: i64, heads: i64) -> String {
        format!("{}, {}", counted(answers, "answer"), people(heads))
    }
}

/// What an act on a guest changes on the host's page: their card, and the numbers.
#[derive(Debug, Clone, Template)]
#[template(path = "partials/guest_change.html")]
pub struct GuestChange {
    /// The host's page, `/e/{id}/admin/{token}`.
    pub base: String,
    /// The answer's id.
    pub id: String,
    /// The guest; gone when removed.
    pub guest: Option<GuestRow>,
    /// The people.
    pub numbers: Numbers,
    /// The list that the page shows.
    pub list: GuestList,
    /// What was done, or why not: a sentence.
    pub said: String,
    /// It was not done.
    pub is_refused: bool,
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::samples::message;
    use super::*;

    /// A guest without anything special.
    pub fn guest(name: &str, reply: Reply, approval: Approval) -> GuestRow {
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
            earlier_href: String::new(),
            offers_pending: true,
            offers_force: false,
            refused: None,
            fresh: None,
        }
    }

    #[test]
    fn a_change_names_what_it_replaces() {
        let list =
            GuestList { address: "?show=waiting&q=a%26b".to_owned(), ..GuestList::default() };
        let mut ana = guest("Ana", Reply::Yes, Approval::Approved);
        ana.messages = vec![message("Ana", "<b>bold</b>")];
        let mut change = GuestChange {
            base: "/e/1/admin/2".to_owned(),
            id: "ana".to_owned(),
            guest: Some(ana),
            numbers: Numbers::default(),
            list,
            said: "You said yes to <Ana>.".to_owned(),
            is_refused: false,
        };
        let shown = change.render().expect("a fragment");
        for id in ["guest-ana", "numbers", "guest-filters", "said"] {
            assert_eq!(shown.matches(&format!("id=\"{id}\"")).count(), 1, "{shown}");
        }
        assert!(shown.contains("approve?show=waiting") || shown.contains("reject?show=waiting"));
        assert!(!shown.contains("<Ana>") && !shown.contains("<b>bold"));
        change.guest = None;
        let shown = change.render().expect("a fragment");
        assert!(shown.contains("id=\"guest-ana\" hx-swap-oob=\"delete\""), "{shown}");
    }
}
