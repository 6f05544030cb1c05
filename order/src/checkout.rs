//! A client's checkout: begun and driven in a task of its own, and waited for no longer than the client's patience.
//!
//! ```text
//! client ──> a place ──> task: begin ─> drive ──────────> its end
//!                              │          └ stuck ─┐
//!                              └ under way ────────┴─> follow: read the order until it tells
//! ```
//!
//! A request under a key that came before begins nothing: it follows the saga that it began or joined then.
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
use engine::{EngineError, KeyedRequest, Once, store::ReadError};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::{
    decide::{Begin, Begun, Course, KeptBegin, Verdict},
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
    Ended(Once<Checkout>),
    /// Somebody else drives this saga, will, or did.
    Elsewhere {
        saga_id: SagaId,
        /// The request came before, and this is the saga that it began or joined.
        is_repeat: bool,
    },
}

/// How a client that waits for somebody else's saga looks for its end.
const FOLLOW: Backoff = Backoff {
    min: Duration::from_millis(2),
    max: Duration::from_millis(50),
};

impl Orders {
    /// Checks an order out, or waits for the checkout that is under way, or was begun by this request before.
    pub(crate) async fn checkout(
        &self,
        order_id: &OrderId,
        request: Option<&KeyedRequest>,
    ) -> Result<Once<Checkout>, EngineError> {
        // Only a request that is to be remembered needs room, whatever becomes of it.
        if request.is_some() {
            self.store.admit()?;
        }
        let deadline = Instant::now() + self.config.client_patience.duration();
        let checkout = match self.drivers.admit() {
            Some(place) => self.check_out(place, order_id, request, deadline).await?,
            None => Once::First(Err(Refusal::Busy)),
        };
        if let Once::First(checkout) = &checkout {
            self.metrics.count(checkout);
        }
        Ok(checkout)
    }

    async fn check_out(
        &self,
        place: Place,
        order_id: &OrderId,
        request: Option<&KeyedRequest>,
        deadline: Instant,
    ) -> Result<Once<Checkout>, EngineError> {
        loop {
            let has_begun = Arc::new(AtomicBool::new(false));
            // Boxed, since whatever is around it would move it.
            let attempt = self
                .clone()
                .attempt(order_id.clone(), request.cloned(), has_begun.clone());
            let attempt = Cause::carried(Box::pin(attempt)).instrument(tracing::Span::current());
            let attempt = self.drivers.spawn(place.clone(), attempt);
            let (saga_id, is_repeat) = match timeout_at(deadline, attempt).await {
                Ok(Ok(Some(attempt))) => match attempt? {
                    Attempt::Ended(checkout) => return Ok(checkout),
                    Attempt::Elsewhere { saga_id, is_repeat } => (saga_id, is_repeat),
                },
                Ok(Err(broken)) => {
                    self.metrics.broken.increment(1);
                    return Err(EngineError::Bug(format!("a checkout broke: {broken}")));
                }
                // The process ends, or the client's patience has.
                Ok(Ok(None)) | Err(_) if has_begun.load(Ordering::Relaxed) => {
                    return Ok(Once::First(Err(Refusal::Undecided(order_id.clone()))));
                }
                // If order's own store stands still, it may be that nothing has begun, and nothing goes on.
                Ok(Ok(None)) | Err(_) => {
                    return Err(EngineError::OutcomeUnknown("whether the checkout has begun".into()));
                }
            };
            // Boxed, since every checkout would have room for what hardly one does.
            let followed = timeout_at(deadline, Box::pin(self.follow(&saga_id))).await;
            match (
                followed.unwrap_or_else(|_| Err(Refusal::Undecided(order_id.clone()))),
                request,
            ) {
                (Err(Refusal::Rejected(_, Rejection::StoreFull)), Some(request)) if is_repeat => {
                    Box::pin(self.forget_attempt(request, &saga_id)).await?;
                }
                (undecided @ Err(Refusal::Undecided(_)), _) => return Ok(Once::First(undecided)),
                (ended, _) if is_repeat => return Ok(Once::Repeated(ended)),
                (ended, _) => return Ok(Once::First(ended)),
            }
        }
    }

    /// Lets a request begin anew: the saga that it began found no room, which says nothing of the order.
    async fn forget_attempt(&self, request: &KeyedRequest, saga_id: &SagaId) -> Result<(), EngineError> {
        let partition = self.keys.order(&saga_id.order).partition();
        let kept = KeptBegin::Attempt(saga_id.attempt);
        self.engine.forget_kept(request, partition, kept).await
    }

    /// Begins and drives a saga, and says so in between.
    async fn attempt(
        self,
        order_id: OrderId,
        request: Option<KeyedRequest>,
        has_begun: Arc<AtomicBool>,
    ) -> Result<Attempt, EngineError> {
        let ended = |checkout| Ok(Attempt::Ended(Once::First(checkout)));
        let command = Begin {
            keys: self.keys.saga(&order_id),
            is_keyed: request.is_some(),
            has_room: !self.store.is_nearly_full() && self.room.admits(Instant::now()),
        };
        let begun = self.engine.submit_once(command, request.as_ref()).await?;
        let is_repeat = matches!(begun, Once::Repeated(_));
        let elsewhere = |attempt| Attempt::Elsewhere {
            saga_id: SagaId {
                order: order_id.clone(),
                attempt,
            },
            is_repeat,
        };
        let saga = match begun {
            Once::First(Begun::ByCaller(saga)) => saga,
            Once::First(Begun::AlreadyPaid(_)) => return ended(Ok(())),
            Once::First(Begun::Refused(refusal)) => return ended(Err(refusal)),
            Once::First(Begun::Before(attempt))
            | Once::Repeated(Begun::Before(attempt) | Begun::AlreadyPaid(attempt)) => {
                return Ok(elsewhere(attempt));
            }
            Once::Repeated(Begun::ByCaller(saga)) => return Ok(elsewhere(saga.id.attempt)),
            Once::Repeated(Begun::Refused(refusal)) => return Ok(Attempt::Ended(Once::Repeated(Err(refusal)))),
            Once::OtherRequest => return Ok(Attempt::Ended(Once::OtherRequest)),
        };
        has_begun.store(true, Ordering::Relaxed);
        match self.driver.drive(&saga, Course::Forward).await {
            Ok(DriveOutcome::Finished(Verdict::Paid)) => {
                self.room.is_there();
                return ended(Ok(()));
            }
            Ok(DriveOutcome::Finished(Verdict::Rejected(rejection))) => {
                if rejection == Rejection::StoreFull {
                    self.room.is_missing(Instant::now());
                }
                return ended(Err(Refusal::Rejected(order_id, rejection)));
            }
            Ok(DriveOutcome::Overtaken) => tracing::info!(saga = %saga.id, "overtaken"),
            Err(error) => {
                tracing::warn!(saga = %saga.id, %error, "a saga is not decided yet; it will be taken over");
            }
        }
        Ok(elsewhere(saga.id.attempt))
    }

    /// Waits until the order's record shows how a saga ended.
    async fn follow(&self, saga_id: &SagaId) -> Checkout {
        let mut looks = 0;
        loop {
            match self.find(&saga_id.order).await {
                Ok(Some(order)) => match self.end_of(saga_id, &order).await {
                    Ok(Some(ended)) => return ended,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(saga = %saga_id, %error, "how the saga ended could not be read"),
                },
                Ok(None) => return Err(Refusal::UnknownOrder(saga_id.order.clone())),
                Err(error) => tracing::warn!(saga = %saga_id, %error, "the order could not be read"),
            }
            FOLLOW.sleep(looks).await;
            looks += 1;
        }
    }

    /// How the saga ended, as the order tells, or what was written when the order forgot it; `None` while one is under way.
    async fn end_of(&self, saga_id: &SagaId, order: &Order) -> Result<Option<Checkout>, ReadError> {
        let has_sold = self.sale(saga_id, order).await?.is_some();
        let is_last = order.attempt == saga_id.attempt && order.status != Status::Open { last_failure: None };
        if !has_sold && !is_last {
            let rejection = self.store.read(&self.keys.rejection(saga_id)).await?;
            if let Some(rejection) = rejection {
                return Ok(Some(Err(Refusal::Rejected(saga_id.order.clone(), rejection))));
            }
        }
        Ok(ended(&saga_id.order, order, has_sold))
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
        let sizes = [
            size(|orders, order_id| orders.checkout(order_id, None)),
            size(Orders::find),
        ];
        assert!(sizes.iter().all(|bytes| *bytes < 1_024), "{sizes:?} bytes");
    }
}
