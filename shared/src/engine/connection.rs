//! A lane's side of the protocol: load, commit, and what an error means.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use bytes::Bytes;
use deadpool::managed::Object;
use fred::bytes_utils::Str;

use super::{Touches, Writes, fence::Fence, view::Loaded};
use crate::store::{
    LanePool, LaneServer, time,
    wire::{Reply, Wire, WireError, error},
};

/// About how many entries a partition's outbox keeps. A reader that falls further behind has to read the
/// records themselves.
const OUTBOX_ENTRIES: &str = "100000";

/// How a commit ended.
pub(super) enum Commit {
    /// EXEC was answered: all writes are in force.
    Done,
    /// EXEC was answered null: a watched key had changed. Nothing is in force.
    Conflict,
    /// Redis refused the whole transaction. Nothing is in force.
    Refused(String),
    /// No answer, or one that leaves it open what happened. The fence tells.
    Lost {
        cause: String,
        /// Redis did answer: if the fence says "committed", a command inside EXEC has failed.
        answered: bool,
    },
}

/// Why a load failed. In every case nothing was written.
pub(super) enum LoadError {
    /// The connection broke, or Redis is starting. A new try may work at once.
    Broken(String),
    /// Redis answered that it won't, or a key holds what it must not.
    Refused(String),
}

pub(super) struct Connection {
    wire: Object<LaneServer>,
    /// Streams and indexes that are what they should be, as far as this connection has seen.
    checked: HashSet<Str>,
}

impl Connection {
    pub(super) async fn open(connections: &LanePool) -> Result<Self, LoadError> {
        let wire = connections.get().await;
        Ok(Self {
            wire: wire.map_err(|cause| LoadError::Broken(cause.to_string()))?,
            checked: HashSet::new(),
        })
    }

    /// Takes the connection out of the pool for good.
    pub(super) fn throw_away(self) {
        drop(Object::take(self.wire));
    }

    /// Watches the records and the fence, and reads the records and the store's clock, in one round trip.
    ///
    /// An append to a key of another type would fail inside EXEC, and Redis does not roll the other commands back. So
    /// the type of each stream and index is asked for when this connection first meets it; and it is read with the
    /// records each time, which shows where somebody has put text there.
    pub(super) async fn load(&mut self, touches: &Touches, fence: &Fence) -> Result<Loaded, LoadError> {
        let records = || touches.names.iter().map(|name| name.as_bytes());
        let appended = || touches.streams.iter().chain(&touches.indexes);
        // In this order: what is read before it is watched may be overwritten unseen.
        self.wire.ask("WATCH", records().chain([fence.key().as_bytes()]));
        // MGET takes at least one key; the fence's value is of no interest.
        let read = records().chain(appended().map(|name| name.as_bytes()));
        self.wire.ask("MGET", read.chain([fence.key().as_bytes()]));
        self.wire.ask("TIME", []);
        let streams = self.unchecked(&touches.streams, "stream");
        let indexes = self.unchecked(&touches.indexes, "zset");
        let unchecked: Vec<(Str, &str)> = streams.into_iter().chain(indexes).collect();
        for (key, _) in &unchecked {
            self.wire.ask("TYPE", [key.as_bytes()]);
        }
        let mut replies = answered(self.wire.exchange().await?)?.into_iter();
        let (Some(_watched), Some(Reply::Array(values))) = (replies.next(), replies.next()) else {
            return Err(LoadError::Broken("MGET was not answered with values".into()));
        };
        let Some(now) = replies.next().as_ref().and_then(time) else {
            return Err(LoadError::Broken("TIME was not answered with a time".into()));
        };
        if let Some(misuse) = unchecked.iter().zip(replies).find_map(other_type) {
            return Err(LoadError::Refused(misuse));
        }
        self.checked.extend(unchecked.into_iter().map(|(key, _)| key));
        let mut values: Vec<Option<Bytes>> = values.into_iter().map(value).collect();
        let texts = values.split_off(touches.names.len());
        match appended().zip(texts).find(|(_, text)| text.is_some()) {
            Some((key, _)) => Err(LoadError::Refused(format!("{key} holds a string, and is appended to"))),
            None => Ok(Loaded { values, now }),
        }
    }

    /// The keys whose type this connection has not seen yet, each with the type that it should have.
    fn unchecked(&self, keys: &BTreeSet<Str>, wanted: &'static str) -> Vec<(Str, &'static str)> {
        let unseen = keys.iter().filter(|key| !self.checked.contains(*key));
        unseen.map(|key| (key.clone(), wanted)).collect()
    }

    /// Forgets what is watched, where there is nothing to commit.
    pub(super) async fn unwatch(&mut self) -> Result<(), LoadError> {
        self.wire.ask("UNWATCH", []);
        answered(self.wire.exchange().await?)?;
        Ok(())
    }

    /// Sends the whole transaction, with the fence's new number in it.
    pub(super) async fn commit(&mut self, writes: Writes, fence: &Fence, number: u64) -> Commit {
        self.wire.ask("MULTI", []);
        ask(&mut self.wire, writes);
        fence.ask(&mut self.wire, number);
        self.wire.ask("EXEC", []);
        match self.wire.exchange().await {
            Ok(replies) => outcome(replies),
            Err(cause) => Commit::Lost {
                cause: cause.to_string(),
                answered: false,
            },
        }
    }

    /// Whether batch `number` is in force, asked so that the answer stays true: see [`Fence`].
    pub(super) async fn resolve(
        &mut self,
        fence: &Fence,
        number: u64,
        moved_to: u64,
    ) -> Result<Option<bool>, WireError> {
        fence.resolve(&mut self.wire, number, moved_to).await
    }
}

/// The answers, none of which is an error.
fn answered(replies: Vec<Reply>) -> Result<Vec<Reply>, LoadError> {
    match replies.iter().find_map(error) {
        Some(cause) => Err(LoadError::of(cause)),
        None => Ok(replies),
    }
}

/// What the answers to a transaction say, of which EXEC's own is the last.
fn outcome(replies: Vec<Reply>) -> Commit {
    // Where a command was not even queued, EXEC says no more than that.
    let first_error = replies.iter().find_map(error).map(ToString::to_string);
    let unclear = |cause| Commit::Lost { cause, answered: true };
    match (replies.into_iter().next_back(), first_error) {
        (Some(Reply::Null), None) => Commit::Conflict,
        (Some(Reply::Array(done)), None) => match done.iter().find_map(error) {
            Some(cause) => unclear(cause.to_owned()),
            None => Commit::Done,
        },
        (Some(Reply::Error(last)), Some(cause)) if is_refusal(&last) => Commit::Refused(cause),
        (_, cause) => unclear(cause.unwrap_or_else(|| "EXEC was answered strangely".into())),
    }
}

fn value(reply: Reply) -> Option<Bytes> {
    match reply {
        Reply::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// What is wrong with a key, where TYPE found another type than wanted.
fn other_type(((key, wanted), found): (&(Str, &str), Reply)) -> Option<String> {
    match found {
        Reply::SimpleString(kind) if kind == *wanted || kind == "none" => None,
        Reply::SimpleString(kind) => {
            let kind = String::from_utf8_lossy(&kind);
            Some(format!("{key} holds a {kind}, not a {wanted}"))
        }
        _ => Some(format!("the type of {key} was not told")),
    }
}

fn ask(wire: &mut Wire, writes: Writes) {
    if !writes.set.is_empty() {
        let pairs = writes.set.iter().flat_map(|(key, value)| [key.as_bytes(), value]);
        wire.ask("MSET", pairs);
    }
    for (key, value, kept) in &writes.set_expiring {
        let kept = milliseconds(*kept);
        wire.ask("SET", [key.as_bytes(), value, b"PX", kept.as_bytes()]);
    }
    if !writes.delete.is_empty() {
        wire.ask("DEL", writes.delete.iter().map(|key| key.as_bytes()));
    }
    for (index, members) in &writes.index_add {
        let scores: Vec<String> = members.iter().map(|(score, _)| score.to_string()).collect();
        let pairs = scores.iter().zip(members);
        let pairs = pairs.flat_map(|(score, (_, member))| [score.as_bytes(), member.as_bytes()]);
        wire.ask("ZADD", std::iter::once(index.as_bytes()).chain(pairs));
    }
    for (index, members) in &writes.index_remove {
        let members = members.iter().map(|member| member.as_bytes());
        wire.ask("ZREM", std::iter::once(index.as_bytes()).chain(members));
    }
    for (stream, events) in writes.append {
        let entry = serde_json::Value::Array(events).to_string();
        let trimmed = [b"MAXLEN", &b"~"[..], OUTBOX_ENTRIES.as_bytes()];
        let fields = [b"*", &b"events"[..], entry.as_bytes()];
        wire.ask("XADD", std::iter::once(stream.as_bytes()).chain(trimmed).chain(fields));
    }
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

impl LoadError {
    fn of(cause: &str) -> Self {
        // A server that is loading its data set will answer soon.
        if first_word(cause) == "LOADING" {
            Self::Broken(cause.to_owned())
        } else {
            Self::Refused(cause.to_owned())
        }
    }
}

impl From<WireError> for LoadError {
    fn from(cause: WireError) -> Self {
        Self::Broken(cause.to_string())
    }
}

/// The first words of the errors with which Redis turns a whole transaction away before any of it runs.
///
/// Sources: <https://redis.io/docs/latest/develop/using-commands/transactions/#errors-inside-a-transaction>,
/// and `processCommand` in Redis's server.c, which checks these for EXEC by what was queued.
const REFUSALS: [&str; 10] = [
    "EXECABORT",
    "OOM",
    "READONLY",
    "MISCONF",
    "LOADING",
    "NOAUTH",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "BUSY",
];

fn first_word(cause: &str) -> &str {
    cause.split_whitespace().next().unwrap_or_default()
}

fn is_refusal(cause: &str) -> bool {
    REFUSALS.contains(&first_word(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued() -> Reply {
        Reply::SimpleString("QUEUED".into())
    }

    fn told(text: &'static str) -> Reply {
        Reply::Error(text.into())
    }

    #[test]
    fn only_execs_own_answer_says_that_nothing_is_in_force() {
        let done = Reply::Array(vec![Reply::SimpleString("OK".into())]);
        assert!(matches!(outcome(vec![queued(), done]), Commit::Done));
        assert!(matches!(outcome(vec![queued(), Reply::Null]), Commit::Conflict));
        let aborted = outcome(vec![told("OOM no memory left"), told("EXECABORT discarded")]);
        assert!(matches!(aborted, Commit::Refused(cause) if cause == "OOM no memory left"));
        let failed = Reply::Array(vec![told("WRONGTYPE"), Reply::SimpleString("OK".into())]);
        for open in [
            vec![queued(), failed],
            vec![told("ERR who knows")],
            vec![told("OOM no memory left"), Reply::Null],
            vec![queued()],
            vec![],
        ] {
            let outcome = outcome(open);
            assert!(matches!(outcome, Commit::Lost { answered: true, .. }));
        }
    }
}
