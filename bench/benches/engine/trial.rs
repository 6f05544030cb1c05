//! One benchmark's own redis-server, its way, and what has been seen so far.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use tokio::{runtime::Runtime, sync::Mutex};

use crate::{
    callers::{self, CALLERS, Seen, Way},
    counters::Counters,
    redis::RedisServer,
};

/// Fields are dropped in this order: the way before the tasks of its connections, which end with their runtime, and
/// those before the server.
pub(crate) struct Trial<W> {
    way: Arc<W>,
    counters: Counters,
    seen: Mutex<Seen>,
    runtime: Runtime,
    server: RedisServer,
}

impl<W: Way> Trial<W> {
    /// Starts a server with all counters at 0, and the way on it.
    ///
    /// # Errors
    /// Where one of them does not start.
    pub(crate) fn start(
        fsync: &str,
        counters: &Counters,
        start: &impl AsyncFn(&RedisServer) -> anyhow::Result<W>,
    ) -> anyhow::Result<Self> {
        let server = RedisServer::start(fsync)?;
        let runtime = Runtime::new()?;
        let way = runtime.block_on(async {
            counters.reset(&server.client().await?).await?;
            start(&server).await
        })?;
        Ok(Self {
            way: Arc::new(way),
            counters: counters.clone(),
            seen: Mutex::new(Seen::nothing()),
            runtime,
            server,
        })
    }

    /// What the way runs on.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// One increment a round for each caller. Returns how long all rounds took.
    ///
    /// # Errors
    /// Where an increment fails.
    pub(crate) async fn rounds(&self, rounds: u64) -> anyhow::Result<Duration> {
        let mut seen = self.seen.lock().await;
        callers::increment(&self.way, &self.counters, rounds * CALLERS, &mut seen).await
    }

    /// Checks that every increment that was answered is in Redis, once.
    ///
    /// # Errors
    /// Where one is missing, or one is there twice.
    pub(crate) fn finish(self) -> anyhow::Result<Seen> {
        let sum = self
            .runtime
            .block_on(async { self.counters.sum(&self.server.client().await?).await })?;
        let seen = self.seen.into_inner();
        let answered = seen.latencies.len();
        ensure!(
            sum == answered,
            "{answered} increments were answered, and the counters' sum is {sum}"
        );
        Ok(seen)
    }
}
