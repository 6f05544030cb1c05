//! Removes from a topic what every group has handled and nobody may want to see again, and keeps it within its bound.

use std::time::Duration;

use domain::Timestamp;
use engine::store::{
    connection::{Reply, error},
    time,
};
use metrics::counter;
use tokio::time::Instant;

use super::Line;
use crate::{
    BusBounds, BusError, Topic, TopicPartition,
    replies::{EntryId, answered, array, entry, field, number, text},
};

/// How often one of the partitions is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Trims the partitions of a topic in turn.
pub(super) struct Trimmer {
    topic: Topic,
    partitions: u16,
    next: u16,
    due: Instant,
    retention: Duration,
    max_entries: u64,
}

/// A group, as XINFO GROUPS and XPENDING see it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    /// The first entry that it has not handled.
    needs: EntryId,
    /// How many entries that are still there it has not been given yet.
    behind: u64,
}

/// What a look at a partition found.
struct Look {
    length: u64,
    oldest: EntryId,
    now_millis: u64,
    groups: Vec<Group>,
}

/// The first entry to keep, by age and by what groups need; none if all may stay.
fn first_kept(look: &Look, retention: Duration) -> Option<EntryId> {
    let age = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    let by_age = EntryId {
        millis: look.now_millis.saturating_sub(age),
        number: 0,
    };
    let needed = look.groups.iter().map(|group| group.needs).min();
    let first = needed.map_or(by_age, |needed| needed.min(by_age));
    (look.oldest < first).then_some(first)
}

/// How many entries a group is not given any more if only the newest `max` stay.
fn lost(group: &Group, max: u64) -> u64 {
    group.behind.saturating_sub(max)
}

impl Trimmer {
    pub(super) fn new(topic: Topic, partitions: u16, bounds: BusBounds) -> Self {
        Self {
            topic,
            partitions,
            next: 0,
            due: Instant::now(),
            retention: bounds.retention(),
            max_entries: bounds.bus_entries,
        }
    }

    /// Trims one partition if it is time to.
    pub(super) async fn trim_now_and_then(&mut self, line: &mut Line) -> Result<(), BusError> {
        if Instant::now() < self.due {
            return Ok(());
        }
        self.due = Instant::now() + INTERVAL;
        let partition = self.topic.partition(self.next);
        self.next = (self.next + 1) % self.partitions.max(1);
        self.trim(line, partition).await
    }

    async fn trim(&self, line: &mut Line, partition: TopicPartition) -> Result<(), BusError> {
        let key = partition.stream_key();
        let Some(look) = look(line, &key).await? else {
            return Ok(());
        };
        if let Some(first) = first_kept(&look, self.retention) {
            line.queue("XTRIM", [key.as_bytes(), b"MINID", first.to_string().as_bytes()]);
            answered(line.exchange().await?)?;
        }
        if look.length > self.max_entries {
            self.cut(line, partition, &look).await?;
        }
        Ok(())
    }

    /// Keeps the newest entries alone, and names what each group loses.
    async fn cut(&self, line: &mut Line, partition: TopicPartition, look: &Look) -> Result<(), BusError> {
        let (key, max) = (partition.stream_key(), self.max_entries.to_string());
        line.queue("XTRIM", [key.as_bytes(), b"MAXLEN", max.as_bytes()]);
        line.queue("XRANGE", [key.as_bytes(), b"-", b"+", b"COUNT", b"1"]);
        let kept = answered(line.exchange().await?)?.into_iter().nth(1);
        let oldest = kept
            .and_then(|kept| entry(array(kept).into_iter().next()?))
            .map(|entry| entry.id);
        for group in &look.groups {
            let entries = lost(group, self.max_entries);
            if entries > 0 {
                counter!("holdfast_bus_lost_entries_total", "topic" => self.topic.name(), "group" => group.name.clone())
                    .increment(entries);
                let (from, before) = (group.needs.max(look.oldest), oldest.unwrap_or_default());
                tracing::error!(%partition, group = group.name, entries, %from, %before, "a group is so far behind that the topic's bound cut entries which it has not seen");
            }
        }
        Ok(())
    }
}

/// Looks at a partition; none if there is nothing in it.
async fn look(line: &mut Line, key: &str) -> Result<Option<Look>, BusError> {
    line.queue("TIME", []);
    line.queue("XLEN", [key.as_bytes()]);
    line.queue("XRANGE", [key.as_bytes(), b"-", b"+", b"COUNT", b"1"]);
    line.queue("XINFO", [&b"GROUPS"[..], key.as_bytes()]);
    let mut replies = line.exchange().await?.into_iter();
    let mut next = || replies.next().unwrap_or(Reply::Null);
    let (now, length, oldest, groups) = (next(), next(), next(), next());
    if error(&groups).is_some() {
        return Ok(None);
    }
    let now_millis = time(&now).map(Timestamp::as_millis);
    let oldest = array(oldest).into_iter().next().and_then(entry).map(|entry| entry.id);
    let (Some(now_millis), Some(length), Some(oldest)) = (now_millis, number(length), oldest) else {
        return Ok(None);
    };
    let groups: Vec<Reply> = array(groups);
    let groups = with_pending(line, key, &groups, length).await?;
    Ok(Some(Look {
        length,
        oldest,
        now_millis,
        groups,
    }))
}

/// The groups, each with the first entry that it still needs.
async fn with_pending(line: &mut Line, key: &str, groups: &[Reply], length: u64) -> Result<Vec<Group>, BusError> {
    let names: Vec<String> = groups.iter().filter_map(|group| text(field(group, "name")?)).collect();
    for name in &names {
        line.queue("XPENDING", [key.as_bytes(), name.as_bytes()]);
    }
    let pending = if names.is_empty() {
        Vec::new()
    } else {
        answered(line.exchange().await?)?
    };
    let groups = names
        .into_iter()
        .zip(groups)
        .zip(pending)
        .filter_map(|((name, group), pending)| {
            let delivered = EntryId::parse(&text(field(group, "last-delivered-id")?)?)?;
            let oldest_pending = array(pending).into_iter().nth(1).and_then(text);
            let oldest_pending = oldest_pending.and_then(|id| EntryId::parse(&id));
            Some(Group {
                name,
                needs: oldest_pending.unwrap_or_else(|| delivered.next()),
                // Redis does not know it after entries in the middle were deleted, which nobody does here.
                // What was cut before is in it as well, at least in Redis 7.0.
                behind: field(group, "lag").and_then(number).unwrap_or(length).min(length),
            })
        });
    Ok(groups.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64) -> EntryId {
        EntryId { millis, number: 0 }
    }

    fn group(needs: u64, behind: u64) -> Group {
        Group {
            name: "mails".into(),
            needs: id(needs),
            behind,
        }
    }

    fn look(groups: Vec<Group>) -> Look {
        Look {
            length: 100,
            oldest: id(1_000),
            now_millis: 90_000,
            groups,
        }
    }

    #[test]
    fn what_is_old_and_handled_by_all_goes() {
        let minute = Duration::from_secs(60);
        assert_eq!(first_kept(&look(vec![]), minute), Some(id(30_000)));
        assert_eq!(first_kept(&look(vec![group(50_000, 0)]), minute), Some(id(30_000)));
        assert_eq!(first_kept(&look(vec![]), minute * 2), None, "it is all too young");
    }

    #[test]
    fn what_the_slowest_group_needs_stays_however_old_it_is() {
        let minute = Duration::from_secs(60);
        let groups = vec![group(50_000, 0), group(2_000, 9)];
        assert_eq!(first_kept(&look(groups), minute), Some(id(2_000)));
        assert_eq!(first_kept(&look(vec![group(1_000, 100)]), minute), None);
    }

    #[test]
    fn a_group_that_is_further_behind_than_the_bound_loses_the_difference() {
        assert_eq!(lost(&group(1, 100), 60), 40);
        assert_eq!(lost(&group(1, 60), 60), 0);
    }
}
