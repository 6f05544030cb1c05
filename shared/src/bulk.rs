//! Writing many numbered records in small commands, so that other callers get their turn in between.

use std::str::FromStr;

use futures::{StreamExt, TryStreamExt, stream};

use poem_openapi::{Object, registry::MetaSchema, types::Example};

use crate::{
    amounts::whole_number,
    engine::{Command, Engine, EngineError},
    keys::{Partition, Partitions},
    parameter,
};

/// The most records that one `batch_init` makes.
pub const MAX_RECORDS: u32 = 5_000_000;

/// How many records a `batch_init` makes: 0 to [`MAX_RECORDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordCount(u32);

/// The number is not one that a `batch_init` takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number of records is a whole number from 0 to {MAX_RECORDS}")]
pub struct BadRecordCount;

impl RecordCount {
    /// The bare number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for RecordCount {
    type Err = BadRecordCount;

    fn from_str(text: &str) -> Result<Self, BadRecordCount> {
        match whole_number(text) {
            Some(count) if count <= MAX_RECORDS => Ok(Self(count)),
            _ => Err(BadRecordCount),
        }
    }
}

parameter!(
    RecordCount,
    MetaSchema {
        minimum: Some(0.0),
        maximum: Some(MAX_RECORDS.into()),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);

/// What a `batch_init` answers.
#[derive(Debug, Object)]
#[oai(example)]
pub struct BatchInit {
    /// What was made, in words.
    msg: String,
}

impl BatchInit {
    /// Says that `count` records of a kind were made.
    #[must_use]
    pub fn of(count: RecordCount, kind: &str) -> Self {
        Self {
            msg: format!("{} {kind} are ready", count.get()),
        }
    }
}

impl Example for BatchInit {
    fn example() -> Self {
        Self::of(RecordCount(1_000), "records")
    }
}

/// How many records one command writes. A lane needs about a millisecond for them.
const CHUNK: usize = 128;
/// How many of these commands wait in lanes at once.
const IN_FLIGHT: usize = 4;

/// Submits the commands that `command` makes for all numbers below `count`, a partition's at a time in
/// chunks, a few chunks at once, and returns their outcomes.
///
/// What waits in memory is bounded by the number of partitions, not by `count`.
///
/// # Errors
/// The first error of a command; what was written before it stays.
pub async fn in_chunks<C: Command>(
    engine: &Engine,
    partitions: &Partitions,
    count: RecordCount,
    command: impl Fn(Partition, Vec<u32>) -> C,
) -> Result<Vec<C::Outcome>, EngineError> {
    stream::iter(chunks(partitions.clone(), count.get()))
        .map(|(partition, numbers)| Ok(engine.submit(command(partition, numbers))))
        .try_buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

fn chunks(partitions: Partitions, count: u32) -> impl Iterator<Item = (Partition, Vec<u32>)> {
    let mut gathered: Vec<Vec<u32>> = vec![Vec::new(); usize::from(partitions.count())];
    let mut numbers = 0..count;
    let mut rest = partitions.all();
    std::iter::from_fn(move || {
        for number in numbers.by_ref() {
            let partition = partitions.of(&number.to_string());
            let chunk = &mut gathered[partition.index()];
            chunk.push(number);
            if chunk.len() == CHUNK {
                return Some((partition, std::mem::take(chunk)));
            }
        }
        rest.by_ref()
            .map(|partition| (partition, std::mem::take(&mut gathered[partition.index()])))
            .find(|(_, chunk)| !chunk.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once_in_its_partition() {
        let partitions = Partitions::new(16).expect("an allowed count");
        for count in [0, 1, 127, 10_000] {
            let mut seen = Vec::new();
            for (partition, numbers) in chunks(partitions.clone(), count) {
                assert!((1..=CHUNK).contains(&numbers.len()));
                assert!(
                    numbers
                        .iter()
                        .all(|number| partitions.of(&number.to_string()) == partition)
                );
                seen.extend(numbers);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }
}
