//! The load: callers that increment as fast as they are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use engine::keys::Key;
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
pub(crate) struct CallersResult {
    /// Of each increment: from the caller's wish to its answer, waiting included.
    pub(crate) latencies: Vec<Duration>,
    /// How long the callers were at it.
    pub(crate) elapsed: Duration,
}

/// When the callers stop to begin new increments.
pub(crate) enum End {
    /// Once so many have been begun by all of them together. They share them out as they go, so that all of them are
    /// at it until the end, however unfair a way is.
    Begun { left: AtomicU64 },
    /// At this time.
    At(Instant),
}

impl End {
    pub(crate) fn after_increments(times: u64) -> Self {
        Self::Begun {
            left: AtomicU64::new(times),
        }
    }

    pub(crate) fn after(time: Duration) -> Self {
        Self::At(Instant::now() + time)
    }

    /// Whether a caller may begin one more.
    fn allows_one_more(&self) -> bool {
        match self {
            Self::Begun { left } => left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok(),
            Self::At(end) => Instant::now() < *end,
        }
    }
}

/// Lets all callers increment until the end, and waits for the last answer.
///
/// # Errors
/// If an increment fails.
pub(crate) async fn increment<W: Way>(way: &Arc<W>, counters: &Counters, end: End) -> anyhow::Result<CallersResult> {
    let end = Arc::new(end);
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (way, counters, end) = (Arc::clone(way), counters.clone(), Arc::clone(&end));
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while end.allows_one_more() {
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
    Ok(CallersResult {
        elapsed: started.elapsed(),
        latencies: answered.concat(),
    })
}
