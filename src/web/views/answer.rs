//! Giving an answer on a page of its own, and having given it.

use askama::Template;

use super::super::text::people;
use super::parts::{AnswerBlock, EventFacts, KeepLink, KeptLink, Openness};
use crate::domain::rsvp::{Approval, Reply};

/// The form alone.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/answer.html")]
pub struct AnswerPage {
    /// What it is about.
    pub facts: EventFacts,
    /// The form.
    pub answer: AnswerBlock,
}

/// Where an answer stands, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerState {
    /// `You’re coming: 3 people`.
    pub sentence: String,
    /// What that means; may be blank.
    pub detail: String,
    /// What the host said, for an answer that was declined.
    pub reason: Option<String>,
    /// `yes`, `maybe`, `no` or `waiting`: the picture beside it.
    pub tone: &'static str,
}

impl AnswerState {
    /// The words for an answer of `count` people. `reason` is what the host said to a decline.
    #[must_use]
    pub fn of(reply: Reply, approval: Approval, count: i64, reason: Option<String>) -> Self {
        let state = |sentence: &str, detail: &str, tone| Self {
            sentence: sentence.to_owned(),
            detail: detail.to_owned(),
            reason: None,
            tone,
        };
        match (approval, reply) {
            (Approval::Rejected, _) => Self {
                reason,
                ..state("The host declined your answer", "You are not on the guest list.", "no")
            },
            (_, Reply::No) => {
                state("You can’t come", "The host knows. If that changes, change it here.", "no")
            }
            (Approval::Pending, _) => {
                let asked = match reply {
                    Reply::Yes => format!("You asked to come: {}.", people(count)),
                    _ => "You said: maybe.".to_owned(),
                };
                let detail = asked + " Come back to your link to see what the host says.";
                state("Sent to the host for a yes", &detail, "waiting")
            }
            (Approval::Approved, Reply::Yes) if count == 1 => {
                state("You’re coming", "See you there.", "yes")
            }
            (Approval::Approved, Reply::Yes) => {
                state(&format!("You’re coming: {}", people(count)), "See you all there.", "yes")
            }
            (Approval::Approved, Reply::Maybe) => {
                state("You might come", "Let the host know once you are sure.", "maybe")
            }
        }
    }
}

/// The answer was sent: what it says, and the way back to it.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/answered.html")]
pub struct AnsweredPage {
    /// What it is about.
    pub facts: EventFacts,
    /// Where the answer stands.
    pub state: AnswerState,
    /// The guest's own link.
    pub link: KeepLink,
    /// Where the answer is changed.
    pub manage_href: String,
}

impl AnsweredPage {
    fn kept(&self) -> KeptLink {
        let path = self.manage_href.find("/e/").map_or("", |at| &self.manage_href[at..]);
        KeptLink::guest(path, &self.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{answer, check, facts, filled};
    use super::*;

    #[test]
    fn renders_the_form() {
        let filled = AnswerBlock { form: filled(), ..answer() };
        let closed = AnswerBlock { openness: Openness::Closed, ..answer() };
        let states = [("empty", answer()), ("filled", filled), ("closed", closed)];
        let page = |answer| AnswerPage { facts: facts(), answer };
        check("answer", states.map(|(state, answer)| (state, page(answer))).to_vec());
    }

    #[test]
    fn says_where_an_answer_stands() {
        let url =
            "https://rsvp.example.org/e/1b4e28ba/rsvp/Zk3vJx0yQm1nT8rW5aPbC7dEfGhIjKlMnOpQrStUvWx";
        let page = |reply, approval, people| AnsweredPage {
            facts: facts(),
            state: AnswerState::of(reply, approval, people, None),
            link: KeepLink::new("own-link", "Copy your link", url),
            manage_href: url.to_owned(),
        };
        let party = page(Reply::Yes, Approval::Approved, 3);
        assert_eq!(party.state.sentence, "You’re coming: 3 people");
        let states = vec![
            ("party", party),
            ("alone", page(Reply::Yes, Approval::Approved, 1)),
            ("waiting", page(Reply::Yes, Approval::Pending, 2)),
            ("maybe", page(Reply::Maybe, Approval::Approved, 1)),
            ("no", page(Reply::No, Approval::Pending, 1)),
        ];
        check("answered", states);
    }
}
