//! The in-memory view that a batch's decisions run over.
//!
//! The lane loads every record that the batch names, decisions read and write them here in arrival order,
//! and what differs from the loaded bytes in the end becomes the batch's writes. A record is decoded once
//! and encoded once a batch, however many commands change it.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use bytes::Bytes;
use domain::{Cause, Timestamp};
use fred::bytes_utils::Str;

use crate::{
    Announced, EngineError, Event, Outbox, Record, Sequence,
    command::describe,
    events::PartitionEvents,
    keys::{IndexKey, Key, ParsedName, Partition},
    writes::Writes,
};

/// A decoded record whose type only its key knows.
trait AnyRecord: Any + Send {
    fn encode(&self) -> serde_json::Result<Vec<u8>>;
}

impl<R: Record> AnyRecord for R {
    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// Announces what became of a record in a batch; see [`Announced`].
type Announce = fn(&mut dyn AnyRecord, Option<&dyn AnyRecord>, &mut Outbox<'_>);

fn announce<R: Announced>(after: &mut dyn AnyRecord, before: Option<&dyn AnyRecord>, outbox: &mut Outbox<'_>) {
    let before = before.and_then(|before| (before as &dyn Any).downcast_ref::<R>());
    if let Some(after) = (after as &mut dyn Any).downcast_mut::<R>() {
        after.announce(before, outbox);
    }
}

type Decode = fn(&[u8]) -> serde_json::Result<Box<dyn AnyRecord>>;

fn decode<R: Record>(bytes: &[u8]) -> serde_json::Result<Box<dyn AnyRecord>> {
    Ok(Box::new(serde_json::from_slice::<R>(bytes)?))
}

/// What a record's own code makes of it; if that panics, this is what is wrong with the record.
fn guarded<T>(work: impl FnOnce() -> serde_json::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(made) => made.map_err(|cause| cause.to_string()),
        Err(panic) => Err(describe(&*panic)),
    }
}

/// What Redis answered to a load.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// One a named record, in the order of naming.
    pub(super) values: Vec<Option<Bytes>>,
    /// What the store's clock said.
    pub(super) now: Timestamp,
    /// Indexes that hold something else, with what is wrong.
    pub(super) misused: HashMap<Str, String>,
    /// The outbox's key and what is wrong, if it is no stream.
    pub(super) misused_outbox: Option<(Str, String)>,
}

impl Loaded {
    /// How large the records are together.
    pub(super) fn bytes(&self) -> usize {
        self.values.iter().flatten().map(Bytes::len).sum()
    }
}

/// What a batch of commands may read and write.
#[derive(Default)]
pub struct Touches {
    pub(super) names: Vec<Str>,
    decoders: HashMap<Str, Decode>,
    /// Whether there may be events.
    pub(super) announces: bool,
    pub(super) indexes: BTreeSet<Str>,
}

impl Touches {
    /// Names a record.
    pub fn record<R: Record>(&mut self, key: &Key<R>) {
        if let Entry::Vacant(vacant) = self.decoders.entry(key.name().clone()) {
            vacant.insert(decode::<R>);
            self.names.push(key.name().clone());
        }
    }

    /// Names a record that there may be events about.
    pub fn subject<R: Record>(&mut self, key: &Key<R>) {
        self.record(key);
        self.announces = true;
    }

    /// Names an index whose members may change.
    pub fn index(&mut self, key: &IndexKey) {
        self.indexes.insert(key.name().clone());
    }

    /// How many records are named.
    #[must_use]
    pub fn records(&self) -> usize {
        self.names.len()
    }

    /// Builds the view from what Redis answered.
    pub(super) fn load(&self, loaded: Loaded) -> View {
        let Loaded {
            values,
            now,
            misused,
            misused_outbox,
        } = loaded;
        let slots: HashMap<Str, Slot> = self
            .names
            .iter()
            .zip(values)
            .map(|(name, loaded)| {
                let content = match &loaded {
                    None => Content::Absent,
                    Some(bytes) => match guarded(|| self.decoders[name](bytes)) {
                        Ok(record) => Content::Present(record),
                        Err(cause) => Content::Unreadable(cause),
                    },
                };
                let slot = Slot {
                    loaded,
                    content,
                    written: None,
                    before: Content::Absent,
                    announced: None,
                };
                (name.clone(), slot)
            })
            .collect();
        View {
            now,
            any_unreadable: !misused.is_empty()
                || misused_outbox.is_some()
                || slots
                    .values()
                    .any(|slot| matches!(slot.content, Content::Unreadable(_))),
            slots,
            misused,
            misused_outbox,
            cause: None,
            events: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }
}

enum Content {
    Absent,
    Present(Box<dyn AnyRecord>),
    Unreadable(String),
}

/// How long a written record is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Forever,
    For(Duration),
}

struct Slot {
    loaded: Option<Bytes>,
    content: Content,
    written: Option<Keep>,
    /// What was there before the first change.
    before: Content,
    /// How the change is announced when the batch ends, and what caused it last.
    announced: Option<(Announce, Partition, Option<Cause>)>,
}

/// The records of one batch, as its decisions see and change them.
pub struct View {
    now: Timestamp,
    slots: HashMap<Str, Slot>,
    any_unreadable: bool,
    misused: HashMap<Str, String>,
    misused_outbox: Option<(Str, String)>,
    /// What caused the command that is decided now.
    cause: Option<Cause>,
    /// Per partition, the events about its subjects, in order.
    events: BTreeMap<Partition, PartitionEvents>,
    /// Per index and member: the score to add it with, or that it is to be removed. The last change wins.
    members: BTreeMap<(Str, Str), Option<f64>>,
}

impl View {
    /// The time by the store's clock, read together with the records: the same for every process that uses the store.
    ///
    /// Source: <https://redis.io/docs/latest/commands/time/>
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The record under `key`, if there is one.
    ///
    /// # Panics
    /// If the command did not name the key in [`super::Command::touches`]: to answer "absent" for a
    /// record that was never loaded would be worse than to stop. The lane catches it.
    #[must_use]
    pub fn get<R: Record>(&self, key: &Key<R>) -> Option<&R> {
        let slot = self.slots.get(key.name());
        assert!(slot.is_some(), "{key:?} was read without being named");
        match &slot?.content {
            Content::Present(record) => {
                let record = (&**record as &dyn Any).downcast_ref::<R>();
                assert!(record.is_some(), "{key:?} holds a record of another type");
                record
            }
            Content::Absent => None,
            Content::Unreadable(cause) => {
                unreachable!("{key:?} cannot be read ({cause}); the lane refuses such commands")
            }
        }
    }

    /// Writes a record that stays.
    ///
    /// # Panics
    /// As [`View::get`].
    pub fn put<R: Record>(&mut self, key: &Key<R>, record: R) {
        self.write(key, Content::Present(Box::new(record)), Keep::Forever);
    }

    /// Writes a record that stays, and announces what the batch changes in it when it ends.
    ///
    /// # Panics
    /// As [`View::get`].
    pub fn put_announced<R: Announced>(&mut self, key: &Key<R>, record: R) {
        let cause = self.cause.clone();
        self.put(key, record);
        if let Some(slot) = self.slots.get_mut(key.name()) {
            slot.announced = Some((announce::<R>, key.partition(), cause));
        }
    }

    /// Writes a record that stays, under a key that only another record tells, so that no command can name it before.
    ///
    /// It is neither read nor watched. So it must be one that is written together with a change of that other record,
    /// which is watched, and never otherwise.
    pub fn put_beside<R: Record>(&mut self, key: &Key<R>, record: R) {
        self.write_beside(key, record, Keep::Forever);
    }

    /// As [`View::put_beside`], a record that Redis forgets after `kept`, counted in milliseconds.
    pub fn put_beside_expiring<R: Record>(&mut self, key: &Key<R>, record: R, kept: Duration) {
        self.write_beside(key, record, Keep::For(kept));
    }

    fn write_beside<R: Record>(&mut self, key: &Key<R>, record: R, keep: Keep) {
        let slot = self.slots.entry(key.name().clone()).or_insert(Slot {
            loaded: None,
            content: Content::Absent,
            written: None,
            before: Content::Absent,
            announced: None,
        });
        slot.content = Content::Present(Box::new(record));
        slot.written = Some(keep);
    }

    /// Writes a record that Redis forgets after `kept`, counted in milliseconds.
    ///
    /// # Panics
    /// As [`View::get`].
    pub fn put_expiring<R: Record>(&mut self, key: &Key<R>, record: R, kept: Duration) {
        self.write(key, Content::Present(Box::new(record)), Keep::For(kept));
    }

    /// Removes a record.
    ///
    /// # Panics
    /// As [`View::get`].
    pub fn remove<R: Record>(&mut self, key: &Key<R>) {
        self.write(key, Content::Absent, Keep::Forever);
    }

    fn write<R>(&mut self, key: &Key<R>, content: Content, keep: Keep) {
        let slot = self.slots.get_mut(key.name());
        assert!(slot.is_some(), "{key:?} was written without being named");
        if let Some(slot) = slot {
            let before = std::mem::replace(&mut slot.content, content);
            if slot.written.is_none() {
                slot.before = before;
            }
            slot.written = Some(keep);
        }
    }

    /// Remembers what caused the command that is decided next.
    pub(super) fn caused_by(&mut self, cause: Option<&Cause>) {
        self.cause = cause.cloned();
    }

    /// Appends an event about a record to the outbox, in the same transaction as the batch's records.
    ///
    /// `sequence` is a part of that record, which is to be put after this.
    pub fn emit<R, E: Event>(&mut self, subject: &Key<R>, sequence: &mut Sequence, event: &E) {
        let mut outbox = Outbox {
            subject: subject.id(),
            now: self.now,
            cause: self.cause.as_ref(),
            written: self.events.entry(subject.partition()).or_default(),
        };
        outbox.emit(sequence, event);
    }

    /// Lets each record that was put to be announced say what became of it.
    fn announce(&mut self) -> Result<(), EngineError> {
        for (name, slot) in &mut self.slots {
            let (Some((announce, partition, cause)), Content::Present(after)) =
                (slot.announced.take(), &mut slot.content)
            else {
                continue;
            };
            let before = match &slot.before {
                Content::Present(before) => Some(&**before),
                Content::Absent | Content::Unreadable(_) => None,
            };
            let Some(ParsedName { id, .. }) = ParsedName::parse(name) else {
                continue;
            };
            let mut outbox = Outbox {
                subject: id.unwrap_or_default(),
                now: self.now,
                cause: cause.as_ref(),
                written: self.events.entry(partition).or_default(),
            };
            guarded(|| {
                announce(&mut **after, before, &mut outbox);
                Ok(())
            })
            .map_err(EngineError::Bug)?;
        }
        Ok(())
    }

    /// Adds a member to an index, or moves it to another score.
    pub fn index_add(&mut self, index: &IndexKey, member: &str, score: f64) {
        self.members.insert((index.name().clone(), member.into()), Some(score));
    }

    /// Removes a member from an index.
    pub fn index_remove(&mut self, index: &IndexKey, member: &str) {
        self.members.insert((index.name().clone(), member.into()), None);
    }

    /// What is wrong with the first thing that `name` names and that is not what it should be.
    pub(super) fn unreadable(&self, name: impl FnOnce(&mut Touches)) -> Option<EngineError> {
        if !self.any_unreadable {
            return None;
        }
        let mut named = Touches::default();
        name(&mut named);
        let records = named
            .names
            .iter()
            .filter_map(|name| match &self.slots.get(name)?.content {
                Content::Unreadable(cause) => Some((name, cause)),
                _ => None,
            });
        let indexes = named.indexes.iter();
        let outbox = self.misused_outbox.iter().filter(|_| named.announces);
        let (key, cause) = records
            .chain(indexes.filter_map(|name| Some((name, self.misused.get(name)?))))
            .chain(outbox.map(|(name, cause)| (name, cause)))
            .next()?;
        Some(EngineError::Corrupt {
            key: key.clone(),
            cause: cause.clone(),
        })
    }

    /// What has to be written so that Redis holds what the view holds.
    pub(super) fn into_writes(mut self) -> Result<Writes, EngineError> {
        self.announce()?;
        let mut writes = Writes::default();
        for (name, slot) in self.slots {
            let (Some(keep), content) = (slot.written, slot.content) else {
                continue;
            };
            match (content, keep) {
                (Content::Present(record), keep) => {
                    let encoded = guarded(|| record.encode()).map_err(EngineError::Bug)?;
                    match keep {
                        Keep::Forever if slot.loaded.as_deref() == Some(&encoded) => {}
                        Keep::Forever => writes.set.push((name, encoded.into())),
                        Keep::For(kept) => writes.set_expiring.push((name, encoded.into(), kept)),
                    }
                }
                (Content::Absent, _) if slot.loaded.is_some() => writes.delete.push(name),
                (Content::Absent | Content::Unreadable(_), _) => {}
            }
        }
        for ((index, member), score) in self.members {
            match score {
                Some(score) => writes.index_add.entry(index).or_default().push((score, member)),
                None => writes.index_remove.entry(index).or_default().push(member),
            }
        }
        for (partition, events) in self.events {
            let arrays = events.finish().map_err(|cause| EngineError::Bug(cause.to_string()))?;
            if !arrays.is_empty() {
                writes.events.insert(partition, arrays);
            }
        }
        Ok(writes)
    }
}
