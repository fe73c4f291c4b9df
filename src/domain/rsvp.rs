//! A guest's answer.

use std::fmt;

use jiff::Timestamp;

use super::token::TokenHash;

/// Longest name, in characters.
pub const NAME_MAX: usize = 120;
/// Longest pronouns, in characters.
pub const PRONOUNS_MAX: usize = 64;

/// What the guest says (RFC 5545, PARTSTAT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Coming.
    Yes,
    /// Perhaps.
    Maybe,
    /// Not coming.
    No,
}

impl Reply {
    /// Every reply, in the order people read them.
    pub const ALL: [Self; 3] = [Self::Yes, Self::Maybe, Self::No];

    /// The stored and v1 word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Maybe => "maybe",
            Self::No => "no",
        }
    }

    /// The reply for a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reply| reply.as_str() == word)
    }

    /// The reply a client means: case and space do not count, blank is yes, unknown is maybe.
    #[must_use]
    pub fn lenient(text: &str) -> Self {
        let word = text.trim().to_lowercase();
        if word.is_empty() { Self::Yes } else { Self::from_stored(&word).unwrap_or(Self::Maybe) }
    }
}

/// What the organizer says about the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Approval {
    /// Waits for the organizer.
    Pending,
    /// May come.
    Approved,
    /// May not come.
    Rejected,
}

impl Approval {
    /// Every state; those that wait for the organizer first.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Approved, Self::Rejected];

    /// The stored and v1 word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// The state for a stored word.
    #[must_use]
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|approval| approval.as_str() == word)
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One answer as it is stored: a guest and the people they bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Rsvp {
    /// UUID text.
    pub id: String,
    /// The event answered.
    pub event_id: String,
    /// SHA-256 of the guest's token.
    pub token: TokenHash,
    /// 1 to [`NAME_MAX`] characters (imported ones may be longer).
    pub name: String,
    /// At most [`PRONOUNS_MAX`] characters.
    pub pronouns: Option<String>,
    /// What the guest says.
    pub reply: Reply,
    /// What the organizer says.
    pub approval: Approval,
    /// People beside the guest.
    pub companions: i64,
    /// Counted, not named.
    pub is_private: bool,
    /// When the guest first answered.
    pub created_at: Timestamp,
    /// When the answer last changed.
    pub modified_at: Timestamp,
}

impl Rsvp {
    /// The guest and the people they bring.
    #[must_use]
    pub fn people(&self) -> i64 {
        1 + self.companions
    }

    /// True when everybody may read the name.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.is_private && self.approval == Approval::Approved
    }

    /// True when the guest is approved and coming, and so may see the place.
    #[must_use]
    pub fn may_see_place(&self) -> bool {
        self.approval == Approval::Approved && self.reply == Reply::Yes
    }
}

/// How many answers and people an event has, by approval, reply and privacy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// One line for each combination that occurs.
    pub lines: Vec<TallyLine>,
}

/// The answers that share one approval, reply and privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TallyLine {
    /// What the organizer says.
    pub approval: Approval,
    /// What the guests say.
    pub reply: Reply,
    /// Whether they are counted only.
    pub is_private: bool,
    /// Answers.
    pub answers: i64,
    /// Guests and companions.
    pub people: i64,
}

impl Tally {
    /// Answers and people of the lines that `wanted` picks.
    pub fn sum(&self, wanted: impl Fn(&TallyLine) -> bool) -> (i64, i64) {
        self.lines
            .iter()
            .filter(|line| wanted(line))
            .fold((0, 0), |(answers, people), line| (answers + line.answers, people + line.people))
    }

    /// Answers and people the organizer has approved with this reply.
    #[must_use]
    pub fn approved(&self, reply: Reply) -> (i64, i64) {
        self.sum(|line| line.approval == Approval::Approved && line.reply == reply)
    }

    /// Answers and people with this approval, whatever their reply.
    #[must_use]
    pub fn with_approval(&self, approval: Approval) -> (i64, i64) {
        self.sum(|line| line.approval == approval)
    }
}
