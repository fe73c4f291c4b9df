//! The rules of fading, told once more from the product's words and compared.

use proptest::prelude::*;

use super::*;
use crate::domain::channel::Visibility;
use crate::domain::token::hash;

/// Noon of 2031-05-10.
const NOON: i64 = 1_936_180_800_000_000;
const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

fn event(score: f64, scored: i64, created: i64, starts: i64, ends: Option<i64>) -> Event {
    Event {
        id: "e".to_owned(),
        organizer_token: hash(""),
        channel_id: None,
        title: String::new(),
        description: None,
        starts_at: at(starts),
        ends_at: ends.map(at),
        zone: "UTC".to_owned(),
        location: None,
        is_private: false,
        approval_required: false,
        rsvps_closed: false,
        rsvps_close_at: None,
        capacity: None,
        score,
        scored_at: at(scored),
        created_at: at(created),
        modified_at: at(created),
        accessed_at: at(scored),
        revision: 1,
        sequence: 0,
    }
}

fn channel(score: f64, scored: i64) -> Channel {
    Channel {
        id: "c".to_owned(),
        name: "C".to_owned(),
        slug: "c".to_owned(),
        visibility: Visibility::Public,
        score,
        scored_at: at(scored),
        created_at: at(scored),
        last_used_at: at(scored),
    }
}

#[test]
fn a_day_leaves_what_the_factor_says() {
    let fading = Fading::default();
    let worth = |days| fading.effective(100.0, at(NOON), at(NOON + days * DAY));
    assert!((worth(1) - 92.0).abs() < 1e-9);
    assert!((worth(2) - 84.64).abs() < 1e-9);
    assert!((worth(-5) - 100.0).abs() < 1e-9, "a clock set back adds nothing");
}

#[test]
fn a_new_event_without_visits_leaves_the_lists_at_day_28_and_is_purgeable_at_day_47() {
    let fading = Fading::default();
    let event = event(100.0, NOON, NOON, NOON + DAY, None);
    assert!(fading.is_listed(&event, at(NOON + 27 * DAY)));
    assert!(!fading.is_listed(&event, at(NOON + 28 * DAY)));
    assert!(!fading.is_purgeable(&event, at(NOON + 46 * DAY)));
    assert!(fading.is_purgeable(&event, at(NOON + 47 * DAY)));
    let channel = channel(100.0, NOON);
    assert!(!fading.is_channel_purgeable(&channel, at(NOON + 46 * DAY)));
    assert!(fading.is_channel_purgeable(&channel, at(NOON + 47 * DAY)));
}

#[test]
fn a_running_event_stays_listed_however_faded() {
    let fading = Fading::default();
    let without_end = event(0.0, NOON - 99 * DAY, NOON - 99 * DAY, NOON, None);
    assert_eq!(fading.unlisted_at(&without_end), at(NOON + 3 * HOUR));
    let with_end = event(0.0, NOON - 99 * DAY, NOON - 99 * DAY, NOON, Some(NOON + DAY));
    assert!(fading.is_listed(&with_end, at(NOON + DAY - 1)));
    assert!(!fading.is_listed(&with_end, at(NOON + DAY)));
}

#[test]
fn a_young_event_stays_listed_however_faded_and_past() {
    let event = event(0.0, NOON, NOON, NOON - 99 * DAY, None);
    assert_eq!(Fading::default().unlisted_at(&event), at(NOON + 7 * DAY));
}

#[test]
fn an_upcoming_event_is_purged_only_where_it_is_not_protected() {
    let fading =
        Fading { delete_grace_days_after_end: 0, delete_after_days: 0, ..Fading::default() };
    let event = event(0.0, NOON - DAY, NOON - DAY, NOON, None);
    assert_eq!(fading.purgeable_at(&event), at(NOON + 3 * HOUR));
    let fading = Fading { protect_upcoming_events: false, ..fading };
    assert_eq!(fading.purgeable_at(&event), at(NOON));
}

#[test]
fn a_factor_of_one_never_fades() {
    let fading = Fading { decay_factor: 1.0, ..Fading::default() };
    let event = event(10.0, NOON, NOON, NOON, None);
    assert_eq!(fading.unlisted_at(&event), Timestamp::MAX);
    assert_eq!(fading.purgeable_at(&event), Timestamp::MAX);
    assert!(!fading.is_channel_purgeable(&channel(2.000_001, NOON), at(NOON + 9999 * DAY)));
    assert!(fading.is_channel_purgeable(&channel(2.0, NOON), at(NOON)));
}

#[test]
fn odd_numbers_are_no_reason_to_fail() {
    for decay_factor in [f64::MIN_POSITIVE, 1e-9, 0.5, 1.0 - f64::EPSILON] {
        for threshold in [0.0, 5e-324, 1e-300, 10.0, 100.0] {
            for score in [0.0, 5e-324, 1e-300, 10.0, 100.0, 1e300, f64::INFINITY, f64::NAN, -1.0] {
                let fading = Fading {
                    decay_factor,
                    hide_threshold: threshold,
                    delete_threshold: threshold,
                    hide_after_days: i64::MAX,
                    delete_after_days: i64::MIN,
                    ..Fading::default()
                };
                let event = event(score, NOON, NOON, NOON, None);
                assert_eq!(fading.unlisted_at(&event), Timestamp::MAX);
                let purgeable_at = fading.purgeable_at(&event);
                assert!(purgeable_at >= event.starts_at);
                let now = at(NOON + DAY);
                assert!((0.0..=100.0).contains(&fading.effective(score, at(NOON), now)));
                assert!((0.0..=100.0).contains(&fading.touch(score, at(NOON), now, f64::NAN)));
            }
        }
    }
}

#[test]
fn a_tiny_score_is_below_the_threshold_at_once() {
    let fading = Fading::default();
    let event = event(1e-300, NOON, NOON - 8 * DAY, NOON - 8 * DAY, None);
    assert!(!fading.is_listed(&event, at(NOON)));
    assert!(fading.effective(1e-300, at(NOON), at(NOON + 365 * DAY)) >= 0.0);
}

fn settings() -> impl Strategy<Value = Fading> {
    let factor = prop_oneof![0.01_f64..1.0, 0.8_f64..0.999, Just(1.0)];
    (factor, 0.0_f64..100.0, 0.0_f64..100.0, 0_i64..60, 0_i64..60, 0_i64..60, any::<bool>())
        .prop_map(|(decay_factor, hide_threshold, delete_threshold, a, b, c, protect)| Fading {
            decay_factor,
            hide_threshold,
            delete_threshold,
            hide_after_days: a,
            delete_after_days: b,
            delete_grace_days_after_end: c,
            protect_upcoming_events: protect,
        })
}

fn events() -> impl Strategy<Value = Event> {
    let score = prop_oneof![0.0_f64..=100.0, Just(0.0), Just(100.0), Just(1e-300)];
    let span = -60 * DAY..60 * DAY;
    (score, span.clone(), span.clone(), span, proptest::option::of(1..20 * DAY)).prop_map(
        |(score, scored, created, starts, length)| {
            let starts = NOON + starts;
            event(score, NOON + scored, NOON + created, starts, length.map(|l| starts + l))
        },
    )
}

/// PRODUCT's own words.
fn listed_by_the_book(fading: &Fading, event: &Event, now: Timestamp) -> bool {
    fading.effective(event.score, event.scored_at, now) >= fading.hide_threshold
        || now < days_after(event.created_at, fading.hide_after_days)
        || now < event.over_at()
}

fn purgeable_by_the_book(fading: &Fading, event: &Event, now: Timestamp) -> bool {
    let last = event.ends_at.unwrap_or(event.starts_at);
    !(fading.protect_upcoming_events && now < event.over_at())
        && now >= days_after(last, fading.delete_grace_days_after_end)
        && now >= days_after(event.created_at, fading.delete_after_days)
        && fading.effective(event.score, event.scored_at, now) <= fading.delete_threshold
}

/// Floats may put the moment a little off; nobody sees a millisecond.
const ROUNDING: SignedDuration = SignedDuration::from_millis(1);

fn is_near(a: Timestamp, b: Timestamp) -> bool {
    a.duration_since(b).abs() <= ROUNDING
}

proptest! {
    #[test]
    fn the_derived_moments_agree_with_the_rules(
        fading in settings(), event in events(), after in -100 * DAY..400 * DAY,
    ) {
        let now = at(NOON + after);
        if !is_near(now, fading.unlisted_at(&event)) {
            prop_assert_eq!(
                fading.is_listed(&event, now), listed_by_the_book(&fading, &event, now));
        }
        if !is_near(now, fading.purgeable_at(&event)) {
            prop_assert_eq!(
                fading.is_purgeable(&event, now), purgeable_by_the_book(&fading, &event, now));
        }
    }

    #[test]
    fn the_rules_turn_at_the_derived_moments(fading in settings(), event in events()) {
        for moment in [fading.unlisted_at(&event), fading.purgeable_at(&event)] {
            if moment < at(0) || moment > at(NOON + 100_000 * DAY) {
                continue;
            }
            let (before, after) = (moment - ROUNDING, moment + ROUNDING);
            if moment == fading.unlisted_at(&event) {
                prop_assert!(listed_by_the_book(&fading, &event, before));
                prop_assert!(!listed_by_the_book(&fading, &event, after));
            } else {
                prop_assert!(!purgeable_by_the_book(&fading, &event, before));
                prop_assert!(purgeable_by_the_book(&fading, &event, after));
            }
        }
    }

    #[test]
    fn stepping_there_is_the_same_as_going_at_once(
        fading in settings(), score in 0.0_f64..=100.0,
        steps in proptest::collection::vec(0..5 * DAY, 1..20),
    ) {
        let (mut stepped, mut now) = (score, NOON);
        for step in steps {
            stepped = fading.effective(stepped, at(now), at(now + step));
            now += step;
        }
        let direct = fading.effective(score, at(NOON), at(now));
        prop_assert!((stepped - direct).abs() <= 1e-9, "{stepped} {direct}");
    }

    #[test]
    fn a_touch_never_lowers_and_a_score_never_leaves_its_range(
        fading in settings(), score in -10.0_f64..200.0, boost in -5.0_f64..50.0, later in 0..90 * DAY,
    ) {
        let now = at(NOON + later);
        let effective = fading.effective(score, at(NOON), now);
        let touched = fading.touch(score, at(NOON), now, boost);
        prop_assert!((0.0..=100.0).contains(&effective));
        prop_assert!((0.0..=100.0).contains(&touched));
        prop_assert!(touched >= effective);
    }

    #[test]
    fn a_touch_never_brings_the_end_nearer(
        fading in settings(), event in events(), boost in 0.0_f64..20.0, later in 0..90 * DAY,
    ) {
        let now = event.scored_at + SignedDuration::from_micros(later);
        let score = fading.touch(event.score, event.scored_at, now, boost);
        let touched = Event { score, scored_at: now, ..event.clone() };
        let before = fading.unlisted_at(&event).saturating_sub(ROUNDING).unwrap();
        prop_assert!(fading.unlisted_at(&touched) >= before || before <= now);
    }
}
