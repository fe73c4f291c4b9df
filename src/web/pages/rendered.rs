//! Public pages as they were a moment ago.
//!
//! When a link goes around, many people open the same page at once, and it is the same for all of
//! them. So it is made once, and shown for as long as it is true: until the next change of the
//! database, and a second at most, for it tells how far away things are, and a command may have
//! written to the same file. On PostgreSQL other processes answer too: there each page is made anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use salvo::hyper::body::Bytes;

use crate::domain::event::EventSummary;
use crate::services::Site;
use crate::web::error::Problem;

/// Longest time for which a page is shown.
const LIFETIME: SignedDuration = SignedDuration::from_secs(1);
/// Most pages that are kept.
const PAGES: usize = 256;

/// The pages, by their absolute address.
#[derive(Default)]
pub(in crate::web) struct Rendered(Mutex<HashMap<String, Kept>>);

/// A page, and the event that it shows, if it is one event's.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) html: Bytes,
    pub(super) event: Option<Arc<EventSummary>>,
}

struct Kept {
    page: Page,
    made: Moment,
}

/// What was true when a page was made.
#[derive(Clone, Copy)]
struct Moment {
    changes: Option<u64>,
    at: Timestamp,
}

impl Moment {
    fn still_holds(&self, now: &Self) -> bool {
        self.changes.is_some()
            && self.changes == now.changes
            && self.at <= now.at
            && now.at.duration_since(self.at) < LIFETIME
    }
}

impl Page {
    /// Renders a view.
    pub(super) fn render(
        view: &impl Template,
        event: Option<EventSummary>,
    ) -> Result<Self, Problem> {
        let html = view.render().map_err(Problem::internal)?.into();
        Ok(Self { html, event: event.map(Arc::new) })
    }
}

impl Rendered {
    /// The page at an address: the one that is kept, while it is true, or the one that is made.
    pub(super) async fn page(
        &self,
        address: String,
        site: &Site,
        make: impl AsyncFnOnce() -> Result<Page, Problem>,
    ) -> Result<Page, Problem> {
        // Before anything is read: a change in between makes the page old, not new.
        let now = Moment { changes: site.db.changes(), at: site.clock.now() };
        if let Some(page) = self.find(&address, &now) {
            return Ok(page);
        }
        let page = make().await?;
        self.keep(address, page.clone(), now);
        Ok(page)
    }

    fn find(&self, address: &str, now: &Moment) -> Option<Page> {
        self.kept().get(address).filter(|kept| kept.made.still_holds(now)).map(|k| k.page.clone())
    }

    fn keep(&self, address: String, page: Page, made: Moment) {
        if made.changes.is_none() {
            return;
        }
        let mut kept = self.kept();
        if kept.len() >= PAGES {
            kept.retain(|_, old| old.made.still_holds(&made));
        }
        if kept.len() < PAGES {
            kept.insert(address, Kept { page, made });
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page { html: Bytes::new(), event: None }
    }

    fn moment(changes: Option<u64>, millis: i64) -> Moment {
        Moment { changes, at: Timestamp::from_millisecond(millis).expect("a time") }
    }

    #[test]
    fn a_page_is_shown_while_it_is_true() {
        let rendered = Rendered::default();
        rendered.keep("a".to_owned(), page(), moment(Some(7), 5_000));
        let shown = |changes, millis| rendered.find("a", &moment(changes, millis)).is_some();
        assert!(shown(Some(7), 5_000) && shown(Some(7), 5_999));
        assert!(!shown(Some(8), 5_000), "the database has changed");
        assert!(!shown(Some(7), 6_000), "a second has gone by");
        assert!(!shown(Some(7), 4_999), "the clock was set back");
        assert!(!shown(None, 5_000));
        assert!(rendered.find("b", &moment(Some(7), 5_000)).is_none());
    }

    #[test]
    fn nothing_is_kept_where_others_write() {
        let rendered = Rendered::default();
        rendered.keep("a".to_owned(), page(), moment(None, 0));
        assert!(rendered.kept().is_empty());
    }

    #[test]
    fn the_number_of_pages_has_a_bound() {
        let rendered = Rendered::default();
        for number in 0..2 * PAGES {
            rendered.keep(number.to_string(), page(), moment(Some(1), 0));
        }
        assert_eq!(rendered.kept().len(), PAGES);
        rendered.keep("new".to_owned(), page(), moment(Some(2), 0));
        assert_eq!(rendered.kept().len(), 1, "what is no longer true makes room");
    }
}
