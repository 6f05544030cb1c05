//! Partitions and key names.
//!
//! Every key is `<kind>:{<tag>}:<id>`. The tag is a Redis hash tag, so all keys of one partition live in
//! one cluster slot and one transaction can change them together. The partition follows from the id
//! alone, so the layout on a laptop and on a cluster is the same.
//!
//! Source: <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>

use std::{fmt, hash::Hash, marker::PhantomData, sync::Arc};

use fred::{bytes_utils::Str, util::redis_keyslot};

/// How many slots a Redis Cluster has.
const CLUSTER_SLOTS: u32 = 16_384;

/// The most partitions that a deployment may have. Beyond it, a lane per partition costs more than it brings.
pub const MAX_PARTITIONS: u16 = 1_024;

/// One of the deployment's key groups, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u16);

impl Partition {
    /// The partition's number, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The partitions of a deployment: their number and their hash tags.
#[derive(Debug, Clone)]
pub struct Partitions {
    tags: Arc<[Box<str>]>,
}

/// The number of partitions is not one that a deployment may have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("PARTITIONS is {0}; allowed is 1 to {MAX_PARTITIONS}")]
pub struct BadPartitionCount(pub u16);

impl Partitions {
    /// Finds the tags of `count` partitions: for each, the shortest one whose cluster slot is the middle of
    /// its share of the slots. The same count always gives the same tags.
    ///
    /// # Errors
    /// [`BadPartitionCount`] if `count` is 0 or above [`MAX_PARTITIONS`].
    pub fn new(count: u16) -> Result<Self, BadPartitionCount> {
        if count == 0 || count > MAX_PARTITIONS {
            return Err(BadPartitionCount(count));
        }
        let mut tag_of_slot = vec![None; CLUSTER_SLOTS as usize];
        let mut missing = count;
        for slot in (0..count).map(|index| middle_slot(index, count)) {
            tag_of_slot[slot as usize] = Some(None);
        }
        for tag in short_tags() {
            if missing == 0 {
                break;
            }
            if let Some(wanted @ None) = &mut tag_of_slot[usize::from(redis_keyslot(tag.as_bytes()))] {
                *wanted = Some(tag.into_boxed_str());
                missing -= 1;
            }
        }
        Ok(Self {
            tags: tag_of_slot.into_iter().flatten().flatten().collect(),
        })
    }

    /// How many partitions there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.tags.len()).unwrap_or(MAX_PARTITIONS)
    }

    /// All partitions, in order.
    pub fn all(&self) -> impl Iterator<Item = Partition> + Clone + use<> {
        (0..self.count()).map(Partition)
    }

    /// The partition that an id belongs to: the id's CRC16 modulo the number of partitions.
    #[must_use]
    pub fn of(&self, id: &str) -> Partition {
        Partition(redis_keyslot(id.as_bytes()) % self.count())
    }

    /// A new id that belongs to a partition: `generate` gives new ones until one does. That takes as many tries as there
    /// are partitions, on average.
    pub fn generate_in<I: fmt::Display>(&self, partition: Partition, generate: impl Fn() -> I) -> I {
        loop {
            let id = generate();
            if self.of(&id.to_string()) == partition {
                return id;
            }
        }
    }

    /// The hash tag of a partition, without braces.
    #[must_use]
    pub fn tag(&self, partition: Partition) -> &str {
        &self.tags[partition.index()]
    }

    /// The key of a record: `<kind>:{<tag>}:<id>`.
    pub fn key<R>(&self, kind: &str, partition: Partition, id: impl fmt::Display) -> Key<R> {
        Key {
            name: format!("{kind}:{{{}}}:{id}", self.tag(partition)).into(),
            partition,
            record: PhantomData,
        }
    }

    /// The outboxes of a store: a cluster has one for each partition, in order, because a transaction stays in one slot.
    /// Anything else has a single one, because an entry costs far more than an event.
    #[must_use]
    pub fn outboxes(&self, is_clustered: bool) -> Vec<StreamKey> {
        let first = if is_clustered { self.tags.len() } else { 1 };
        self.tags.iter().take(first).map(|tag| StreamKey::outbox(tag)).collect()
    }

    /// The key of one of the partition's indexes: `<kind>:{<tag>}`.
    #[must_use]
    pub fn index(&self, kind: &str, partition: Partition) -> IndexKey {
        IndexKey(format!("{kind}:{{{}}}", self.tag(partition)).into())
    }
}

/// A key's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedName<'a> {
    /// What kind of thing it is.
    pub kind: &'a str,
    /// The hash tag, whether or not a partition has it.
    pub tag: &'a str,
    /// What follows the tag, if anything does.
    pub id: Option<&'a str>,
}

impl<'a> ParsedName<'a> {
    /// Takes `<kind>:{<tag>}` or `<kind>:{<tag>}:<id>` apart.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (kind, rest) = name.split_once(":{")?;
        let (tag, rest) = rest.split_once('}')?;
        let id = match rest.strip_prefix(':') {
            Some(id) => Some(id),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { kind, tag, id })
    }
}

fn middle_slot(index: u16, count: u16) -> u32 {
    (u32::from(index) * 2 + 1) * CLUSTER_SLOTS / (u32::from(count) * 2)
}

/// All strings of lower-case letters and digits, shorter ones first.
fn short_tags() -> impl Iterator<Item = String> {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (1u32..).flat_map(|length| {
        (0..36u64.pow(length)).map(move |number| {
            (0..length)
                .rev()
                .map(|place| char::from(DIGITS[usize::try_from(number / 36u64.pow(place) % 36).unwrap_or(0)]))
                .collect()
        })
    })
}

/// The key of one record of type `R`.
///
/// The type parameter ties a key to what is stored under it, so a decision cannot read an item where a
/// hold is.
pub struct Key<R> {
    name: Str,
    partition: Partition,
    record: PhantomData<fn() -> R>,
}

impl<R> Key<R> {
    /// The key's name in Redis.
    #[must_use]
    pub fn name(&self) -> &Str {
        &self.name
    }

    /// The partition that the record lives in.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.partition
    }
}

impl<R> Key<R> {
    /// The record's own name, without kind and tag.
    pub(crate) fn id(&self) -> &str {
        ParsedName::parse(&self.name)
            .and_then(|name| name.id)
            .unwrap_or_default()
    }
}

impl<R> Clone for Key<R> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            partition: self.partition,
            record: PhantomData,
        }
    }
}

impl<R> fmt::Debug for Key<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// The key of an outbox stream: `events:{<tag>}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(Str);

impl StreamKey {
    fn outbox(tag: &str) -> Self {
        Self(format!("events:{{{tag}}}").into())
    }

    /// The key's name in Redis.
    #[must_use]
    pub fn name(&self) -> &Str {
        &self.0
    }
}

/// The key of a sorted set that finds records by a score.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexKey(Str);

impl IndexKey {
    /// The key's name in Redis.
    #[must_use]
    pub fn name(&self) -> &Str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_lie_evenly_spaced_over_the_cluster_slots() {
        for count in [1, 2, 3, 16, 64, 100, MAX_PARTITIONS] {
            let partitions = Partitions::new(count).expect("an allowed count");
            let slots: Vec<i64> = partitions
                .all()
                .map(|partition| redis_keyslot(format!("item:{{{}}}:x", partitions.tag(partition)).as_bytes()).into())
                .collect();
            assert_eq!(slots.len(), usize::from(count));
            let share = i64::from(CLUSTER_SLOTS) / i64::from(count);
            assert!(
                slots.windows(2).all(|pair| (pair[1] - pair[0] - share).abs() <= 1),
                "{count}: {slots:?}"
            );
            assert!((slots[0] - share / 2).abs() <= 1);
        }
    }

    #[test]
    fn the_same_count_gives_the_same_tags() {
        let tags = |count| Partitions::new(count).expect("an allowed count").tags;
        assert_eq!(tags(16), tags(16));
    }

    #[test]
    fn a_count_outside_the_allowed_range_is_refused() {
        assert_eq!(Partitions::new(0).err(), Some(BadPartitionCount(0)));
        assert_eq!(
            Partitions::new(MAX_PARTITIONS + 1).err(),
            Some(BadPartitionCount(MAX_PARTITIONS + 1))
        );
    }

    #[test]
    fn ids_spread_over_all_partitions() {
        let partitions = Partitions::new(16).expect("an allowed count");
        let mut seen = [0u32; 16];
        for number in 0..16_000 {
            seen[partitions.of(&number.to_string()).index()] += 1;
        }
        assert!(seen.iter().all(|count| (700..1_300).contains(count)), "{seen:?}");
    }

    #[test]
    fn an_id_can_be_generated_for_each_partition() {
        let partitions = Partitions::new(16).expect("an allowed count");
        let next = std::cell::Cell::new(0);
        for partition in partitions.all() {
            let id = partitions.generate_in(partition, || next.replace(next.get() + 1));
            assert_eq!(partitions.of(&id.to_string()), partition);
        }
    }

    #[test]
    fn a_key_lies_in_its_partitions_slot() {
        let partitions = Partitions::new(16).expect("an allowed count");
        let partition = partitions.of("apple");
        let key: Key<()> = partitions.key("item", partition, "apple");
        assert_eq!(
            redis_keyslot(key.name().as_bytes()),
            redis_keyslot(partitions.tag(partition).as_bytes())
        );
        let outbox = &partitions.outboxes(true)[partition.index()];
        assert_eq!(
            redis_keyslot(outbox.name().as_bytes()),
            redis_keyslot(key.name().as_bytes())
        );
        assert_eq!(partitions.outboxes(false), partitions.outboxes(true)[..1]);
    }
}
