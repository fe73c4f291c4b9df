//! Seats: how many an answer holds, and whether it may hold more.

use super::rsvp::{Approval, Reply};

/// The seats an answer holds: one for the guest and one for each companion of every `yes` that is
/// not rejected. A pending one keeps its seats until the organizer decides.
#[must_use]
pub fn seats(reply: Reply, approval: Approval, companions: i64) -> i64 {
    if reply == Reply::Yes && approval != Approval::Rejected {
        companions.max(0).saturating_add(1)
    } else {
        0
    }
}

/// True when an answer that holds `held` seats may hold `wanted` beside `taken_by_others`. One
/// that wants no more than it holds always may: in an event that is over-full, because its
/// capacity was lowered or guests were let in past it, nobody is locked out of a change that
/// takes no seat.
#[must_use]
pub fn fits(capacity: Option<i64>, taken_by_others: i64, wanted: i64, held: i64) -> bool {
    wanted <= held
        || capacity.is_none_or(|capacity| taken_by_others.saturating_add(wanted) <= capacity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_yes_that_is_not_rejected_holds_seats() {
        for approval in Approval::ALL {
            assert_eq!(seats(Reply::Maybe, approval, 3), 0);
            assert_eq!(seats(Reply::No, approval, 3), 0);
        }
        assert_eq!(seats(Reply::Yes, Approval::Approved, 3), 4);
        assert_eq!(seats(Reply::Yes, Approval::Pending, 0), 1);
        assert_eq!(seats(Reply::Yes, Approval::Rejected, 3), 0);
        assert_eq!(seats(Reply::Yes, Approval::Approved, -7), 1);
        assert_eq!(seats(Reply::Yes, Approval::Approved, i64::MAX), i64::MAX);
    }

    #[test]
    fn the_last_seat_is_taken_once() {
        assert!(fits(Some(5), 4, 1, 0));
        assert!(!fits(Some(5), 5, 1, 0));
        assert!(!fits(Some(5), 4, 2, 0));
        assert!(!fits(Some(5), 4, 2, 1), "growing counts like coming");
        assert!(fits(None, i64::MAX, i64::MAX, 0));
        assert!(!fits(Some(i64::MAX - 1), i64::MAX, i64::MAX, 0));
    }

    proptest! {
        #[test]
        fn an_over_full_event_takes_every_change_that_needs_no_seat(
            capacity in proptest::option::of(0_i64..10),
            others in 0_i64..50,
            wanted in 0_i64..10,
            freed in 0_i64..10,
        ) {
            prop_assert!(fits(capacity, others, wanted, wanted + freed));
        }

        #[test]
        fn answers_in_any_order_never_pass_the_capacity(
            capacity in 0_i64..20,
            parties in proptest::collection::vec((0_usize..8, 0_i64..7), 0..60),
        ) {
            let mut held = [0_i64; 8];
            for (guest, wanted) in parties {
                let others = held.iter().sum::<i64>() - held[guest];
                if fits(Some(capacity), others, wanted, held[guest]) {
                    held[guest] = wanted;
                }
                prop_assert!(held.iter().sum::<i64>() <= capacity);
            }
        }

        #[test]
        fn a_refused_party_would_not_have_fitted(
            capacity in 0_i64..20, others in 0_i64..20, held in 0_i64..6, wanted in 0_i64..6,
        ) {
            if !fits(Some(capacity), others, wanted, held) {
                prop_assert!(wanted > held && others + wanted > capacity);
            }
        }
    }
}
