//! The order as it is stored.

use domain::{Credits, ItemId, OrderId, Quantity, SagaId, Timestamp, UserId};
use engine::Sequence;
use ledger::Fingerprint;
use saga::Line;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Where it stands.
    pub status: Status,
    /// Whether somebody may ask later, under a key, how its last saga ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_asked_for: bool,
    /// The number of the last event about it.
    pub sequence: Sequence,
}

/// What a paid saga sold. The order tells it, until somebody sets the order back; then it becomes a record of its own,
/// written once, because the books need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
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
        /// Why the last attempt was rejected, if there was one.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A participant's store was nearly full.
    StoreFull,
    /// Under the saga's name something else is held or charged already, which stays as it is.
    Mismatch,
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
            status: Status::Open { last_failure: None },
            is_asked_for: false,
            sequence: Sequence::default(),
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

    /// What the saga with this attempt sold, if it is the one that paid the order. What was sold before somebody set the
    /// order back has a record of its own: see [`Keys::sale`](crate::keys::Keys::sale).
    #[must_use]
    pub fn sale(&self, attempt: u32) -> Option<Sale> {
        (self.status == Status::Paid && self.attempt == attempt).then(|| Sale {
            user_id: self.user_id.clone(),
            lines: self.lines.clone(),
            total: self.total,
        })
    }

    /// Why the last saga was rejected, if somebody may ask for it under a key. Whoever changes the order so that it no longer
    /// tells has to write it down: see [`Keys::rejection`](crate::keys::Keys::rejection).
    #[must_use]
    pub fn asked_rejection(&self) -> Option<&Rejection> {
        match &self.status {
            Status::Open { last_failure } if self.is_asked_for => last_failure.as_ref(),
            _ => None,
        }
    }

    /// Who drives the saga, if one is under way.
    #[must_use]
    pub fn drive(&self) -> Option<&Drive> {
        match &self.status {
            Status::CheckingOut { drive } | Status::Cancelling { drive, .. } => Some(drive),
            Status::Open { .. } | Status::Paid => None,
        }
    }

    /// What the order's sagas are about.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(&self.user_id, Line::pieces(&self.lines), self.total)
    }

    /// Whether the saga with this attempt is under way, is driven by this epoch and is about the same as when its driver
    /// began: a store that loses writes lets another saga of the same name begin under a driver.
    #[must_use]
    pub fn is_driven_by(&self, attempt: u32, epoch: u32, fingerprint: Fingerprint) -> bool {
        self.attempt == attempt
            && self.drive().is_some_and(|drive| drive.epoch == epoch)
            && self.fingerprint() == fingerprint
    }
}
