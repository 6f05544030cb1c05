//! What the saga's driver and its participants say to each other.
//!
//! Each call names its saga, and repeating a call with the same saga gives the same answer and moves
//! nothing twice. One HTTP request carries many calls; each has its own [`Reply`], because one saga's
//! trouble is none of the others'.

mod envelope;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::terms::Terms;
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

/// Counts sagas whose name holds something else at a participant (label `at`), as after order's store lost writes.
pub const SAGA_MISMATCHES: &str = "holdfast_saga_mismatch_total";

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

/// Some pieces of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The item.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: Quantity,
}

/// What a saga is about, in short: who pays, how many pieces of which items, and how much for them together.
///
/// A saga's name is `<order_id>.<attempt>`. If order's store loses writes that it has answered, the same name comes
/// twice, and it may be for something else. So every request tells the fingerprint, a hold keeps it, and what is held
/// under the name for something else is neither taken for granted nor given back. For the same thing the repeat heals
/// the loss: it finds what is held already.
///
/// An accident goes unseen once in 2^32 times; nobody is kept from forging it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// The fingerprint of these contents. Several lines of one item count as their sum, in any order.
    #[must_use]
    pub fn of(user_id: &UserId, lines: &[Line], total: Credits) -> Self {
        let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
        for line in lines {
            let sum = pieces.entry(line.item_id.as_str()).or_default();
            *sum = sum.wrapping_add(line.quantity.get());
        }
        let mut hash = Fnv::default();
        hash.add(user_id.as_str(), total.get());
        for (item_id, quantity) in pieces {
            hash.add(item_id, quantity);
        }
        Self(hash.0)
    }
}

/// FNV-1a with 32 bits, which stays the same in every build, as the standard library's hashes need not.
///
/// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    /// Adds a name and a number. No id holds the byte that ends one.
    fn add(&mut self, name: &str, number: i64) {
        for byte in name.bytes().chain([0]).chain(number.to_le_bytes()) {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// Asks stock to hold all lines of a saga, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The saga that holds.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`Terms::honour`].
    pub driven_since: Timestamp,
    /// What the saga is about.
    pub fingerprint: Fingerprint,
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
    /// Stock's store is nearly full. Nothing is held, and never will be.
    StoreFull,
    /// The saga was released before. Nothing is held, and never will be.
    Undone,
    /// Under the saga's name something else is held, or other pieces of an item. Nothing is held for this one.
    Mismatch {
        /// The item that is held already.
        item_id: ItemId,
    },
}

/// Asks stock to give back what a saga holds, and to refuse it for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The saga that no longer holds.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`Terms::honour`].
    pub driven_since: Timestamp,
    /// What the saga is about. What the same name holds for something else stays.
    pub fingerprint: Fingerprint,
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
    /// When the asking driver took the saga; see [`Terms::honour`].
    pub driven_since: Timestamp,
    /// What the saga is about.
    pub fingerprint: Fingerprint,
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
    /// When the asking driver took the saga; see [`Terms::honour`].
    pub driven_since: Timestamp,
    /// What the saga is about. What the same name took for something else stays taken.
    pub fingerprint: Fingerprint,
    /// Whose credit.
    pub user_id: UserId,
}

/// Payment's answer to [`Refund`]: nothing is taken, and never will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded;

/// Tells stock that a saga has been paid for [`Terms::kept`]: nobody can ask for it any more, and its holds can be
/// forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlePieces {
    /// The saga whose order is paid.
    pub saga_id: SagaId,
    /// When it was paid, by the clock of order's store; see [`Terms::settle`].
    pub paid_since: Timestamp,
    /// The items of the saga's lines.
    pub item_ids: Vec<ItemId>,
}

/// Tells payment that a saga has been paid for [`Terms::kept`], likewise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleCharge {
    /// The saga whose order is paid.
    pub saga_id: SagaId,
    /// When it was paid, by the clock of order's store; see [`Terms::settle`].
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
    fn a_fingerprint_tells_what_a_saga_is_about_and_not_how_its_lines_are_written() {
        let line = |item: u32, quantity: u32| Line {
            item_id: ItemId::numbered(item),
            quantity: Quantity::from(quantity),
        };
        let of = |user: u32, lines: &[Line], total: u32| {
            Fingerprint::of(&UserId::numbered(user), lines, Credits::from(total))
        };
        let first = of(1, &[line(1, 2), line(2, 3)], 9);
        assert_eq!(first, of(1, &[line(2, 3), line(1, 1), line(1, 1)], 9));
        let others = [
            of(2, &[line(1, 2), line(2, 3)], 9),
            of(1, &[line(1, 3), line(2, 2)], 9),
            of(1, &[line(1, 2), line(3, 3)], 9),
            of(1, &[line(1, 2)], 9),
            of(1, &[line(1, 2), line(2, 3)], 8),
        ];
        assert!(others.iter().all(|other| *other != first), "{others:?}");
        // It is kept in records, so no build may change it.
        assert_eq!(
            serde_json::to_string(&of(1, &[line(1, 2)], 9)).ok().as_deref(),
            Some("1056814")
        );
    }
}
