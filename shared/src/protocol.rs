//! What the saga's driver and its participants say to each other.
//!
//! Each call names its saga, and repeating a call with the same saga gives the same answer and moves
//! nothing twice. One HTTP request carries many calls; each has its own [`Reply`], because one saga's
//! trouble is none of the others'.

mod envelope;

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    amounts::{Credits, Quantity},
    clock::Timestamp,
    http::ProblemKind,
    ids::{ItemId, SagaId, UserId},
};

pub use self::envelope::{
    ALIVE_PATH, BUDGET_HEADER, Budget, Call, MAX_CALL_BYTES, MAX_CALLS, MAX_REPLY_BYTES, MAX_REQUEST_BYTES, Numbered,
    Reply,
};

/// An item that does not exist, in the words of every service that says so.
pub const UNKNOWN_ITEM: ProblemKind = ProblemKind::new("unknown-item", 404, "There is no such item.");
/// Too few pieces, likewise.
pub const OUT_OF_STOCK: ProblemKind = ProblemKind::new("out-of-stock", 409, "There are not enough pieces.");
/// A user that does not exist, likewise.
pub const UNKNOWN_USER: ProblemKind = ProblemKind::new("unknown-user", 404, "There is no such user.");
/// Too little credit, likewise.
pub const INSUFFICIENT_CREDIT: ProblemKind =
    ProblemKind::new("insufficient-credit", 402, "The user has too little credit.");

/// How long a participant remembers a finished saga: its tombstones, and what a paid one holds.
///
/// It must outlast [`DRIVE_HONOURED`] by more than two stores' clocks may ever differ: then every request
/// that could act twice is refused for its age before the record that refuses it is gone.
pub const FINISHED_KEPT: Duration = Duration::from_secs(60 * 60);

/// How long after a driver took a saga its requests are honoured, far beyond every lease.
///
/// A driver may sleep for hours, with its machine, and go on with what it knew; and a request may lie in
/// some buffer as long. What they know is then too old to act on.
pub const DRIVE_HONOURED: Duration = Duration::from_secs(15 * 60);

/// Where stock takes [`Reserve`] calls.
pub const RESERVE_PATH: &str = "/internal/reserve";
/// Where stock takes [`Release`] calls.
pub const RELEASE_PATH: &str = "/internal/release";
/// Where stock takes [`Quote`] calls.
pub const QUOTE_PATH: &str = "/internal/quote";
/// Where payment takes [`Charge`] calls.
pub const CHARGE_PATH: &str = "/internal/charge";
/// Where payment takes [`Refund`] calls.
pub const REFUND_PATH: &str = "/internal/refund";
/// Where stock takes [`SettlePieces`] calls and payment takes [`SettleCharge`] calls.
pub const SETTLE_PATH: &str = "/internal/settle";

/// When a participant acts on a request of a driver that took its saga at `driven_since`: not much later, and not much
/// earlier either, since the order's store and the participant's have clocks that differ.
///
/// A participant compares it with its own store's clock, as every command's
/// [`validity`](crate::engine::Command::validity).
#[must_use]
pub fn honoured(driven_since: Timestamp) -> RangeInclusive<Timestamp> {
    driven_since.before(DRIVE_HONOURED)..=driven_since.after(DRIVE_HONOURED)
}

/// When a participant may forget what a saga holds that was paid at `paid_since`.
///
/// Every driver of the saga took it before it was paid. So from this time on none of them is [`honoured`], by the same
/// clock that says so: whoever asks for the saga again is refused for that, and no longer by its holds.
#[must_use]
pub fn settleable(paid_since: Timestamp) -> RangeInclusive<Timestamp> {
    paid_since.after(DRIVE_HONOURED)..=Timestamp::MAX
}

/// Some pieces of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The item.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: Quantity,
}

/// Asks stock to hold all lines of a saga, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The saga that holds.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`honoured`].
    pub driven_since: Timestamp,
    /// What is held. Several lines of one item count as their sum.
    pub lines: Vec<Line>,
}

/// Stock's answer to [`Reserve`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReserveAnswer {
    /// All lines are held.
    Reserved,
    /// There are not enough pieces of an item. Nothing is held.
    OutOfStock {
        /// The item that was asked for.
        item_id: ItemId,
        /// How many pieces there were.
        left: Quantity,
    },
    /// An item does not exist. Nothing is held.
    ItemGone {
        /// The item that was asked for.
        item_id: ItemId,
    },
    /// The saga was released before. Nothing is held, and never will be.
    Undone,
}

/// Asks stock to give back what a saga holds, and to refuse it for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The saga that no longer holds.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`honoured`].
    pub driven_since: Timestamp,
    /// The items of the saga's lines.
    pub item_ids: Vec<ItemId>,
}

/// Stock's answer to [`Release`]: nothing is held, and never will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released;

/// Asks stock for the price of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// The item.
    pub item_id: ItemId,
}

/// Stock's answer to [`Quote`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteAnswer {
    /// The price of one piece.
    Price(Credits),
    /// There is no such item.
    UnknownItem,
}

/// Asks payment to take a saga's total from the user's credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The saga that pays.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`honoured`].
    pub driven_since: Timestamp,
    /// Whose credit.
    pub user_id: UserId,
    /// How much.
    pub amount: Credits,
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
    /// The saga was refunded before. Nothing is taken, and never will be.
    Undone,
}

/// Asks payment to give back what a saga took, and to refuse it for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The saga that no longer pays.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`honoured`].
    pub driven_since: Timestamp,
    /// Whose credit.
    pub user_id: UserId,
}

/// Payment's answer to [`Refund`]: nothing is taken, and never will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded;

/// Tells stock that a saga has been paid for [`FINISHED_KEPT`]: nobody can ask for it any more, and its holds can be
/// forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlePieces {
    /// The saga whose order is paid.
    pub saga_id: SagaId,
    /// When it was paid, by the clock of order's store; see [`settleable`].
    pub paid_since: Timestamp,
    /// The items of the saga's lines.
    pub item_ids: Vec<ItemId>,
}

/// Tells payment that a saga has been paid for [`FINISHED_KEPT`], likewise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleCharge {
    /// The saga whose order is paid.
    pub saga_id: SagaId,
    /// When it was paid, by the clock of order's store; see [`settleable`].
    pub paid_since: Timestamp,
    /// Who paid.
    pub user_id: UserId,
}

/// The answer to [`SettlePieces`] and [`SettleCharge`]: the saga's holds are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_honoured_for_a_while_by_clocks_that_differ_a_little() {
        let minute = |minutes: u64| Timestamp::from_millis(minutes * 60_000);
        for near in [45, 59, 60, 61, 75] {
            assert!(honoured(minute(near)).contains(&minute(60)), "{near}");
        }
        for far in [0, 44, 76, 200] {
            assert!(!honoured(minute(far)).contains(&minute(60)), "{far}");
        }
    }

    #[test]
    fn what_a_paid_saga_holds_is_forgotten_only_when_none_of_its_drivers_is_honoured() {
        let paid = Timestamp::from_millis(1_000_000_000);
        let last = *honoured(paid).end();
        assert!(!settleable(paid).contains(&last.before(Duration::from_millis(1))));
        assert!(settleable(paid).contains(&last.after(Duration::from_millis(1))));
    }
}
