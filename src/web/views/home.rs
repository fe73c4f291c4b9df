//! The front page: what is on, and what was not long ago.

use askama::Template;

use super::parts::{EventCard, Pages};

/// The front page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/home.html")]
pub struct HomePage {
    /// Public events that are not over, soonest first.
    pub upcoming: Vec<EventCard>,
    /// Public events that are, latest first.
    pub past: Vec<EventCard>,
    /// The way to the others.
    pub pages: Pages,
    /// Channels that are proposed where one is looked for; without any, none is.
    pub channels: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::super::samples::{cards, check, pages};
    use super::*;

    #[test]
    fn renders_every_state() {
        let past = cards().split_off(1);
        let channels = vec!["Garden people".to_owned(), "Board games".to_owned()];
        let many = HomePage { upcoming: cards(), past: past.clone(), pages: pages(), channels };
        let over = HomePage { past, ..HomePage::default() };
        check("home", vec![("many", many), ("over", over), ("empty", HomePage::default())]);
    }
}
