//! One benchmark's own redis-server, its way, and how often it has answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::{
    callers::{self, CALLERS, CallersResult, End, Way},
    counters::Counters,
    redis::RedisServer,
};

/// How long the callers are watched without a pause. criterion lets all of them start anew for each sample, and in a
/// short sample nobody can wait for long.
const LONG_RUN: Duration = Duration::from_secs(3);

/// Fields are dropped in this order: the way before the tasks of its connections, which end with their runtime, and
/// those before the server.
pub(crate) struct Trial<W> {
    way: Arc<W>,
    counters: Counters,
    /// Increments, warm-up included.
    answered: AtomicU64,
    runtime: Runtime,
    server: RedisServer,
}

impl<W: Way> Trial<W> {
    /// Starts a server with all counters at 0, and the way on it.
    ///
    /// # Errors
    /// If one of them does not start.
    pub(crate) fn start(
        fsync: &str,
        counters: &Counters,
        start: &impl AsyncFn(&RedisServer) -> anyhow::Result<W>,
    ) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let server = runtime.block_on(RedisServer::start(fsync))?;
        let way = runtime.block_on(async {
            counters.reset(&server.client().await?).await?;
            start(&server).await
        })?;
        Ok(Self {
            way: Arc::new(way),
            counters: counters.clone(),
            answered: AtomicU64::new(0),
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
    /// If an increment fails.
    pub(crate) async fn rounds(&self, rounds: u64) -> anyhow::Result<Duration> {
        let seen = self.increment(End::after_increments(rounds * CALLERS)).await?;
        Ok(seen.elapsed)
    }

    /// Watches the callers for a while without a pause, then checks that every increment that was ever answered is in
    /// Redis, once.
    ///
    /// # Errors
    /// If an increment fails, is missing, or is there twice.
    pub(crate) fn finish(self) -> anyhow::Result<CallersResult> {
        self.runtime.block_on(async {
            let seen = self.increment(End::after(LONG_RUN)).await?;
            let sum = self.counters.sum(&self.server.client().await?).await?;
            let answered = self.answered.load(Ordering::Relaxed);
            ensure!(
                sum == answered,
                "{answered} increments were answered, and the counters' sum is {sum}"
            );
            Ok(seen)
        })
    }

    async fn increment(&self, end: End) -> anyhow::Result<CallersResult> {
        let seen = callers::increment(&self.way, &self.counters, end).await?;
        self.answered.fetch_add(seen.latencies.len() as u64, Ordering::Relaxed);
        Ok(seen)
    }
}
