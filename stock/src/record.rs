//! The stock as it is stored.

use serde::{Deserialize, Serialize};
use shared::amounts::{Credits, Quantity};

/// An item's counters.
///
/// `stock` and all that sagas hold or have sold add up to `supplied`. Because `supplied` is checked when
/// pieces come in, giving back what a saga holds can never overflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// How many pieces can be reserved or taken out.
    pub stock: Quantity,
    /// The price of one piece.
    pub price: Credits,
    /// All pieces that came in, less those taken out directly.
    pub supplied: Quantity,
}

/// What is known of one saga's claim on one item. Everything but `Held` is a tombstone: it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Hold {
    /// The pieces are set aside for the saga.
    Held {
        /// How many.
        quantity: Quantity,
    },
    /// The saga was refused. The answer stays the same, even when pieces come in later.
    OutOfStock {
        /// How many pieces there were.
        left: Quantity,
    },
    /// The saga was refused: there was no such item.
    ItemGone,
    /// The saga was undone: nothing is set aside, and never will be.
    Released,
}
