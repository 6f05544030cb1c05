use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use fred::bytes_utils::Str;

use crate::{keys::Partition, outbox::OutboxStream, store::connection::Connection};

/// What one batch changes, ready for MULTI: few commands with many arguments each, because a command
/// costs the client far more than an argument does.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) set: Vec<(Str, Bytes)>,
    pub(super) set_expiring: Vec<(Str, Bytes, Duration)>,
    pub(super) delete: Vec<Str>,
    pub(super) index_add: BTreeMap<Str, Vec<(f64, Str)>>,
    pub(super) index_remove: BTreeMap<Str, Vec<Str>>,
    /// Per partition, the batch's events in order, as JSON arrays.
    pub(super) events: BTreeMap<Partition, Vec<Vec<u8>>>,
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.only_frees() && self.delete.is_empty() && self.index_remove.is_empty()
    }

    /// Whether nothing is written that needs memory: Redis allows this even if it is full.
    pub(super) fn only_frees(&self) -> bool {
        self.set.is_empty() && self.set_expiring.is_empty() && self.index_add.is_empty() && self.events.is_empty()
    }

    /// Adds the changes to what is sent.
    pub(super) fn queue(&self, connection: &mut Connection, outbox: &OutboxStream) {
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
        outbox.queue(connection, &self.events);
    }
}

pub(super) fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}
