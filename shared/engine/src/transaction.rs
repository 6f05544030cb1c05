//! A lane's side of the protocol: load, commit, and what an error means.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use deadpool::managed::{Object, PoolError};
use fred::bytes_utils::Str;

use super::{
    Touches,
    fence::{Fence, Sent, Verdict},
    outbox::OutboxStream,
    refusal::Refusal,
    view::Loaded,
    writes::Writes,
    writes::milliseconds,
};
use crate::store::{
    ConnectError, LanePool, LaneServer,
    connection::{ConnectionError, Reply, error},
    time,
};

/// How a commit ended.
pub(super) enum Commit {
    /// EXEC was answered: all writes are in force.
    Done,
    /// EXEC was answered null: a watched key had changed. Nothing is in force.
    Conflict,
    /// Redis refused the whole transaction. Nothing is in force.
    Refused(Refusal),
    /// No answer, or one that leaves it open what happened. The fence tells.
    Lost {
        cause: String,
        /// Redis did answer: if the fence says "committed", a command inside EXEC has failed.
        answered: bool,
    },
}

/// Why a load failed. In every case nothing was written.
pub(super) enum LoadError {
    /// The connection broke. A new try may work at once.
    Broken(String),
    /// Redis answered that it won't.
    Refused(Refusal),
}

/// What a load asks about turns.
pub(super) struct TurnRequest {
    pub(super) key: Str,
    /// A turn to take if nobody has one, and for how long.
    pub(super) take: Option<(Str, Duration)>,
}

/// What one round trip brings.
pub(super) struct Load {
    pub(super) loaded: Loaded,
    /// The fence's value.
    pub(super) fence: Option<Bytes>,
    /// Whose turn it is.
    pub(super) turn: Option<Bytes>,
}

pub(super) struct Transaction {
    connection: Object<LaneServer>,
    /// Streams and indexes that are what they should be, as far as this connection has seen.
    checked: HashSet<Str>,
    outbox: OutboxStream,
}

impl Transaction {
    pub(super) async fn open(connections: &LanePool, outbox: OutboxStream) -> Result<Self, LoadError> {
        let connection = connections.get().await.map_err(|cause| match cause {
            PoolError::Backend(ConnectError::Refused(cause)) => LoadError::Refused(Refusal::new(cause)),
            cause => LoadError::Broken(cause.to_string()),
        })?;
        Ok(Self {
            connection,
            checked: HashSet::new(),
            outbox,
        })
    }

    /// Takes the connection out of the pool for good.
    pub(super) fn throw_away(self) {
        drop(Object::take(self.connection));
    }

    /// Watches the records and the fence, reads both, the store's clock and whose turn it is, and begins a transaction,
    /// in one round trip.
    ///
    /// MULTI is among what is asked so that it is known to be in force before a write is sent: were it refused, the
    /// writes would be done unwatched, each on its own.
    ///
    /// An append to a key of another type would fail inside EXEC, and Redis does not roll the other commands back. So
    /// the type of each stream and index is asked for when this connection first meets it; and it is read with the
    /// records each time, which shows where somebody has put text there.
    pub(super) async fn load(
        &mut self,
        touches: &Touches,
        fence: &Fence,
        turn: &TurnRequest,
    ) -> Result<Load, LoadError> {
        let records = || touches.names.iter().map(|name| name.as_bytes());
        let outbox = touches.announces.then(|| self.outbox.name().clone());
        let appended = || outbox.iter().chain(&touches.indexes);
        let advice = self.queue_turn(turn);
        // In this order: what is read before it is watched may be overwritten unseen.
        self.connection
            .queue("WATCH", records().chain([fence.key().as_bytes()]));
        let read = records().chain(appended().map(|name| name.as_bytes()));
        self.connection.queue("MGET", read.chain([fence.key().as_bytes()]));
        self.connection.queue("TIME", []);
        let wanted = outbox.iter().map(|key| (key, "stream"));
        let wanted = wanted.chain(touches.indexes.iter().map(|key| (key, "zset")));
        let unseen = wanted.filter(|(key, _)| !self.checked.contains(*key));
        // The keys whose type this connection has not seen yet, each with the type that it should have.
        let unchecked: Vec<(Str, &str)> = unseen.map(|(key, kind)| (key.clone(), kind)).collect();
        for (key, _) in &unchecked {
            self.connection.queue("TYPE", [key.as_bytes()]);
        }
        self.connection.queue("MULTI", []);

        let mut replies = self.connection.exchange().await?;
        let turn = replies.drain(..advice).next_back().and_then(value);
        let mut replies = answered(replies)?.into_iter();
        let (Some(_watched), Some(Reply::Array(values))) = (replies.next(), replies.next()) else {
            return Err(LoadError::Broken("MGET was not answered with values".into()));
        };
        let Some(now) = replies.next().as_ref().and_then(time) else {
            return Err(LoadError::Broken("TIME was not answered with a time".into()));
        };
        let mut values: Vec<Option<Bytes>> = values.into_iter().map(value).collect();
        let fence = values.pop().flatten();
        let texts = values.split_off(touches.names.len().min(values.len()));
        let mut misused: HashMap<Str, String> = unchecked.iter().zip(&mut replies).filter_map(other_type).collect();
        let sound = unchecked.into_iter().map(|(key, _)| key);
        self.checked.extend(sound.filter(|key| !misused.contains_key(key)));
        let texts = appended().zip(texts).filter(|(_, text)| text.is_some());
        misused.extend(texts.map(|(key, _)| (key.clone(), "it holds a string, and is appended to".into())));
        let loaded = Loaded {
            values,
            now,
            misused_outbox: outbox.and_then(|key| misused.remove_entry(&key)),
            misused,
        };
        Ok(Load { loaded, fence, turn })
    }

    /// Asks whose turn it is, after trying to take it if that is wanted. Returns how many answers this has, of
    /// which the last is the turn. An error among them does not matter: a turn is advice.
    ///
    /// Not with the records, which would spare a command: while a slot moves, Redis refuses a command of several keys if
    /// one of them is not there, and mostly nobody has a turn.
    ///
    /// Source: <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#multi-keys-operations>
    fn queue_turn(&mut self, turn: &TurnRequest) -> usize {
        if let Some((own, kept)) = &turn.take {
            let kept = milliseconds(*kept);
            let taken = [turn.key.as_bytes(), own.as_bytes(), b"NX", b"PX", kept.as_bytes()];
            self.connection.queue("SET", taken);
        }
        self.connection.queue("GET", [turn.key.as_bytes()]);
        1 + usize::from(turn.take.is_some())
    }

    /// Ends the transaction that a load has begun, if there is nothing to commit, and forgets what is watched.
    pub(super) async fn discard(&mut self) -> Result<(), LoadError> {
        self.connection.queue("DISCARD", []);
        answered(self.connection.exchange().await?)?;
        Ok(())
    }

    /// Ends the transaction that a load has begun, and does the writes without one, each on its own: a Redis that is full
    /// does not queue even what would free it. After an error some of them may be in force.
    ///
    /// Source: `processCommand` in Redis's server.c (`reject_cmd_on_oom`)
    pub(super) async fn free(&mut self, writes: &Writes) -> Result<(), LoadError> {
        self.connection.queue("DISCARD", []);
        writes.queue(&mut self.connection, &self.outbox);
        answered(self.connection.exchange().await?)?;
        Ok(())
    }

    /// Sends the rest of the transaction that a load has begun: the writes, the fence's new number if it is to be
    /// fenced, and the end of the lane's own turn if it has one.
    pub(super) async fn commit(
        &mut self,
        writes: &Writes,
        fenced: Option<(&Fence, u64)>,
        own_turn: Option<&Str>,
    ) -> Commit {
        writes.queue(&mut self.connection, &self.outbox);
        if let Some((fence, number)) = fenced {
            fence.queue(&mut self.connection, number);
        }
        if let Some(turn) = own_turn {
            self.connection.queue("DEL", [turn.as_bytes()]);
        }
        self.connection.queue("EXEC", []);
        match self.connection.exchange().await {
            Ok(replies) => outcome(replies),
            Err(cause) => Commit::Lost {
                cause: cause.to_string(),
                answered: false,
            },
        }
    }

    /// What has become of an EXEC that was not answered, asked so that the answer stays true: see [`Fence`].
    pub(super) async fn resolve(
        &mut self,
        fence: &Fence,
        sent: &Sent,
        moved_to: u64,
    ) -> Result<Option<Verdict>, ConnectionError> {
        fence.resolve(&mut self.connection, sent, moved_to).await
    }
}

/// The answers, none of which is an error.
fn answered(replies: Vec<Reply>) -> Result<Vec<Reply>, LoadError> {
    match replies.iter().find_map(error) {
        Some(cause) => Err(LoadError::Refused(Refusal::new(cause))),
        None => Ok(replies),
    }
}

/// What the answers to a transaction's rest say, of which EXEC's own is the last.
fn outcome(replies: Vec<Reply>) -> Commit {
    // If a command was not even queued, EXEC says no more than that.
    let first_error = replies.iter().find_map(error).map(ToString::to_string);
    let unclear = |cause| Commit::Lost { cause, answered: true };
    match (replies.into_iter().next_back(), first_error) {
        (Some(Reply::Null), None) => Commit::Conflict,
        (Some(Reply::Array(done)), None) => match done.iter().find_map(error) {
            Some(cause) => unclear(cause.to_owned()),
            None => Commit::Done,
        },
        (Some(Reply::Error(last)), Some(cause)) if Refusal::from_exec(&last).is_some() => {
            Commit::Refused(Refusal::new(cause))
        }
        (_, cause) => unclear(cause.unwrap_or_else(|| "EXEC was answered strangely".into())),
    }
}

fn value(reply: Reply) -> Option<Bytes> {
    match reply {
        Reply::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// What is wrong with a key, if TYPE found another type than wanted.
fn other_type(((key, wanted), found): (&(Str, &str), Reply)) -> Option<(Str, String)> {
    let wrong = match found {
        Reply::SimpleString(kind) if kind == *wanted || kind == "none" => return None,
        Reply::SimpleString(kind) => format!("it holds a {}, not a {wanted}", String::from_utf8_lossy(&kind)),
        _ => "its type was not told".into(),
    };
    Some((key.clone(), wrong))
}

impl From<ConnectionError> for LoadError {
    fn from(cause: ConnectionError) -> Self {
        Self::Broken(cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Remedy;

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
        assert!(matches!(aborted, Commit::Refused(refusal) if refusal.remedy() == Remedy::Free));
        let moved = outcome(vec![queued(), told("ASK 1 a:1")]);
        assert!(matches!(moved, Commit::Refused(refusal) if refusal.remedy() == Remedy::Reconnect));
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
