//! The textbook optimistic loop: WATCH, GET, MULTI, SET, EXEC, and once more if a rival was faster.

use anyhow::Context;
use deadpool::unmanaged::Pool;
use engine::keys::Key;
use fred::{
    clients::Client,
    interfaces::{KeysInterface, TransactionInterface},
    types::Value,
};
use futures::future::try_join_all;

use crate::{callers::Way, redis::RedisServer};

/// A pool of connections, of which each caller has one to itself while it loops: an EXEC makes its connection forget
/// all that is watched there.
pub(crate) struct Textbook {
    connections: Pool<Client>,
}

impl Textbook {
    pub(crate) async fn start(server: &RedisServer, connections: usize) -> anyhow::Result<Self> {
        let clients = try_join_all((0..connections).map(|_| server.client())).await?;
        Ok(Self {
            connections: Pool::from(clients),
        })
    }
}

impl Way for Textbook {
    async fn increment(&self, counter: &Key<i64>) -> anyhow::Result<i64> {
        let client = self.connections.get().await?;
        loop {
            // In one round trip, as the engine does it, so that the loop is as good as it can be. fred sends a command
            // when it is first polled, and `try_join!` of futures polls in order.
            let ((), count): ((), Option<i64>) =
                futures::try_join!(client.watch(counter.name()), client.get(counter.name()))?;
            let sum = count.context("the counter is gone")? + 1;
            let transaction = client.multi();
            let _: () = transaction.set(counter.name(), sum, None, None, false).await?;
            match transaction.exec(true).await? {
                Value::Null => {}
                _ => return Ok(sum),
            }
        }
    }
}
