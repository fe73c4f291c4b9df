//! A site full of made-up events, to try the program with. The same seed on the same day makes the
//! same site, links included: it is for trials only.

mod words;

use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Error, Site};
use crate::domain::channel::{Channel, Visibility};
use crate::domain::clock::Entropy;
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::message::{self, Audience, Message, MessageKind};
use crate::domain::rsvp::{Approval, Reply, Rsvp};
use crate::domain::slug::slug;
use crate::domain::token::Token;
use crate::store::{channels, events, messages, rsvps};

/// Events of one transaction.
const BATCH: usize = 5000;
/// Links that are told.
const LINKS: usize = 5;
const ZONES: [&str; 5] =
    ["Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kolkata", "UTC"];

/// How much to make up.
#[derive(Debug, Clone)]
pub struct SeedOptions {
    /// What everything follows from.
    pub seed: u64,
    /// Channels, at most so many.
    pub channels: usize,
    /// Events.
    pub events: usize,
    /// Answers of an event, at most.
    pub answers: u64,
    /// Of a hundred events, so many are private.
    pub private_percent: u64,
    /// Of a hundred answers, so many are private.
    pub private_answer_percent: u64,
}

/// What was made.
#[derive(Debug, Clone, Default)]
pub struct Seeded {
    /// Channels that were not there before.
    pub channels: usize,
    /// Events.
    pub events: usize,
    /// Answers.
    pub answers: usize,
    /// Messages.
    pub messages: usize,
    /// A few events: title, and the path of their organizer's page.
    pub links: Vec<(String, String)>,
}

/// One event and all that belongs to it.
struct Made {
    event: Event,
    token: Token,
    answers: Vec<Rsvp>,
    messages: Vec<Message>,
}

/// True when there is no event yet.
pub async fn is_empty(site: &Site) -> Result<bool, Error> {
    let count = site
        .db
        .read(|tx| Box::pin(async move { events::count_all(tx).await.map_err(Error::from) }))
        .await?;
    Ok(count == 0)
}

/// Fills the site. `tell` hears how many events are made, now and then. What is there already, as
/// from the same seed before, stays as it is.
pub async fn fill(
    site: &Site,
    options: &SeedOptions,
    mut tell: impl FnMut(usize),
) -> Result<Seeded, Error> {
    let dice = Dice(Entropy::seeded(options.seed));
    let today = site.clock.now().to_zoned(jiff::tz::TimeZone::UTC).start_of_day();
    let today = today.unwrap_or_else(|_| Zoned::new(site.clock.now(), jiff::tz::TimeZone::UTC));
    let channels = make_channels(&dice, options.channels, today.timestamp());
    let mut seeded = Seeded { channels: add_channels(site, &channels).await?, ..Seeded::default() };
    let mut made_events = 0;
    while made_events < options.events {
        let count = BATCH.min(options.events - made_events);
        let batch: Vec<Made> =
            (0..count).map(|_| make_event(&dice, options, &channels, &today)).collect();
        for made in batch.iter().take(LINKS - seeded.links.len().min(LINKS)) {
            let path = format!("/e/{}/admin/{}", made.event.id, made.token.reveal());
            seeded.links.push((made.event.title.clone(), path));
        }
        let (events, answers, messages) = add_events(site, batch).await?;
        seeded.events += events;
        seeded.answers += answers;
        seeded.messages += messages;
        made_events += count;
        tell(made_events);
    }
    Ok(seeded)
}

/// Chance that repeats itself.
struct Dice(Entropy);

impl Dice {
    /// A number from 0 up to but not `end`; 0 when `end` is.
    fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(end).unwrap_or(0)
    }

    fn from(&self, start: i64, end: i64) -> i64 {
        let span = u64::try_from(end - start).unwrap_or(1);
        start + i64::try_from(self.below(span)).unwrap_or(0)
    }

    fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn pick<'a, T: ?Sized>(&self, all: &[&'a T]) -> &'a T {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        all[index]
    }
}

fn make_channels(dice: &Dice, count: usize, today: Timestamp) -> Vec<Channel> {
    (0..count)
        .map(|number| {
            // Each name comes once before any comes again, with a number.
            let base = words::CHANNELS[number % words::CHANNELS.len()];
            let round = number / words::CHANNELS.len();
            let name = if round == 0 { base.to_owned() } else { format!("{base} {}", round + 1) };
            let used = today - SignedDuration::from_hours(dice.from(0, 24 * 20));
            Channel {
                id: id::row_id(used, &dice.0),
                slug: slug(&name),
                visibility: if dice.percent(15) { Visibility::Private } else { Visibility::Public },
                name,
                score: 100.0,
                scored_at: used,
                created_at: used,
                last_used_at: used,
            }
        })
        .collect()
}

fn make_event(dice: &Dice, options: &SeedOptions, channels: &[Channel], today: &Zoned) -> Made {
    let zone = dice.pick(&ZONES);
    // From weeks ago, but not so long that it is deleted at once, to four months ahead; at an hour
    // at which people meet.
    let day = SignedDuration::from_hours(24 * dice.from(-25, 120));
    let local = (today.datetime() + day).with().hour(9).build().unwrap_or(today.datetime());
    let local = local + SignedDuration::from_mins(30 * dice.from(0, 23));
    let starts_at = local.in_tz(zone).map_or(today.timestamp(), |start| start.timestamp());
    let is_new = starts_at > today.timestamp();
    let age = SignedDuration::from_hours(dice.from(1, 24 * 14));
    let created_at = if is_new { today.timestamp() } else { starts_at } - age;
    let token = Token::generate(&dice.0);
    let channel =
        dice.percent(70).then(|| channels.get(dice.below(channels.len() as u64) as usize));
    let event = Event {
        id: id::event_id(&dice.0),
        organizer_token: token.hash(),
        channel_id: channel.flatten().map(|channel| channel.id.clone()),
        title: format!("{} {}", dice.pick(words::KINDS), dice.pick(words::PLACES_IN_TITLES)),
        description: dice.percent(80).then(|| dice.pick(words::DESCRIPTIONS).to_owned()),
        starts_at,
        ends_at: dice.percent(75).then(|| starts_at + SignedDuration::from_hours(dice.from(1, 6))),
        zone: zone.to_owned(),
        location: dice.percent(85).then(|| dice.pick(words::LOCATIONS).to_owned()),
        is_private: dice.percent(options.private_percent),
        approval_required: dice.percent(15),
        rsvps_closed: dice.percent(5),
        rsvps_close_at: None,
        capacity: dice.percent(30).then(|| dice.from(10, 60)),
        score: 100.0,
        scored_at: created_at,
        created_at,
        modified_at: created_at,
        accessed_at: created_at,
        revision: 1,
        sequence: 0,
    };
    let answers = make_answers(dice, options, &event, today.timestamp());
    let messages = make_messages(dice, &event, &answers);
    Made { event, token, answers, messages }
}

fn make_answers(dice: &Dice, options: &SeedOptions, event: &Event, today: Timestamp) -> Vec<Rsvp> {
    let mut seats = event.capacity.unwrap_or(i64::MAX);
    let until = event.starts_at.min(today);
    let open = until.duration_since(event.created_at).as_mins().max(1);
    (0..dice.below(options.answers + 1))
        .map(|_| {
            let created_at = event.created_at + SignedDuration::from_mins(dice.from(0, open));
            let companions = if dice.percent(35) { dice.from(1, 4) } else { 0 };
            let wants = match dice.below(10) {
                0..7 => Reply::Yes,
                7..9 => Reply::Maybe,
                _ => Reply::No,
            };
            let reply =
                if wants == Reply::Yes && companions >= seats { Reply::Maybe } else { wants };
            let approval = match dice.below(10) {
                0..3 if event.approval_required => Approval::Pending,
                3 if event.approval_required => Approval::Rejected,
                _ => Approval::Approved,
            };
            if reply == Reply::Yes && approval != Approval::Rejected {
                seats -= 1 + companions;
            }
            Rsvp {
                id: id::row_id(created_at, &dice.0),
                event_id: event.id.clone(),
                token: Token::generate(&dice.0).hash(),
                name: format!("{} {}", dice.pick(words::FIRST_NAMES), dice.pick(words::LAST_NAMES)),
                pronouns: dice.percent(15).then(|| dice.pick(words::PRONOUNS).to_owned()),
                reply,
                approval,
                companions,
                is_private: dice.percent(options.private_answer_percent),
                created_at,
                modified_at: created_at,
            }
        })
        .collect()
}

fn make_messages(dice: &Dice, event: &Event, answers: &[Rsvp]) -> Vec<Message> {
    let mut all = Vec::new();
    let mut add = |rsvp: Option<&Rsvp>, kind, audience, content: String, created_at| {
        let is_note = kind == MessageKind::UserNote;
        all.push(Message {
            id: id::row_id(created_at, &dice.0),
            event_id: event.id.clone(),
            rsvp_id: rsvp.map(|rsvp| rsvp.id.clone()),
            author_id: rsvp.filter(|_| is_note).map(|rsvp| rsvp.id.clone()),
            kind,
            audience,
            content,
            created_at,
        });
    };
    for rsvp in answers {
        let record = message::created_record(rsvp);
        add(Some(rsvp), MessageKind::RsvpCreated, Audience::Organizer, record, rsvp.created_at);
        if dice.percent(20) {
            let note = dice.pick(words::NOTES).to_owned();
            add(Some(rsvp), MessageKind::UserNote, Audience::Guest, note, rsvp.created_at);
        }
    }
    if dice.percent(25) {
        let news = dice.pick(words::NEWS).to_owned();
        add(None, MessageKind::EventUpdate, Audience::Public, news, event.created_at);
    }
    all
}

/// Adds channels; an address that is taken stays with whom it belongs.
async fn add_channels(site: &Site, all: &[Channel]) -> Result<usize, Error> {
    let mut added = 0;
    for batch in all.chunks(BATCH) {
        let (batch, fading) = (batch.to_vec(), site.rules.fading);
        added += site
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut added = 0;
                    for channel in &batch {
                        let purgeable_at = fading.channel_purgeable_at(channel);
                        added += usize::from(channels::insert(tx, channel, purgeable_at).await?);
                    }
                    Ok::<_, Error>(added)
                })
            })
            .await?;
    }
    Ok(added)
}

/// Adds events with all that belongs to them; tells how many events, answers and messages.
async fn add_events(site: &Site, batch: Vec<Made>) -> Result<(usize, usize, usize), Error> {
    let fading = site.rules.fading;
    site.db
        .write(move |tx| {
            Box::pin(async move {
                let (mut events, mut answers, mut notes) = (0, 0, 0);
                for mut made in batch {
                    if let Some(id) = &made.event.channel_id
                        && channels::by_id(tx, id).await?.is_none()
                    {
                        made.event.channel_id = None;
                    }
                    if !events::insert(tx, &made.event, fading.fades(&made.event)).await? {
                        continue;
                    }
                    events += 1;
                    for rsvp in &made.answers {
                        answers += usize::from(rsvps::insert(tx, rsvp).await?);
                    }
                    for message in &made.messages {
                        notes += usize::from(messages::insert(tx, message).await?);
                    }
                }
                Ok((events, answers, notes))
            })
        })
        .await
}
