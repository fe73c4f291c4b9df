//! The page behind a guest's own link: the answer, the conversation, the way out.

use askama::Template;

use super::answer::AnswerState;
use super::forms::MessageForm;
use super::parts::{AnswerBlock, EventFacts, KeepLink, KeptLink, MessageView, Openness};

/// A guest's own page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/manage.html")]
pub struct ManagePage {
    /// What it is about.
    pub facts: EventFacts,
    /// Where the answer stands.
    pub state: AnswerState,
    /// The form that changes it; with `is_edit`.
    pub answer: AnswerBlock,
    /// What host and guest wrote, oldest first.
    pub messages: Vec<MessageView>,
    /// What the host announced to everybody, newest first.
    pub announcements: Vec<MessageView>,
    /// The form that writes to the host.
    pub message: MessageForm,
    /// The guest's link.
    pub link: KeepLink,
    /// This page's path, `/e/{id}/rsvp/{token}`: the actions lie below it.
    pub base: String,
    /// What was just done.
    pub notice: Option<String>,
}

impl ManagePage {
    fn kept(&self) -> KeptLink {
        KeptLink::guest(&self.base, &self.facts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{answer, check, facts, filled, message};
    use super::*;
    use crate::domain::rsvp::{Approval, Reply};

    fn page(reply: Reply, approval: Approval) -> ManagePage {
        let base = "/e/1b4e28ba/rsvp/Zk3vJx0yQm1nT8rW5aPbC7dEfGhIjKlMnOpQrStUvWx";
        let reason = Some("We are only the neighbours this time.".to_owned());
        let mut form = filled();
        form.attendance_status = reply.as_str().to_owned();
        ManagePage {
            facts: facts(),
            state: AnswerState::of(reply, approval, 3, reason),
            answer: AnswerBlock { is_edit: true, action: base.to_owned(), form, ..answer() },
            link: KeepLink::new("own-link", "Copy", &format!("https://rsvp.example.org{base}")),
            base: base.to_owned(),
            ..ManagePage::default()
        }
    }

    #[test]
    fn renders_every_state() {
        let mut talk = page(Reply::Yes, Approval::Approved);
        talk.notice = Some("Saved.".to_owned());
        talk.messages = vec![
            message("You", "We bring cordial.\nAnd a blanket."),
            message("The host", "Lovely, thank you."),
        ];
        talk.announcements = vec![message("The host", "It may rain: we have a tent now.")];
        let mut refused = page(Reply::Yes, Approval::Pending);
        refused.message.errors = vec![("content", "Write something first.".to_owned())];
        refused.answer.form.errors = vec![("name", "Tell the host who you are.".to_owned())];
        let mut over = page(Reply::Maybe, Approval::Approved);
        over.answer.openness = Openness::Over;
        let declined = page(Reply::Yes, Approval::Rejected);
        let states =
            vec![("talk", talk), ("refused", refused), ("over", over), ("declined", declined)];
        check("manage", states);
    }
}
