//! A lane's side of the protocol: load, commit, and what an error means.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use bytes::Bytes;
use deadpool::managed::Object;
use fred::{
    bytes_utils::Str,
    clients::{Client, Transaction},
    error::{Error as RedisError, ErrorKind},
    interfaces::{KeysInterface, SortedSetsInterface, StreamsInterface, TransactionInterface},
    types::{
        Expiration, MultipleKeys, Value,
        streams::{XCapKind, XCapTrim},
    },
};
use futures::future::try_join_all;

use super::{Touches, Writes, fence::Fence};
use crate::store::{DedicatedClients, Store};

/// About how many entries a partition's outbox keeps. A reader that falls further behind has to read the
/// records themselves.
const OUTBOX_ENTRIES: i64 = 100_000;

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
    dedicated: Object<DedicatedClients>,
    /// Streams and indexes that are what they should be, as far as this connection has seen.
    checked: HashSet<Str>,
}

impl Connection {
    pub(super) async fn open(store: &Store) -> Result<Self, LoadError> {
        let dedicated = store.dedicated().await.map_err(|cause| LoadError::of(&cause))?;
        Ok(Self {
            dedicated,
            checked: HashSet::new(),
        })
    }

    /// Takes the connection out of the pool for good.
    pub(super) fn throw_away(self) {
        drop(Object::take(self.dedicated));
    }

    /// Watches the records and the fence, and reads the records, in one round trip.
    ///
    /// An append to a key of another type would fail inside EXEC, and Redis does not roll the other commands back. So
    /// the type of each stream and index is asked for when this connection first meets it; and it is read with the
    /// records each time, which shows where somebody has put text there.
    pub(super) async fn load(&mut self, touches: &Touches, fence: &Fence) -> Result<Vec<Option<Bytes>>, LoadError> {
        let client = self.dedicated.client.clone();
        let mut watched = touches.names.clone();
        watched.push(fence.key().clone());
        let appended = || touches.streams.iter().chain(&touches.indexes);
        let names: Vec<Str> = touches.names.iter().chain(appended()).cloned().collect();
        let read = async {
            // fred's MGET wants at least one key.
            if names.is_empty() {
                return Ok(Vec::new());
            }
            client.mget(MultipleKeys::from(names)).await
        };
        let unchecked = |keys: &BTreeSet<Str>| -> Vec<Str> {
            keys.iter()
                .filter(|key| !self.checked.contains(*key))
                .cloned()
                .collect()
        };
        let (streams, indexes) = (unchecked(&touches.streams), unchecked(&touches.indexes));
        let loading = async {
            // In this order: what is read before it is watched may be overwritten unseen. fred sends a command
            // when it is first polled, and `try_join!` polls in order.
            futures::try_join!(
                client.watch(watched),
                read,
                other_type(&client, "stream", &streams),
                other_type(&client, "zset", &indexes),
            )
        };
        let ((), mut values, other_stream, other_index): ((), Vec<Option<Bytes>>, _, _) = self
            .unless_closed(loading)
            .await
            .map_err(|cause| LoadError::of(&cause))?;
        let texts = values.split_off(touches.names.len());
        let text = appended().zip(texts).find(|(_, text)| text.is_some());
        let text = text.map(|(key, _)| format!("{key} holds a string, and is appended to"));
        if let Some(misuse) = other_stream.or(other_index).or(text) {
            return Err(LoadError::Refused(misuse));
        }
        self.checked.extend(streams.into_iter().chain(indexes));
        Ok(values)
    }

    /// Forgets what is watched, where there is nothing to commit.
    pub(super) async fn unwatch(&mut self) -> Result<(), LoadError> {
        let client = self.dedicated.client.clone();
        self.unless_closed(client.unwatch())
            .await
            .map_err(|cause| LoadError::of(&cause))
    }

    /// Sends the whole transaction, with the fence's new number in it.
    pub(super) async fn commit(&mut self, writes: Writes, fence: &Fence, number: u64) -> Commit {
        let transaction = self.dedicated.client.multi();
        let executed = async {
            queue(&transaction, writes).await?;
            fence.queue(&transaction, number).await?;
            transaction.exec::<Value>(true).await
        };
        match self.unless_closed(executed).await {
            Ok(Value::Null) => Commit::Conflict,
            Ok(_) => Commit::Done,
            Err(cause) if is_refusal(&cause) => Commit::Refused(cause.details().to_owned()),
            Err(cause) => Commit::Lost {
                answered: is_answer(&cause),
                cause: cause.to_string(),
            },
        }
    }

    /// Whether batch `number` is in force, asked so that the answer stays true: see [`Fence`].
    pub(super) async fn resolve(
        &mut self,
        fence: &Fence,
        number: u64,
        moved_to: u64,
    ) -> Result<Option<bool>, RedisError> {
        let client = self.dedicated.client.clone();
        self.unless_closed(fence.resolve(&client, number, moved_to)).await
    }

    /// Runs `work` until the server closes the connection, which fred's commands would notice only at
    /// their timeout.
    async fn unless_closed<T>(&mut self, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
        let closed = || RedisError::new(ErrorKind::IO, "the connection was closed");
        let task = &mut self.dedicated.task;
        // A finished task must not be polled again.
        if task.is_finished() {
            return Err(closed());
        }
        tokio::select! {
            biased;
            result = work => result,
            _ = task => Err(closed()),
        }
    }
}

/// The first key that holds something of another type than `wanted`.
async fn other_type(client: &Client, wanted: &str, keys: &[Str]) -> Result<Option<String>, RedisError> {
    let found = try_join_all(keys.iter().map(|key| async move {
        let kind: Str = client.r#type(key).await?;
        Ok::<_, RedisError>((key, kind))
    }))
    .await?;
    Ok(found
        .into_iter()
        .find(|(_, kind)| *kind != wanted && *kind != "none")
        .map(|(key, kind)| format!("{key} holds a {kind}, not a {wanted}")))
}

async fn queue(transaction: &Transaction, writes: Writes) -> Result<(), RedisError> {
    if !writes.set.is_empty() {
        transaction.mset(writes.set).await?;
    }
    for (key, value, kept) in writes.set_expiring {
        transaction
            .set::<(), _, _>(key, value, Some(Expiration::PX(milliseconds(kept))), None, false)
            .await?;
    }
    if !writes.delete.is_empty() {
        transaction.del::<(), _>(writes.delete).await?;
    }
    for (index, members) in writes.index_add {
        transaction
            .zadd::<(), _, _>(index, None, None, false, false, members)
            .await?;
    }
    for (index, members) in writes.index_remove {
        transaction.zrem::<(), _, _>(index, members).await?;
    }
    for (stream, events) in writes.append {
        let trim = (XCapKind::MaxLen, XCapTrim::AlmostExact, OUTBOX_ENTRIES);
        let entry = serde_json::Value::Array(events).to_string();
        transaction
            .xadd::<(), _, _, _, _>(stream, false, trim, "*", vec![("events", entry)])
            .await?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl LoadError {
    fn of(cause: &RedisError) -> Self {
        // A server that is loading its data set will answer soon.
        if is_answer(cause) && !cause.details().starts_with("LOADING") {
            Self::Refused(cause.details().to_owned())
        } else {
            Self::Broken(cause.to_string())
        }
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

fn first_word(cause: &RedisError) -> &str {
    cause.details().split_whitespace().next().unwrap_or_default()
}

fn is_refusal(cause: &RedisError) -> bool {
    REFUSALS.contains(&first_word(cause))
}

/// Whether the error is Redis's own answer. Those begin with a word in capitals.
fn is_answer(cause: &RedisError) -> bool {
    let word = first_word(cause);
    word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase())
}
