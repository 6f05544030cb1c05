use std::{fmt, str::FromStr};

use domain::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::replies::EntryId;

/// A point in the feed of all events: everything up to it has been read.
///
/// Entries are ordered by the bus's clock, those of one moment by their partition, and events by their place in the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    pub(super) entry: EntryId,
    /// The partition's place among all partitions of all topics.
    pub(super) partition: u32,
    /// How many events of the entry have been read.
    pub(super) events: u32,
}

/// The text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position in the feed is the next_cursor of an earlier answer, or a time like 2026-11-28T16:00:00Z")]
pub struct BadPosition;

impl Position {
    /// Before everything that came to the bus at `time` or later, by its clock.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        Self {
            entry: EntryId {
                millis: time.as_millis(),
                number: 0,
            },
            ..Self::default()
        }
    }
}

impl Position {
    /// When it is, by the bus's clock.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.entry.millis)
    }
}

/// `<milliseconds>-<number>-<partition>-<events>`. A time is read as well.
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.entry, self.partition, self.events)
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, BadPosition> {
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            let millis = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| BadPosition)?;
            return Ok(Self::at(Timestamp::from_millis(millis)));
        }
        let mut numbers = text.split('-').map(|word| word.parse::<u64>().map_err(|_| BadPosition));
        let mut next = || numbers.next().ok_or(BadPosition)?;
        let entry = EntryId {
            millis: next()?,
            number: next()?,
        };
        let (partition, events) = (next()?, next()?);
        if next().is_ok() {
            return Err(BadPosition);
        }
        Ok(Self {
            entry,
            partition: u32::try_from(partition).map_err(|_| BadPosition)?,
            events: u32::try_from(events).map_err(|_| BadPosition)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let position: Position = "5-6-7-8".parse().expect("a position");
        assert_eq!(position.to_string(), "5-6-7-8");
        for bad in ["", "5-6-7", "5-6-7-8-9", "5-6-7-x", "5-6-7-99999999999"] {
            assert_eq!(bad.parse::<Position>(), Err(BadPosition), "{bad}");
        }
    }

    #[test]
    fn positions_are_ordered_by_entry_then_partition_then_event() {
        let position = |text: &str| text.parse::<Position>().expect("a position");
        assert!(position("9-9-9-9") < position("10-0-0-0"));
        assert!(position("5-1-9-9") < position("5-2-0-0"));
        assert!(position("5-1-2-9") < position("5-1-3-0"));
        assert_eq!(position("1970-01-01T01:00:00.005+01:00"), position("5-0-0-0"));
    }
}
