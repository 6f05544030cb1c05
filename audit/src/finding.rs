//! What is off, and where.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Seek, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// What kind of thing is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A record's counters do not add up with what sagas hold and have bought.
    Unbalanced,
    /// A hold belongs to a saga that does not exist, or that ended without being paid.
    OrphanHold,
    /// A hold is on an item or account that does not exist.
    HoldOnNothing,
    /// A hold is of another amount than its order asks for.
    WrongAmount,
    /// A paid saga's hold is missing, though it cannot have been settled yet.
    PaidWithoutHold,
    /// A paid saga's hold was given back, or was refused.
    PaidButUndone,
    /// A paid saga is off the index, so its hold stays for ever.
    NeverSettled,
    /// An index entry without a saga in flight.
    OrphanEntry,
    /// A saga in flight that is not in the index, so nobody will recover it.
    Unlisted,
    /// A saga that should be finished, or settled, by now.
    Overdue,
    /// A record that cannot be read, or holds something impossible, such as a negative number.
    Unreadable,
    /// A record whose key is not where its id belongs.
    Misplaced,
    /// A key that no service makes.
    UnknownKey,
    /// A record that Redis will forget, though it must stay.
    WouldExpire,
    /// A tombstone that stays for ever.
    NeverExpires,
    /// An event that was emitted and is neither in the outbox nor on the bus.
    EventMissing,
    /// An event that is in one place twice, or an attempt that ended twice.
    EventTwice,
    /// An event that stands behind a later one of its subject.
    EventOutOfOrder,
    /// An event that says something else than the record.
    EventWrong,
    /// An outbox whose entries do not add up with what was moved, what waits and what was lost.
    EventsUnaccounted,
}

/// One thing that is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    /// The key of the record, or what is nearest to it.
    pub(crate) record: String,
    /// What was found, and what should be.
    pub(crate) detail: String,
}

/// The findings so far. They are many if something is badly off, so they are in a file.
pub(crate) struct Findings {
    file: File,
    counts: BTreeMap<Kind, u64>,
}

impl Findings {
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            counts: BTreeMap::new(),
        })
    }

    pub(crate) fn add(
        &mut self,
        kind: Kind,
        record: impl Into<String>,
        detail: impl Into<String>,
    ) -> anyhow::Result<()> {
        let finding = Finding {
            kind,
            record: record.into(),
            detail: detail.into(),
        };
        *self.counts.entry(kind).or_default() += 1;
        serde_json::to_writer(&self.file, &finding)?;
        self.file.write_all(b"\n")?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> anyhow::Result<FindingsFile> {
        self.file.rewind()?;
        Ok(FindingsFile {
            file: self.file,
            counts: self.counts,
        })
    }
}

/// All that was found.
pub(crate) struct FindingsFile {
    file: File,
    pub(crate) counts: BTreeMap<Kind, u64>,
}

impl FindingsFile {
    /// Every finding, in the order in which they were found.
    pub(crate) fn all(&self) -> impl Iterator<Item = anyhow::Result<Finding>> {
        BufReader::new(&self.file)
            .lines()
            .map(|line| Ok(serde_json::from_str(&line?)?))
    }
}
