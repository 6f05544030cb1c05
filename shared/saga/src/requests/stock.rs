//! What the driver asks of stock.

use domain::{Credits, ItemId, Quantity, SagaId, Timestamp};
use ledger::Fingerprint;
#[cfg(doc)]
use ledger::Terms;
use serde::{Deserialize, Serialize};

use super::{Line, Request, Settled};

/// Asks stock to hold all lines of a saga, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The saga that holds.
    pub saga_id: SagaId,
    /// When the asking driver took the saga; see [`Terms::drive_validity`].
    pub driven_since: Timestamp,
    /// What the saga is about.
    pub fingerprint: Fingerprint,
    /// What is held. Several lines of one item count as their sum.
    pub lines: Vec<Line>,
}

impl Request for Reserve {
    type Answer = ReserveAnswer;
    const PATH: &'static str = "/internal/reserve";
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
    /// When the asking driver took the saga; see [`Terms::drive_validity`].
    pub driven_since: Timestamp,
    /// What the saga is about. What the same name holds for something else stays.
    pub fingerprint: Fingerprint,
    /// The items of the saga's lines.
    pub item_ids: Vec<ItemId>,
}

impl Request for Release {
    type Answer = Released;
    const PATH: &'static str = "/internal/release";
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

impl Request for Quote {
    type Answer = QuoteAnswer;
    const PATH: &'static str = "/internal/quote";
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

/// Tells stock that a saga has been paid for [`Terms::kept`]: nobody can ask for it any more, and its holds can be
/// forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlePieces {
    /// The saga whose order is paid.
    pub saga_id: SagaId,
    /// When it was paid, by the clock of order's store; see [`Terms::settling_validity`].
    pub paid_since: Timestamp,
    /// The items of the saga's lines.
    pub item_ids: Vec<ItemId>,
}

impl Request for SettlePieces {
    type Answer = Settled;
    const PATH: &'static str = "/internal/settle";
}
