//! What a witness who sees everything writes down, and the promises that are checked against it.
//!
//! No lane and no server reads the ledger.

use super::LANES;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ledger {
    /// Each lane's batches, in order. The last may be under way.
    pub(super) batches: [Vec<Entry>; LANES],
    /// An EXEC arrived after its connection was given up and its fence moved, and was refused.
    pub(super) late_exec_refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// How many commands are in it. Each counts the record up by one.
    pub(super) commands: u8,
    /// How many EXECs of it have happened.
    pub(super) in_force: u8,
    /// The record's value after the last of them.
    wrote: u8,
    pub(super) heard: Heard,
}

/// What a batch's callers heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    Nothing,
    /// Each its own value; the batch's last one is `last`.
    Done {
        last: u8,
    },
    /// "Unavailable" or "conflict": it isn't in force.
    Refused,
    /// "Outcome unknown".
    Unknown,
}

impl Ledger {
    pub(super) fn begin(&mut self, lane: usize, commands: u8) {
        self.batches[lane].push(Entry {
            commands,
            in_force: 0,
            wrote: 0,
            heard: Heard::Nothing,
        });
    }

    pub(super) fn put_in_force(&mut self, lane: usize, batch: u8, wrote: u8) {
        let entry = &mut self.batches[lane][usize::from(batch)];
        entry.in_force += 1;
        entry.wrote = wrote;
    }

    /// The lane's batch that is under way ends.
    pub(super) fn end(&mut self, lane: usize, heard: Heard) {
        if let Some(entry) = self.batches[lane].last_mut() {
            entry.heard = heard;
        }
    }

    pub(super) fn under_way(&self, lane: usize) -> Option<&Entry> {
        self.batches[lane].last().filter(|entry| entry.heard == Heard::Nothing)
    }

    /// The record holds what all EXECs together have added.
    pub(super) fn nothing_was_overwritten(&self, record: u8) -> bool {
        record == self.entries().map(|entry| entry.commands * entry.in_force).sum::<u8>()
    }

    pub(super) fn none_is_in_force_twice(&self) -> bool {
        self.entries().all(|entry| entry.in_force <= 1)
    }

    /// What was answered as done is in force, with the value that the caller heard.
    pub(super) fn answers_are_kept(&self) -> bool {
        self.entries().all(|entry| match entry.heard {
            Heard::Done { last } => entry.in_force > 0 && entry.wrote == last,
            Heard::Nothing | Heard::Refused | Heard::Unknown => true,
        })
    }

    pub(super) fn refused_are_not_in_force(&self) -> bool {
        self.entries()
            .all(|entry| entry.heard != Heard::Refused || entry.in_force == 0)
    }

    pub(super) fn values_are_distinct(&self) -> bool {
        let mut seen = [false; 64];
        self.entries().all(|entry| match entry.heard {
            Heard::Done { last } => (0..entry.commands).all(|back| {
                let value = &mut seen[usize::from(last - back)];
                !std::mem::replace(value, true)
            }),
            Heard::Nothing | Heard::Refused | Heard::Unknown => true,
        })
    }

    /// The record is at least what was answered, and at most that and what may be in force besides. Where no
    /// batch is under way and none is unknown, it is exactly what was answered.
    pub(super) fn record_is_what_was_answered(&self, record: u8) -> bool {
        let sum = |wanted: fn(&Heard) -> bool| -> u8 {
            self.entries()
                .filter(|entry| wanted(&entry.heard))
                .map(|entry| entry.commands)
                .sum()
        };
        let done = sum(|heard| matches!(heard, Heard::Done { .. }));
        let open = sum(|heard| matches!(heard, Heard::Nothing | Heard::Unknown));
        (done..=done + open).contains(&record)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.batches.iter().flatten()
    }
}
