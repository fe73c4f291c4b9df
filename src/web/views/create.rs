//! Making an event, and what its maker gets.

use askama::Template;

use super::super::text::When;
use super::forms::EventForm;
use super::parts::{KeepLink, KeptLink};

/// The form that makes an event.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/create.html")]
pub struct CreatePage {
    /// What is in it. An empty form names the zone to start from, `UTC` for want of a better one;
    /// a script puts the reader's own in its place.
    pub form: EventForm,
}

/// The event was made: its two links.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/created.html")]
pub struct CreatedPage {
    /// The event's title.
    pub title: String,
    /// When it is.
    pub when: When,
    /// The public link.
    pub share: KeepLink,
    /// The host's link.
    pub key: KeepLink,
    /// The public page.
    pub public_href: String,
    /// The host's page.
    pub host_href: String,
}

impl CreatedPage {
    /// The page with these whole addresses.
    #[must_use]
    pub fn new(title: &str, when: When, public_url: &str, host_url: &str) -> Self {
        Self {
            title: title.to_owned(),
            when,
            share: KeepLink::new("share-link", "Copy the guests’ link", public_url)
                .shared_as(title),
            key: KeepLink::new("host-link", "Copy your link", host_url),
            public_href: public_url.to_owned(),
            host_href: host_url.to_owned(),
        }
    }

    fn kept(&self) -> KeptLink {
        let path = self.host_href.find("/e/").map_or("", |at| &self.host_href[at..]);
        KeptLink::host(path, &self.title, &self.when)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, evening, event_form};
    use super::*;

    #[test]
    fn renders_the_form() {
        let empty = EventForm {
            timezone: "UTC".to_owned(),
            started: "1780315200.00112233445566778899aabbccddeeff".to_owned(),
            ..EventForm::default()
        };
        let mut refused = event_form();
        refused.title.clear();
        refused.errors = vec![
            ("title", "Give the event a title.".to_owned()),
            ("end_time", "It must end after it starts.".to_owned()),
            ("max_attendees", "Write a number, such as 20.".to_owned()),
        ];
        let mut zone = event_form();
        zone.errors = vec![("timezone", "No zone has this name.".to_owned())];
        let states = [("empty", empty), ("refused", refused), ("zone", zone)];
        check("create", states.map(|(state, form)| (state, CreatePage { form })).to_vec());
    }

    #[test]
    fn renders_the_links() {
        let host =
            "https://rsvp.example.org/e/1b4e28ba/admin/Zk3vJx0yQm1nT8rW5aPbC7dEfGhIjKlMnOpQrStUvWx";
        let public = "https://rsvp.example.org/e/1b4e28ba";
        let page = CreatedPage::new("Midsummer dinner in the garden", evening(), public, host);
        check("created", vec![("fresh", page)]);
    }
}
