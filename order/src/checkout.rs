//! A client's checkout: begun and driven in a task of its own, and waited for no longer than the client's patience.
//!
//! ```text
//! client ──> a place ──> task: begin ─> drive ──────────> its end
//!                              │          └ stuck ─┐
//!                              └ under way ────────┴─> follow: read the order until it tells
//! ```
//!
//! The client's patience counts from when it asked, whatever is waited for. When it is over, or the client has hung
//! up, the task goes on: a saga that was begun has a driver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Backoff, CorrelationId, OrderId, SagaId};
use engine::EngineError;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::{
    decide::{Begin, BeginOutcome, Course, Verdict},
    drivers::Place,
    metrics::OrderMetrics,
    record::{Order, Rejection, Status},
    saga::DriveOutcome,
    service::Orders,
};

/// How a checkout ended for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout {
    /// The order is paid: now, or it was before.
    Paid,
    /// The attempt was rejected; nothing is held.
    Rejected(Rejection),
    /// The order has no lines.
    Empty,
    /// There is no such order.
    UnknownOrder,
    /// The attempt was rejected, and somebody has set the order back since; why it was rejected is not recorded.
    SetBack,
    /// The saga is not decided yet. Asking again is safe and waits for the same saga.
    Undecided,
    /// As many checkouts are under way as may be. Nothing was begun.
    Busy,
}

/// How far a task came with a checkout.
enum Attempt {
    Ended(Checkout),
    /// Somebody else drives this saga, or will.
    UnderWay(SagaId),
}

/// How a client that waits for somebody else's saga looks for its end.
const FOLLOW: Backoff = Backoff {
    first: Duration::from_millis(2),
    most: Duration::from_millis(50),
};

impl Orders {
    /// Checks an order out, or waits for the checkout that is under way.
    pub(crate) async fn checkout(&self, order_id: &OrderId) -> Result<Checkout, EngineError> {
        let deadline = Instant::now() + self.config.client_patience();
        let checkout = match self.drivers.admit() {
            Some(place) => self.check_out(place, order_id, deadline).await?,
            None => Checkout::Busy,
        };
        self.metrics.count(&checkout);
        Ok(checkout)
    }

    async fn check_out(&self, place: Place, order_id: &OrderId, deadline: Instant) -> Result<Checkout, EngineError> {
        let has_begun = Arc::new(AtomicBool::new(false));
        // Boxed, since whatever is around it would move it.
        let attempt = Box::pin(self.clone().attempt(order_id.clone(), has_begun.clone()));
        let attempt = CorrelationId::carried(attempt).instrument(tracing::Span::current());
        let attempt = self.drivers.spawn(place.clone(), attempt);
        match timeout_at(deadline, attempt).await {
            Ok(Ok(Some(attempt))) => match attempt? {
                Attempt::Ended(checkout) => Ok(checkout),
                Attempt::UnderWay(saga_id) => {
                    // Boxed, since every checkout would have room for what hardly one does.
                    let followed = timeout_at(deadline, Box::pin(self.follow(&saga_id))).await;
                    Ok(followed.unwrap_or(Checkout::Undecided))
                }
            },
            Ok(Err(broken)) => {
                self.metrics.broken.increment(1);
                Err(EngineError::Bug(format!("a checkout broke: {broken}")))
            }
            // The process ends, or the client's patience has.
            Ok(Ok(None)) | Err(_) if has_begun.load(Ordering::Relaxed) => Ok(Checkout::Undecided),
            // Where order's own store stands still, it may be that nothing has begun, and nothing goes on.
            Ok(Ok(None)) | Err(_) => Err(EngineError::OutcomeUnknown("whether the checkout has begun".into())),
        }
    }

    /// Begins and drives a saga, and says so in between.
    async fn attempt(self, order_id: OrderId, has_begun: Arc<AtomicBool>) -> Result<Attempt, EngineError> {
        let begin = Begin {
            keys: self.keys.saga(&order_id),
            has_room: !self.store.is_nearly_full() && self.room.admits(Instant::now()),
        };
        let saga = match self.engine.submit(begin).await? {
            BeginOutcome::Begun(saga) => saga,
            BeginOutcome::UnderWay(saga_id) => return Ok(Attempt::UnderWay(saga_id)),
            BeginOutcome::AlreadyPaid => return Ok(Attempt::Ended(Checkout::Paid)),
            BeginOutcome::NoRoom => return Err(EngineError::StoreFull),
            BeginOutcome::Empty => return Ok(Attempt::Ended(Checkout::Empty)),
            BeginOutcome::UnknownOrder => return Ok(Attempt::Ended(Checkout::UnknownOrder)),
        };
        has_begun.store(true, Ordering::Relaxed);
        match self.driver.drive(&saga, Course::Forward).await {
            Ok(DriveOutcome::Finished(Verdict::Paid)) => {
                self.room.is_there();
                return Ok(Attempt::Ended(Checkout::Paid));
            }
            Ok(DriveOutcome::Finished(Verdict::Rejected(rejection))) => {
                if rejection == Rejection::StoreFull {
                    self.room.is_missing(Instant::now());
                }
                return Ok(Attempt::Ended(Checkout::Rejected(rejection)));
            }
            Ok(DriveOutcome::Overtaken) => tracing::info!(saga = %saga.id, "overtaken"),
            Err(error) => {
                tracing::warn!(saga = %saga.id, %error, "a saga is not decided yet; it will be taken over");
            }
        }
        Ok(Attempt::UnderWay(saga.id))
    }

    /// Waits until the order's record shows how a saga ended.
    async fn follow(&self, saga_id: &SagaId) -> Checkout {
        let mut looks = 0;
        loop {
            match self.find(&saga_id.order).await {
                Ok(Some(order)) => match self.sale(saga_id, &order).await {
                    Ok(sale) => {
                        if let Some(ended) = ended(&order, sale.is_some()) {
                            return ended;
                        }
                    }
                    Err(error) => tracing::warn!(saga = %saga_id, %error, "the sale could not be read"),
                },
                Ok(None) => return Checkout::UnknownOrder,
                Err(error) => tracing::warn!(saga = %saga_id, %error, "the order could not be read"),
            }
            FOLLOW.sleep(looks).await;
            looks += 1;
        }
    }
}

/// How the saga ended, which has sold something or not, or else a later one of the same order; `None` while one is under way.
fn ended(order: &Order, has_sold: bool) -> Option<Checkout> {
    if has_sold {
        return Some(Checkout::Paid);
    }
    match &order.status {
        Status::Paid => Some(Checkout::Paid),
        Status::Open {
            last_failure: Some(rejection),
        } => Some(Checkout::Rejected(rejection.clone())),
        Status::Open { last_failure: None } => Some(Checkout::SetBack),
        Status::CheckingOut { .. } | Status::Cancelling { .. } => None,
    }
}

impl OrderMetrics {
    fn count(&self, checkout: &Checkout) {
        match checkout {
            Checkout::Paid => self.paid.increment(1),
            Checkout::Undecided => self.undecided.increment(1),
            Checkout::Busy => self.busy.increment(1),
            Checkout::Rejected(_) | Checkout::Empty | Checkout::UnknownOrder | Checkout::SetBack => {
                self.rejected.increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Timestamp, UserId};

    use super::*;
    use crate::record::Drive;

    const REFUSED: Checkout = Checkout::Rejected(Rejection::UnknownUser);

    /// The order after so many attempts.
    fn order(attempt: u32, status: Status) -> Order {
        let mut order = Order::new(UserId::numbered(0));
        order.attempt = attempt;
        order.status = status;
        order
    }

    #[test]
    fn who_follows_a_saga_hears_how_that_saga_ended() {
        let open = |last_failure| Status::Open { last_failure };
        let refused = open(Some(Rejection::UnknownUser));
        let now = Timestamp::from_millis(1);
        let drive = Drive {
            epoch: 0,
            begun_at: now,
            driven_since: now,
        };
        let under_way = Status::CheckingOut { drive };
        let seen = [
            ((false, 1, under_way.clone()), None),
            ((false, 1, refused.clone()), Some(REFUSED)),
            ((false, 1, Status::Paid), Some(Checkout::Paid)),
            // Somebody has set the order back since, and checked it out again.
            ((false, 1, open(None)), Some(Checkout::SetBack)),
            ((true, 1, open(None)), Some(Checkout::Paid)),
            ((true, 2, refused.clone()), Some(Checkout::Paid)),
            ((true, 2, under_way.clone()), Some(Checkout::Paid)),
            ((false, 2, under_way), None),
            ((false, 2, refused), Some(REFUSED)),
        ];
        for ((first_is_paid, attempt, status), expected) in seen {
            let order = order(attempt, status);
            assert_eq!(ended(&order, first_is_paid), expected, "{order:?}");
        }
    }

    /// A future is made and moved for every call, with room for whatever it may wait for.
    #[test]
    fn what_hardly_any_call_waits_for_has_no_room_in_all_of_them() {
        fn size<F>(_: impl FnOnce(&'static Orders, &'static OrderId) -> F) -> usize {
            size_of::<F>()
        }
        let sizes = [size(Orders::checkout), size(|orders, id| orders.find(id))];
        assert!(sizes.iter().all(|bytes| *bytes < 1_024), "{sizes:?} bytes");
    }
}
