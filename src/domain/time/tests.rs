//! What clients write, zones and their odd nights, and forms that nobody touched.

use proptest::prelude::*;

use super::*;

const UTC: Whereabouts<'static> = Whereabouts { zone: None, offset_minutes: None };

fn zoned(name: &str) -> Whereabouts<'_> {
    Whereabouts { zone: Some(name), offset_minutes: None }
}

fn minutes(offset: i64) -> Whereabouts<'static> {
    Whereabouts { zone: None, offset_minutes: Some(offset) }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Each checked against Python 3.11.
#[test]
fn everything_the_original_took_is_read() {
    for (text, expected) in [
        ("2031-05-10", "2031-05-10T00:00:00"),
        ("20310510", "2031-05-10T00:00:00"),
        ("2031-W19-6", "2031-05-10T00:00:00"),
        ("2031W196", "2031-05-10T00:00:00"),
        ("2031-W19", "2031-05-05T00:00:00"),
        ("2031W19", "2031-05-05T00:00:00"),
        ("2032-W53-7", "2033-01-02T00:00:00"),
        ("2031-05-10T10", "2031-05-10T10:00:00"),
        ("2031-05-10T10:30", "2031-05-10T10:30:00"),
        ("2031-05-10 10:30", "2031-05-10T10:30:00"),
        ("2031-05-10T10:30:15", "2031-05-10T10:30:15"),
        ("2031-05-10T10:30:15.5", "2031-05-10T10:30:15.500000"),
        ("2031-05-10T10:30:15,25", "2031-05-10T10:30:15.250000"),
        ("2031-05-10T10:30:15.123456789", "2031-05-10T10:30:15.123456"),
        ("2031-05-10T10:30:15.999999999", "2031-05-10T10:30:15.999999"),
        ("20310501T1000", "2031-05-01T10:00:00"),
        ("20310501T100015.000001", "2031-05-01T10:00:15.000001"),
        ("2031-W19-6T10:30", "2031-05-10T10:30:00"),
        ("2031W196T1030", "2031-05-10T10:30:00"),
        ("2031-05-10T1030", "2031-05-10T10:30:00"),
        ("2031-05-10T10:30Z", "2031-05-10T10:30:00"),
        ("2031-05-10T10:30:15.5Z", "2031-05-10T10:30:15.500000"),
        ("2031-05-10T10:30+02:00", "2031-05-10T08:30:00"),
        ("2031-05-10T10:30-0530", "2031-05-10T16:00:00"),
        ("2031-05-10T10:30+02", "2031-05-10T08:30:00"),
        ("2031-05-10T10:30:00+02:00:30", "2031-05-10T08:29:30"),
        ("20310510T103000-23:59", "2031-05-11T10:29:00"),
        ("2032-02-29T00:00", "2032-02-29T00:00:00"),
        ("0001-01-01", "0001-01-01T00:00:00"),
        ("9999-12-30T21:59:59", "9999-12-30T21:59:59"),
        ("  2031-05-10T10:30\n", "2031-05-10T10:30:00"),
    ] {
        assert_eq!(UTC.resolve(text).map(naive), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused_with_a_reason() {
    use TimeError::{Offset, OutOfRange, Unreadable};
    for (text, expected) in [
        ("", Unreadable),
        ("soon", Unreadable),
        ("10:30", Unreadable),
        ("2031", Unreadable),
        ("2031-05", Unreadable),
        ("2031-13-01", Unreadable),
        ("2031-02-29", Unreadable),
        ("2031-W54", Unreadable),
        ("2031-W53-1", Unreadable),
        ("2031-W19-8", Unreadable),
        ("2031-0510", Unreadable),
        ("2031-05-10T", Unreadable),
        ("2031-05-10T24:00", Unreadable),
        ("2031-05-10T10:60", Unreadable),
        ("2031-05-10T10:30:60", Unreadable),
        ("2031-05-10T1:30", Unreadable),
        ("2031-05-10T10:3015", Unreadable),
        ("2031-05-10T10:30:15.", Unreadable),
        ("2031-05-10T10:30.5", Unreadable),
        ("2031-05-10T10:30:15.1x", Unreadable),
        ("2031-05-10T10:30 Z", Unreadable),
        ("2031-05-10T10:30Zulu", Unreadable),
        ("2031-05-10T10:30Z0530", Unreadable),
        ("2031-05-10T10:30+", Unreadable),
        ("2031-05-10T10:30+02:60", Unreadable),
        ("2031-05-10T10:30+02:00:30.5", Unreadable),
        ("2031-05-10T10:30+2", Unreadable),
        ("２０３１-05-10", Unreadable),
        ("2031-05-1é", Unreadable),
        ("+2031-05-10", Unreadable),
        ("-031-05-10", Unreadable),
        ("12031-05-10", Unreadable),
        ("2031-05-10T10:30+24:00", Offset),
        ("2031-05-10T10:30-99:00", Offset),
        ("0000-01-01", OutOfRange),
        ("0001-01-01T00:00+00:01", OutOfRange),
        ("9999-12-31T23:59:59", OutOfRange),
        ("9999-12-30T10:00-23:00", OutOfRange),
    ] {
        assert_eq!(UTC.resolve(text), Err(expected), "{text}");
    }
}

#[test]
fn an_offset_in_the_text_counts_alone_and_once() {
    let both = Whereabouts { zone: Some("Asia/Tokyo"), offset_minutes: Some(300) };
    let resolved = both.resolve("2031-05-10T10:00+02:00").unwrap();
    assert_eq!(naive(resolved), "2031-05-10T08:00:00");
}

#[test]
fn a_zone_wins_over_offset_minutes_and_those_over_utc() {
    let text = "2031-05-10T10:00";
    let both = Whereabouts { zone: Some("Asia/Tokyo"), offset_minutes: Some(300) };
    assert_eq!(both.resolve(text).map(naive).unwrap(), "2031-05-10T01:00:00");
    let blank = Whereabouts { zone: Some(" "), offset_minutes: Some(300) };
    assert_eq!(blank.resolve(text).map(naive).unwrap(), "2031-05-10T15:00:00");
    assert_eq!(minutes(-120).resolve(text).map(naive).unwrap(), "2031-05-10T08:00:00");
    assert_eq!(UTC.resolve(text).map(naive).unwrap(), "2031-05-10T10:00:00");
}

#[test]
fn absurd_whereabouts_are_refused() {
    let text = "2031-05-10T10:00";
    for offset in [1441, -1441, i64::MAX, i64::MIN] {
        assert_eq!(minutes(offset).resolve(text), Err(TimeError::Offset));
    }
    assert_eq!(minutes(1440).resolve(text).map(naive).unwrap(), "2031-05-11T10:00:00");
    for name in ["Europe/Atlantis", "../../etc/passwd", "Local", "a\0b"] {
        let refused = zoned(name).resolve(text);
        assert_eq!(refused, Err(TimeError::UnknownZone(name.to_owned())));
    }
}

#[test]
fn zones_are_found_in_any_case_and_know_their_name() {
    assert_eq!(zone(" europe/BERLIN ").unwrap().iana_name(), Some("Europe/Berlin"));
    assert_eq!(zone("UTC").unwrap().iana_name(), Some("UTC"));
}

#[test]
fn a_skipped_hour_moves_on_and_a_doubled_one_is_the_first() {
    let berlin = zoned("Europe/Berlin");
    let resolve = |text| berlin.resolve(text).map(rfc3339).unwrap();
    assert_eq!(resolve("2026-03-29T02:30"), "2026-03-29T01:30:00Z");
    assert_eq!(resolve("2026-03-29T03:30"), "2026-03-29T01:30:00Z");
    assert_eq!(resolve("2026-10-25T02:30"), "2026-10-25T00:30:00Z");
    assert_eq!(resolve("2026-10-25T03:00"), "2026-10-25T02:00:00Z");
    assert_eq!(resolve("2026-01-10T12:00"), "2026-01-10T11:00:00Z");
    assert_eq!(resolve("2026-07-10T12:00"), "2026-07-10T10:00:00Z");
}

#[test]
fn an_untouched_form_keeps_seconds_and_the_second_of_two_hours() {
    let berlin = zoned("Europe/Berlin");
    let kept = at("2026-10-25T01:30:15.25Z");
    let shown = local(kept, &zone("Europe/Berlin").unwrap());
    assert_eq!(shown, "2026-10-25T02:30");
    assert_eq!(berlin.resolve_kept(&shown, kept), Ok(kept));
    assert_eq!(berlin.resolve_kept("2026-10-25T02:31", kept), Ok(at("2026-10-25T00:31:00Z")));
    let told = "2026-10-25T02:30+02:00";
    assert_eq!(berlin.resolve_kept(told, kept), Ok(at("2026-10-25T00:30:00Z")));
    let moved = zoned("Asia/Tokyo").resolve_kept(&shown, kept);
    assert_eq!(moved, Ok(at("2026-10-24T17:30:00Z")), "another zone is a change");
}

#[test]
fn times_print_with_a_fraction_only_when_there_is_one() {
    assert_eq!(naive(at("2026-03-01T18:00:00Z")), "2026-03-01T18:00:00");
    assert_eq!(naive(at("2026-03-01T18:00:00.0005Z")), "2026-03-01T18:00:00.000500");
    assert_eq!(rfc3339(at("0001-01-01T00:00:00.000001Z")), "0001-01-01T00:00:00.000001Z");
}

const ZONES_OF_INTEREST: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Pacific/Chatham",
];

fn instants() -> impl Strategy<Value = Timestamp> {
    // 1900 to 2100, with a second strategy around the changes of clocks in Berlin and New York.
    let change = prop_oneof![
        Just("2026-03-29T01:00:00Z"),
        Just("2026-10-25T01:00:00Z"),
        Just("2026-11-01T06:00:00Z")
    ];
    let near = (change, -7_200_000_000_i64..7_200_000_000)
        .prop_map(|(change, by)| at(change).as_microsecond() + by);
    prop_oneof![-2_208_988_800_000_000_i64..4_102_444_800_000_000, near]
        .prop_map(|micros| Timestamp::from_microsecond(micros).unwrap())
}

proptest! {
    #[test]
    fn saving_an_untouched_form_changes_nothing(
        kept in instants(), name in proptest::sample::select(&ZONES_OF_INTEREST[..]),
    ) {
        let shown = local(kept, &zone(name).unwrap());
        prop_assert_eq!(zoned(name).resolve_kept(&shown, kept), Ok(kept));
    }

    #[test]
    fn saving_an_untouched_form_changes_nothing_for_offset_minutes(
        kept in instants(), offset in -1440_i64..=1440,
    ) {
        let shown = local(kept, &minutes(offset).time_zone().unwrap());
        prop_assert_eq!(minutes(offset).resolve_kept(&shown, kept), Ok(kept));
    }

    #[test]
    fn what_is_printed_is_read_as_the_same(kept in instants()) {
        prop_assert_eq!(UTC.resolve(&naive(kept)), Ok(kept));
        prop_assert_eq!(zoned("Asia/Tokyo").resolve(&rfc3339(kept)), Ok(kept));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), offset in any::<i64>(), name in ".{0,9}") {
        let here = Whereabouts { zone: Some(&name), offset_minutes: Some(offset) };
        let _ = here.resolve(&text);
        let _ = here.resolve_kept(&text, Timestamp::MAX);
    }

    #[test]
    fn near_misses_do_not_make_it_panic(
        text in "[0-9]{4}-?W?[0-9]{1,2}-?[0-9]{0,2}[T ]?[0-9:.,+\\-Zé]{0,16}",
        kept in prop_oneof![Just(Timestamp::MIN), Just(Timestamp::MAX)],
        offset in -1500_i64..1500,
    ) {
        if let Ok(at) = minutes(offset).resolve(&text) {
            prop_assert!(is_in_range(at));
            prop_assert_eq!(UTC.resolve(&naive(at)), Ok(at));
        }
        let _ = minutes(offset).resolve_kept(&text, kept);
    }
}

#[test]
fn bounds_beyond_all_time_are_its_ends() {
    let utc = Whereabouts::default();
    let bound = |text: &str| utc.resolve_bound(text).map(naive);
    for late in ["9999-12-31", "9999-12-31T23:59:59.999999", "9999-12-31T12:00-23:00"] {
        assert_eq!(bound(late).as_deref(), Ok("9999-12-30T22:00:00"), "{late}");
    }
    assert_eq!(bound("0001-01-01T00:00+14:00").as_deref(), Ok("0001-01-01T00:00:00"));
    assert_eq!(bound("2026-05-01").as_deref(), Ok("2026-05-01T00:00:00"));
    assert_eq!(bound("0000-01-01"), Err(TimeError::OutOfRange));
    assert_eq!(bound("9999-12-32"), Err(TimeError::Unreadable));
    let bad = Whereabouts { zone: Some("Mars/Base"), offset_minutes: None };
    assert!(matches!(bad.resolve_bound("9999-12-31"), Err(TimeError::UnknownZone(_))));
}
