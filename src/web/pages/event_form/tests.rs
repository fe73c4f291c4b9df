//! Saving an untouched form changes nothing, in any zone and season.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::domain::event::{Event, Headcount};
use crate::domain::token;
use crate::web::text::zones;

fn summary(zone: &str, start: Timestamp, end: Option<i64>, close: Option<i64>) -> EventSummary {
    let after = |seconds: i64| {
        start.saturating_add(SignedDuration::from_secs(seconds)).expect("a span of seconds")
    };
    let event = Event {
        id: "6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0f".to_owned(),
        organizer_token: token::hash("organizer"),
        channel_id: None,
        title: "Board games".to_owned(),
        description: Some("One\ntwo".to_owned()),
        starts_at: start,
        ends_at: end.map(after),
        zone: zone.to_owned(),
        location: None,
        is_private: false,
        approval_required: false,
        rsvps_closed: false,
        rsvps_close_at: close.map(|seconds| after(-seconds)),
        capacity: None,
        score: 100.0,
        scored_at: start,
        created_at: start,
        modified_at: start,
        accessed_at: start,
        revision: 1,
        sequence: 0,
    };
    EventSummary { event, channel: None, headcount: Headcount::default() }
}

/// Where the clocks of `zone` change next after `at`; `at` itself where they never do.
fn change_after(zone: &str, at: Timestamp) -> Timestamp {
    let zone = time::zone(zone).expect("a zone");
    zone.following(at).next().map_or(at, |change| change.timestamp())
}

fn assert_untouched(summary: &EventSummary) -> Result<(), TestCaseError> {
    let before = EventDetails::of(summary);
    // Long before it closes, so that the closing time is shown.
    let form = filled(summary, "1900-01-01T00:00:00Z".parse().expect("a time"));
    // An offset that a browser sends along loses to the zone.
    let saved = details(&form, Some("-345".to_owned()), Some(&before));
    prop_assert_eq!(saved.expect("the form is sound"), before);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_untouched_form_changes_nothing(
        zone in 0..zones().len(),
        // 1950 to 2100, in microseconds.
        start in -631_152_000_000_000_i64..4_102_444_800_000_000,
        near in proptest::option::of(-7_200_i64..7_200),
        end in proptest::option::of(1_i64..200_000),
        close in proptest::option::of(0_i64..200_000),
    ) {
        let zone = &zones()[zone];
        let mut start = Timestamp::from_microsecond(start).expect("a time");
        if let Some(seconds) = near {
            // The hours around a change of the clocks: the gap and the fold.
            let change = change_after(zone, start);
            start = change.saturating_add(SignedDuration::from_secs(seconds)).expect("a time");
        }
        assert_untouched(&summary(zone, start, end, close))?;
    }
}

#[test]
fn every_zone_has_a_form_that_comes_back() {
    for zone in zones() {
        for year in [1968, 1999, 2026, 2037] {
            let start: Timestamp = format!("{year}-01-01T00:00:00Z").parse().expect("a time");
            let change = change_after(zone, start);
            for minutes in [-90, -30, 0, 30, 90] {
                let start =
                    change.saturating_add(SignedDuration::from_mins(minutes)).expect("a time");
                assert_untouched(&summary(zone, start, Some(3_600), Some(3_600))).expect(zone);
            }
        }
    }
}
