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

use domain::{Backoff, Cause, OrderId, SagaId};
use engine::EngineError;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::{
    decide::{Begin, Begun, Course, Verdict},
    drivers::Place,
    metrics::OrderMetrics,
    problems::Refusal,
    record::{Order, Rejection, Status},
    saga::DriveOutcome,
    service::Orders,
};

/// How a checkout ended for the client: the order is paid, now or before, or the refusal.
type Checkout = Result<(), Refusal>;

/// How far a task came with a checkout.
enum Attempt {
    Ended(Checkout),
    /// Somebody else drives this saga, or will.
    UnderWay(SagaId),
}

/// How a client that waits for somebody else's saga looks for its end.
const FOLLOW: Backoff = Backoff {
    min: Duration::from_millis(2),
    max: Duration::from_millis(50),
};

impl Orders {
    /// Checks an order out, or waits for the checkout that is under way.
    pub(crate) async fn checkout(&self, order_id: &OrderId) -> Result<Checkout, EngineError> {
        let deadline = Instant::now() + self.config.client_patience.duration();
        let checkout = match self.drivers.admit() {
            Some(place) => self.check_out(place, order_id, deadline).await?,
            None => Err(Refusal::Busy),
        };
        self.metrics.count(&checkout);
        Ok(checkout)
    }

    async fn check_out(&self, place: Place, order_id: &OrderId, deadline: Instant) -> Result<Checkout, EngineError> {
        let has_begun = Arc::new(AtomicBool::new(false));
        // Boxed, since whatever is around it would move it.
        let attempt = Box::pin(self.clone().attempt(order_id.clone(), has_begun.clone()));
        let attempt = Cause::carried(attempt).instrument(tracing::Span::current());
        let attempt = self.drivers.spawn(place.clone(), attempt);
        match timeout_at(deadline, attempt).await {
            Ok(Ok(Some(attempt))) => match attempt? {
                Attempt::Ended(checkout) => Ok(checkout),
                Attempt::UnderWay(saga_id) => {
                    // Boxed, since every checkout would have room for what hardly one does.
                    let followed = timeout_at(deadline, Box::pin(self.follow(&saga_id))).await;
                    Ok(followed.unwrap_or_else(|_| Err(Refusal::Undecided(order_id.clone()))))
                }
            },
            Ok(Err(broken)) => {
                self.metrics.broken.increment(1);
                Err(EngineError::Bug(format!("a checkout broke: {broken}")))
            }
            // The process ends, or the client's patience has.
            Ok(Ok(None)) | Err(_) if has_begun.load(Ordering::Relaxed) => Ok(Err(Refusal::Undecided(order_id.clone()))),
            // If order's own store stands still, it may be that nothing has begun, and nothing goes on.
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
            Ok(Begun::ByCaller(saga)) => saga,
            Ok(Begun::UnderWay(saga_id)) => return Ok(Attempt::UnderWay(saga_id)),
            Ok(Begun::AlreadyPaid) => return Ok(Attempt::Ended(Ok(()))),
            Err(refusal) => return Ok(Attempt::Ended(Err(refusal))),
        };
        has_begun.store(true, Ordering::Relaxed);
        match self.driver.drive(&saga, Course::Forward).await {
            Ok(DriveOutcome::Finished(Verdict::Paid)) => {
                self.room.is_there();
                return Ok(Attempt::Ended(Ok(())));
            }
            Ok(DriveOutcome::Finished(Verdict::Rejected(rejection))) => {
                if rejection == Rejection::StoreFull {
                    self.room.is_missing(Instant::now());
                }
                return Ok(Attempt::Ended(Err(Refusal::Rejected(order_id, rejection))));
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
                        if let Some(ended) = ended(&saga_id.order, &order, sale.is_some()) {
                            return ended;
                        }
                    }
                    Err(error) => tracing::warn!(saga = %saga_id, %error, "the sale could not be read"),
                },
                Ok(None) => return Err(Refusal::UnknownOrder(saga_id.order.clone())),
                Err(error) => tracing::warn!(saga = %saga_id, %error, "the order could not be read"),
            }
            FOLLOW.sleep(looks).await;
            looks += 1;
        }
    }
}

/// How the saga ended, which has sold something or not, or else a later one of the same order; `None` while one is under way.
fn ended(order_id: &OrderId, order: &Order, has_sold: bool) -> Option<Checkout> {
    if has_sold {
        return Some(Ok(()));
    }
    match &order.status {
        Status::Paid => Some(Ok(())),
        Status::Open {
            last_failure: Some(rejection),
        } => Some(Err(Refusal::Rejected(order_id.clone(), rejection.clone()))),
        Status::Open { last_failure: None } => Some(Err(Refusal::SetBack(order_id.clone()))),
        Status::CheckingOut { .. } | Status::Cancelling { .. } => None,
    }
}

impl OrderMetrics {
    fn count(&self, checkout: &Checkout) {
        match checkout {
            Ok(()) => self.paid.increment(1),
            Err(Refusal::Undecided(_)) => self.undecided.increment(1),
            Err(Refusal::Busy) => self.busy.increment(1),
            // Nothing was decided, as if the store had been away.
            Err(Refusal::NoRoom) => {}
            Err(_) => self.rejected.increment(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Timestamp, UserId};

    use super::*;
    use crate::record::Drive;

    /// The order after so many attempts.
    fn order(attempt: u32, status: Status) -> Order {
        let mut order = Order::new(UserId::numbered(0));
        order.attempt = attempt;
        order.status = status;
        order
    }

    #[test]
    fn who_follows_a_saga_hears_how_that_saga_ended() {
        let order_id = OrderId::numbered(0);
        let rejected = Some(Err(Refusal::Rejected(order_id.clone(), Rejection::UnknownUser)));
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
            ((false, 1, refused.clone()), rejected.clone()),
            ((false, 1, Status::Paid), Some(Ok(()))),
            // Somebody has set the order back since, and checked it out again.
            ((false, 1, open(None)), Some(Err(Refusal::SetBack(order_id.clone())))),
            ((true, 1, open(None)), Some(Ok(()))),
            ((true, 2, refused.clone()), Some(Ok(()))),
            ((true, 2, under_way.clone()), Some(Ok(()))),
            ((false, 2, under_way), None),
            ((false, 2, refused), rejected.clone()),
        ];
        for ((first_is_paid, attempt, status), expected) in seen {
            let order = order(attempt, status);
            assert_eq!(ended(&order_id, &order, first_is_paid), expected, "{order:?}");
        }
    }

    /// A future is made and moved for every call, with room for whatever it may wait for.
    #[test]
    fn what_hardly_any_call_waits_for_has_no_room_in_all_of_them() {
        fn size<F>(_: impl FnOnce(&'static Orders, &'static OrderId) -> F) -> usize {
            size_of::<F>()
        }
        let sizes = [size(Orders::checkout), size(Orders::find)];
        assert!(sizes.iter().all(|bytes| *bytes < 1_024), "{sizes:?} bytes");
    }
}
