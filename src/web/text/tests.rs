use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn says_when_in_the_zone_of_the_event() {
    let (start, end) = (at("2026-06-13T17:00:00Z"), at("2026-06-13T21:00:00Z"));
    let when = when(start, Some(end), "Europe/Berlin", at("2026-06-10T12:00:00Z"));
    assert_eq!(when.date_line, "Sat 13 June 2026, 19:00–23:00");
    assert_eq!(
        (when.weekday.as_str(), when.day.as_str(), when.month.as_str()),
        ("Sat", "13", "Jun")
    );
    assert_eq!(when.zone, "Europe/Berlin");
    assert_eq!(when.iso_start, "2026-06-13T17:00:00Z");
    assert_eq!(when.iso_end.as_deref(), Some("2026-06-13T21:00:00Z"));
    assert_eq!(when.relative, "in 3 days");
}

#[test]
fn names_the_day_of_a_late_end() {
    let now = at("2026-01-01T00:00:00Z");
    let line = |start, end| when(at(start), Some(at(end)), "UTC", now).date_line;
    assert_eq!(
        line("2026-06-13T22:00:00Z", "2026-06-14T02:00:00Z"),
        "Sat 13 June 2026, 22:00–02:00"
    );
    assert_eq!(
        line("2026-06-13T10:00:00Z", "2026-06-14T16:00:00Z"),
        "Sat 13 June 2026, 10:00 – Sun 14 June, 16:00"
    );
    assert_eq!(when(now, None, "Nowhere/Land", now).zone, "UTC");
}

#[test]
fn says_how_far_a_moment_is() {
    let now = at("2026-06-13T12:00:00Z");
    for (moment, words) in [
        ("2026-06-13T12:00:20Z", "now"),
        ("2026-06-13T12:01:00Z", "in 1 minute"),
        ("2026-06-13T09:30:00Z", "2 hours ago"),
        ("2026-06-14T12:00:00Z", "in 1 day"),
        ("2026-06-26T12:00:00Z", "in 13 days"),
        ("2026-07-20T12:00:00Z", "in 5 weeks"),
        ("2027-01-13T12:00:00Z", "in 7 months"),
        ("2020-06-13T12:00:00Z", "6 years ago"),
    ] {
        assert_eq!(relative(at(moment), now), words, "{moment}");
    }
}

#[test]
fn keeps_what_markdown_is_for() {
    let html = markdown(
        "# Hello\n\nBring *food*, **drinks**\nand friends\n\n- one\n- two\n\n> quote\n\n`code`",
    );
    assert_eq!(
        html,
        "<h3>Hello</h3>\n<p>Bring <em>food</em>, <strong>drinks</strong><br>\nand friends</p>\n\
         <ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<blockquote>\n<p>quote</p>\n</blockquote>\n\
         <p><code>code</code></p>\n"
    );
    assert_eq!(
        markdown("[map](https://example.org/?a=1&b=2)"),
        "<p><a href=\"https://example.org/?a=1&amp;b=2\" rel=\"nofollow noopener noreferrer\">map</a></p>\n"
    );
}

#[test]
fn defuses_hostile_markdown() {
    let hostile = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://tracker.example/p.gif)",
        "![](x)<svg/onload=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](java\u{0}script:alert(1))",
        "[a](java&#x09;script:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](vbscript:msgbox)",
        "[a]( javascript:alert(1) )",
        "<javascript:alert(1)>",
        "[a](x 'onmouseover=alert(1)')",
        "[a](x \"' onmouseover='alert(1)\")",
        "<a href=\"javascript:alert(1)\" onclick=x>a</a>",
        "<style>*{display:none}</style>",
        "<iframe src=https://evil.example></iframe>",
        "<form action=//evil><input name=token>",
        "<div style=\"position:fixed\">x</div>",
        "<math><mtext></p><style><img src=x onerror=alert(1)>",
        "```\n</code></pre><script>alert(1)</script>\n```",
        "<!-- --><base href=//evil>",
        "<svg><![CDATA[<script>alert(1)</script>]]></svg>",
        "# h {#id .class onclick=x}",
    ];
    for source in hostile {
        let html = markdown(source);
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default().to_lowercase();
            let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
            let allowed = ["p", "br", "a", "pre", "code", "h3"];
            assert!(allowed.contains(&name), "{source} gave {html}");
            let attributes = tag.trim_start_matches(name).trim();
            assert!(
                !attributes.contains("on") || attributes.contains("noopener"),
                "{source} gave {html}"
            );
            let href = attributes.split("href=\"").nth(1).unwrap_or_default();
            let href = href.split('"').next().unwrap_or_default();
            let scheme = href.split_once(':').map_or("", |(scheme, _)| scheme);
            let is_scheme = scheme.chars().all(|char| char.is_ascii_alphanumeric());
            let is_safe = ["", "http", "https", "mailto"].contains(&scheme) || !is_scheme;
            assert!(is_safe, "{source} gave {html}");
        }
    }
}

/// Each of these took seconds, while it stood on a page that everybody may open.
#[test]
fn deep_nesting_stays_flat() {
    for (unit, tag) in
        [("- ", "<ul>"), ("> ", "<blockquote>"), ("1. ", "<ol>"), ("*a **b ", "<em>")]
    {
        let html = markdown(&(unit.repeat(20_000 / unit.len()) + "x"));
        assert!(html.matches(tag).count() <= 8, "{unit}");
        assert!(html.contains('x') && html.len() < 60_000, "{unit} gave {}", html.len());
    }
    let html = markdown("- a\n  - b\n    - c\n\n> quote\n> > in quote");
    assert_eq!((html.matches("<ul>").count(), html.matches("</ul>").count()), (3, 3));
    assert_eq!(html.matches("<blockquote>").count(), 2);
}

#[test]
fn counts_in_words() {
    assert_eq!(counted(1, "place"), "1 place");
    assert_eq!(counted(0, "place"), "0 places");
    assert_eq!(people(1), "1 person");
    assert_eq!(people(12), "12 people");
    assert!(zones().iter().any(|zone| zone == "Europe/Berlin"));
}
