//! Telling programs that fill in every form they find from people, without asking people anything:
//! a field that nobody sees, and the time that typing takes.

use crate::metrics::Refusal;
use crate::services::limits::Doubt;
use crate::services::{Error, Field, FieldError, Site};

/// The field that nobody sees: whoever fills it in read the page as programs do.
const BAIT: &str = "website";

/// Checks a public form; `started` is the stamp that it was given out with.
pub(super) fn check(
    site: &Site,
    fields: impl Fn(&str) -> Option<String>,
    started: &mut String,
) -> Result<(), Error> {
    let refuse = |refusal, message: &str| {
        site.metrics.refused(refusal);
        Err(FieldError::new(Field::Whole, message).into())
    };
    if site.limits.is_on() && fields(BAIT).is_some_and(|text| !text.trim().is_empty()) {
        return refuse(
            Refusal::Bait,
            "Something was filled in that people do not see, perhaps by your browser. It is empty \
             again now: send once more.",
        );
    }
    let now = site.clock.now();
    match site.limits.check_stamp(started, now) {
        Ok(()) => Ok(()),
        Err(Doubt::TooQuick) => {
            refuse(Refusal::TooQuick, "That went very fast. Look it over, then send once more.")
        }
        Err(Doubt::NotOurs) => {
            *started = site.limits.stamp(now);
            refuse(
                Refusal::NotOurs,
                "This page lay open for too long. Look it over, then send once more.",
            )
        }
    }
}
