//! Ids: UUID text. An event's is all random, because it is the key to a private event; the others
//! begin with the time, so that rows made together lie together in an index.

use jiff::Timestamp;
use uuid::{Builder, Uuid};

use super::clock::Entropy;

/// Longest id, in characters; imported ones may be any text up to here.
pub const ID_MAX: usize = 64;

/// Characters of a UUID in the hyphenated form.
pub const UUID_LENGTH: usize = 36;

/// A new event's id: UUID version 4.
#[must_use]
pub fn event_id(entropy: &Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// Any other row's id: UUID version 7. Ids sort by the microsecond they were made in, and those of
/// one process by their order within it: the twelve bits after the milliseconds hold the rest of
/// the time, the thirty after those a count (RFC 9562, 6.2, methods 3 and 1). So a list by time
/// and id never shuffles what one transaction wrote.
#[must_use]
pub fn row_id(now: Timestamp, entropy: &Entropy) -> String {
    let micros = u64::try_from(now.as_microsecond()).unwrap_or(0);
    let mut bytes = [0; 10];
    entropy.fill(&mut bytes);
    // A thousand microseconds spread over 4096 steps.
    let fraction = u16::try_from((micros % 1000) * 4096 / 1000).unwrap_or(0xFFF);
    bytes[..2].copy_from_slice(&fraction.to_be_bytes());
    // Its two highest bits make way for the variant.
    bytes[2..6].copy_from_slice(&entropy.count().to_be_bytes());
    Builder::from_unix_timestamp_millis(micros / 1000, &bytes).into_uuid().to_string()
}

/// True for the text of any UUID, in the hyphenated form.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH && Uuid::try_parse(text).is_ok()
}

/// True for what may be an id here: 1 to [`ID_MAX`] characters, none of them a control character.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn event_ids_are_version_4() {
        let entropy = Entropy::seeded(1);
        let (one, two) = (event_id(&entropy), event_id(&entropy));
        assert_ne!(one, two);
        assert!(is_uuid(&one));
        assert_eq!(Uuid::try_parse(&one).unwrap().get_version_num(), 4);
    }

    #[test]
    fn rows_of_one_instant_keep_their_order() {
        let (entropy, now) = (Entropy::seeded(1), Timestamp::UNIX_EPOCH);
        let ids: Vec<_> = (0..300).map(|_| row_id(now, &entropy)).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn other_texts_are_no_uuid_but_may_be_an_id() {
        for text in
            ["", "abc", "6f1c8a1e5f0b4c0f9d0f0a0b0c0d0e0f", "6f1c8a1e-5f0b-4c0f-9d0f-0a0b0c0d0e0g"]
        {
            assert!(!is_uuid(text), "{text}");
        }
        assert!(is_id("old-style 7"));
        assert!(is_id(&"é".repeat(64)));
        assert!(!is_id(""));
        assert!(!is_id(&"é".repeat(65)));
        assert!(!is_id("a\0b"));
    }

    proptest! {
        #[test]
        fn row_ids_are_version_7_and_sort_by_time(a in 0_i64..4_102_444_800_000_000, gap in 1_i64..10_000_000) {
            let entropy = Entropy::seeded(1);
            let id = |micros| row_id(Timestamp::from_microsecond(micros).unwrap(), &entropy);
            let (earlier, later) = (id(a), id(a + gap));
            prop_assert_eq!(Uuid::try_parse(&earlier).unwrap().get_version_num(), 7);
            prop_assert!(earlier < later);
        }

        #[test]
        fn times_before_1970_are_no_reason_to_fail(micros in i64::MIN / 64..0) {
            if let Ok(at) = Timestamp::from_microsecond(micros) {
                prop_assert!(is_uuid(&row_id(at, &Entropy::seeded(1))));
            }
        }
    }
}
