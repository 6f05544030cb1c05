//! The records that are changed.

use std::sync::Arc;

use anyhow::Context;
use engine::{
    EngineConfig,
    keys::{Key, Partitions},
};
use fred::{clients::Client, interfaces::KeysInterface};

/// How many counters one command sets or reads if all of them are set or read.
const CHUNK: usize = 1_000;

/// Counters that lie in Redis as the engine's records do. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Counters(Arc<[Key<i64>]>);

impl Counters {
    /// Names this many, spread over the partitions by their names.
    pub(crate) fn new(count: usize) -> Self {
        let partitions = partitions();
        let keys = (0..count).map(|number| {
            let name = number.to_string();
            partitions.key("counter", partitions.of(&name), &name)
        });
        Self(keys.collect())
    }

    /// Any one of them, each as likely as the others.
    pub(crate) fn pick(&self) -> &Key<i64> {
        &self.0[rand::random_range(0..self.0.len())]
    }

    /// Sets all of them to 0, so that every increment finds a record, as most changes do.
    pub(crate) async fn reset(&self, client: &Client) -> anyhow::Result<()> {
        for keys in self.0.chunks(CHUNK) {
            let zeros: Vec<_> = keys.iter().map(|key| (key.name().clone(), 0)).collect();
            client.mset(zeros).await?;
        }
        Ok(())
    }

    /// The sum of all of them.
    pub(crate) async fn sum(&self, client: &Client) -> anyhow::Result<u64> {
        let mut sum = 0;
        for keys in self.0.chunks(CHUNK) {
            let names: Vec<_> = keys.iter().map(|key| key.name().clone()).collect();
            let counts: Vec<Option<u64>> = client.mget(names).await?;
            for count in counts {
                sum += count.context("a counter is gone")?;
            }
        }
        Ok(sum)
    }
}

/// As many partitions as a deployment has by default.
pub(crate) fn partitions() -> Partitions {
    Partitions::new(EngineConfig::default().partitions).expect("an allowed count")
}
