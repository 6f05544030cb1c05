//! The order as it is stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use shared::{
    amounts::{Credits, Quantity},
    clock::Timestamp,
    ids::{ItemId, OrderId, SagaId, UserId},
    protocol::Line,
};

/// The most lines that an order may have.
pub const MAX_LINES: usize = 500;

/// An order. Its record decides what becomes of its sagas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who pays.
    pub user_id: UserId,
    /// What is bought, in the order in which it was added.
    pub lines: Vec<Line>,
    /// What it costs, by the prices at the time of adding.
    pub total: Credits,
    /// How often a checkout was begun. Never falls, so no saga's id comes twice.
    pub attempt: u32,
    /// What was sold under this name before somebody set the order back. The books need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_sales: Vec<Sale>,
    /// Where it stands.
    pub status: Status,
}

/// What a paid saga sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// The saga's attempt.
    pub attempt: u32,
    /// Who paid.
    pub user_id: UserId,
    /// What was bought.
    pub lines: Vec<Line>,
    /// What it cost.
    pub total: Credits,
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It can take lines and be checked out.
    Open {
        /// Why the last attempt was rejected, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<Rejection>,
    },
    /// A saga is on its way to paid.
    CheckingOut {
        /// Who drives it, and since when.
        drive: Drive,
    },
    /// A saga was given up; everybody compensates.
    Cancelling {
        /// Who drives it, and since when.
        drive: Drive,
        /// Why.
        reason: Rejection,
    },
    /// Settled, for good.
    Paid,
}

/// The right to drive a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Counts the drivers: one that was overtaken knows a lower number, and its word no longer counts.
    pub epoch: u32,
    /// When the saga began.
    pub begun_at: Timestamp,
    /// When the present driver took it.
    pub driven_since: Timestamp,
}

/// Why an attempt was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// There were not enough pieces of an item.
    OutOfStock {
        /// The item.
        item_id: ItemId,
        /// How many pieces there were.
        left: Quantity,
    },
    /// An item no longer exists.
    ItemGone {
        /// The item.
        item_id: ItemId,
    },
    /// The user had too little credit.
    InsufficientCredit {
        /// How much the user had.
        credit: Credits,
    },
    /// The user does not exist.
    UnknownUser,
    /// A driver began to undo the saga and died before it told why.
    Interrupted,
    /// The saga was not finished within its deadline.
    DeadlinePassed,
}

impl Order {
    /// An order without lines.
    #[must_use]
    pub fn new(user_id: UserId) -> Self {
        Self {
            user_id,
            lines: Vec::new(),
            total: Credits::ZERO,
            attempt: 0,
            earlier_sales: Vec::new(),
            status: Status::Open { last_failure: None },
        }
    }

    /// The id of the order's last saga.
    #[must_use]
    pub fn saga_id(&self, order_id: &OrderId) -> SagaId {
        SagaId {
            order: order_id.clone(),
            attempt: self.attempt,
        }
    }

    /// All that was sold under this name.
    pub fn sales(&self) -> impl Iterator<Item = Cow<'_, Sale>> {
        let latest = (self.status == Status::Paid).then(|| Sale {
            attempt: self.attempt,
            user_id: self.user_id.clone(),
            lines: self.lines.clone(),
            total: self.total,
        });
        let earlier = self.earlier_sales.iter().map(Cow::Borrowed);
        earlier.chain(latest.map(Cow::Owned))
    }

    /// What the saga with this attempt sold, where it was paid.
    #[must_use]
    pub fn sale(&self, attempt: u32) -> Option<Sale> {
        self.sales().find(|sale| sale.attempt == attempt).map(Cow::into_owned)
    }

    /// Who drives the saga, where one is under way.
    #[must_use]
    pub fn drive(&self) -> Option<&Drive> {
        match &self.status {
            Status::CheckingOut { drive } | Status::Cancelling { drive, .. } => Some(drive),
            Status::Open { .. } | Status::Paid => None,
        }
    }

    /// Whether the saga with this attempt is under way and driven by this epoch.
    #[must_use]
    pub fn is_driven_by(&self, attempt: u32, epoch: u32) -> bool {
        self.attempt == attempt && self.drive().is_some_and(|drive| drive.epoch == epoch)
    }
}
