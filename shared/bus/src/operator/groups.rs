//! How far each group is.

use std::collections::BTreeMap;

use domain::Timestamp;
use engine::store::connection::{Connection, Reply, error};

use super::all_partitions;
use crate::{
    BusError, Topic, TopicPartition,
    feed::topics,
    replies::{EntryId, answered, array, entry, field, number, text},
};

/// How far a group is with a topic.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GroupStatus {
    /// The group.
    pub group: String,
    /// The topic's name.
    pub topic: &'static str,
    /// How many entries it was not given yet.
    pub lag: u64,
    /// How many it was given and has not handled yet.
    pub pending: u64,
    /// How old the oldest of these is, in milliseconds by the bus's clock.
    pub oldest_millis: u64,
    /// How many events it could not handle.
    pub dead: u64,
    /// How many of its dead letters were cut away because there were too many.
    pub cut: u64,
}

/// How far every group is with every topic, by group.
///
/// # Errors
/// The bus does not answer, or refuses.
pub async fn groups(line: &mut Connection) -> Result<Vec<GroupStatus>, BusError> {
    let (_, now) = topics(line).await?;
    let mut sums: BTreeMap<(String, Topic), GroupStatus> = BTreeMap::new();
    for partition in all_partitions(line).await? {
        for found in groups_of(line, partition, now).await? {
            let sum = sums
                .entry((found.group.clone(), partition.topic))
                .or_insert_with(|| GroupStatus {
                    lag: 0,
                    pending: 0,
                    oldest_millis: 0,
                    dead: 0,
                    cut: 0,
                    ..found.clone()
                });
            sum.lag += found.lag;
            sum.pending += found.pending;
            sum.oldest_millis = sum.oldest_millis.max(found.oldest_millis);
            sum.dead += found.dead;
            sum.cut += found.cut;
        }
    }
    Ok(sums.into_values().collect())
}

/// The names of a partition's groups, each with what XINFO says of it.
pub(super) async fn names(line: &mut Connection, partition: TopicPartition) -> Result<Vec<(String, Reply)>, BusError> {
    let key = partition.stream_key();
    line.queue("XINFO", [&b"GROUPS"[..], key.as_bytes()]);
    let reply = line.exchange().await?.into_iter().next().unwrap_or(Reply::Null);
    if error(&reply).is_some() {
        // Nothing was ever moved there.
        return Ok(Vec::new());
    }
    let groups = array(reply).into_iter();
    Ok(groups
        .filter_map(|group| Some((text(field(&group, "name")?)?, group)))
        .collect())
}

async fn groups_of(
    line: &mut Connection,
    partition: TopicPartition,
    now: Timestamp,
) -> Result<Vec<GroupStatus>, BusError> {
    let key = partition.stream_key();
    let mut found = Vec::new();
    for (group, info) in names(line, partition).await? {
        let delivered = field(&info, "last-delivered-id").and_then(text);
        let delivered = delivered.and_then(|id| EntryId::parse(&id)).unwrap_or_default();
        let next = delivered.next().to_string();
        let (dead, cut) = (partition.dead_key(&group), partition.cut_key(&group));
        line.queue("XPENDING", [key.as_bytes(), group.as_bytes()]);
        line.queue("XRANGE", [key.as_bytes(), next.as_bytes(), b"+", b"COUNT", b"1"]);
        line.queue("XLEN", [dead.as_bytes()]);
        line.queue("GET", [cut.as_bytes()]);
        let mut replies = answered(line.exchange().await?)?.into_iter();
        let mut reply = || replies.next().unwrap_or(Reply::Null);
        let (pending, unread) = (array(reply()), array(reply()));
        let (dead, cut) = (number(reply()), number(reply()));
        let oldest_pending = pending
            .get(1)
            .cloned()
            .and_then(text)
            .and_then(|id| EntryId::parse(&id));
        let oldest_unread = unread.into_iter().next().and_then(entry).map(|entry| entry.id);
        let oldest = [oldest_pending, oldest_unread].into_iter().flatten().min();
        found.push(GroupStatus {
            topic: partition.topic.name(),
            lag: field(&info, "lag").and_then(number).unwrap_or_default(),
            pending: pending.into_iter().next().and_then(number).unwrap_or_default(),
            oldest_millis: oldest.map_or(0, |oldest| now.as_millis().saturating_sub(oldest.millis)),
            dead: dead.unwrap_or_default(),
            cut: cut.unwrap_or_default(),
            group,
        });
    }
    Ok(found)
}

/// Lets a group handle everything again that came to the bus at `time` or later, and calls `done` after each partition
/// with how many there are. Returns how many partitions the group reads.
///
/// # Errors
/// The bus does not answer, or refuses.
pub async fn replay_from(
    line: &mut Connection,
    group: &str,
    time: Timestamp,
    mut done: impl FnMut(usize, usize),
) -> Result<usize, BusError> {
    let partitions = all_partitions(line).await?;
    let mut replayed = 0;
    for (number, partition) in partitions.iter().enumerate() {
        let reads = names(line, *partition).await?.iter().any(|(name, _)| name == group);
        if reads {
            let (key, before) = (partition.stream_key(), before(time));
            line.queue(
                "XGROUP",
                [b"SETID", key.as_bytes(), group.as_bytes(), before.as_bytes()],
            );
            answered(line.exchange().await?)?;
            replayed += 1;
        }
        done(number + 1, partitions.len());
    }
    Ok(replayed)
}

/// The last id before a time.
fn before(time: Timestamp) -> String {
    match time.as_millis().checked_sub(1) {
        Some(millis) => EntryId {
            millis,
            number: u64::MAX,
        },
        None => EntryId::default(),
    }
    .to_string()
}
