//! The slug of a channel: its name as it stands in an address.

use unicode_normalization::UnicodeNormalization as _;

/// The slug for a channel's name: compatibility-decomposed (NFKD), without anything outside ASCII,
/// in lower case, each run of other signs as one `-`, none at the ends. Empty when the name has no
/// letter or digit that survives. The original made them the same way, so old addresses stay.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for sign in name.nfkd().filter(char::is_ascii) {
        if sign.is_ascii_alphanumeric() {
            slug.push(sign.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_the_slugs_the_original_gave_them() {
        for (name, expected) in [
            ("Łódź Climbing Wall", "odz-climbing-wall"),
            ("Café Zürich Sprachtisch", "cafe-zurich-sprachtisch"),
            ("Weißbier & Smørrebrød", "weibier-smrrebrd"),
            ("Encyclopædia", "encyclopdia"),
            ("ﬁne ½ price", "fine-12-price"),
            ("  --Board   Games!! ", "board-games"),
            ("a_b.c/d", "a-b-c-d"),
            ("İstanbul", "istanbul"),
            ("日本語", ""),
            ("¡…!", ""),
            ("", ""),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_slug_is_lower_case_words_joined_by_single_hyphens(name in any::<String>()) {
            let slug = slug(&name);
            let is_word = |word: &str| {
                !word.is_empty()
                    && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            prop_assert!(slug.is_empty() || slug.split('-').all(is_word));
        }

        #[test]
        fn the_slug_of_a_slug_is_itself(name in any::<String>()) {
            let once = slug(&name);
            prop_assert_eq!(slug(&once), once);
        }

        #[test]
        fn case_and_surrounding_signs_do_not_matter(name in "[a-zA-Z0-9 ]{1,40}") {
            prop_assert_eq!(slug(&name.to_uppercase()), slug(&name));
            prop_assert_eq!(slug(&format!(" *{name}! ")), slug(&name));
        }
    }
}
