use domain::SagaId;
use engine::{Command, Touches, View, keys::Partition};
use ledger::Fingerprint;

use crate::{
    events::{OrderPaid, OrderRejected},
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

impl Command for Finish {
    type Outcome = FinishOutcome;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.keys.order);
        touches.index(&self.keys.inflight);
    }

    fn decide(&self, view: &mut View) -> FinishOutcome {
        let now = view.now();
        let driven = view
            .get(&self.keys.order)
            .filter(|order| order.is_driven_by(self.saga_id.attempt, self.epoch, self.fingerprint));
        let Some(mut order) = driven.cloned() else {
            return FinishOutcome::Overtaken;
        };
        let (index, saga_id) = (&self.keys.inflight, self.saga_id.to_string());
        let status = match (&self.verdict, &order.status) {
            (Verdict::Paid, Status::CheckingOut { .. }) => {
                let event = self.paid(&order);
                view.emit(&self.keys.order, &mut order.sequence, &event);
                view.index_add(index, &saga_id, Inflight::Paid { since: now }.score());
                Status::Paid
            }
            (Verdict::Paid, _) => return FinishOutcome::Overtaken,
            (Verdict::Rejected(rejection), _) => {
                let event = self.rejected(&order, rejection);
                view.emit(&self.keys.order, &mut order.sequence, &event);
                view.index_remove(index, &saga_id);
                Status::Open {
                    last_failure: Some(rejection.clone()),
                }
            }
        };
        view.put(&self.keys.order, Order { status, ..order });
        FinishOutcome::Finished
    }
}

impl Finish {
    fn paid(&self, order: &Order) -> OrderPaid {
        OrderPaid {
            saga_id: self.saga_id.clone(),
            user_id: order.user_id.clone(),
            lines: order.lines.clone(),
            total: order.total,
        }
    }

    fn rejected(&self, order: &Order, rejection: &Rejection) -> OrderRejected {
        OrderRejected {
            saga_id: self.saga_id.clone(),
            user_id: order.user_id.clone(),
            total: order.total,
            rejection: rejection.clone(),
        }
    }
}
