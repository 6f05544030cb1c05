//! What a `batch_init` has left undone, and how that is told.

use std::{collections::BTreeSet, fmt};

use super::{BatchInit, RecordCount, is_broken, passes};
use crate::{
    engine::EngineError,
    http::{PARTLY_BROKEN, PARTLY_DONE, Problem, ProblemKind},
};

/// What a `batch_init` has left undone.
#[derive(Debug, Default)]
pub struct Left {
    count: u32,
    refused: Numbers,
    missing: Numbers,
    cause: Option<EngineError>,
}

/// Some of the numbers of records, as they are told: the first few, and how many there are.
#[derive(Debug, Default)]
struct Numbers {
    count: usize,
    first: BTreeSet<u32>,
}

impl Left {
    pub(super) fn nothing(count: RecordCount) -> Self {
        Self {
            count: count.get(),
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
            error if passes(error) => 0,
            _ => 1,
        };
        if self.cause.as_ref().is_none_or(|cause| weight(cause) < weight(&error)) {
            self.cause = Some(error);
        }
    }

    /// The answer: that all `things` are ready, or which of them are not. `refusal` says why records may stay as they were.
    ///
    /// # Errors
    /// Something is left undone.
    pub fn answer(self, things: &str, refusal: (&'static ProblemKind, &str)) -> Result<BatchInit, Problem> {
        let (kind, why) = refusal;
        let stay = format!("{things} {} {why}, and stay as they were", self.refused);
        match self.cause {
            None if self.refused.count == 0 => Ok(BatchInit::of(RecordCount(self.count), things)),
            None => Err(Problem::new(kind, format!("{stay}; the others are ready"))),
            Some(cause) if self.missing.count == self.count as usize => Err(cause.into()),
            Some(cause) => {
                let kind = if is_broken(&cause) {
                    &PARTLY_BROKEN
                } else {
                    &PARTLY_DONE
                };
                let stay = if self.refused.count == 0 {
                    String::new()
                } else {
                    format!("; {stay}")
                };
                let detail = format!(
                    "{things} {} are missing: {cause}{stay}; the others are ready",
                    self.missing
                );
                Err(Problem::new(kind, detail))
            }
        }
    }
}

impl Numbers {
    /// How many are told.
    const TOLD: usize = 10;

    fn extend(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            self.count += 1;
            self.first.insert(number);
            if self.first.len() > Self::TOLD {
                self.first.pop_last();
            }
        }
    }

    fn join(&mut self, other: Self) {
        let count = self.count + other.count;
        self.extend(other.first);
        self.count = count;
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = self.first.iter().map(ToString::to_string).collect();
        formatter.write_str(&told.join(", "))?;
        match self.count - told.len() {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}
