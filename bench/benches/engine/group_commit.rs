//! Group commit: Holdfast's own engine.

use engine::{
    Command, Engine, EngineConfig, Touches, View,
    keys::{Key, Partition},
    store::{Store, StoreConfig},
};

use crate::{callers::Way, counters::partitions, redis::RedisServer};

/// An engine as a service has it, but for the number of lanes.
pub(crate) struct GroupCommit {
    engine: Engine,
}

impl GroupCommit {
    pub(crate) fn start(server: &RedisServer, lanes: u16) -> anyhow::Result<Self> {
        let store = Store::open(&StoreConfig::at(server.url()))?;
        let config = EngineConfig {
            lanes,
            ..EngineConfig::default()
        };
        let (engine, _lanes) = Engine::start(&store, &partitions(), &config);
        Ok(Self { engine })
    }
}

impl Way for GroupCommit {
    async fn increment(&self, counter: &Key<i64>) -> anyhow::Result<i64> {
        let command = Increment {
            counter: counter.clone(),
        };
        Ok(self.engine.submit(command).await?)
    }
}

/// Adds 1 to a counter and returns the sum.
struct Increment {
    counter: Key<i64>,
}

impl Command for Increment {
    type Outcome = i64;

    fn partition(&self) -> Partition {
        self.counter.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.counter);
    }

    fn decide(&self, view: &mut View) -> i64 {
        let sum = view.get(&self.counter).copied().unwrap_or_default() + 1;
        view.put(&self.counter, sum);
        sum
    }
}
