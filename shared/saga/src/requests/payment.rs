//! What the driver asks of payment, and what identity asks of it.

use domain::{Credits, SagaId, Timestamp, UserId};
use ledger::Fingerprint;
#[cfg(doc)]
use ledger::Terms;
use serde::{Deserialize, Serialize};

use super::{Request, Settled};

/// Asks payment to take a saga's total from the user's credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The saga that pays.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`Terms::drive_validity`].
    pub driven_since: Timestamp,
    /// What the saga is about.
    pub fingerprint: Fingerprint,
    /// Whose credit.
    pub user_id: UserId,
    /// How much.
    pub amount: Credits,
}

impl Request for Charge {
    type Answer = ChargeAnswer;
    const PATH: &'static str = "/internal/charge";
}

/// Payment's answer to [`Charge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeAnswer {
    /// The amount is taken.
    Charged,
    /// The user has too little. Nothing is taken.
    InsufficientCredit {
        /// How much the user had.
        credit: Credits,
    },
    /// There is no such user. Nothing is taken.
    UnknownUser,
    /// Payment's store is nearly full. Nothing is taken, and never will be.
    StoreFull,
    /// The saga was refunded before. Nothing is taken, and never will be.
    Undone,
    /// Under the saga's name the user has paid for something else. Nothing is taken for this one.
    Mismatch,
}

/// Asks payment to give back what a saga took, and to refuse it for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The saga that no longer pays.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`Terms::drive_validity`].
    pub driven_since: Timestamp,
    /// What the saga is about. What the same name took for something else stays taken.
    pub fingerprint: Fingerprint,
    /// Whose credit.
    pub user_id: UserId,
}

impl Request for Refund {
    type Answer = Refunded;
    const PATH: &'static str = "/internal/refund";
}

/// Payment's answer to [`Refund`]: nothing is taken, and never will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded;

/// Tells payment that a saga has been paid for [`Terms::kept`], likewise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleCharge {
    /// The saga whose order is paid.
    pub saga_id: SagaId,
    /// When it was paid, by the clock of order's store; see [`Terms::settling_validity`].
    pub paid_since: Timestamp,
    /// Who paid.
    pub user_id: UserId,
}

impl Request for SettleCharge {
    type Answer = Settled;
    const PATH: &'static str = "/internal/settle";
}

/// Asks payment for an account for a user who has registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAccount {
    /// The user, whose account has the same id.
    pub user_id: UserId,
}

impl Request for OpenAccount {
    type Answer = Opened;
    const PATH: &'static str = "/internal/open_account";
}

/// Payment's answer to [`OpenAccount`]: the account is there, since now or since before. One that was there is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened;
