use domain::{Credits, SagaId, Timestamp, UserId};
use engine::{Command, Touches, View, keys::Partition};
use ledger::Fingerprint;
use saga::Line;

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
    /// Whether the stores have room for something new.
    pub(crate) has_room: bool,
}

/// Who drives the order's saga, if there is anything to drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The caller.
    ByCaller(Saga),
    /// Somebody else.
    UnderWay(SagaId),
    /// Nobody: the order is settled already.
    AlreadyPaid,
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
    type Outcome = Result<Begun, Refusal>;

    fn partition(&self) -> Partition {
        self.keys.order.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.keys.order);
        touches.index(&self.keys.inflight);
    }

    fn decide(&self, view: &mut View) -> Result<Begun, Refusal> {
        let order_id = || self.keys.order_id.clone();
        let order = view
            .get(&self.keys.order)
            .ok_or_else(|| Refusal::UnknownOrder(order_id()))?;
        match order.status {
            Status::Paid => return Ok(Begun::AlreadyPaid),
            Status::CheckingOut { .. } | Status::Cancelling { .. } => {
                return Ok(Begun::UnderWay(order.saga_id(&self.keys.order_id)));
            }
            Status::Open { .. } if order.lines.is_empty() => return Err(Refusal::Empty(order_id())),
            Status::Open { .. } if !self.has_room => return Err(Refusal::NoRoom),
            Status::Open { .. } => {}
        }
        let now = view.now();
        let drive = Drive {
            epoch: 0,
            begun_at: now,
            driven_since: now,
        };
        let order = Order {
            // Saturates instead of wrapping: a reused number would match an old tombstone.
            attempt: order.attempt.saturating_add(1),
            status: Status::CheckingOut { drive },
            ..order.clone()
        };
        let saga = Saga::new(order.saga_id(&self.keys.order_id), drive, &order);
        let inflight = Inflight::UnderWay { since: now };
        view.index_add(&self.keys.inflight, &saga.id.to_string(), inflight.score());
        view.put(&self.keys.order, order);
        Ok(Begun::ByCaller(saga))
    }
}
