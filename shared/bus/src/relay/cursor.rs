//! How far an outbox has been moved, and what was cut from it before. Pure.

use std::fmt;

use crate::replies::EntryId;

/// How far one outbox has been moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// The last entry that was moved, by its id in the outbox.
    pub(crate) last: EntryId,
    /// How many entries the outbox had had, up to and with this one.
    pub(crate) position: u64,
    /// How many of them never came to this bus.
    pub(crate) lost: u64,
}

/// `<id> <position> <lost>`, as it stands on the bus.
impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.last, self.position, self.lost)
    }
}

impl Cursor {
    /// What stands on the bus; `None` if that is no cursor.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let cursor = Self {
            last: EntryId::parse(words.next()?)?,
            position: words.next()?.parse().ok()?,
            lost: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(cursor)
    }

    /// After so many more entries, of which `last` is the last.
    fn moved(self, last: EntryId, entries: usize) -> Self {
        Self {
            last,
            position: self.position + entries as u64,
            ..self
        }
    }
}

/// What an outbox says of itself.
///
/// Source: <https://redis.io/docs/latest/commands/xinfo-stream/>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OutboxFacts {
    /// How many entries it has.
    pub(crate) length: u64,
    /// How many it ever had.
    pub(crate) added: u64,
    /// The last one's id, whether or not it is still there.
    pub(super) newest: EntryId,
    /// The highest id that was removed.
    pub(super) removed: EntryId,
}

impl OutboxFacts {
    /// How many entries wait to be moved.
    pub(super) fn waiting(&self, cursor: &Cursor) -> u64 {
        self.added.saturating_sub(cursor.position).min(self.length)
    }
}

/// Why entries are not on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// They were cut from the outbox before they were moved, or a bus that is no more had them.
    Cut {
        /// How many.
        entries: u64,
        /// The last one that is on this bus.
        after: EntryId,
        /// The last one that is missing.
        up_to: EntryId,
    },
    /// The outbox is not the one that the cursor is about: the store lost what it had. Events are moved from its beginning.
    AnotherOutbox {
        /// The last one that was moved of the former outbox.
        former: EntryId,
    },
}

/// The cursors of a service's outboxes, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursors(Vec<Cursor>);

/// `<cursor>;<cursor>`, as they stand on the bus under one key.
impl fmt::Display for Cursors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, cursor) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { ";" };
            write!(formatter, "{between}{cursor}")?;
        }
        Ok(())
    }
}

impl Cursors {
    /// What stands on the bus for so many outboxes; before their first move, nothing does.
    pub(crate) fn parse(text: Option<&str>, outboxes: usize) -> Option<Self> {
        let Some(text) = text else {
            return Some(Self(vec![Cursor::default(); outboxes]));
        };
        let cursors: Option<Vec<Cursor>> = text.split(';').map(Cursor::parse).collect();
        cursors.filter(|cursors| cursors.len() == outboxes).map(Self)
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> &[Cursor] {
        &self.0
    }

    /// After so many more entries of an outbox, of which `last` is the last.
    pub(super) fn moved(&mut self, number: usize, last: EntryId, entries: usize) {
        if let Some(cursor) = self.0.get_mut(number) {
            *cursor = cursor.moved(last, entries);
        }
    }

    /// Sets a cursor past what can no longer be moved, and says what that is. It comes to the bus with the next entries.
    pub(super) fn reconcile(&mut self, number: usize, facts: &OutboxFacts) -> Option<Gap> {
        let cursor = self.0.get_mut(number)?;
        if cursor.last > facts.newest {
            let former = cursor.last;
            *cursor = Cursor {
                lost: cursor.lost,
                ..Cursor::default()
            };
            let cut = self.reconcile(number, facts);
            return cut.or(Some(Gap::AnotherOutbox { former }));
        }
        let removed = facts.added.saturating_sub(facts.length);
        let entries = removed.saturating_sub(cursor.position);
        if entries == 0 {
            return None;
        }
        let gap = Gap::Cut {
            entries,
            after: cursor.last,
            up_to: facts.removed,
        };
        *cursor = Cursor {
            last: cursor.last.max(facts.removed),
            position: removed,
            lost: cursor.lost + entries,
        };
        Some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64) -> EntryId {
        EntryId { millis, number: 0 }
    }

    fn facts(added: u64, length: u64) -> OutboxFacts {
        OutboxFacts {
            length,
            added,
            newest: id(added),
            removed: id(added - length),
        }
    }

    fn cursors(at: u64) -> Cursors {
        Cursors(vec![Cursor::default().moved(id(at), usize::try_from(at).expect("few"))])
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            last: EntryId { millis: 12, number: 3 },
            position: 45,
            lost: 6,
        };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for bad in ["", "1-1", "1-1 2", "1-1 2 3 4", "1-1 2 x"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn cursors_are_read_as_they_were_written_if_they_are_as_many() {
        let mut cursors = Cursors::parse(None, 2).expect("none yet");
        cursors.moved(1, id(7), 3);
        let text = cursors.to_string();
        assert_eq!(Cursors::parse(Some(&text), 2), Some(cursors));
        assert_eq!(Cursors::parse(Some(&text), 1), None);
    }

    #[test]
    fn what_was_moved_and_removed_is_no_gap() {
        assert_eq!(cursors(5).reconcile(0, &facts(9, 4)), None);
        assert_eq!(cursors(5).reconcile(0, &facts(9, 9)), None);
        assert_eq!(facts(9, 4).waiting(&cursors(5).0[0]), 4);
        assert_eq!(facts(9, 9).waiting(&cursors(5).0[0]), 4);
    }

    #[test]
    fn what_was_cut_before_it_was_moved_is_counted_once() {
        let mut cursors = cursors(5);
        let gap = Gap::Cut {
            entries: 2,
            after: id(5),
            up_to: id(7),
        };
        assert_eq!(cursors.reconcile(0, &facts(9, 2)), Some(gap));
        assert_eq!(cursors.0[0].lost, 2);
        assert_eq!(cursors.reconcile(0, &facts(9, 2)), None);
        assert_eq!(cursors.0[0].moved(id(9), 2).position, 9);
    }

    #[test]
    fn an_empty_bus_counts_what_an_earlier_one_had() {
        let mut cursors = Cursors(vec![Cursor::default()]);
        let gap = cursors.reconcile(0, &facts(9, 2));
        assert!(matches!(gap, Some(Gap::Cut { entries: 7, .. })), "{gap:?}");
    }

    #[test]
    fn a_store_that_lost_its_outbox_is_moved_from_the_beginning() {
        let mut cursors = cursors(50);
        assert_eq!(
            cursors.reconcile(0, &facts(9, 9)),
            Some(Gap::AnotherOutbox { former: id(50) })
        );
        assert_eq!(cursors.0[0], Cursor::default());
    }
}
