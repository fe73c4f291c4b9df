//! Help, and what the reader's own device keeps.

use askama::Template;

use super::parts::Link;

/// What people ask, in plain words.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/help.html")]
pub struct HelpPage;

/// A list of links that a script fills from the device's own store: the server never has it.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/kept.html")]
pub struct KeptPage {
    /// `admin` for hosts' links, `rsvp` for guests'.
    pub kind: &'static str,
    /// What the page is.
    pub heading: &'static str,
    /// What stands in it.
    pub lede: &'static str,
    /// What an empty list says.
    pub none: &'static str,
    /// The next step.
    pub next: Link,
}

impl KeptPage {
    /// The reader's own events.
    #[must_use]
    pub fn events() -> Self {
        Self {
            kind: "admin",
            heading: "My events",
            lede: "Events that you host, as far as this device was asked to remember them. Nobody \
                   else sees this list.",
            none: "Nothing is remembered here yet. Open your host’s link and choose “Remember on \
                   this device”.",
            next: link("/event/create", "Make an event"),
        }
    }

    /// The reader's own answers.
    #[must_use]
    pub fn answers() -> Self {
        Self {
            kind: "rsvp",
            heading: "My answers",
            lede: "Answers that you gave, as far as this device was asked to remember them. Nobody \
                   else sees this list.",
            none: "Nothing is remembered here yet. Open the link of your answer and choose \
                   “Remember on this device”.",
            next: link("/", "See what is on"),
        }
    }
}

fn link(href: &str, label: &str) -> Link {
    Link { href: href.to_owned(), label: label.to_owned(), is_current: false }
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    #[test]
    fn renders_the_pages() {
        check("help", vec![("all", HelpPage)]);
        check("kept", vec![("events", KeptPage::events()), ("answers", KeptPage::answers())]);
    }
}
