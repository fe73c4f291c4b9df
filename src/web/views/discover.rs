//! The page on which channels are found.

use askama::Template;

use super::parts::Pages;

/// A channel in the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelCard {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: String,
    /// `3 events ahead`, or blank.
    pub ahead: String,
    /// `used 3 days ago`.
    pub used: String,
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The words.
    pub query: String,
    /// `rank`, `name` or `recent`.
    pub sort: String,
    /// The other way round.
    pub is_inverted: bool,
    /// Only those with events ahead.
    pub has_upcoming: bool,
}

impl Asked {
    /// Whether something narrows the list.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.has_upcoming || !self.query.trim().is_empty()
    }
}

/// The list alone, for a page that replaces its own.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "partials/channel_list.html")]
pub struct ChannelList {
    /// What was asked for.
    pub asked: Asked,
    /// The channels.
    pub channels: Vec<ChannelCard>,
    /// `120 channels`.
    pub total: String,
    /// The way to the others.
    pub pages: Pages,
}

/// The page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/discover.html")]
pub struct DiscoverPage {
    /// What was asked for.
    pub asked: Asked,
    /// The list.
    pub list: ChannelList,
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, pages};
    use super::*;

    #[test]
    fn renders_every_state() {
        let card = |name: &str, ahead: &str| ChannelCard {
            href: "/channel/garden-people".to_owned(),
            name: name.to_owned(),
            ahead: ahead.to_owned(),
            used: "used 3 days ago".to_owned(),
        };
        let channels = vec![card("Garden people", "3 events ahead"), card("Board games", "")];
        let list = ChannelList {
            channels,
            total: "120 channels".to_owned(),
            pages: pages(),
            ..ChannelList::default()
        };
        let asked = Asked { query: "unicorn".to_owned(), ..Asked::default() };
        let none = ChannelList { asked: asked.clone(), ..ChannelList::default() };
        let states = vec![
            ("many", DiscoverPage { list, ..DiscoverPage::default() }),
            ("none", DiscoverPage { asked, list: none }),
            ("empty", DiscoverPage::default()),
        ];
        check("discover", states);
    }
}
