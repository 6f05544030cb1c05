//! Brings what was read of several partitions into one order. Pure.

use super::Position;
use crate::replies::EntryId;

/// What was read of one partition.
pub(super) struct Page<E> {
    /// The partition's place among all.
    pub(super) partition: u32,
    /// Its entries, each with its events.
    pub(super) entries: Vec<(EntryId, Vec<E>)>,
    /// Whether it may have more entries behind these.
    pub(super) is_full: bool,
}

/// Events in their order, each with the position after it, and how far everything is known.
pub(super) struct Merged<E> {
    pub(super) events: Vec<(Position, E)>,
    /// The last entry up to which every partition was read; none if all were read to their end.
    pub(super) horizon: Option<EntryId>,
}

/// The events behind `after`, as far as every partition was read.
pub(super) fn merge<E>(pages: Vec<Page<E>>, after: Position) -> Merged<E> {
    let full = pages.iter().filter(|page| page.is_full);
    let horizon = full.filter_map(|page| page.entries.last().map(|(id, _)| *id)).min();
    let mut events: Vec<(Position, E)> = pages
        .into_iter()
        .flat_map(|page| {
            let partition = page.partition;
            page.entries.into_iter().flat_map(move |(entry, events)| {
                (1..).zip(events).map(move |(events, event)| {
                    let position = Position {
                        entry,
                        partition,
                        events,
                    };
                    (position, event)
                })
            })
        })
        .filter(|(position, _)| *position > after && horizon.is_none_or(|horizon| position.entry <= horizon))
        .collect();
    events.sort_by_key(|(position, _)| *position);
    Merged { events, horizon }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(partition: u32, ids: &[u64], is_full: bool) -> Page<u64> {
        let id = |millis| EntryId { millis, number: 0 };
        Page {
            partition,
            entries: ids.iter().map(|millis| (id(*millis), vec![*millis, *millis])).collect(),
            is_full,
        }
    }

    fn merged(pages: Vec<Page<u64>>, after: &str) -> Vec<u64> {
        let merged = merge(pages, after.parse().expect("a position"));
        merged.events.into_iter().map(|(_, event)| event).collect()
    }

    #[test]
    fn events_come_in_the_order_of_the_bus_and_none_twice() {
        let pages = || vec![page(1, &[2, 5], false), page(0, &[3, 5], false)];
        assert_eq!(merged(pages(), "0-0-0-0"), [2, 2, 3, 3, 5, 5, 5, 5]);
        assert_eq!(merged(pages(), "3-0-0-1"), [3, 5, 5, 5, 5]);
        assert_eq!(merged(pages(), "5-0-0-2"), [5, 5], "of the other partition");
    }

    #[test]
    fn what_lies_behind_an_unread_part_of_any_partition_waits() {
        let pages = vec![page(0, &[1, 9], false), page(1, &[2, 4], true)];
        assert_eq!(merged(pages, "0-0-0-0"), [1, 1, 2, 2, 4, 4]);
    }
}
