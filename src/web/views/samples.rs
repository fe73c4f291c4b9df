//! Data that several pages' samples share.

use jiff::Timestamp;

use super::super::assets::asset;
use super::super::text::{When, when};
use super::forms::{AnswerForm, EventForm};
use super::parts::{AnswerBlock, EventCard, EventFacts, Link, MessageView, Pages};

/// The moment at which the samples are looked at.
pub fn now() -> Timestamp {
    "2026-06-10T12:00:00Z".parse().expect("a time")
}

/// A Saturday evening in Berlin.
pub fn evening() -> When {
    let start = "2026-06-13T17:00:00Z".parse().expect("a time");
    let end = "2026-06-13T21:00:00Z".parse().ok();
    when(start, end, "Europe/Berlin", now())
}

/// A public event with a channel.
pub fn facts() -> EventFacts {
    EventFacts {
        href: "/e/1b4e28ba-2fa1-41d2-883f-0016d3cca427".to_owned(),
        title: "Midsummer dinner in the garden".to_owned(),
        when: evening(),
        location: Some("Lindenhof 4, back garden".to_owned()),
        hides_location: false,
        channel: Some(Link {
            href: "/channel/garden-people".to_owned(),
            label: "Garden people".to_owned(),
            is_current: false,
        }),
        is_private: false,
        calendar_href: "/api/v1/events/1b4e28ba-2fa1-41d2-883f-0016d3cca427/event.ics".to_owned(),
    }
}

/// An empty form that takes up to five companions.
pub fn answer() -> AnswerBlock {
    AnswerBlock {
        action: "/e/1b4e28ba-2fa1-41d2-883f-0016d3cca427/rsvp".to_owned(),
        companions_max: 5,
        ..AnswerBlock::default()
    }
}

/// A form that was filled in.
pub fn filled() -> AnswerForm {
    AnswerForm {
        name: "Ana Lindqvist".to_owned(),
        attendance_status: "yes".to_owned(),
        guest_count: "2".to_owned(),
        note: "We bring the elderflower cordial & a <blanket>.".to_owned(),
        ..AnswerForm::default()
    }
}

/// A message.
pub fn message(author: &str, content: &str) -> MessageView {
    MessageView {
        author: author.to_owned(),
        written: "Fri 5 June 2026, 12:30".to_owned(),
        iso: "2026-06-05T10:30:00Z".to_owned(),
        content: content.to_owned(),
        is_own: author == "You",
        kind: String::new(),
    }
}

/// Three events.
pub fn cards() -> Vec<EventCard> {
    let card = |title: &str, coming: &str, state: &str| EventCard {
        href: "/e/1b4e28ba".to_owned(),
        title: title.to_owned(),
        when: evening(),
        location: Some("Lindenhof 4, back garden".to_owned()),
        channel: Some("Garden people".to_owned()),
        coming: coming.to_owned(),
        state: state.to_owned(),
    };
    vec![
        card("Midsummer dinner in the garden", "12 coming", "5 places left"),
        card("Board games for people who do not like to lose, with snacks", "", "Full"),
        EventCard { location: None, channel: None, ..card("حفلة الحي", "1 coming", "") },
    ]
}

/// The second of four pages.
pub fn pages() -> Pages {
    Pages {
        page: 2,
        total: 4,
        previous: Some("?page=1".to_owned()),
        next: Some("?page=3".to_owned()),
    }
}

/// The form of an event that has it all.
pub fn event_form() -> EventForm {
    EventForm {
        title: "Midsummer dinner in the garden".to_owned(),
        description: "The long table is **back**.".to_owned(),
        start_time: "2026-06-13T19:00".to_owned(),
        end_time: "2026-06-13T23:00".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        location: "Lindenhof 4, back garden".to_owned(),
        channel_name: "Garden people".to_owned(),
        channel_visibility: "private".to_owned(),
        is_private: true,
        admin_approval_required: true,
        max_attendees: "17".to_owned(),
        rsvps_closed: false,
        rsvp_close_at: "2026-06-12T18:00".to_owned(),
        revision: "3".to_owned(),
        started: String::new(),
        errors: Vec::new(),
    }
}

/// Where the rendered samples are left for the eye.
fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ui-samples")
}

/// Renders each sample, checks what must hold for every page, and leaves it for the eye where
/// `OPENRSVP_UI_SAMPLES` asks for that.
pub fn check<T: askama::Template>(page: &str, samples: Vec<(&'static str, T)>) {
    for (state, sample) in samples {
        let html = sample.render().expect("the template renders");
        let name = format!("{page}-{state}");
        check_html(&name, &html);
    }
}

/// What our own content policy forbids; linked data is no script.
const INLINE: &str = "style, [style], script:not([src], [type='application/ld+json']), [onclick]";

/// What [`check`] does, for a page that is rendered already.
#[expect(clippy::disallowed_methods, reason = "a developer asks for the pages as files")]
pub fn check_html(name: &str, html: &str) {
    let document = scraper::Html::parse_document(html);
    let select = |selector| {
        let selector = scraper::Selector::parse(selector).expect("a selector");
        document.select(&selector).map(|element| element.html()).collect::<Vec<_>>()
    };
    assert_eq!(select("h1").len(), 1, "{name}: one first heading");
    assert_eq!(select("main").len(), 1, "{name}: one main part");
    assert_eq!(select(INLINE), [""; 0], "{name}: inline");
    assert!(!html.contains("/static/unknown"), "{name}: a file that does not exist");
    check_ids(name, &document);
    compare(name, &document);
    if std::env::var_os("OPENRSVP_UI_SAMPLES").is_some() {
        let here = html.replace("=\"/static/", "=\"static/");
        let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/static");
        std::fs::create_dir_all(folder().join("static")).expect("a folder");
        for file in ["app.css", "app.js", "theme.js"] {
            let path = folder().join(asset(file).trim_start_matches('/'));
            std::fs::copy(assets.join(file), path).expect("a copy");
        }
        std::fs::write(folder().join(format!("{name}.html")), here).expect("a file");
    }
}

/// Compares title and main part with the page's golden file, `tests/golden/pages`; the rest of
/// the frame is the same for all.
fn compare(name: &str, document: &scraper::Html) {
    let first = |selector| {
        let selector = scraper::Selector::parse(selector).expect("a selector");
        document.select(&selector).next().map(|element| element.html()).unwrap_or_default()
    };
    let mut lines = format!("{}\n{}", first("title"), first("main"));
    // The picture is tested where it is drawn.
    while let Some((start, path)) = lines.split_once("<path stroke=\"#000\" d=\"") {
        let rest = path.split_once('"').map_or("", |(_, rest)| rest);
        lines = format!("{start}<path class=\"drawn\"{rest}");
    }
    let lines: Vec<_> = lines.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pages"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, lines.join("\n")));
}

fn check_ids(name: &str, document: &scraper::Html) {
    let attributes = |selector: &str, attribute: &str| {
        let selector = scraper::Selector::parse(selector).expect("a selector");
        document
            .select(&selector)
            .filter_map(|element| element.attr(attribute).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let ids = attributes("[id]", "id");
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{name}: an id is there twice: {ids:?}");
    let mut named = attributes("label[for]", "for");
    named.extend(attributes("[aria-labelledby]", "aria-labelledby"));
    named.extend(attributes("[list]", "list"));
    for described in attributes("[aria-describedby]", "aria-describedby") {
        named.extend(described.split_whitespace().map(str::to_owned));
    }
    for jump in attributes("a[href^='#']", "href") {
        named.push(jump.trim_start_matches('#').to_owned());
    }
    for id in named {
        assert!(distinct.contains(&id), "{name}: nothing has the id {id}");
    }
}
