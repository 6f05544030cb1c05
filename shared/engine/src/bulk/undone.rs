//! What a bulk write has left undone.

use std::{collections::BTreeSet, fmt};

use super::RecordCount;
use crate::EngineError;

/// What a bulk write has left undone.
#[derive(Debug, Default)]
pub struct Undone {
    /// How many records were asked for.
    pub asked: u32,
    /// The records that stay as they were, as their commands decided.
    pub refused: Numbers,
    /// The records that could not be written.
    pub missing: Numbers,
    /// The worst reason why records are missing.
    pub cause: Option<EngineError>,
}

impl Undone {
    pub(super) fn nothing(asked: RecordCount) -> Self {
        Self {
            asked: asked.get(),
            ..Self::default()
        }
    }

    /// What both have left undone.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.refused.join(other.refused);
        self.missing.join(other.missing);
        if let Some(error) = other.cause {
            self.fail(error);
        }
        self
    }

    /// These stay as they were, as was decided.
    pub(super) fn refuse(&mut self, numbers: Vec<u32>) {
        self.refused.extend(numbers);
    }

    /// These could not be made.
    pub(super) fn miss(&mut self, numbers: Vec<u32>, cause: EngineError) {
        self.missing.extend(numbers);
        self.fail(cause);
    }

    /// Remembers the worst cause: what may be in force, then what asking again does not cure.
    fn fail(&mut self, error: EngineError) {
        let weight = |error: &EngineError| match error {
            EngineError::OutcomeUnknown(_) => 2,
            error if error.is_passing() => 0,
            _ => 1,
        };
        if self.cause.as_ref().is_none_or(|cause| weight(cause) < weight(&error)) {
            self.cause = Some(error);
        }
    }
}

/// Numbers of records: how many there are, and the lowest of them.
#[derive(Debug, Default)]
pub struct Numbers {
    count: usize,
    lowest: BTreeSet<u32>,
}

impl Numbers {
    /// How many of them are kept and shown.
    const SHOWN: usize = 10;

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    fn extend(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.count += 1;
            self.lowest.insert(number);
            if self.lowest.len() > Self::SHOWN {
                self.lowest.pop_last();
            }
        }
    }

    fn join(&mut self, other: Self) {
        let count = self.count + other.count;
        self.extend(other.lowest);
        self.count = count;
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.lowest.iter().map(ToString::to_string).collect();
        formatter.write_str(&shown.join(", "))?;
        match self.count - shown.len() {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}
