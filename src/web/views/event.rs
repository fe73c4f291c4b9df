//! The page of an event: what, when, where, and the answer.

use askama::Template;

use super::parts::{AnswerBlock, EventFacts, KeepLink, MessageView, Openness};

/// Somebody who comes, or may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestName {
    /// The guest's name.
    pub name: String,
    /// The guest's pronouns.
    pub pronouns: Option<String>,
    /// People beside the guest.
    pub companions: i64,
}

/// Who answered, as far as everybody may know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WhoComes {
    /// People coming.
    pub coming: i64,
    /// People who may come.
    pub maybe: i64,
    /// Named guests who are coming.
    pub coming_names: Vec<GuestName>,
    /// Named guests who may come.
    pub maybe_names: Vec<GuestName>,
    /// Named guests beyond those that are shown.
    pub more: i64,
    /// People who are counted, not named.
    pub unnamed: i64,
    /// `of 40 places`, or blank.
    pub places: String,
}

/// The page of an event.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "pages/event.html")]
pub struct EventPage {
    /// What heads it.
    pub facts: EventFacts,
    /// The form.
    pub answer: AnswerBlock,
    /// Safe HTML, or blank.
    pub description_html: String,
    /// Who answered.
    pub who: WhoComes,
    /// Announcements, newest first.
    pub announcements: Vec<MessageView>,
    /// The public link, for sharing and for previews.
    pub share: KeepLink,
    /// The whole address of the picture in previews; blank is none.
    pub image_url: String,
    /// The event for programs: JSON that may stand inside a script element; blank is none.
    pub json_ld: String,
    /// One line for previews of the page; blank is none.
    pub preview: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::samples::{answer, check, facts, filled, message};
    use super::*;
    use crate::web::text::markdown;

    fn guest(name: &str, companions: i64) -> GuestName {
        GuestName { name: name.to_owned(), pronouns: None, companions }
    }

    fn open() -> EventPage {
        let they = Some("they/them".to_owned());
        EventPage {
            facts: facts(),
            answer: AnswerBlock { openness: Openness::Left(5), ..answer() },
            description_html: markdown(
                "The long table is back. Bring **one dish to share**; plates and candles are \
                 there.\n\n- Vegetarian grill from 19:30\n- Music later, softly\n\nQuestions? [Map \
                 of the garden](https://example.org/map)",
            ),
            who: WhoComes {
                more: 0,
                coming: 12,
                maybe: 3,
                coming_names: vec![
                    guest("Ana Lindqvist", 2),
                    GuestName { pronouns: they, ..guest("Robin", 0) },
                    guest("محمد العلي", 1),
                    guest("Christopher-Alexander von und zu Hohenfelden", 0),
                ],
                maybe_names: vec![guest("Jo", 0), guest("Ilse", 1)],
                unnamed: 4,
                places: "of 17 places".to_owned(),
            },
            announcements: vec![message("The host", "It may rain: we have a tent now.")],
            share: KeepLink::new(
                "share-link",
                "Copy the link",
                "https://rsvp.example.org/e/1b4e28ba",
            )
            .shared_as("Midsummer dinner in the garden"),
            image_url: "https://rsvp.example.org/icon-512.png".to_owned(),
            json_ld: r#"{"@type":"Event"}"#.to_owned(),
            preview: "Sat 13 June 2026, 19:00–23:00, Lindenhof 4".to_owned(),
        }
    }

    /// Every state of the page.
    fn samples() -> Vec<(&'static str, EventPage)> {
        let with = |openness| AnswerBlock { openness, ..answer() };
        let mut refused = AnswerBlock { form: filled(), ..with(Openness::Full) };
        refused.is_coming_barred = true;
        refused.form.errors = vec![
            ("attendance_status", "Someone took the last place while you were typing.".to_owned()),
            ("name", "Tell the host who you are.".to_owned()),
        ];
        let full = AnswerBlock { is_coming_barred: true, ..with(Openness::Full) };
        let approval = AnswerBlock { needs_approval: true, form: filled(), ..answer() };
        let mut private = EventPage { answer: approval, ..open() };
        private.facts.location = None;
        private.facts.hides_location = true;
        private.facts.is_private = true;
        private.facts.channel = None;
        let bare = EventPage { facts: facts(), answer: answer(), ..EventPage::default() };
        vec![
            ("open", open()),
            ("bare", bare),
            ("private", private),
            ("full", EventPage { answer: full, ..open() }),
            ("refused", EventPage { answer: refused, ..open() }),
            ("closed", EventPage { answer: with(Openness::Closed), ..open() }),
            ("over", EventPage { answer: with(Openness::Over), ..open() }),
        ]
    }

    #[test]
    fn renders_every_state() {
        check("event", samples());
    }

    #[test]
    fn escapes_what_people_write() {
        let mut page = open();
        page.facts.title = "<script>alert(1)</script>".to_owned();
        assert!(!page.render().expect("renders").contains("<script>alert"));
    }
}
