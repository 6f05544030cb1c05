use domain::{Credits, SagaId, Timestamp, UserId};
use engine::{Command, OUTCOME_KEPT, Repeatable, Touches, View, keys::Partition};
use ledger::Fingerprint;
use saga::Line;
use serde::{Deserialize, Serialize};

use crate::{
    inflight::Inflight,
    keys::SagaKeys,
    problems::Refusal,
    record::{Drive, Order, Status},
};

/// Begins a checkout: open -> `checking_out`.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) keys: SagaKeys,
    /// Whether the request may come again under its key, and then wants to know how this saga ended.
    pub(crate) is_keyed: bool,
    /// Whether the stores have room for something new.
    pub(crate) has_room: bool,
}

/// Who drives the order's saga, if there is anything to drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The caller.
    ByCaller(Saga),
    /// Somebody else, or nobody any more: the saga of this attempt began before.
    Before(u32),
    /// Nobody: the saga of this attempt has settled the order.
    AlreadyPaid(u32),
    /// Nobody: nothing was begun.
    Refused(Refusal),
}

/// What a repeat of the request has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeptBegin {
    /// Which attempt it began, or joined, or found paid. How that ended, the order tells, or the record that was written
    /// when the order forgot it.
    Attempt(u32),
    /// Why nothing was begun.
    Refused(Refusal),
}

impl Repeatable for Begun {
    type Kept = KeptBegin;

    fn kept(&self) -> Option<KeptBegin> {
        match self {
            Self::ByCaller(saga) => Some(KeptBegin::Attempt(saga.id.attempt)),
            Self::Before(attempt) | Self::AlreadyPaid(attempt) => Some(KeptBegin::Attempt(*attempt)),
            Self::Refused(Refusal::NoRoom) => None,
            Self::Refused(refusal) => Some(KeptBegin::Refused(refusal.clone())),
        }
    }

    fn repeated(kept: KeptBegin) -> Self {
        match kept {
            KeptBegin::Attempt(attempt) => Self::Before(attempt),
            KeptBegin::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// What a driver needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saga {
    pub(crate) id: SagaId,
    /// The driver's number.
    pub(crate) epoch: u32,
    /// When the driver took it.
    pub(crate) driven_since: Timestamp,
    pub(crate) user_id: UserId,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Credits,
    pub(crate) fingerprint: Fingerprint,
}

impl Saga {
    /// The saga of an order, as this driver sees it.
    pub(super) fn new(id: SagaId, drive: Drive, order: &Order) -> Self {
        Self {
            id,
            epoch: drive.epoch,
            driven_since: drive.driven_since,
            user_id: order.user_id.clone(),
            lines: order.lines.clone(),
            total: order.total,
            fingerprint: order.fingerprint(),
        }
    }
}

impl Command for Begin {
    type Outcome = Begun;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.keys.order);
        touches.index(&self.keys.inflight);
    }

    fn decide(&self, view: &mut View) -> Begun {
        let order_id = || self.keys.order_id.clone();
        let Some(order) = view.get(&self.keys.order) else {
            return Begun::Refused(Refusal::UnknownOrder(order_id()));
        };
        let attempt = order.attempt;
        match order.status {
            Status::Paid => return Begun::AlreadyPaid(attempt),
            Status::CheckingOut { .. } | Status::Cancelling { .. } => {
                self.mark_as_asked_for(view);
                return Begun::Before(attempt);
            }
            Status::Open { .. } if order.lines.is_empty() => return Begun::Refused(Refusal::Empty(order_id())),
            Status::Open { .. } if !self.has_room => return Begun::Refused(Refusal::NoRoom),
            Status::Open { .. } => {}
        }
        let now = view.now();
        let drive = Drive {
            epoch: 0,
            begun_at: now,
            driven_since: now,
        };
        let last = order.asked_rejection().cloned();
        let order = Order {
            // Saturates instead of wrapping: a reused number would match an old tombstone.
            attempt: attempt.saturating_add(1),
            status: Status::CheckingOut { drive },
            is_asked_for: self.is_keyed,
            ..order.clone()
        };
        if let Some(rejection) = last {
            view.put_beside_expiring(&self.keys.rejection(attempt), rejection, OUTCOME_KEPT);
        }
        let saga = Saga::new(order.saga_id(&self.keys.order_id), drive, &order);
        let inflight = Inflight::UnderWay { since: now };
        view.index_add(&self.keys.inflight, &saga.id.to_string(), inflight.score());
        view.put(&self.keys.order, order);
        Begun::ByCaller(saga)
    }
}

impl Begin {
    /// Lets the order know that the request may come again and ask how the present saga ended.
    fn mark_as_asked_for(&self, view: &mut View) {
        let order = view.get(&self.keys.order).filter(|order| !order.is_asked_for);
        if let (true, Some(order)) = (self.is_keyed, order.cloned()) {
            let order = Order {
                is_asked_for: true,
                ..order
            };
            view.put(&self.keys.order, order);
        }
    }
}
