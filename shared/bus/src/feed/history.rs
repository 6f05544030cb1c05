//! What a topic still has about one subject.

use engine::{parse_events, store::connection::Connection};
use uuid::Uuid;

use crate::{BusError, CloudEvent, TopicPartition, pages::Pages, replies::EntryId};

/// How far the clocks of a service's machine and of the bus may be apart for its events to be found.
const CLOCKS_APART_MILLIS: u64 = 300_000;

/// Where the first event about a subject can be: a UUIDv7 tells when it was made (RFC 9562, 5.7).
fn earliest(subject: &str) -> EntryId {
    let made = Uuid::try_parse(subject).ok().and_then(|uuid| uuid.get_timestamp());
    let millis = made.map_or(0, |made| {
        let (seconds, nanoseconds) = made.to_unix();
        (seconds * 1_000 + u64::from(nanoseconds) / 1_000_000).saturating_sub(CLOCKS_APART_MILLIS)
    });
    EntryId { millis, number: 0 }
}

/// The subject's events with numbers above `after`, in order.
pub(super) async fn history(
    line: &mut Connection,
    partition: TopicPartition,
    subject: &str,
    after: u64,
) -> Result<Vec<CloudEvent>, BusError> {
    let (mut pages, mut found) = (Pages::new(partition.stream_key(), earliest(subject)), Vec::new());
    loop {
        let entries = pages.next(line).await?;
        if entries.is_empty() {
            return Ok(found);
        }
        // Most entries are about others, and to look for the name is far cheaper than to parse them.
        let about = entries.into_iter().filter_map(|entry| entry.events);
        let about = about.filter(|bytes| contains(bytes, subject.as_bytes()));
        for event in about.filter_map(|bytes| parse_events(&bytes).ok()).flatten() {
            if event.subject == subject && event.sequence > after {
                found.push(CloudEvent::new(partition.topic, event));
            }
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_tells_its_age_is_looked_for_from_then_on() {
        assert_eq!(earliest("7"), EntryId::default());
        let made = Uuid::now_v7();
        let (seconds, _) = made.get_timestamp().expect("a version with a time").to_unix();
        let apart = seconds * 1_000 - earliest(&made.to_string()).millis;
        assert!(apart <= CLOCKS_APART_MILLIS && apart + 1_000 >= CLOCKS_APART_MILLIS);
    }
}
