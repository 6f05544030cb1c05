//! Commands that may be sent again: what one decided is kept under its caller's key, and a repeat hears it again.
//!
//! ```text
//! submit_once ─> WATCH + MGET (records, idempotency:{tag}:<name>) ─┬─ kept, same request ──> the same outcome
//!                                                                  ├─ kept, another one ───> OtherRequest
//!                                                                  └─ nothing ─> decide ─> MULTI, effect, outcome, EXEC
//! ```
//!
//! The outcome is written in the EXEC that makes the effect. So a repeat is safe after a lost answer and a crash, and
//! through another process: both are in force, or neither. The record is watched like any other, so of two requests under
//! one key one decides and the other hears what it decided. `tests/models/idempotency` removes these rules one by one.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header,
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>

use std::{fmt, ops::RangeInclusive, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Command, Engine, EngineError, Record, Touches, View,
    keys::{Key, Partition, Partitions},
    store::{ReadError, Store},
};

/// How long an outcome is kept: for longer than a reasonable caller repeats its request.
pub const OUTCOME_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How many bytes of a hash name a request. Two of 2^32 requests share a name once in 2^32 days.
const NAME_BYTES: usize = 12;
/// How many bytes of a hash tell two requests under one name apart.
const CONTENT_BYTES: usize = 6;

/// A request that may come again.
///
/// It holds no more of the request than hashes: they keep the record small, and what a caller has sent out of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    name: String,
    content: String,
}

impl KeyedRequest {
    /// The request of this name: who asks for what, under which key. `content` is what it asks besides: another content
    /// under the same name is another request.
    #[must_use]
    pub fn new(name: &[&[u8]], content: &[&[u8]]) -> Self {
        Self {
            name: short_hash::<NAME_BYTES>(name),
            content: short_hash::<CONTENT_BYTES>(content),
        }
    }

    fn key<T>(&self, partitions: &Partitions, partition: Partition) -> Key<T> {
        partitions.key("idempotency", partition, &self.name)
    }
}

impl Partitions {
    /// A new id for what a request makes. If the request may come again, it lies where a repeat finds the outcome.
    pub fn generate_for<I: fmt::Display>(&self, request: Option<&KeyedRequest>, generate: impl Fn() -> I) -> I {
        match request {
            Some(request) => self.generate_in(self.of(&request.name), generate),
            None => generate(),
        }
    }
}

/// The first bytes of the SHA-256 of these parts, each with its length, as text.
fn short_hash<const BYTES: usize>(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    BASE64_URL_SAFE_NO_PAD.encode(&hash.finalize()[..BYTES])
}

/// An outcome that can be kept for whoever repeats its command.
pub trait Repeatable: Sized + Send + 'static {
    /// What is written of it. Every byte is kept for a day, so it should be short.
    type Kept: Record + Clone;

    /// What to write; `None` if it decided nothing, so that a repeat is to be decided anew.
    fn kept(&self) -> Option<Self::Kept>;

    /// The outcome that a repeat hears.
    fn repeated(kept: Self::Kept) -> Self;
}

impl<T: Record + Clone> Repeatable for T {
    type Kept = Self;

    fn kept(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn repeated(kept: Self) -> Self {
        kept
    }
}

/// What became of a request that may have come before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once<T> {
    /// It was decided now.
    First(T),
    /// It was decided before, and so. Nothing has moved now.
    Repeated(T),
    /// Under its name, another request was decided before. Nothing has moved now.
    OtherRequest,
}

impl<T> Once<T> {
    /// The same of another outcome.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Once<U> {
        match self {
            Self::First(outcome) => Once::First(change(outcome)),
            Self::Repeated(outcome) => Once::Repeated(change(outcome)),
            Self::OtherRequest => Once::OtherRequest,
        }
    }
}

/// An outcome as it is stored, with what its request asked for.
#[derive(Serialize, Deserialize)]
struct Stored<K>(String, K);

impl<K: Clone> Stored<K> {
    /// What a request with this content hears.
    fn heard_by<T: Repeatable<Kept = K>>(&self, content: &str) -> Once<T> {
        let Self(own, kept) = self;
        if own == content {
            Once::Repeated(T::repeated(kept.clone()))
        } else {
            Once::OtherRequest
        }
    }
}

impl Engine {
    /// As [`Engine::submit`], for a command that may have been sent before. Without a request it is decided in any case.
    ///
    /// # Errors
    /// As [`Engine::submit`]. A repeat after [`EngineError::OutcomeUnknown`] is safe if there is a request.
    pub async fn submit_once<C>(
        &self,
        command: C,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<C::Outcome>, EngineError>
    where
        C: Command<Outcome: Repeatable>,
    {
        let Some(request) = request else {
            return self.submit(command).await.map(Once::First);
        };
        let key = request.key(self.partitions(), command.partition());
        let content = request.content.clone();
        self.submit(OnceCommand { command, key, content }).await
    }

    /// Forgets what was kept for a request, if it is still this, so that a repeat is decided anew.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn forget_kept<K: Record + PartialEq>(
        &self,
        request: &KeyedRequest,
        partition: Partition,
        kept: K,
    ) -> Result<(), EngineError> {
        let key = request.key(self.partitions(), partition);
        self.submit(Forget { key, kept }).await
    }
}

/// What was kept for a request of a command in this partition, without deciding anything: for what has to be asked elsewhere
/// before a command can be decided.
///
/// # Errors
/// As [`Store::read`].
pub async fn read_kept<T: Repeatable>(
    store: &Store,
    partitions: &Partitions,
    partition: Partition,
    request: &KeyedRequest,
) -> Result<Option<Once<T>>, ReadError> {
    let key: Key<Stored<T::Kept>> = request.key(partitions, partition);
    let stored = store.read(&key).await?;
    Ok(stored.map(|stored| stored.heard_by(&request.content)))
}

/// Decides a command unless it was decided before.
struct OnceCommand<C: Command<Outcome: Repeatable>> {
    command: C,
    key: Key<Stored<<C::Outcome as Repeatable>::Kept>>,
    content: String,
}

impl<C: Command<Outcome: Repeatable>> Command for OnceCommand<C> {
    type Outcome = Once<C::Outcome>;

    fn partition(&self) -> Partition {
        self.command.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        self.command.touches(touches);
        touches.record(&self.key);
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.command.validity()
    }

    fn decide(&self, view: &mut View) -> Once<C::Outcome> {
        if let Some(stored) = view.get(&self.key) {
            return stored.heard_by(&self.content);
        }
        let outcome = self.command.decide(view);
        if let Some(kept) = outcome.kept() {
            view.put_expiring(&self.key, Stored(self.content.clone(), kept), OUTCOME_KEPT);
        }
        Once::First(outcome)
    }
}

/// Forgets what was kept, if it is still this.
struct Forget<K> {
    key: Key<Stored<K>>,
    kept: K,
}

impl<K: Record + PartialEq> Command for Forget<K> {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.key.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.key);
    }

    fn decide(&self, view: &mut View) {
        if view.get(&self.key).is_some_and(|Stored(_, kept)| *kept == self.kept) {
            view.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Simulation;

    /// Counts, up to two.
    struct Count(Key<u32>);

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Enough;

    impl Command for Count {
        type Outcome = Result<u32, Enough>;

        fn partition(&self) -> Partition {
            self.0.partition()
        }

        fn touches(&self, touches: &mut Touches) {
            touches.record(&self.0);
        }

        fn decide(&self, view: &mut View) -> Result<u32, Enough> {
            let counted = view.get(&self.0).copied().unwrap_or_default();
            if counted == 2 {
                return Err(Enough);
            }
            view.put(&self.0, counted + 1);
            Ok(counted + 1)
        }
    }

    struct Counter {
        partitions: Partitions,
        store: Simulation,
    }

    impl Counter {
        fn new() -> Self {
            Self {
                partitions: Partitions::new(4).expect("an allowed count"),
                store: Simulation::default(),
            }
        }

        fn count(&mut self, request: &KeyedRequest) -> Once<Result<u32, Enough>> {
            let partition = self.partitions.of("apple");
            let command = OnceCommand {
                command: Count(self.partitions.key("count", partition, "apple")),
                key: request.key(&self.partitions, partition),
                content: request.content.clone(),
            };
            self.store.run(&command).expect("nothing is wrong")
        }
    }

    fn request(key: &str, content: &str) -> KeyedRequest {
        KeyedRequest::new(&[b"POST", key.as_bytes()], &[content.as_bytes()])
    }

    #[test]
    fn a_repeat_hears_the_first_outcome_and_moves_nothing() {
        let mut counter = Counter::new();
        assert_eq!(counter.count(&request("a", "")), Once::First(Ok(1)));
        assert_eq!(counter.count(&request("b", "")), Once::First(Ok(2)));
        assert_eq!(counter.count(&request("c", "")), Once::First(Err(Enough)));
        for (key, outcome) in [("a", Ok(1)), ("b", Ok(2)), ("c", Err(Enough))] {
            assert_eq!(counter.count(&request(key, "")), Once::Repeated(outcome));
        }
    }

    #[test]
    fn another_request_under_the_same_key_is_told_so_and_moves_nothing() {
        let mut counter = Counter::new();
        counter.count(&request("a", "one"));
        assert_eq!(counter.count(&request("a", "two")), Once::OtherRequest);
        assert_eq!(counter.count(&request("b", "two")), Once::First(Ok(2)));
    }

    #[test]
    fn what_was_kept_is_forgotten_only_if_it_is_still_that() {
        let mut counter = Counter::new();
        let first = request("a", "");
        counter.count(&first);
        let partition = counter.partitions.of("apple");
        let forget = |kept: Result<u32, Enough>| Forget {
            key: first.key(&Partitions::new(4).expect("an allowed count"), partition),
            kept,
        };
        counter.store.run(&forget(Ok(7))).expect("nothing is wrong");
        assert_eq!(counter.count(&first), Once::Repeated(Ok(1)));
        counter.store.run(&forget(Ok(1))).expect("nothing is wrong");
        assert_eq!(counter.count(&first), Once::First(Ok(2)));
    }

    #[test]
    fn parts_of_a_name_do_not_run_into_each_other() {
        let named = |parts: &[&[u8]]| KeyedRequest::new(parts, &[]).name;
        assert_ne!(named(&[b"ab", b"c"]), named(&[b"a", b"bc"]));
        // It stands in keys, so no build may change it.
        assert_eq!(named(&[b"a"]).len(), NAME_BYTES * 4 / 3);
    }
}
