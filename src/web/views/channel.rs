//! The page of a channel: its name and its events; and what is shown where no channel has a name.

use askama::Template;

use super::discover::ChannelCard;
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

/// No channel has the name that was typed on the front page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/no_channel.html")]
pub struct NoChannelPage {
    /// What was typed.
    pub typed: String,
    /// Public channels that are called something like it.
    pub alike: Vec<ChannelCard>,
    /// The search for it.
    pub search: String,
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cards, check, pages};
    use super::*;

    #[test]
    fn renders_a_name_that_nobody_has() {
        let card = ChannelCard {
            href: "/channel/garden-people".to_owned(),
            name: "Garden people".to_owned(),
            ahead: "3 events ahead".to_owned(),
            used: "used 3 days ago".to_owned(),
        };
        let none = NoChannelPage {
            typed: "garden <b>".to_owned(),
            alike: Vec::new(),
            search: "/channels/discover?q=garden".to_owned(),
        };
        let some = NoChannelPage { alike: vec![card], ..none.clone() };
        check("no_channel", vec![("alike", some), ("none", none)]);
    }

    #[test]
    fn renders_every_state() {
        let named = ChannelPage { name: "Garden people".to_owned(), ..ChannelPage::default() };
        let full = ChannelPage { events: cards(), pages: pages(), ..named.clone() };
        let private = ChannelPage { is_private: true, events: cards(), ..named.clone() };
        check("channel", vec![("full", full), ("private", private), ("empty", named)]);
    }
}
