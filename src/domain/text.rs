//! Text that people typed: made fit to be stored, compared and searched.
//!
//! Control characters never reach the database: they break calendars, feeds and terminals, and
//! PostgreSQL refuses NUL. They are taken out rather than refused, since they come from pasting
//! and nobody can see them. (A lone surrogate such as JSON's `\ud800` is not text at all: the
//! parser of the request refuses it, for a `String` cannot hold one.)

use unicode_normalization::UnicodeNormalization as _;

/// Text of a field of one line: without control characters, each tab or line break a blank,
/// without blanks around it.
#[must_use]
pub fn clean_line(typed: &str) -> String {
    let line: String = typed
        .replace("\r\n", " ")
        .chars()
        .map(|c| if is_break(c) || c == '\t' { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    line.trim().to_owned()
}

/// Text of a field of several lines: without control characters other than tab and line break,
/// without blanks around it. CRLF and a lone CR become LF.
#[must_use]
pub fn clean_block(typed: &str) -> String {
    let mut block = String::with_capacity(typed.len());
    let mut signs = typed.trim().chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            // Browsers send every line break as CRLF, and count it as one character.
            '\r' if signs.peek() == Some(&'\n') => {}
            '\r' => block.push('\n'),
            '\n' | '\t' => block.push(sign),
            sign if sign.is_control() => {}
            sign => block.push(sign),
        }
    }
    // Again: what stood around the text may have been hidden behind a control character.
    block.trim().to_owned()
}

/// True when two texts of several lines differ in nothing a person typed: browsers send every
/// line break as CRLF, whatever the field was filled with.
#[must_use]
pub fn is_same_block(one: &str, other: &str) -> bool {
    one == other || clean_block(one) == clean_block(other)
}

/// True when nothing of `text` can be seen: blanks, control characters, and signs without width.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// `text` as it is searched: without regard to case, accents, width of letters, or the number of
/// blanks. Both the stored column and the words looked for go through here, never through a
/// database's own idea of lower case, so a search finds the same on either.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let letters = text.nfkd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase);
    for letter in letters {
        match letter {
            // No decomposition knows these, but people look for them by the plain letter.
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ı' => folded.push('i'),
            'ς' => folded.push('σ'),
            letter if letter.is_control() && !letter.is_whitespace() => {}
            letter => folded.push(letter),
        }
    }
    // Composed again, so that a Korean syllable is not found inside another.
    folded.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect()
}

/// The pattern for `LIKE ... ESCAPE '!'` that fits every folded text in which `query` stands, `%`
/// and `_` taken as they are; `None` for a query without anything to look for.
#[must_use]
pub fn pattern(query: &str) -> Option<String> {
    let folded = fold(query);
    if folded.is_empty() {
        return None;
    }
    let mut pattern = String::from("%");
    for sign in folded.chars() {
        if matches!(sign, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(sign);
    }
    pattern.push('%');
    Some(pattern)
}

/// Breaks a line wherever it is shown.
fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The marks of Latin, Greek and Cyrillic letters. The marks of other scripts stay: in Thai or
/// Hindi they are vowels.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Signs without width, and fillers that look like a blank.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}'
        | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_has_no_breaks_and_no_control_characters() {
        assert_eq!(clean_line("  Board\tgames\r\nnight\u{2028}!\0\u{7f} "), "Board games night !");
        assert_eq!(clean_line("👩\u{200d}🍳 สวัสดี"), "👩\u{200d}🍳 สวัสดี", "joiners stay");
        assert_eq!(clean_line(" \0 \u{1b} "), "");
    }

    #[test]
    fn a_block_keeps_its_lines() {
        assert_eq!(clean_block("\n a\r\n\r\n\tb\rc\n\u{8}d\u{85} "), "a\n\n\tb\nc\nd");
        assert_eq!(clean_block("\0 a \0"), "a");
    }

    #[test]
    fn a_browsers_line_breaks_are_no_change() {
        assert!(is_same_block("a\n\nb\n", "a\r\n\r\nb"));
        assert!(!is_same_block("a\nb", "a b"));
    }

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for text in ["", " \t\n", "\u{200b}", "\u{3164}\u{2800}\u{feff}", "\0"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["a", " é ", "👍\u{fe0f}", "0"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_finds_signs_as_they_stand() {
        assert_eq!(pattern(" "), None);
        assert_eq!(pattern("50%_Bär!").as_deref(), Some("%50!%!_bar!!%"));
    }

    #[test]
    fn search_sees_past_case_accents_and_width() {
        for (text, folded) in [
            ("Łódź  Climbing\nWall", "lodz climbing wall"),
            ("CAFÉ Zürich", "cafe zurich"),
            ("Straße STRASSE ẞ", "strasse strasse ss"),
            ("Ｆｕｌｌ ﬁne ½", "full fine 1⁄2"),
            ("İstanbul ISPARTA ısparta", "istanbul isparta isparta"),
            ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
            ("Ёлка ЙОД", "елка иод"),
            ("한국", "한국"),
            ("ที่นี่", "ที่นี่"),
            ("हिन्दी", "हिन्दी"),
            ("が", "が"),
            ("Smørrebrød Þór Encyclopædia", "smorrebrod thor encyclopaedia"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
        assert!(!fold("한국").contains(&fold("하")));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(text in any::<String>()) {
            let (line, block) = (clean_line(&text), clean_block(&text));
            prop_assert_eq!(clean_line(&line), line.clone());
            prop_assert_eq!(clean_block(&block), block.clone());
            prop_assert!(!line.chars().any(|c| c.is_control() || is_break(c)));
            prop_assert!(!block.replace("\r\n", "\n").chars()
                .any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert!(is_same_block(&text, &block));
        }

        #[test]
        fn cleaning_loses_nothing_that_can_be_seen(text in "[a-zé👍]{1,9}( [a-zé👍]{1,9}){0,5}") {
            prop_assert_eq!(clean_line(&text), text.clone());
            prop_assert_eq!(clean_block(&text), text);
        }

        #[test]
        fn folding_twice_changes_nothing_more(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn a_word_is_found_in_any_case(word in "\\p{L}{1,8}") {
            prop_assert_eq!(fold(&word.to_lowercase()), fold(&word));
        }
    }
}
