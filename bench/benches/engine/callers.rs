//! The load: callers that increment as fast as they are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use shared::keys::Key;
use tokio::task::JoinSet;

use crate::counters::Counters;

/// How many callers there are at once.
pub(crate) const CALLERS: u64 = 256;

/// One way to change a record.
pub(crate) trait Way: Send + Sync + 'static {
    /// Adds 1 to a counter and returns the sum. When it is answered, it has happened exactly once.
    fn increment(&self, counter: &Key<i64>) -> impl Future<Output = anyhow::Result<i64>> + Send;
}

/// What the callers saw.
pub(crate) struct Seen {
    /// From a caller's wish to its answer, waiting included, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// How long the callers were at it.
    pub(crate) elapsed: Duration,
}

impl Seen {
    pub(crate) fn nothing() -> Self {
        Self {
            latencies: Histogram::new(3).expect("an allowed precision"),
            elapsed: Duration::ZERO,
        }
    }
}

/// Lets the callers increment so often, all together, and adds to `seen`. Returns how long it took.
///
/// They share the increments out as they go, so that all of them are at it until the end, however unfair a way is.
///
/// # Errors
/// Where an increment fails.
pub(crate) async fn increment<W: Way>(
    way: &Arc<W>,
    counters: &Counters,
    times: u64,
    seen: &mut Seen,
) -> anyhow::Result<Duration> {
    let begun = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (way, counters, begun) = (Arc::clone(way), counters.clone(), Arc::clone(&begun));
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < times {
                let asked = Instant::now();
                way.increment(counters.pick()).await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut answered = Vec::new();
    while let Some(caller) = callers.join_next().await {
        answered.push(caller??);
    }
    let elapsed = started.elapsed();
    for latency in answered.into_iter().flatten() {
        seen.latencies.record(u64::try_from(latency.as_micros())?)?;
    }
    seen.elapsed += elapsed;
    Ok(elapsed)
}
