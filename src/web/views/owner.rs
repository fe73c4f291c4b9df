//! The page of whoever runs the instance: every event.

use askama::Template;

use super::super::text::When;
use super::parts::Pages;

/// An event as the owner of the instance sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerRow {
    /// Its title.
    pub title: String,
    /// When it is.
    pub when: When,
    /// Its channel.
    pub channel: Option<String>,
    /// People coming.
    pub people: i64,
    /// Answers that wait for the host.
    pub waiting: i64,
    /// On no list.
    pub is_private: bool,
    /// Its public page.
    pub public_href: String,
    /// Its host's page, opened with the owner's own link.
    pub console_href: String,
    /// Where deleting it is sent.
    pub delete_action: String,
}

/// The owner's page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/owner.html")]
pub struct OwnerPage {
    /// The events.
    pub events: Vec<OwnerRow>,
    /// `120 events`.
    pub total: String,
    /// The way to the others.
    pub pages: Pages,
    /// What is searched for.
    pub query: String,
    /// The list of the events.
    pub path: String,
    /// The owner's pages.
    pub places: OwnerPlaces,
}

/// The pages of the owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerPlaces {
    /// Every event.
    pub events: String,
    /// Every channel.
    pub channels: String,
    /// How the program does.
    pub status: String,
}

/// A channel as the owner of the instance sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelRow {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: String,
    /// What its address ends in.
    pub slug: String,
    /// On no list.
    pub is_private: bool,
    /// Its events, private ones too.
    pub events: i64,
    /// `3 days ago`.
    pub used: String,
    /// Where deleting it is sent.
    pub delete_action: String,
}

/// The owner's page of channels.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/owner_channels.html")]
pub struct OwnerChannelsPage {
    /// This page.
    pub path: String,
    /// The owner's pages.
    pub places: OwnerPlaces,
    /// What is searched for.
    pub query: String,
    /// The channels, the last used first.
    pub channels: Vec<ChannelRow>,
    /// `120 channels`.
    pub total: String,
    /// The way to the others.
    pub pages: Pages,
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, evening, pages};
    use super::*;

    fn places() -> OwnerPlaces {
        OwnerPlaces {
            events: "/admin/Zk3v".to_owned(),
            channels: "/admin/Zk3v/channels".to_owned(),
            status: "/admin/Zk3v/status".to_owned(),
        }
    }

    #[test]
    fn renders_every_state() {
        let row = |title: &str, waiting| OwnerRow {
            title: title.to_owned(),
            when: evening(),
            channel: Some("Garden people".to_owned()),
            people: 12,
            waiting,
            is_private: waiting > 0,
            public_href: "/e/1b4e28ba".to_owned(),
            console_href: "/e/1b4e28ba/admin/Zk3v".to_owned(),
            delete_action: "/admin/Zk3v/events/1b4e28ba/delete".to_owned(),
        };
        let named = OwnerPage {
            path: "/admin/Zk3v/events".to_owned(),
            places: places(),
            ..OwnerPage::default()
        };
        let many = OwnerPage {
            events: vec![row("Midsummer dinner in the garden", 3), row("Board games", 0)],
            total: "120 events".to_owned(),
            pages: pages(),
            ..named.clone()
        };
        let none = OwnerPage { query: "unicorn".to_owned(), ..named.clone() };
        let states = vec![("many", many), ("none", none), ("empty", named)];
        check("owner", states);
    }

    #[test]
    fn renders_the_channels() {
        let row = |name: &str, slug: &str, is_private| ChannelRow {
            href: "/channel/garden-people".to_owned(),
            name: name.to_owned(),
            slug: slug.to_owned(),
            is_private,
            events: 12,
            used: "3 days ago".to_owned(),
            delete_action: "/admin/Zk3v/channels/1b4e28ba/delete".to_owned(),
        };
        let named = OwnerChannelsPage {
            path: "/admin/Zk3v/channels".to_owned(),
            places: places(),
            ..OwnerChannelsPage::default()
        };
        let many = OwnerChannelsPage {
            channels: vec![row("Garden people", "garden-people", false), row("Ours", "ours", true)],
            total: "120 channels".to_owned(),
            pages: pages(),
            ..named.clone()
        };
        let none = OwnerChannelsPage { query: "unicorn".to_owned(), ..named.clone() };
        check("owner-channels", vec![("many", many), ("none", none), ("empty", named)]);
    }
}
