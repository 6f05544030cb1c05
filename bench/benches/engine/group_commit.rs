//! Group commit: Holdfast's own engine.

use engine::{
    Engine, EngineConfig,
    keys::Key,
    store::{Store, StoreConfig},
};
use harness::Increment;

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
        Ok(self.engine.submit(Increment::from(counter.clone())).await?)
    }
}
