//! Markdown as plain text, for calendars and previews.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// `markdown` as a person would type it without markup: headings and emphasis lose their signs,
/// links show where they lead, lists keep a mark. What looks like HTML is text here and stays:
/// `<3` and `<jo@example.org>` are words.
#[must_use]
pub fn to_plain(markdown: &str) -> String {
    let mut writer = Writer::default();
    for event in Parser::new(markdown) {
        writer.take(event);
    }
    writer.text.trim().to_owned()
}

/// A text of nothing but list marks would otherwise grow with the square of its length.
const INDENTS_MAX: usize = 8;

#[derive(Default)]
struct Writer {
    text: String,
    /// The lists around, innermost last; a number is the next one of an ordered list.
    lists: Vec<Option<u64>>,
    /// The links around: where they lead, and where their text began.
    links: Vec<(String, usize)>,
    /// Where the mark of the last list item ends.
    mark_end: usize,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.text.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => self.text.push('\n'),
            Event::Rule => {
                self.begin_block(2);
                self.text.push_str("---");
            }
            // The extensions that give the others are off.
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            // The first paragraph of a list item goes on after its mark.
            Tag::Paragraph | Tag::Heading { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock
                if self.text.len() != self.mark_end =>
            {
                self.begin_block(2);
            }
            Tag::List(first) => {
                self.begin_block(if self.lists.is_empty() { 2 } else { 1 });
                self.lists.push(first);
            }
            Tag::Item => {
                self.begin_block(1);
                let depth = self.lists.len().saturating_sub(1).min(INDENTS_MAX);
                self.text.push_str(&"  ".repeat(depth));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.text.push_str(&format!("{number}. "));
                        *number = number.saturating_add(1);
                    }
                    _ => self.text.push_str("- "),
                }
                self.mark_end = self.text.len();
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), self.text.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                if let Some((url, start)) = self.links.pop() {
                    let label = self.text.get(start..).unwrap_or_default();
                    if label.is_empty() {
                        self.text.push_str(&url);
                    } else if label != url && url.strip_prefix("mailto:") != Some(label) {
                        self.text.push_str(&format!(" ({url})"));
                    }
                }
            }
            _ => {}
        }
    }

    /// Ends what stands there, so that at least `breaks` line breaks, and at most two, come before
    /// what follows.
    fn begin_block(&mut self, breaks: usize) {
        let end = self.text.trim_end_matches('\n').len();
        let breaks = (self.text.len() - end).clamp(breaks, 2);
        self.text.truncate(end);
        if end > 0 {
            self.text.push_str(&"\n".repeat(breaks));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_goes_and_words_stay() {
        for (markdown, plain) in [
            ("# Games\n\nBring **your** *own* `dice`!", "Games\n\nBring your own dice!"),
            ("one\ntwo  \nthree\n\n\n\nfour", "one\ntwo\nthree\n\nfour"),
            ("> quoted\n\n---\n\nend", "quoted\n\n---\n\nend"),
            (
                "Bring:\n\n- dice\n- cards\n  - uno\n\nBye",
                "Bring:\n\n- dice\n- cards\n  - uno\n\nBye",
            ),
            ("3. three\n4. four", "3. three\n4. four"),
            ("- a\n\n- b\n\n  more", "- a\n- b\n\nmore"),
            ("[map](https://example.org/m) ![](/i.png)", "map (https://example.org/m) /i.png"),
            ("<https://example.org> <jo@example.org>", "https://example.org jo@example.org"),
            ("I <3 you, a < b > c, <b>bold</b>", "I <3 you, a < b > c, <b>bold</b>"),
            ("<div>\nhi\n</div>\n\nthere", "<div>\nhi\n</div>\n\nthere"),
            ("Fish &amp; chips; 5 \\* 3", "Fish & chips; 5 * 3"),
            ("```\nlet x;\n```\nafter", "let x;\n\nafter"),
            ("", ""),
        ] {
            assert_eq!(to_plain(markdown), plain, "{markdown}");
        }
    }

    #[test]
    fn hostile_nesting_stays_small() {
        for unit in ["- ", "> ", "1. ", "[", "![a](b"] {
            assert!(to_plain(&unit.repeat(20_000 / unit.len())).len() < 400_000, "{unit}");
        }
    }

    proptest! {
        #[test]
        fn plain_words_are_left_alone(text in "[a-zA-Zé👍,;:?]{1,9}( [a-zA-Z0-9é]{1,9}){0,5}") {
            prop_assert_eq!(to_plain(&text), text);
        }

        #[test]
        fn any_text_can_be_flattened(text in any::<String>()) {
            let _ = to_plain(&text);
        }
    }
}
