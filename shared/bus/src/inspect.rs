//! Looking at outboxes and topics from outside, as an auditor does.

use engine::{
    Emitted, parse_events,
    store::connection::{Connection, Reply},
};

use crate::{
    BusError, Topic,
    pages::Pages,
    relay::{Cursor, Cursors, OutboxFacts, facts},
    replies::{Entry, EntryId, answered, number, text},
};

/// How often counts are read again that changed while they were read.
const TRIES: usize = 20;

/// A stream of events that is read from its beginning to its end.
pub struct StreamReader(Pages);

/// One entry of a stream.
pub struct ReadEntry {
    /// Its id.
    pub id: String,
    /// Its events, or what is wrong with it.
    pub events: Result<Vec<Emitted>, String>,
}

impl StreamReader {
    /// Of the stream under this key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(Pages::new(key, EntryId::default()))
    }

    /// The next entries; none at the end.
    ///
    /// # Errors
    /// The connection breaks, or Redis refuses.
    pub async fn page(&mut self, line: &mut Connection) -> Result<Vec<ReadEntry>, BusError> {
        let entries = self.0.next(line).await?;
        let entries = entries.into_iter().map(|entry| ReadEntry {
            id: entry.id.to_string(),
            events: events_of(&entry),
        });
        Ok(entries.collect())
    }
}

/// The events of an entry, of a topic or of an outbox.
fn events_of(entry: &Entry) -> Result<Vec<Emitted>, String> {
    let parts = entry.parts.iter().map(|(_, events)| events);
    let mut all = Vec::new();
    for events in entry.events.iter().chain(parts) {
        all.extend(parse_events(events).map_err(|cause| cause.to_string())?);
    }
    if all.is_empty() {
        return Err("it has no events".into());
    }
    Ok(all)
}

/// What became of the entries of one outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntryCounts {
    /// How many there ever were.
    pub emitted: u64,
    /// How many the relay counts as moved.
    pub relayed: u64,
    /// How many wait behind those.
    pub waiting: u64,
    /// How many were cut before they were moved.
    pub lost: u64,
}

impl EntryCounts {
    /// Whether each entry is somewhere.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.emitted == self.relayed + self.waiting + self.lost
    }
}

/// Counts the entries of one of a service's outboxes, in order of their keys, at a moment at which its relay moved none.
///
/// # Errors
/// The bus or the store does not answer, or the relay never paused.
pub async fn entry_counts(
    store: &mut Connection,
    outboxes: &[String],
    number: usize,
    bus: &mut Connection,
    topic: Topic,
) -> Result<EntryCounts, BusError> {
    let outbox = outboxes[number].as_str();
    for _ in 0..TRIES {
        let before = cursor(bus, topic, outboxes.len(), number).await?;
        store.queue("XINFO", [&b"STREAM"[..], outbox.as_bytes()]);
        let reply = store.exchange().await?.into_iter().next().unwrap_or(Reply::Null);
        let OutboxFacts { added, .. } = facts(&reply)?;
        let waiting = count_after(store, outbox, before.last).await?;
        store.queue("XINFO", [&b"STREAM"[..], outbox.as_bytes()]);
        let reply = store.exchange().await?.into_iter().next().unwrap_or(Reply::Null);
        let is_quiet = facts(&reply)?.added == added && cursor(bus, topic, outboxes.len(), number).await? == before;
        if is_quiet {
            return Ok(EntryCounts {
                emitted: added,
                relayed: before.position - before.lost,
                waiting,
                lost: before.lost,
            });
        }
    }
    Err(BusError::Strange("the relay and the outbox never paused"))
}

async fn cursor(bus: &mut Connection, topic: Topic, outboxes: usize, number: usize) -> Result<Cursor, BusError> {
    bus.queue("GET", [topic.cursor_key().as_bytes()]);
    let text = answered(bus.exchange().await?)?.into_iter().next().and_then(text);
    let cursors = Cursors::parse(text.as_deref(), outboxes);
    cursors
        .and_then(|cursors| cursors.all().get(number).copied())
        .ok_or(BusError::Strange("the cursors are none of as many outboxes"))
}

/// How many entries come after one.
async fn count_after(store: &mut Connection, key: &str, last: EntryId) -> Result<u64, BusError> {
    let (mut pages, mut count) = (Pages::new(key, last.next()), 0);
    loop {
        match pages.next(store).await?.len() {
            0 => return Ok(count),
            entries => count += entries as u64,
        }
    }
}

/// Whether a stream still has every entry that was ever added to it.
///
/// # Errors
/// The connection breaks, or Redis refuses.
pub async fn is_whole(line: &mut Connection, key: &str) -> Result<bool, BusError> {
    line.queue("XINFO", [&b"STREAM"[..], key.as_bytes()]);
    let reply = line.exchange().await?.into_iter().next().unwrap_or(Reply::Null);
    let facts = facts(&reply)?;
    Ok(facts.added == facts.length)
}

/// How many partitions a topic has; none before its first event.
///
/// # Errors
/// The connection breaks, or Redis refuses.
pub async fn partition_count(bus: &mut Connection, topic: crate::Topic) -> Result<Option<u64>, BusError> {
    bus.queue("HGET", [&b"topics"[..], topic.name().as_bytes()]);
    Ok(answered(bus.exchange().await?)?.into_iter().next().and_then(number))
}
