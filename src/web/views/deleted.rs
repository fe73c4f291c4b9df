//! The page that says that something is gone.

use askama::Template;

use super::parts::Link;

/// Something was deleted, as asked.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/deleted.html")]
pub struct DeletedPage {
    /// In a few words.
    pub title: String,
    /// What went with it.
    pub sentence: String,
    /// Where to go.
    pub next: Link,
}

impl DeletedPage {
    /// An event is gone.
    #[must_use]
    pub fn event() -> Self {
        Self {
            title: "The event is deleted".to_owned(),
            sentence: "Its answers and messages are gone too, and its links no longer work."
                .to_owned(),
            next: Link {
                href: "/".to_owned(),
                label: "See what is on".to_owned(),
                is_current: false,
            },
        }
    }

    /// A guest's answer is gone.
    #[must_use]
    pub fn answer(event_href: &str) -> Self {
        Self {
            title: "You are off the list".to_owned(),
            sentence:
                "Your answer and what you wrote to the host are deleted. You can answer anew \
                       as long as the event takes answers."
                    .to_owned(),
            next: Link {
                href: event_href.to_owned(),
                label: "Back to the event".to_owned(),
                is_current: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::check;
    use super::*;

    #[test]
    fn renders_every_state() {
        let states = vec![("event", DeletedPage::event()), ("answer", DeletedPage::answer("/e/1"))];
        check("deleted", states);
    }
}
