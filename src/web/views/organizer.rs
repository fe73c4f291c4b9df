//! The host's page: who comes, news, and everything that can be changed.

use askama::Template;

use super::super::text::{counted, people};
use super::forms::{EventForm, MessageForm};
use super::guests::{GuestList, GuestRow, Numbers};
use super::parts::{EventFacts, KeepLink, KeptLink, MessageView, Pages};
use super::webhooks::WebhookList;
use crate::domain::rsvp::{Approval, Reply};
use crate::domain::webhook::DeliveryState;

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
    /// Which guests are shown.
    pub list: GuestList,
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
    /// The host's link; not for the site's owner, whose own key is in the address.
    pub key: Option<KeepLink>,
    /// What deleting takes along.
    pub deletes: String,
    /// Where new answers are sent; `None` where that is switched off.
    pub webhooks: Option<WebhookList>,
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
            KeepLink::new("share-link", "Copy the guests’ link", public_url).shared_as(""),
            KeepLink::new("host-link", "Copy your link", host_url),
        )
    }

    fn kept(&self) -> KeptLink {
        KeptLink::host(&self.base, &self.facts.title, &self.facts.when)
    }

    /// What deleting an event with `answers` answers of `heads` people takes along.
    #[must_use]
    pub fn deletes(answers: i64, heads: i64) -> String {
        let goes = match answers {
            0 => "There are no answers yet. All news and notes go with it.".to_owned(),
            _ => format!(
                "{} ({}), and all news, notes and messages go with it.",
                counted(answers, "answer"),
                people(heads)
            ),
        };
        goes + " Every link of this event stops working, yours and the guests’. It cannot be undone."
    }
}

#[cfg(test)]
mod tests {
    use super::super::guests::Refused;
    use super::super::guests::tests::guest;
    use super::super::parts::Link;
    use super::super::samples::{check, event_form, facts, message, pages};
    use super::super::webhooks::{DeliveryRow, WebhookRow};
    use super::*;

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
            deletes: OrganizerPage::deletes(0, 0),
            webhooks: Some(WebhookList { may_add: true, ..WebhookList::default() }),
            ..OrganizerPage::default()
        }
    }

    fn sent() -> WebhookList {
        let delivery = |id: &str, guest: Option<&str>, state, reason: Option<&str>| DeliveryRow {
            id: id.to_owned(),
            guest: guest.map(str::to_owned),
            state,
            when: "2 hours ago".to_owned(),
            iso: "2026-06-10T10:00:00Z".to_owned(),
            reason: reason.map(str::to_owned),
        };
        let hook = |id: &str, url: &str, deliveries| WebhookRow {
            id: id.to_owned(),
            url: url.to_owned(),
            secret: KeepLink {
                url: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwzs0qBw4eN1c=".to_owned(),
                label: "Copy the secret".to_owned(),
                id: format!("secret-{id}"),
                ..KeepLink::default()
            },
            paused: None,
            deliveries,
        };
        let ana = Some("Ana Lindqvist");
        let slow = Some("No answer came within 10 seconds.");
        let refused = Some("The answer was 503, not 200.");
        let fine = vec![
            delivery("d4", ana, DeliveryState::Waiting, None),
            delivery("d3", Some("محمد العلي"), DeliveryState::Waiting, slow),
            delivery("d2", Some("Robin"), DeliveryState::Delivered, None),
            delivery("d1", None, DeliveryState::Delivered, None),
        ];
        let failed = vec![delivery("d5", ana, DeliveryState::Failed, refused)];
        let long =
            "https://automation.example.org/hooks/5f0c1d7e-9a43-4b6e-8d2f-3c1b2a4d5e6f?list=garden";
        let paused = WebhookRow {
            paused: Some("2 hours ago".to_owned()),
            ..hook("w2", "https://example.org/answers", failed)
        };
        WebhookList {
            hooks: vec![hook("w1", long, fine), paused],
            may_add: true,
            ..WebhookList::default()
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
            earlier_href: "/e/1/admin/2?guest=ana#guest-ana".to_owned(),
            offers_force: true,
            ..guest("Ana Lindqvist", Reply::Yes, Approval::Pending)
        };
        let robin = GuestRow {
            pronouns: Some("they/them".to_owned()),
            is_private: true,
            ..guest("Robin", Reply::Maybe, Approval::Approved)
        };
        OrganizerPage {
            webhooks: Some(sent()),
            numbers: Numbers {
                coming: 12,
                maybe: 3,
                cannot: 4,
                waiting: 3,
                places: Some(17),
                left: Some(2),
                asks_approval: true,
            },
            list: GuestList {
                filters: vec![
                    filter("All 22", true),
                    filter("Waiting 3", false),
                    filter("Coming 12", false),
                    filter("Maybe 3", false),
                    filter("Can’t come 4", false),
                ],
                offers_search: true,
                ..GuestList::default()
            },
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
            deletes: OrganizerPage::deletes(14, 22),
            notice: Some("Saved.".to_owned()),
            ..base()
        }
    }

    #[test]
    fn renders_every_state() {
        let mut refused = busy();
        let list = refused.webhooks.insert(WebhookList::default());
        list.url = "http://192.168.7.2/answers".to_owned();
        list.errors = vec![("url", "Begin the address with https://.".to_owned())];
        refused.edit.errors = vec![("title", "Give the event a title.".to_owned())];
        let typed = "x".repeat(40);
        let sentence = "A message can have at most 5000 characters.".to_owned();
        refused.guests[0].refused = Some(Refused { action: "message".to_owned(), typed, sentence });
        refused.message.errors = vec![("content", "Write something first.".to_owned())];
        let link = KeepLink::new("fresh-link", "Copy", "https://rsvp.example.org/e/1/rsvp/Zk3v");
        let fresh_link = Some(FreshLink { name: "Robin".to_owned(), link });
        let fresh = OrganizerPage { fresh_link, ..busy() };
        let mut searched = busy();
        searched.guests.clear();
        searched.pages = Pages::default();
        searched.list.query = "Zoë".to_owned();
        searched.list.found = GuestList::found_words(0, 0);
        searched.key = None;
        let states = vec![
            ("busy", busy()),
            ("empty", base()),
            ("refused", refused),
            ("fresh", fresh),
            ("searched", searched),
        ];
        check("organizer", states);
    }
}
