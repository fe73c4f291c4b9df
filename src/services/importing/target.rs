//! Writing what was read, and comparing it afterwards.

use std::collections::HashMap;

use super::report::{Conflict, Report, Tables, Verified};
use super::rows::Row;
use super::source::Source;
use super::{ImportError, ImportOptions, Known, Progress, Step};
use crate::domain::channel::Channel;
use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::domain::token;
use crate::services::{Error, Site};
use crate::store::db::Tx;
use crate::store::{channels, meta};

/// The database that is imported into.
pub(super) struct Target<'s> {
    site: &'s Site,
    options: ImportOptions,
    /// Channels of the source that are another channel here, the one that has their slug; or none,
    /// where that one is open to others.
    merged: HashMap<String, Option<String>>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Added,
    Unchanged,
    Replaced,
    /// Is here and differs; stays as it is here.
    Differs,
    /// Another row here has its token.
    Taken,
}

/// What a batch of one table shares.
#[derive(Clone)]
struct Batch {
    site: Site,
    options: ImportOptions,
}

impl<'s> Target<'s> {
    pub(super) fn new(site: &'s Site, options: ImportOptions) -> Self {
        Self { site, options, merged: HashMap::new() }
    }

    pub(super) async fn channels(
        &mut self,
        source: &Source,
        report: &mut Report,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut step = Step::new("Writing channels", report.source.channels, progress);
        for page in source.channels() {
            let mut fresh: Vec<Channel> = Vec::new();
            for channel in page? {
                let twin = fresh.iter().find(|other| other.slug == channel.slug).cloned();
                let other = match twin {
                    None => self.same_slug(&channel).await?,
                    twin => twin,
                };
                match other {
                    Some(other) => self.merge(channel, other, report),
                    None => fresh.push(channel),
                }
            }
            step.done(fresh.len());
            self.write(fresh, report, |tables| &mut tables.channels).await?;
        }
        Ok(())
    }

    /// Another channel here that has this channel's slug.
    async fn same_slug(&self, channel: &Channel) -> Result<Option<Channel>, ImportError> {
        let slug = channel.slug.clone();
        let found: Option<Channel> = self
            .site
            .db
            .read(move |tx| {
                Box::pin(async move { Ok::<_, Error>(channels::by_slug(tx, &slug).await?) })
            })
            .await?;
        Ok(found.filter(|found| found.id != channel.id))
    }

    fn merge(&mut self, channel: Channel, other: Channel, report: &mut Report) {
        let same = channel.visibility == other.visibility;
        let what = format!(
            "a {} channel with the slug {} is here already and stays as it is: the events {}",
            other.visibility.as_str(),
            other.slug,
            if same { "join it" } else { "join none, so that nobody sees more than before" }
        );
        report.conflicts.push(Conflict { table: "channels", id: channel.id.clone(), what });
        self.merged.insert(channel.id, same.then_some(other.id));
    }

    pub(super) async fn events(
        &mut self,
        source: &Source,
        known: &mut Known,
        report: &mut Report,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut step = Step::new("Writing events", report.source.events, progress);
        for page in source.events() {
            let mut page = page?;
            for event in &mut page {
                report.left_out.channels_of_events += u64::from(self.settle(event, known));
            }
            step.done(page.len());
            for id in self.write(page, report, |tables| &mut tables.events).await? {
                known.events.remove(&id);
            }
        }
        Ok(())
    }

    /// Points an event to the channel it has here; true when its channel is gone.
    fn settle(&self, event: &mut Event, known: &Known) -> bool {
        let Some(id) = event.channel_id.take() else { return false };
        let gone = !known.channels.contains(&id);
        if !gone {
            event.channel_id = match self.merged.get(&id) {
                Some(other) => other.clone(),
                None => Some(id),
            };
        }
        gone
    }

    pub(super) async fn rsvps(
        &mut self,
        source: &Source,
        known: &mut Known,
        report: &mut Report,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut step = Step::new("Writing answers", report.source.rsvps, progress);
        for page in source.rsvps() {
            let mut page = page?;
            let read = page.len();
            step.done(read);
            page.retain(|rsvp| {
                let is_kept = known.events.contains(&rsvp.event_id);
                // Its event may have been left out after it was counted.
                if !is_kept {
                    known.rsvps.remove(&rsvp.id);
                }
                is_kept
            });
            report.left_out.rsvps_of_deleted_events += (read - page.len()) as u64;
            for id in self.write(page, report, |tables| &mut tables.rsvps).await? {
                known.rsvps.remove(&id);
            }
        }
        Ok(())
    }

    pub(super) async fn messages(
        &mut self,
        source: &Source,
        known: &Known,
        report: &mut Report,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut step = Step::new("Writing messages", report.source.messages, progress);
        for page in source.messages() {
            let mut page = page?;
            step.done(page.len());
            page.retain(|message| match known.place_of(message) {
                Place::Here => true,
                Place::EventGone => {
                    report.left_out.messages_of_deleted_events += 1;
                    false
                }
                Place::RsvpGone => {
                    report.left_out.messages_of_deleted_rsvps += 1;
                    false
                }
            });
            self.write(page, report, |tables| &mut tables.messages).await?;
        }
        Ok(())
    }

    pub(super) async fn instance_token(
        &self,
        source: &Source,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let Some(text) = source.instance_token()? else { return Ok(()) };
        report.instance_link = true;
        if self.options.dry_run {
            return Ok(());
        }
        let (hash, now) = (token::hash(&text).to_hex(), self.site.clock.now());
        self.site
            .db
            .write(move |tx| {
                Box::pin(async move {
                    if meta::get(tx, meta::IMPORTED_INSTANCE_TOKEN).await?.as_deref() != Some("") {
                        meta::set(tx, meta::IMPORTED_INSTANCE_TOKEN, &hash, now).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await?;
        Ok(())
    }

    /// Writes one batch in one transaction, or tells what writing it would do. Answers with the
    /// ids of rows that cannot be here.
    async fn write<R: Row>(
        &self,
        rows: Vec<R>,
        report: &mut Report,
        count: impl Fn(&mut Tables) -> &mut u64,
    ) -> Result<Vec<String>, ImportError> {
        let batch = Batch { site: self.site.clone(), options: self.options };
        let mut taken = Vec::new();
        for (id, fate) in run(batch, rows).await? {
            let what = match fate {
                Fate::Added => {
                    *count(&mut report.added) += 1;
                    continue;
                }
                Fate::Unchanged => {
                    *count(&mut report.unchanged) += 1;
                    continue;
                }
                Fate::Replaced => {
                    *count(&mut report.replaced) += 1;
                    continue;
                }
                Fate::Differs => {
                    "is here with other content and stays as it is (--replace overwrites)"
                }
                Fate::Taken => {
                    taken.push(id.clone());
                    "another row here has its token: it is left out, with what belongs to it"
                }
            };
            report.conflicts.push(Conflict { table: R::TABLE, id, what: what.to_owned() });
        }
        Ok(taken)
    }

    /// Reads every row of the source once more and compares it with what is here.
    pub(super) async fn verify(
        &self,
        source: &Source,
        known: &Known,
        report: &mut Report,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut verified = Verified::default();
        let mut step = Step::new("Comparing", source.rows()?, progress);
        for page in source.channels() {
            let mut page = page?;
            page.retain(|channel| !self.merged.contains_key(&channel.id));
            step.done(page.len());
            self.compare(page, report, &mut verified, |here, _| here.channels += 1).await?;
        }
        for page in source.events() {
            let mut page = page?;
            step.done(page.len());
            for event in &mut page {
                self.settle(event, known);
            }
            verified.tokens += page.len() as u64;
            self.compare(page, report, &mut verified, |here, event| here.event(event)).await?;
        }
        for page in source.rsvps() {
            let mut page = page?;
            step.done(page.len());
            page.retain(|rsvp| known.rsvps.contains(&rsvp.id));
            verified.tokens += page.len() as u64;
            self.compare(page, report, &mut verified, |here, rsvp| here.rsvp(rsvp)).await?;
        }
        for page in source.messages() {
            let mut page = page?;
            step.done(page.len());
            page.retain(|message| known.place_of(message) == Place::Here);
            self.compare(page, report, &mut verified, |here, _| here.messages += 1).await?;
        }
        report.verified = Some(verified);
        Ok(())
    }

    async fn compare<R: Row>(
        &self,
        rows: Vec<R>,
        report: &Report,
        verified: &mut Verified,
        count: impl Fn(&mut super::Counts, &R),
    ) -> Result<(), ImportError> {
        let wanted = rows.clone();
        let stored: Vec<Option<R>> = self
            .site
            .db
            .read(move |tx| {
                Box::pin(async move {
                    let mut stored = Vec::with_capacity(wanted.len());
                    for row in &wanted {
                        stored.push(row.stored(tx).await?);
                    }
                    Ok::<_, Error>(stored)
                })
            })
            .await?;
        let now = self.site.clock.now();
        for (row, stored) in rows.iter().zip(stored) {
            verified.rows += 1;
            let equal = stored.as_ref().is_some_and(|stored| stored.equals(row, now));
            if let Some(stored) = &stored {
                count(&mut verified.here, stored);
            }
            let listed = || report.conflicts.iter().any(|conflict| conflict.id == row.id());
            verified.wrong += u64::from(!equal && !listed());
        }
        Ok(())
    }
}

async fn run<R: Row>(batch: Batch, rows: Vec<R>) -> Result<Vec<(String, Fate)>, Error> {
    let db = batch.site.db.clone();
    if batch.options.dry_run {
        return db
            .read(move |tx| {
                Box::pin(async move {
                    let mut fates = Vec::with_capacity(rows.len());
                    for row in &rows {
                        let fate = match row.stored(tx).await? {
                            None => Fate::Added,
                            Some(stored) => compared(&stored, row, &batch),
                        };
                        fates.push((row.id().to_owned(), fate));
                    }
                    Ok(fates)
                })
            })
            .await;
    }
    db.write(move |tx| {
        Box::pin(async move {
            let mut fates = Vec::with_capacity(rows.len());
            for row in &rows {
                fates.push((row.id().to_owned(), write_row(tx, &batch, row).await?));
            }
            Ok(fates)
        })
    })
    .await
}

fn compared<R: Row>(stored: &R, row: &R, batch: &Batch) -> Fate {
    if stored.equals(row, batch.site.clock.now()) {
        Fate::Unchanged
    } else if batch.options.replace {
        Fate::Replaced
    } else {
        Fate::Differs
    }
}

async fn write_row<R: Row>(tx: &mut Tx, batch: &Batch, row: &R) -> Result<Fate, Error> {
    if row.add(tx, &batch.site).await? {
        return Ok(Fate::Added);
    }
    let Some(stored) = row.stored(tx).await? else { return Ok(Fate::Taken) };
    let fate = compared(&stored, row, batch);
    if fate == Fate::Replaced {
        row.overwrite(tx, &batch.site).await?;
    }
    Ok(fate)
}

/// Where the things are that a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Here,
    EventGone,
    RsvpGone,
}

impl Known {
    fn place_of(&self, message: &Message) -> Place {
        let rsvp_here = message.rsvp_id.as_ref().is_none_or(|id| self.rsvps.contains(id));
        match (self.events.contains(&message.event_id), rsvp_here) {
            (false, _) => Place::EventGone,
            (true, false) => Place::RsvpGone,
            (true, true) => Place::Here,
        }
    }
}
