//! What order announces. ARCHITECTURE.md lists all events.

use domain::{Credits, ItemId, OrderId, Quantity, SagaId, UserId};
use engine::{Event, EventKind};
use saga::Line;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::Rejection;

/// An order was created, or set back to these lines by `batch_init`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCreated {
    /// Who pays.
    pub user_id: UserId,
    /// What is bought.
    pub lines: Vec<Line>,
    /// What it costs.
    pub total: Credits,
}

/// An open order has one more line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLineAdded {
    /// The item.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: Quantity,
    /// The price of one piece at the time of adding.
    pub price: Credits,
    /// What the order costs now.
    pub total: Credits,
}

/// An order is paid, for good.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPaid {
    /// The saga that paid it.
    pub saga_id: SagaId,
    /// Who paid.
    pub user_id: UserId,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What was paid.
    pub total: Credits,
}

/// A checkout was rejected, and the order is open again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderRejected {
    /// The saga that was rejected.
    pub saga_id: SagaId,
    /// Who would have paid.
    pub user_id: UserId,
    /// What was not paid.
    pub total: Credits,
    /// Why.
    pub rejection: Rejection,
}

/// Another driver has taken a checkout over, because the one before did not finish it in time.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderTakenOver {
    /// The saga.
    pub saga_id: SagaId,
    /// Counts the drivers, from 0.
    pub epoch: u32,
    /// Whether the new driver undoes the saga.
    pub gives_up: bool,
}

impl Event for OrderCreated {
    const TYPE: &'static str = "order.created";

    fn example() -> Self {
        Self {
            user_id: UserId::numbered(3),
            lines: Vec::new(),
            total: Credits::ZERO,
        }
    }
}

impl Event for OrderLineAdded {
    const TYPE: &'static str = "order.line_added";

    fn example() -> Self {
        Self {
            item_id: ItemId::numbered(5),
            quantity: Quantity::from(2),
            price: Credits::from(625),
            total: Credits::from(1_250),
        }
    }
}

impl Event for OrderPaid {
    const TYPE: &'static str = "order.paid";

    fn example() -> Self {
        Self {
            saga_id: example_saga(),
            user_id: UserId::numbered(3),
            lines: vec![example_line()],
            total: Credits::from(1_250),
        }
    }
}

impl Event for OrderRejected {
    const TYPE: &'static str = "order.rejected";

    fn example() -> Self {
        Self {
            saga_id: example_saga(),
            user_id: UserId::numbered(3),
            total: Credits::from(1_250),
            rejection: Rejection::InsufficientCredit {
                credit: Credits::from(100),
            },
        }
    }
}

impl Event for OrderTakenOver {
    const TYPE: &'static str = "order.taken_over";

    fn example() -> Self {
        Self {
            saga_id: example_saga(),
            epoch: 1,
            gives_up: false,
        }
    }
}

/// All that order announces.
#[must_use]
pub fn kinds() -> Vec<EventKind> {
    vec![
        EventKind::new::<OrderCreated>(),
        EventKind::new::<OrderLineAdded>(),
        EventKind::new::<OrderPaid>(),
        EventKind::new::<OrderRejected>(),
        EventKind::new::<OrderTakenOver>(),
    ]
}

fn example_saga() -> SagaId {
    SagaId {
        order: OrderId::numbered(7),
        attempt: 1,
    }
}

fn example_line() -> Line {
    Line {
        item_id: ItemId::numbered(5),
        quantity: Quantity::from(2),
    }
}
