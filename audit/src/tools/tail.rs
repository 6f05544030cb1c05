use std::{
    io::{self, Write},
    time::Duration,
};

use bus::{
    Bus, CloudEvent,
    feed::{Feed, FeedQuery, Position, TypePattern},
};
use clap::Args;
use domain::Timestamp;

/// How many events are asked for at once.
const LIMIT: usize = 500;
/// How often the bus is asked while nothing comes.
const PAUSE: Duration = Duration::from_millis(200);

/// What to print.
#[derive(Debug, Args)]
pub(super) struct TailOptions {
    /// Events of this type, or of all that begin so: order.*
    #[arg(long)]
    r#type: Option<TypePattern>,
    /// Events about this order, item or user.
    #[arg(long)]
    subject: Option<String>,
    /// Begin at this time (2026-11-28T16:00:00Z) instead of now.
    #[arg(long)]
    from: Option<Position>,
    /// End after so many events.
    #[arg(long)]
    count: Option<usize>,
    /// Print one JSON document a line instead of text.
    #[arg(long)]
    json: bool,
}

/// Prints events as they come, until the count is reached or whoever reads goes away.
pub(super) async fn tail(bus: Bus, options: TailOptions) -> anyhow::Result<()> {
    let feed = Feed::new(bus);
    let mut query = FeedQuery {
        types: options.r#type,
        subject: options.subject,
        after: options.from.unwrap_or_else(|| Position::at(Timestamp::now())),
        limit: LIMIT,
    };
    let mut left = options.count.unwrap_or(usize::MAX);
    while left > 0 {
        query.limit = LIMIT.min(left);
        let page = feed.read(&query).await?;
        let mut out = io::stdout().lock();
        for event in &page.events {
            print(&mut out, event, options.json)?;
        }
        out.flush()?;
        left -= page.events.len();
        query.after = page.next;
        if page.is_end && left > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn print(out: &mut impl Write, event: &CloudEvent, json: bool) -> anyhow::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, event)?;
        writeln!(out)?;
    } else {
        let CloudEvent {
            time,
            r#type,
            subject,
            sequence,
            data,
            ..
        } = event;
        writeln!(out, "{time} {type} {subject} #{sequence} {}", data.get())?;
    }
    Ok(())
}
