//! Numbered pages of lists.

use crate::store::events::Slice;

/// How many pages `total` rows fill: at least one.
#[must_use]
pub fn page_count(total: i64, per_page: i64) -> i64 {
    ((total + per_page - 1) / per_page).max(1)
}

/// The page that is shown when `page` is asked for, and its rows. A page before the first is the
/// first, one past the end the last.
#[must_use]
pub fn slice(page: i64, per_page: i64, total: i64) -> (i64, Slice) {
    let page = page.clamp(1, page_count(total, per_page));
    (page, Slice { limit: per_page, offset: (page - 1) * per_page })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_the_list() {
        for (page, total, shown, offset) in
            [(1, 0, 1, 0), (9, 0, 1, 0), (0, 25, 1, 0), (3, 25, 3, 20), (i64::MAX, 25, 3, 20)]
        {
            let (number, slice) = slice(page, 10, total);
            assert_eq!((number, slice.offset), (shown, offset), "page {page} of {total} rows");
        }
    }
}
