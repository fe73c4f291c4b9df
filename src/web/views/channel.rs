//! The page of a channel: its name and its events.

use askama::Template;

use super::parts::{EventCard, Pages};

/// The page of a channel.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/channel.html")]
pub struct ChannelPage {
    /// Its name.
    pub name: String,
    /// On no list.
    pub is_private: bool,
    /// Its events.
    pub events: Vec<EventCard>,
    /// The way to the others.
    pub pages: Pages,
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cards, check, pages};
    use super::*;

    #[test]
    fn renders_every_state() {
        let named = ChannelPage { name: "Garden people".to_owned(), ..ChannelPage::default() };
        let full = ChannelPage { events: cards(), pages: pages(), ..named.clone() };
        let private = ChannelPage { is_private: true, events: cards(), ..named.clone() };
        check("channel", vec![("full", full), ("private", private), ("empty", named)]);
    }
}
