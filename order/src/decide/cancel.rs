use domain::SagaId;
use engine::{Command, Touches, View, keys::Partition};
use ledger::Fingerprint;

use crate::{
    keys::SagaKeys,
    record::{Order, Rejection, Status},
};

/// Gives a saga up: `checking_out` -> cancelling. From here on, everybody compensates.
#[derive(Debug)]
pub(crate) struct Cancel {
    /// The order and what belongs to it.
    pub(crate) keys: SagaKeys,
    /// The saga.
    pub(crate) saga_id: SagaId,
    /// The driver's number.
    pub(crate) epoch: u32,
    /// What the driver's saga is about.
    pub(crate) fingerprint: Fingerprint,
    /// Why.
    pub(crate) reason: Rejection,
}

/// What became of a [`Cancel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CancelOutcome {
    /// The saga is given up for this reason: the caller's, or an earlier one.
    Cancelling(Rejection),
    /// Somebody else drives the saga, or it is finished. Nothing changed.
    Overtaken,
}

impl Command for Cancel {
    type Outcome = CancelOutcome;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.keys.order);
    }

    fn decide(&self, view: &mut View) -> CancelOutcome {
        let driven = view
            .get(&self.keys.order)
            .filter(|order| order.is_driven_by(self.saga_id.attempt, self.epoch, self.fingerprint));
        let Some(order) = driven else {
            return CancelOutcome::Overtaken;
        };
        match &order.status {
            Status::Cancelling { reason, .. } => CancelOutcome::Cancelling(reason.clone()),
            Status::CheckingOut { drive } => {
                let status = Status::Cancelling {
                    drive: *drive,
                    reason: self.reason.clone(),
                };
                let order = Order {
                    status,
                    ..order.clone()
                };
                view.put(&self.keys.order, order);
                CancelOutcome::Cancelling(self.reason.clone())
            }
            Status::Open { .. } | Status::Paid => CancelOutcome::Overtaken,
        }
    }
}
