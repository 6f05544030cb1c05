//! Sagas that nobody drives any more.

use std::convert::Infallible;

use domain::{SagaId, Timestamp};
use engine::{keys::Partition, store::End};
use futures::{StreamExt, stream};
use tokio::time::timeout;

use super::pages::{Page, Pages, Place, Rest};
use crate::{
    decide::{Course, Saga, TakeOver, TakeOverOutcome, is_left_alone},
    inflight::{taken_from, taken_up_to},
    record::Order,
    service::Orders,
};

/// Takes over and drives the sagas of one partition whose leases are over.
pub(super) struct Overdue {
    orders: Orders,
    pages: Pages,
    past: Place,
    future: Place,
}

/// What became of a saga that was found.
enum Ending {
    /// Its entry has left the range.
    Done,
    /// Its entry is as it was.
    Left,
}

impl Overdue {
    pub(super) fn new(orders: Orders, partition: Partition) -> Self {
        Self {
            pages: Pages::new(orders.clone(), partition),
            orders,
            past: Place::default(),
            future: Place::default(),
        }
    }

    pub(super) async fn run(mut self) -> Infallible {
        loop {
            self.orders.pause().await;
            while self.look().await == Rest::More {}
        }
    }

    /// Takes over what has waited the longest: sagas that were taken a lease ago or more, and those that were taken as
    /// far in the future, before the store's clock was set back. Waiting for that time would
    /// delay recovery by the whole clock error.
    async fn look(&mut self) -> Rest {
        let lease = self.orders.config.leases().first();
        let Some(now) = self.pages.now().await else {
            return Rest::None;
        };
        let mut rest = Rest::None;
        for (scores, is_past) in [
            (taken_up_to(now.before(lease)), true),
            (taken_from(now.after(lease)), false),
        ] {
            let place = if is_past { self.past } else { self.future };
            let Some(page) = self.pages.read(scores, End::Lowest, place).await else {
                continue;
            };
            let seen = page.seen;
            let left = self.recover(page, now).await;
            let place = if is_past { &mut self.past } else { &mut self.future };
            if place.go_on(seen, left) == Rest::More {
                rest = Rest::More;
            }
        }
        rest
    }

    /// Takes over what is due on a page, and tells how many entries stay in the range.
    async fn recover(&self, page: Page, now: Timestamp) -> usize {
        let leases = self.orders.config.leases();
        // Most leases are the first one, by which the range was cut. Those of later drivers are longer.
        let is_due = |order: &Option<Order>| match order.as_ref().and_then(Order::drive) {
            Some(drive) => !is_left_alone(drive, leases, now),
            None => true,
        };
        let due = page.sagas.into_iter().filter(|entry| is_due(&entry.order));
        let due: Vec<SagaId> = due.map(|entry| entry.saga_id).collect();
        let found: Vec<Ending> = stream::iter(due)
            .map(|saga_id| self.recover_saga(saga_id))
            .buffer_unordered(self.orders.at_once())
            .collect()
            .await;
        let done = found.iter().filter(|found| matches!(found, Ending::Done)).count();
        page.seen.saturating_sub(done)
    }

    #[tracing::instrument(name = "recovery", skip_all, fields(saga = %saga_id))]
    async fn recover_saga(&self, saga_id: SagaId) -> Ending {
        let orders = &self.orders;
        let take_over = TakeOver {
            keys: orders.keys.saga(&saga_id.order),
            sale: orders.keys.sale(&saga_id),
            saga_id,
            leases: orders.config.leases(),
            deadline: orders.config.deadline.duration(),
        };
        match orders.engine.submit(take_over).await {
            Ok(TakeOverOutcome::Taken(saga, course)) => self.drive(&saga, course).await,
            Ok(TakeOverOutcome::Finished) => {}
            Ok(TakeOverOutcome::NotYet | TakeOverOutcome::Paid) => return Ending::Left,
            Err(error) => {
                tracing::warn!(%error, "a saga cannot be taken over now");
                return Ending::Left;
            }
        }
        Ending::Done
    }

    async fn drive(&self, saga: &Saga, course: Course) {
        self.orders.metrics.taken_over.increment(1);
        // Longer than its lease, a driver would only be in the way of the next one, which has twice the time.
        let lease = self.orders.config.leases().lease(saga.epoch);
        match timeout(lease, self.orders.driver.drive(saga, course)).await {
            Ok(Ok(driven)) => tracing::info!(?driven, "took a saga over"),
            Ok(Err(error)) => tracing::warn!(%error, "a saga that was taken over is not finished yet"),
            Err(_) => tracing::warn!("a saga that was taken over is not finished within its lease"),
        }
    }
}
