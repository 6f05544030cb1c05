//! Taking over sagas whose driver is gone, and settling those that have been paid for long enough.
//!
//! Every order process looks for sagas in flight that nobody has driven for a lease. Several may find the same one:
//! raising its epoch is one change of the order's record, so one of them gets it. Settling is safe to repeat.
//!
//! ```text
//! Recovery ─┬─ a partition's overdue sagas ──┐  each a worker of its own: one that waits
//!           ├─ the same one's paid sagas     ├─ for a sick participant, or meets an index
//!           ├─ the next partition's ...    ──┘  that cannot be read, keeps no other waiting
//! ```
//!
//! A worker looks at one page of its index at a time (`pages.rs`), oldest first, works on it side by side within a
//! bound, and goes on behind what it had to leave there.

mod overdue;
mod pages;
mod settling;

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use domain::Backoff;
use engine::keys::Partition;
use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{overdue::Overdue, settling::Settling};
use crate::service::Orders;

/// How many sagas all workers of one kind have in hand at most, as far as each may have [`MIN_AT_ONCE`].
const AT_ONCE: usize = 1_024;
/// How many sagas a worker has in hand at least.
const MIN_AT_ONCE: usize = 4;
/// How many sagas a worker has in hand at most.
const MAX_AT_ONCE: usize = 64;

/// How long a worker that broke rests.
const REST: Backoff = Backoff {
    min: Duration::from_millis(100),
    max: Duration::from_secs(10),
};

/// What takes over sagas that nobody drives, and settles those that are paid.
pub(crate) struct Recovery {
    orders: Orders,
}

impl Recovery {
    pub(crate) fn new(orders: &Orders) -> Self {
        Self { orders: orders.clone() }
    }

    /// Recovers and settles sagas until `stop`, and then ends at once, whatever it waits for.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut workers = JoinSet::new();
        for partition in self.orders.keys.partitions().all() {
            let work = move |orders| Overdue::new(orders, partition).run();
            workers.spawn(supervised(self.orders.clone(), partition, work));
            let work = move |orders| Settling::new(orders, partition).run();
            workers.spawn(supervised(self.orders.clone(), partition, work));
        }
        stop.cancelled().await;
        // Nothing new is taken over, and the drives under way are dropped at whatever step they are. That is safe, as it is safe
        // to kill the process there: each step may be repeated, the order's record says how far the saga is, and
        // whoever takes it over goes on from it. To drive them to their end could take as long as a participant hangs.
        workers.shutdown().await;
    }
}

/// Keeps a worker at work: one that breaks is started again.
async fn supervised<F>(orders: Orders, partition: Partition, work: impl Fn(Orders) -> F)
where
    F: Future<Output = Infallible>,
{
    let mut restarts = 0;
    loop {
        let Err(_) = AssertUnwindSafe(work(orders.clone())).catch_unwind().await;
        orders.metrics.recovery.restarts.increment(1);
        tracing::error!(
            partition = partition.index(),
            restarts,
            "a part of recovery broke; starting it again"
        );
        REST.sleep(restarts).await;
        restarts = restarts.saturating_add(1);
    }
}

impl Orders {
    /// How many sagas of a partition a worker has in hand at once.
    fn at_once(&self) -> usize {
        let partitions = usize::from(self.keys.partitions().count());
        (AT_ONCE / partitions).clamp(MIN_AT_ONCE, MAX_AT_ONCE)
    }

    /// Waits for about as long as `RECOVERY_INTERVAL_MS` says. Workers and processes that keep no step do less of each
    /// other's work.
    async fn pause(&self) {
        let pause = self.config.recovery_interval.duration();
        tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
    }
}
