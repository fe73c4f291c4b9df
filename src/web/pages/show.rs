//! From what use cases return to what views show.

use jiff::Timestamp;

use crate::domain::event::{Event, EventSummary, Viewer};
use crate::domain::message::{Message, MessageKind};
use crate::domain::rsvp::{Reply, Rsvp};
use crate::services::Rules;
use crate::services::pages::page_count;
use crate::web::text::{counted, moment, when};
use crate::web::views::forms::AnswerForm;
use crate::web::views::parts::{
    AnswerBlock, EventCard, EventFacts, Link, MessageView, Openness, Pages,
};

/// What heads each page about one event.
pub(super) fn facts(summary: &EventSummary, viewer: Viewer, now: Timestamp) -> EventFacts {
    let event = &summary.event;
    let location = summary.visible_location(viewer).filter(|place| !place.is_empty());
    EventFacts {
        href: format!("/e/{}", event.id),
        title: event.title.clone(),
        when: when(event.starts_at, event.ends_at, &event.zone, now),
        location: location.map(str::to_owned),
        hides_location: event.approval_required && !viewer.may_see_place(),
        channel: summary.visible_channel(viewer).map(|channel| Link {
            href: channel.path(),
            label: channel.name.clone(),
            is_current: false,
        }),
        is_private: event.is_private,
        calendar_href: format!("/api/v1/events/{}/event.ics", event.id),
    }
}

/// Whether an event takes answers, and how many.
pub(super) fn openness(summary: &EventSummary, now: Timestamp) -> Openness {
    let event = &summary.event;
    match summary.public_seats_left() {
        _ if event.over_at() <= now && event.is_closed(now) => Openness::Over,
        _ if event.is_closed(now) => Openness::Closed,
        Some(0) => Openness::Full,
        Some(left) => Openness::Left(left),
        None => Openness::Open,
    }
}

/// The form for a new answer.
pub(super) fn answer_block(
    summary: &EventSummary,
    rules: &Rules,
    form: AnswerForm,
    now: Timestamp,
) -> AnswerBlock {
    let event = &summary.event;
    let openness = openness(summary, now);
    AnswerBlock {
        action: format!("/e/{}/rsvp", event.id),
        form,
        openness,
        is_coming_barred: openness == Openness::Full,
        needs_approval: event.approval_required,
        companions_max: rules.max_companions,
        closing: closing(event, now),
        is_edit: false,
    }
}

/// The form for an answer that was given before.
pub(super) fn edit_block(
    summary: &EventSummary,
    rules: &Rules,
    own: &Rsvp,
    action: String,
    form: AnswerForm,
    now: Timestamp,
) -> AnswerBlock {
    let holds_no_seat = own.reply != Reply::Yes;
    AnswerBlock {
        action,
        is_coming_barred: holds_no_seat && summary.public_seats_left() == Some(0),
        companions_max: rules.max_companions.max(own.companions),
        is_edit: true,
        ..answer_block(summary, rules, form, now)
    }
}

/// What stands in the form of an answer that was given before.
pub(super) fn answer_form(own: &Rsvp) -> AnswerForm {
    AnswerForm {
        name: own.name.clone(),
        pronouns: own.pronouns.clone().unwrap_or_default(),
        attendance_status: own.reply.as_str().to_owned(),
        guest_count: own.companions.to_string(),
        note: String::new(),
        is_private_rsvp: own.is_private,
        started: String::new(),
        errors: Vec::new(),
    }
}

fn closing(event: &Event, now: Timestamp) -> String {
    event
        .pending_close_at(now)
        .map_or_else(String::new, |at| format!("Answers close {}", moment(at, &event.zone)))
}

/// A message as `reader` sees it; `guest` is the guest's name where the host reads it.
pub(super) fn message(message: &Message, zone: &str, guest: Option<&str>) -> MessageView {
    let by_guest = message.author_id.is_some() || message.kind == MessageKind::UserNote;
    let author = match (by_guest, guest) {
        (true, Some(name)) => name.to_owned(),
        (true, None) => "You".to_owned(),
        (false, Some(_)) => "You".to_owned(),
        (false, None) => "The host".to_owned(),
    };
    MessageView {
        author,
        written: moment(message.created_at, zone),
        iso: crate::domain::time::rfc3339(message.created_at),
        content: message.content.clone(),
        is_own: by_guest != guest.is_some(),
        kind: kind(message.kind).to_owned(),
    }
}

fn kind(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::AdminNote | MessageKind::EventInternal => "Only for hosts",
        MessageKind::RejectionReason => "Why it was declined",
        MessageKind::RsvpCreated | MessageKind::RsvpStatusChange | MessageKind::ForceAccept => {
            "Record"
        }
        MessageKind::EventUpdate | MessageKind::UserNote | MessageKind::AdminMessage => "",
    }
}

/// An event in a list.
pub(super) fn card(summary: &EventSummary, now: Timestamp) -> EventCard {
    let facts = facts(summary, Viewer::Public, now);
    let coming = summary.headcount.approved;
    let state = match openness(summary, now) {
        _ if summary.event.over_at() <= now => String::new(),
        Openness::Full => "Full".to_owned(),
        Openness::Closed | Openness::Over => "Closed".to_owned(),
        Openness::Left(left) => format!("{} left", counted(left, "place")),
        Openness::Open => String::new(),
    };
    EventCard {
        href: facts.href,
        title: facts.title,
        when: facts.when,
        location: facts.location,
        channel: facts.channel.map(|channel| channel.label),
        coming: if coming > 0 { format!("{coming} coming") } else { String::new() },
        state,
    }
}

/// The way through a list at `path`, which may have a query already.
pub(super) fn pages(path: &str, page: i64, per_page: i64, total: i64) -> Pages {
    let last = page_count(total, per_page);
    let join = if path.contains('?') { '&' } else { '?' };
    let link = |page: i64| format!("{path}{join}page={page}");
    Pages {
        page,
        total: last,
        previous: (page > 1).then(|| link(page - 1)),
        next: (page < last).then(|| link(page + 1)),
    }
}
