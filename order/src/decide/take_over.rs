use std::time::Duration;

use domain::{SagaId, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use super::Saga;
use crate::{
    events::OrderTakenOver,
    inflight::Inflight,
    keys::SagaKeys,
    lease::Leases,
    record::{Drive, Order, Rejection, Sale, Status},
};

/// Takes a saga over from a driver that is gone: the epoch rises, so the old driver's word no longer
/// counts.
#[derive(Debug)]
pub(crate) struct TakeOver {
    /// The order and what belongs to it.
    pub(crate) keys: SagaKeys,
    /// The saga.
    pub(crate) saga_id: SagaId,
    /// What the saga has sold, if it was paid and its order set back since.
    pub(crate) sale: Key<Sale>,
    /// How long each driver is left alone.
    pub(crate) leases: Leases,
    /// How old a saga may become before it is given up.
    pub(crate) deadline: Duration,
}

/// What became of a [`TakeOver`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TakeOverOutcome {
    /// The caller drives the saga now.
    Taken(Saga, Course),
    /// The present driver's lease is not over.
    NotYet,
    /// The saga was rejected; its index entry, if one was left, is gone.
    Finished,
    /// The saga is paid, and its holds may not be settled yet.
    Paid,
}

/// Which way a saga has to be driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Course {
    /// Towards paid.
    Forward,
    /// Back to open, for this reason.
    Back(Rejection),
}

/// Whether the driver's lease is not over.
pub(crate) fn is_left_alone(drive: &Drive, leases: Leases, now: Timestamp) -> bool {
    // A driver in the future: the store's clock was set back since, and will not come to that time again soon.
    let apart = now.since(drive.driven_since) + drive.driven_since.since(now);
    apart < leases.lease(drive.epoch)
}

impl Command for TakeOver {
    type Outcome = TakeOverOutcome;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.keys.order);
        touches.record(&self.sale);
        touches.index(&self.keys.inflight);
    }

    fn decide(&self, view: &mut View) -> TakeOverOutcome {
        let now = view.now();
        let order = view.get(&self.keys.order);
        let paid = order.is_some_and(|order| order.sale(self.saga_id.attempt).is_some());
        if paid || view.get(&self.sale).is_some() {
            return TakeOverOutcome::Paid;
        }
        let order = order.filter(|order| order.attempt == self.saga_id.attempt);
        let Some((order, drive)) = order.and_then(|order| Some((order, *order.drive()?))) else {
            view.index_remove(&self.keys.inflight, &self.saga_id.to_string());
            return TakeOverOutcome::Finished;
        };
        if is_left_alone(&drive, self.leases, now) {
            return TakeOverOutcome::NotYet;
        }
        let course = match &order.status {
            Status::Cancelling { reason, .. } => Course::Back(reason.clone()),
            _ if now.since(drive.begun_at) >= self.deadline => Course::Back(Rejection::DeadlinePassed),
            _ => Course::Forward,
        };
        let drive = Drive {
            epoch: drive.epoch.saturating_add(1),
            driven_since: now,
            ..drive
        };
        let status = match &course {
            Course::Forward => Status::CheckingOut { drive },
            Course::Back(reason) => Status::Cancelling {
                drive,
                reason: reason.clone(),
            },
        };
        let mut order = Order {
            status,
            ..order.clone()
        };
        let event = OrderTakenOver {
            saga_id: self.saga_id.clone(),
            epoch: drive.epoch,
            gives_up: matches!(course, Course::Back(_)),
        };
        view.emit(&self.keys.order, &mut order.sequence, &event);
        let saga = Saga::new(self.saga_id.clone(), drive, &order);
        view.put(&self.keys.order, order);
        let inflight = Inflight::UnderWay { since: now };
        view.index_add(&self.keys.inflight, &self.saga_id.to_string(), inflight.score());
        TakeOverOutcome::Taken(saga, course)
    }
}
