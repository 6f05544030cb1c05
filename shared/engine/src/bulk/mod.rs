//! Writing many numbered records in small commands, so that other callers get their turn in between.

mod undone;

use std::{
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{Backoff, whole_number};
use futures::{StreamExt, future::ready, stream};
use tokio::time::Instant;

pub use self::undone::{Numbers, Undone};
use crate::{
    Command, Engine, EngineError,
    keys::{Partition, Partitions},
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

/// How many records one command writes. A lane needs about a millisecond for them.
const CHUNK: usize = 128;
/// How many of these commands wait in lanes at once.
const IN_FLIGHT: usize = 4;
/// For how long nothing may succeed until the rest is not tried any more.
const STALLED: Duration = Duration::from_secs(20);
/// The pauses before what failed for the moment is tried again.
const AGAIN: Backoff = Backoff {
    min: Duration::from_millis(20),
    max: Duration::from_secs(1),
};

/// Submits the commands that `command` makes for all numbers below `count`, a partition's at a time in chunks, a few chunks
/// at once. The outcome of each is the numbers of the records that it left as they were.
///
/// What fails for the moment is tried again, for as long as anything succeeds at all; a record that cannot be read fails
/// alone. What waits in memory is bounded by the number of partitions, not by `count`.
pub async fn in_chunks<C: Command<Outcome = Vec<u32>>>(
    engine: &Engine,
    partitions: &Partitions,
    count: RecordCount,
    command: impl Fn(Partition, &[u32]) -> C + Sync,
) -> Undone {
    let last_success = Mutex::new(Instant::now());
    let (command, last_success) = (&command, &last_success);
    stream::iter(chunks(partitions.clone(), count.get()))
        .map(|chunk| patiently(engine, chunk, command, last_success))
        .buffer_unordered(IN_FLIGHT)
        .fold(Undone::nothing(count), |all, undone| ready(all.and(undone)))
        .await
}

/// Brings one chunk to its end.
async fn patiently<C: Command<Outcome = Vec<u32>>>(
    engine: &Engine,
    (partition, numbers): (Partition, Vec<u32>),
    command: &(impl Fn(Partition, &[u32]) -> C + Sync),
    last_success: &Mutex<Instant>,
) -> Undone {
    let last_success = || last_success.lock().unwrap_or_else(PoisonError::into_inner);
    let is_stalled = || last_success().elapsed() >= STALLED;
    let mut undone = Undone::default();
    let mut failures = 0;
    let mut waiting = vec![numbers];
    while let Some(mut numbers) = waiting.pop() {
        let submitted = if is_stalled() {
            Err(EngineError::Unavailable("nothing could be written for too long".into()))
        } else {
            engine.submit(command(partition, &numbers)).await
        };
        match submitted {
            Ok(refused) => {
                *last_success() = Instant::now();
                undone.refuse(refused);
                failures = 0;
            }
            Err(error) if error.is_passing() && !is_stalled() => {
                waiting.push(numbers);
                AGAIN.sleep(failures).await;
                failures += 1;
            }
            // One of them is broken, and the others are not.
            Err(error) if error.is_fault() && numbers.len() > 1 => {
                let rest = numbers.split_off(numbers.len() / 2);
                waiting.extend([rest, numbers]);
            }
            Err(error) => {
                undone.miss(numbers, error);
            }
        }
    }
    undone
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
