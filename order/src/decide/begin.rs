use domain::{Credits, SagaId, Timestamp, UserId};
use engine::{Command, Touches, View, keys::Partition};
use saga::{Fingerprint, Line};

use crate::{
    inflight::Inflight,
    keys::SagaKeys,
    record::{Drive, Order, Status},
};

/// Begins a checkout: open -> `checking_out`.
#[derive(Debug)]
pub(crate) struct Begin {
    /// The order and what belongs to it.
    pub(crate) keys: SagaKeys,
    /// Whether the stores have room for something new.
    pub(crate) has_room: bool,
}

/// What became of a [`Begin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BeginOutcome {
    /// The caller drives this saga.
    Begun(Saga),
    /// Somebody else drives this one.
    UnderWay(SagaId),
    /// The order is settled already.
    AlreadyPaid,
    /// A store is nearly full, so no saga is begun.
    NoRoom,
    /// The order has no lines.
    Empty,
    /// There is no such order.
    UnknownOrder,
}

/// What a driver needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saga {
    /// The saga's name.
    pub(crate) id: SagaId,
    /// The driver's number.
    pub(crate) epoch: u32,
    /// When the driver took it.
    pub(crate) driven_since: Timestamp,
    /// Who pays.
    pub(crate) user_id: UserId,
    /// What is bought.
    pub(crate) lines: Vec<Line>,
    /// What it costs.
    pub(crate) total: Credits,
    /// All three in short.
    pub(crate) fingerprint: Fingerprint,
}

impl Saga {
    /// The saga of an order, as this driver sees it.
    pub(super) fn of(id: SagaId, drive: Drive, order: &Order) -> Self {
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
    type Outcome = BeginOutcome;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.keys.order);
        touches.index(&self.keys.inflight);
    }

    fn decide(&self, view: &mut View) -> BeginOutcome {
        let Some(order) = view.get(&self.keys.order) else {
            return BeginOutcome::UnknownOrder;
        };
        match order.status {
            Status::Paid => return BeginOutcome::AlreadyPaid,
            Status::CheckingOut { .. } | Status::Cancelling { .. } => {
                return BeginOutcome::UnderWay(order.saga_id(&self.keys.order_id));
            }
            Status::Open { .. } if order.lines.is_empty() => return BeginOutcome::Empty,
            Status::Open { .. } if !self.has_room => return BeginOutcome::NoRoom,
            Status::Open { .. } => {}
        }
        let now = view.now();
        let drive = Drive {
            epoch: 0,
            begun_at: now,
            driven_since: now,
        };
        let order = Order {
            // Four thousand million attempts at one order do not happen; the id would repeat a tombstone.
            attempt: order.attempt.saturating_add(1),
            status: Status::CheckingOut { drive },
            ..order.clone()
        };
        let saga = Saga::of(order.saga_id(&self.keys.order_id), drive, &order);
        let standing = Inflight::UnderWay { since: now };
        view.index_add(&self.keys.inflight, &saga.id.to_string(), standing.score());
        view.put(&self.keys.order, order);
        BeginOutcome::Begun(saga)
    }
}
