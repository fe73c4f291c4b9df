//! `seed-data`: a site full of made-up events, to try the program with.

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{options, out};
use crate::config::Loaded;
use crate::services::seeding::{self, SeedOptions, Seeded};

/// Most events of one call.
const EVENTS_MAX: u32 = 1_000_000;

/// How much to make up.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What everything follows from: the same seed on the same day makes the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events in all [default: channels x max-events + extra-events]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=EVENTS_MAX as i64))]
    events: Option<u32>,
    /// Channels
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    channels: u32,
    /// Events for each channel
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    max_events: u32,
    /// Events besides
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    extra_events: u32,
    /// Most answers of an event
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    max_rsvps: u64,
    /// Of a hundred events, so many are private
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=100))]
    private_percent: u64,
    /// Of a hundred answers, so many are private
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=100))]
    private_rsvp_percent: u64,
    /// Fill a database that has events already
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Makes events up, and prints a few of their organizers' links.
pub(super) async fn run(loaded: &Loaded, args: &Args) -> Result<()> {
    let each = args.channels * args.max_events + args.extra_events;
    let events = args.events.unwrap_or(each);
    if events > EVENTS_MAX {
        bail!("that would be {events} events: at most {EVENTS_MAX} can be made up at once");
    }
    let site = options::site_to_fill(&loaded.config).await?;
    if !args.force && !seeding::is_empty(&site).await? {
        site.db.close().await;
        bail!(
            "this database has events already, and made-up ones are hard to tell from real ones: \
             choose another with --data-dir, or give --force"
        );
    }
    let wanted = SeedOptions {
        seed: args.seed,
        channels: args.channels as usize,
        events: events as usize,
        answers: args.max_rsvps,
        private_percent: args.private_percent,
        private_answer_percent: args.private_rsvp_percent,
    };
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} events, {eta} left")?;
    let bar = ProgressBar::new(events.into()).with_style(style);
    let seeded = seeding::fill(&site, &wanted, |done| bar.set_position(done as u64)).await;
    bar.finish_and_clear();
    site.db.close().await;
    let seeded = seeded?;
    if args.json {
        out::line(as_json(&seeded))?;
    } else {
        tell(loaded, &seeded)?;
    }
    Ok(())
}

fn as_json(seeded: &Seeded) -> Value {
    let link = |(title, path): &(String, String)| json!({ "title": title, "organizer": path });
    json!({
        "channels": seeded.channels,
        "events": seeded.events,
        "answers": seeded.answers,
        "messages": seeded.messages,
        "links": seeded.links.iter().map(link).collect::<Vec<_>>(),
    })
}

fn tell(loaded: &Loaded, seeded: &Seeded) -> Result<()> {
    let Seeded { channels, events, answers, messages, links } = seeded;
    out::line(format_args!(
        "Made {events} events in {channels} new channels, with {answers} answers and {messages} \
         messages."
    ))?;
    let base = loaded.config.server.base_url.as_deref().unwrap_or_default();
    for (title, path) in links {
        out::line(format_args!("  {title}: {base}{path}"))?;
    }
    out::line("For trials only: whoever knows the seed knows these links.")?;
    Ok(())
}
