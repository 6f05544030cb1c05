use std::collections::BTreeMap;

use fred::bytes_utils::Str;

use crate::{
    keys::{Partition, StreamKey},
    store::connection::Connection,
};

/// How large an entry may be before the next one is begun, so that a bound on entries is nearly one on bytes.
const ENTRY_BYTES: usize = 8 * 1024;

/// The stream that a lane appends events to.
#[derive(Debug, Clone)]
pub(super) struct OutboxStream {
    key: StreamKey,
    /// About how many entries it keeps.
    max_entries: u32,
}

impl OutboxStream {
    pub(super) fn new(key: StreamKey, max_entries: u32) -> Self {
        Self { key, max_entries }
    }

    pub(super) fn name(&self) -> &Str {
        self.key.name()
    }

    /// Adds a batch's events to what is sent: as one entry, or a few if they are many.
    pub(super) fn queue(&self, connection: &mut Connection, events: &BTreeMap<Partition, Vec<Vec<u8>>>) {
        let max = self.max_entries.to_string();
        for fields in entries(events) {
            let command = [self.name().as_bytes(), b"MAXLEN", b"~", max.as_bytes(), b"*"];
            let fields = fields.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
            connection.queue("XADD", command.into_iter().chain(fields));
        }
    }
}

/// The fields of each entry: a partition's number, and a JSON array of events about its subjects.
fn entries(events: &BTreeMap<Partition, Vec<Vec<u8>>>) -> Vec<Vec<(String, &[u8])>> {
    let (mut entries, mut bytes): (Vec<Vec<_>>, usize) = (Vec::new(), 0);
    for (partition, arrays) in events {
        for array in arrays {
            let field = (partition.index().to_string(), array.as_slice());
            match entries.last_mut() {
                Some(open) if bytes < ENTRY_BYTES => open.push(field),
                _ => {
                    entries.push(vec![field]);
                    bytes = 0;
                }
            }
            bytes += array.len();
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Partitions;

    #[test]
    fn a_batchs_events_share_an_entry_up_to_its_size() {
        let partitions: Vec<Partition> = Partitions::new(2).expect("partitions").all().collect();
        let (small, large) = (b"[1]".to_vec(), vec![b'5'; ENTRY_BYTES]);
        let events = [
            (partitions[0], vec![small.clone()]),
            (partitions[1], vec![small.clone()]),
        ]
        .into();
        let field = |number: &str| (number.to_owned(), small.as_slice());
        assert_eq!(entries(&events), [[field("0"), field("1")]]);
        let events = [
            (partitions[0], vec![large.clone(), small.clone()]),
            (partitions[1], vec![small.clone()]),
        ]
        .into();
        let first = ("0".to_owned(), large.as_slice());
        assert_eq!(entries(&events), [vec![first], vec![field("0"), field("1")]]);
        assert!(entries(&BTreeMap::new()).is_empty());
    }
}
