//! Reads all topics from any point on, filtered.

use std::{collections::BTreeMap, fmt, str::FromStr};

use domain::Timestamp;
use engine::{
    keys::Partitions,
    parse_events,
    store::{
        connection::{Connection, Reply},
        time,
    },
};

use super::{
    Position,
    merge::{Merged, Page, merge},
};
use crate::{
    Bus, BusError, CloudEvent, Topic, TopicPartition,
    replies::{EntryId, answered, array, entry, number, text},
};

/// How many entries of a partition are read at once.
const PAGE: usize = 100;
/// How many pages one answer may take. What is left comes with the next one.
const MAX_PAGES: usize = 20;

/// Which types of events: one, or all that begin alike (`order.*`), or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePattern(String);

/// The text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a type is one like order.paid, the beginning of some like order.*, or * for all")]
pub struct BadTypePattern;

impl TypePattern {
    /// Whether a type is one of them.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => event_type.starts_with(beginning),
            None => self.0 == event_type,
        }
    }

    /// Whether a topic may have such events.
    fn may_be_in(&self, topic: Topic) -> bool {
        let begins = self.0.trim_end_matches('*');
        match begins.split_once('.') {
            Some((name, _)) => topic.name() == name,
            None => topic.name().starts_with(begins),
        }
    }
}

impl FromStr for TypePattern {
    type Err = BadTypePattern;

    fn from_str(text: &str) -> Result<Self, BadTypePattern> {
        let stem = text.strip_suffix('*').unwrap_or(text);
        let is_known = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_');
        let is_pattern = !text.is_empty() && text.len() <= 64 && stem.chars().all(is_known);
        is_pattern.then(|| Self(text.to_owned())).ok_or(BadTypePattern)
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is asked of the feed.
#[derive(Debug, Clone)]
pub struct FeedQuery {
    /// Events of which types; all if none is named.
    pub types: Option<TypePattern>,
    /// About which subject; about all if none is named.
    pub subject: Option<String>,
    /// Behind which point.
    pub after: Position,
    /// How many at most.
    pub limit: usize,
}

/// A part of the feed, oldest first.
#[derive(Debug)]
pub struct FeedPage {
    /// The events.
    pub events: Vec<CloudEvent>,
    /// Where the next part begins.
    pub next: Position,
    /// Whether there was nothing more.
    pub is_end: bool,
}

/// The feed of all events on the bus. Cheap to clone.
#[derive(Clone)]
pub struct Feed(Bus);

impl Feed {
    /// What is on this bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self(bus)
    }

    /// The next events that fit the query, oldest first.
    ///
    /// What came to the bus in the present millisecond is left for the next time: more may come that belongs before it.
    ///
    /// # Errors
    /// The bus does not answer, or refuses.
    pub async fn read(&self, query: &FeedQuery) -> Result<FeedPage, BusError> {
        let mut line = self.0.connect().await?;
        let (counts, now) = topics(&mut line).await?;
        let partitions = selected(query, &counts);
        let end = EntryId {
            millis: now.as_millis().saturating_sub(1),
            number: u64::MAX,
        };
        let (mut next, mut events) = (query.after, Vec::new());
        for _ in 0..MAX_PAGES {
            let pages = read_pages(&mut line, &partitions, next.entry, end).await?;
            let Merged { events: read, horizon } = merge(pages, next);
            for (position, event) in read {
                next = position;
                if query.fits(&event) {
                    events.push(event);
                    if events.len() >= query.limit {
                        let is_end = false;
                        return Ok(FeedPage { events, next, is_end });
                    }
                }
            }
            let Some(horizon) = horizon else {
                next = next.max(Position::at(now));
                let is_end = true;
                return Ok(FeedPage { events, next, is_end });
            };
            next = next.max(Position {
                entry: horizon,
                partition: u32::MAX,
                events: u32::MAX,
            });
        }
        let is_end = false;
        Ok(FeedPage { events, next, is_end })
    }
}

impl FeedQuery {
    fn fits(&self, event: &CloudEvent) -> bool {
        self.types.as_ref().is_none_or(|types| types.matches(&event.r#type))
            && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
    }
}

/// How many partitions each topic has, and the bus's time.
pub(crate) async fn topics(line: &mut Connection) -> Result<(BTreeMap<Topic, u16>, Timestamp), BusError> {
    line.queue("TIME", []);
    line.queue("HGETALL", [&b"topics"[..]]);
    let mut replies = answered(line.exchange().await?)?.into_iter();
    let now = replies.next().as_ref().and_then(time);
    let mut fields = array(replies.next().unwrap_or(Reply::Null)).into_iter();
    let mut counts = BTreeMap::new();
    while let (Some(name), Some(count)) = (fields.next().and_then(text), fields.next().and_then(number)) {
        if let (Some(topic), Ok(count)) = (Topic::named(&name), u16::try_from(count)) {
            counts.insert(topic, count);
        }
    }
    Ok((
        counts,
        now.ok_or(BusError::Strange("TIME was not answered with a time"))?,
    ))
}

/// The partitions that may have what is asked for, each with its place among all.
fn selected(query: &FeedQuery, counts: &BTreeMap<Topic, u16>) -> Vec<(u32, TopicPartition)> {
    let mut place = 0;
    let mut selected = Vec::new();
    for topic in Topic::all() {
        let count = counts.get(&topic).copied().unwrap_or_default();
        let wanted = topic.is_public() && query.types.as_ref().is_none_or(|types| types.may_be_in(topic));
        let of_subject = query.subject.as_ref().and_then(|subject| partition_of(subject, count));
        for number in 0..count {
            if wanted && of_subject.is_none_or(|of_subject| of_subject == number) {
                selected.push((place, topic.partition(number)));
            }
            place += 1;
        }
    }
    selected
}

/// The partition of a topic's subject, as the service's store has it.
pub(super) fn partition_of(subject: &str, count: u16) -> Option<u16> {
    let partitions = Partitions::new(count).ok()?;
    u16::try_from(partitions.of(subject).index()).ok()
}

async fn read_pages(
    line: &mut Connection,
    partitions: &[(u32, TopicPartition)],
    from: EntryId,
    end: EntryId,
) -> Result<Vec<Page<CloudEvent>>, BusError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let (from, end, count) = (from.to_string(), end.to_string(), PAGE.to_string());
    for (_, partition) in partitions {
        let key = partition.stream_key();
        let range = [key.as_bytes(), from.as_bytes(), end.as_bytes()];
        line.queue("XRANGE", range.into_iter().chain([&b"COUNT"[..], count.as_bytes()]));
    }
    let replies = answered(line.exchange().await?)?;
    let pages = partitions.iter().zip(replies).map(|((place, partition), reply)| {
        let entries: Vec<_> = array(reply).into_iter().filter_map(entry).collect();
        let is_full = entries.len() >= PAGE;
        let entries = entries.into_iter().map(|entry| {
            let events = entry.events.as_deref().and_then(|bytes| parse_events(bytes).ok());
            let events = events.unwrap_or_default().into_iter();
            (
                entry.id,
                events.map(|event| CloudEvent::new(partition.topic, event)).collect(),
            )
        });
        Page {
            partition: *place,
            entries: entries.collect(),
            is_full,
        }
    });
    Ok(pages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_type_or_the_beginning_of_some() {
        let pattern = |text: &str| text.parse::<TypePattern>().expect("a pattern");
        assert!(pattern("order.paid").matches("order.paid") && !pattern("order.paid").matches("order.paid2"));
        assert!(pattern("order.*").matches("order.paid") && !pattern("order.*").matches("item.low"));
        assert!(pattern("*").matches("item.low"));
        for bad in ["", "a b", "*.paid", "or*der", &"x".repeat(65)] {
            assert_eq!(bad.parse::<TypePattern>(), Err(BadTypePattern), "{bad}");
        }
    }

    #[test]
    fn only_partitions_that_may_have_it_are_read() {
        let counts: BTreeMap<Topic, u16> = Topic::all().map(|topic| (topic, 4)).collect();
        let query = |types: Option<&str>, subject: Option<&str>| FeedQuery {
            types: types.map(|types| types.parse().expect("a pattern")),
            subject: subject.map(ToOwned::to_owned),
            after: Position::default(),
            limit: 1,
        };
        assert_eq!(selected(&query(None, None), &counts).len(), 12);
        assert_eq!(selected(&query(Some("order.*"), None), &counts).len(), 4);
        assert_eq!(selected(&query(Some("order.paid"), Some("7")), &counts).len(), 1);
        assert_eq!(selected(&query(None, Some("7")), &counts).len(), 3);
        assert_eq!(selected(&query(Some("*"), None), &counts).len(), 12);
    }
}
