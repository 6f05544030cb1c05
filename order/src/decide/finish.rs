use domain::{Credits, OrderId, SagaId, UserId};
use engine::{Command, Touches, View, events::envelope, keys::Partition};
use ledger::Fingerprint;
use serde::Serialize;

use crate::{
    inflight::Inflight,
    keys::SagaKeys,
    record::{Order, Rejection, Status},
};

/// Ends a saga: `checking_out` -> paid, or either of its states -> open.
///
/// The order's record decides: the word of a driver that was overtaken changes nothing, a saga that is
/// being cancelled can no longer be paid, and each saga ends once. A paid saga stays in the index until it is
/// settled.
#[derive(Debug)]
pub(crate) struct Finish {
    /// The order and what belongs to it.
    pub(crate) keys: SagaKeys,
    /// The saga.
    pub(crate) saga_id: SagaId,
    /// The driver's number.
    pub(crate) epoch: u32,
    /// What the driver's saga is about.
    pub(crate) fingerprint: Fingerprint,
    /// How it ends.
    pub(crate) verdict: Verdict,
}

/// How a saga ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is held and charged.
    Paid,
    /// Nothing is held, and never will be.
    Rejected(Rejection),
}

/// What became of a [`Finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishOutcome {
    /// The saga is finished as asked for.
    Finished,
    /// Somebody else drives the saga, or it is finished. Nothing changed.
    Overtaken,
}

/// What the outbox tells of a finished saga.
#[derive(Serialize)]
struct Told<'a> {
    saga_id: &'a SagaId,
    order_id: &'a OrderId,
    user_id: &'a UserId,
    total: Credits,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<&'a Rejection>,
}

impl Command for Finish {
    type Outcome = FinishOutcome;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.keys.order);
        touches.index(&self.keys.inflight);
        touches.stream(&self.keys.events);
    }

    fn decide(&self, view: &mut View) -> FinishOutcome {
        let now = view.now();
        let driven = view
            .get(&self.keys.order)
            .filter(|order| order.is_driven_by(self.saga_id.attempt, self.epoch, self.fingerprint));
        let Some(order) = driven else {
            return FinishOutcome::Overtaken;
        };
        let (status, kind, rejection) = match (&self.verdict, &order.status) {
            (Verdict::Paid, Status::CheckingOut { .. }) => (Status::Paid, "order.paid", None),
            (Verdict::Paid, _) => return FinishOutcome::Overtaken,
            (Verdict::Rejected(rejection), _) => {
                let last_failure = Some(rejection.clone());
                (Status::Open { last_failure }, "order.rejected", Some(rejection))
            }
        };
        let told = Told {
            saga_id: &self.saga_id,
            order_id: &self.keys.order_id,
            user_id: &order.user_id,
            total: order.total,
            rejection,
        };
        let event = envelope(kind, &self.saga_id, now, &told);
        let order = Order {
            status,
            ..order.clone()
        };
        view.emit(&self.keys.events, event);
        let (index, saga_id) = (&self.keys.inflight, self.saga_id.to_string());
        match order.status {
            Status::Paid => view.index_add(index, &saga_id, Inflight::Paid { since: now }.score()),
            _ => view.index_remove(index, &saga_id),
        }
        view.put(&self.keys.order, order);
        FinishOutcome::Finished
    }
}
