//! The service's side: reads what waits, and removes what was moved.
//!
//! To remove entries that are on the bus is the only write to a store that goes past the lanes. It may happen at any time
//! and be repeated, and no decision reads an outbox.

use std::time::Duration;

use engine::{
    keys::Partitions,
    store::{
        Store,
        connection::{Reply, error},
    },
};

use super::{
    Line,
    cursor::{Cursors, OutboxFacts},
};
use crate::{
    BusError,
    replies::{Entry, EntryId, answered, field, number, streams, text},
};

/// How many entries of an outbox are moved at once.
const COUNT: usize = 256;

/// The outboxes of a service.
pub(super) struct Outboxes {
    keys: Vec<String>,
    line: Line,
    /// How many answers of commands that were added before the next read are to be dropped.
    trims: usize,
}

/// What waits, by outbox.
pub(super) struct Found(pub(super) Vec<(usize, Vec<Entry>)>);

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether more may wait than was read.
    pub(super) fn is_full(&self) -> bool {
        self.0.iter().any(|(_, entries)| entries.len() >= COUNT)
    }

    /// How large its events are together.
    pub(super) fn bytes(&self) -> u32 {
        let entries = self.0.iter().flat_map(|(_, entries)| entries);
        let parts = entries.flat_map(|entry| &entry.parts);
        let bytes: usize = parts.map(|(_, events)| events.len()).sum();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    pub(super) fn entries(&self) -> usize {
        self.0.iter().map(|(_, entries)| entries.len()).sum()
    }
}

impl Outboxes {
    pub(super) async fn open(store: &Store, partitions: &Partitions) -> Result<Self, BusError> {
        let keys = partitions.outboxes(store.is_clustered()).into_iter();
        let keys: Vec<String> = keys.map(|key| key.name().to_string()).collect();
        let line = store.connect(keys.first().map_or("", String::as_str)).await?;
        Ok(Self { keys, line, trims: 0 })
    }

    /// Their keys.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// What comes after the cursors. If nothing is there, waits for the first of it, up to `wait`.
    ///
    /// Redis answers a read that waits as soon as one stream has something, so what a transaction appends to the others is
    /// found by the next read.
    pub(super) async fn read(&mut self, cursors: &Cursors, wait: Duration) -> Result<Found, BusError> {
        let found = self.read_once(cursors, None).await?;
        if found.is_empty() && !wait.is_zero() {
            return self.read_once(cursors, Some(wait)).await;
        }
        Ok(found)
    }

    async fn read_once(&mut self, cursors: &Cursors, wait: Option<Duration>) -> Result<Found, BusError> {
        let count = COUNT.to_string();
        let block = wait.map(|wait| wait.as_millis().to_string());
        let ids: Vec<String> = cursors.all().iter().map(|cursor| cursor.last.to_string()).collect();
        let block = block.iter().flat_map(|wait| [&b"BLOCK"[..], wait.as_bytes()]);
        let arguments = [b"COUNT", count.as_bytes()].into_iter().chain(block);
        let keys = self.keys.iter().map(String::as_bytes);
        let arguments = arguments.chain([&b"STREAMS"[..]]).chain(keys);
        self.line
            .queue("XREAD", arguments.chain(ids.iter().map(String::as_bytes)));
        let replies = answered(self.line.exchange_waiting(wait.unwrap_or_default()).await?)?;
        let read = replies.into_iter().nth(std::mem::take(&mut self.trims));
        let found = streams(read.ok_or(BusError::Strange("XREAD was not answered"))?);
        let found = found.into_iter().filter_map(|(key, entries)| {
            let number = self.keys.iter().position(|own| *own == key)?;
            Some((number, entries))
        });
        Ok(Found(found.collect()))
    }

    /// Lets the next read remove what was moved.
    pub(super) fn trim(&mut self, moved: &Found, cursors: &Cursors) {
        for (number, _) in &moved.0 {
            let first_kept = cursors.all()[*number].last.next().to_string();
            let arguments = [self.keys[*number].as_bytes(), b"MINID", first_kept.as_bytes()];
            self.line.queue("XTRIM", arguments);
            self.trims += 1;
        }
    }

    /// What each outbox says of itself.
    pub(super) async fn facts(&mut self) -> Result<Vec<OutboxFacts>, BusError> {
        for key in &self.keys {
            self.line.queue("XINFO", [&b"STREAM"[..], key.as_bytes()]);
        }
        let replies = self.line.exchange().await?;
        let own = replies.into_iter().skip(std::mem::take(&mut self.trims));
        own.map(|reply| facts(&reply)).collect()
    }
}

pub(crate) fn facts(reply: &Reply) -> Result<OutboxFacts, BusError> {
    match error(reply) {
        // Nothing was ever appended to it.
        Some(cause) if cause.contains("no such key") => return Ok(OutboxFacts::default()),
        Some(cause) => return Err(BusError::Refused(cause.to_owned())),
        None => {}
    }
    let count = |name| field(reply, name).and_then(number);
    let id = |name| EntryId::parse(&text(field(reply, name)?)?);
    let facts = || {
        Some(OutboxFacts {
            length: count("length")?,
            added: count("entries-added")?,
            newest: id("last-generated-id")?,
            removed: id("max-deleted-entry-id")?,
        })
    };
    facts().ok_or(BusError::Strange("XINFO STREAM lacks what Redis 7 says"))
}
