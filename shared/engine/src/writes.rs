use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use fred::bytes_utils::Str;

use crate::{events::EVENTS_FIELD, store::connection::Connection};

/// How many events an entry of the outbox holds at most, so that a bound on entries is one on bytes. A batch's events of
/// one partition are rarely more, and an entry costs far more than an event.
const ENTRY_EVENTS: usize = 16;

/// What one batch changes, ready for MULTI: few commands with many arguments each, because a command
/// costs the client far more than an argument does.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) set: Vec<(Str, Bytes)>,
    pub(super) set_expiring: Vec<(Str, Bytes, Duration)>,
    pub(super) delete: Vec<Str>,
    pub(super) index_add: BTreeMap<Str, Vec<(f64, Str)>>,
    pub(super) index_remove: BTreeMap<Str, Vec<Str>>,
    /// Per stream, the batch's events in order; they become one entry, or a few.
    pub(super) append: BTreeMap<Str, Vec<String>>,
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.only_frees() && self.delete.is_empty() && self.index_remove.is_empty()
    }

    /// Whether nothing is written that needs memory: Redis allows this even if it is full.
    pub(super) fn only_frees(&self) -> bool {
        self.set.is_empty() && self.set_expiring.is_empty() && self.index_add.is_empty() && self.append.is_empty()
    }

    /// Adds the changes to what is sent. Each outbox keeps about so many entries.
    pub(super) fn queue(&self, connection: &mut Connection, outbox_entries: u32) {
        if !self.set.is_empty() {
            let pairs = self.set.iter().flat_map(|(key, value)| [key.as_bytes(), value]);
            connection.queue("MSET", pairs);
        }
        for (key, value, kept) in &self.set_expiring {
            let kept = milliseconds(*kept);
            connection.queue("SET", [key.as_bytes(), value, b"PX", kept.as_bytes()]);
        }
        if !self.delete.is_empty() {
            connection.queue("DEL", self.delete.iter().map(|key| key.as_bytes()));
        }
        for (index, members) in &self.index_add {
            let scores: Vec<String> = members.iter().map(|(score, _)| score.to_string()).collect();
            let pairs = scores.iter().zip(members);
            let pairs = pairs.flat_map(|(score, (_, member))| [score.as_bytes(), member.as_bytes()]);
            connection.queue("ZADD", std::iter::once(index.as_bytes()).chain(pairs));
        }
        for (index, members) in &self.index_remove {
            let members = members.iter().map(|member| member.as_bytes());
            connection.queue("ZREM", std::iter::once(index.as_bytes()).chain(members));
        }
        let most = outbox_entries.to_string();
        for (stream, events) in &self.append {
            for events in events.chunks(ENTRY_EVENTS) {
                let entry = format!("[{}]", events.join(","));
                let trimmed = [b"MAXLEN", &b"~"[..], most.as_bytes()];
                let fields = [b"*", EVENTS_FIELD.as_bytes(), entry.as_bytes()];
                connection.queue("XADD", std::iter::once(stream.as_bytes()).chain(trimmed).chain(fields));
            }
        }
    }
}

pub(super) fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}
