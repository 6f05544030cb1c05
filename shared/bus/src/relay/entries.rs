//! What the entries of outboxes become on the bus. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;

/// How large a topic's entry is at most if it holds the events of more than one entry of an outbox: as much as a node of a
/// stream holds.
///
/// Source: `stream-node-max-bytes` in <https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/>
const ENTRY_BYTES: usize = 4_096;

/// What goes to each partition of a topic, in order: few entries with many events each, because an entry costs far more
/// than an event.
#[derive(Debug, Default)]
pub(super) struct TopicEntries(BTreeMap<u16, Vec<Vec<u8>>>);

impl TopicEntries {
    /// Adds a JSON array of events.
    pub(super) fn add(&mut self, partition: u16, events: &Bytes) {
        let entries = self.0.entry(partition).or_default();
        match entries.last_mut() {
            Some(last) if last.len() + events.len() <= ENTRY_BYTES && is_array(last) && is_array(events) => {
                last.pop();
                last.push(b',');
                last.extend_from_slice(&events[1..]);
            }
            _ => entries.push(events.to_vec()),
        }
    }

    /// The partitions and their entries.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let by_partition = self.0.iter();
        by_partition.flat_map(|(partition, entries)| entries.iter().map(|entry| (*partition, entry.as_slice())))
    }
}

/// Whether it looks like an array with something in it. What does not goes to the bus as it is, so that it spoils nothing.
fn is_array(text: &[u8]) -> bool {
    text.starts_with(b"[{") && text.ends_with(b"}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &[(u16, &str)]) -> Vec<(u16, String)> {
        let mut entries = TopicEntries::default();
        for (partition, events) in parts {
            entries.add(*partition, &Bytes::copy_from_slice(events.as_bytes()));
        }
        let all = entries.all();
        all.map(|(partition, entry)| (partition, String::from_utf8_lossy(entry).into_owned()))
            .collect()
    }

    #[test]
    fn events_of_one_partition_share_an_entry_in_order() {
        let joined = joined(&[(1, r#"[{"a":1},{"a":2}]"#), (0, r#"[{"b":1}]"#), (1, r#"[{"a":3}]"#)]);
        let whole = |number, text: &str| (number, text.to_owned());
        assert_eq!(
            joined,
            [whole(0, r#"[{"b":1}]"#), whole(1, r#"[{"a":1},{"a":2},{"a":3}]"#)]
        );
    }

    #[test]
    fn what_is_large_or_no_array_stays_alone() {
        let large = format!(r#"[{{"a":"{}"}}]"#, "x".repeat(ENTRY_BYTES));
        let parts = [
            (0, r#"[{"a":1}]"#),
            (0, large.as_str()),
            (0, "no JSON"),
            (0, r#"[{"a":2}]"#),
        ];
        assert_eq!(joined(&parts).len(), 4);
    }
}
