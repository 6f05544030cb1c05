//! The stock as it is stored.

use domain::{Credits, Quantity};
use saga::Fingerprint;
use serde::{Deserialize, Serialize};

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
    /// How many reserves and releases have changed `stock`. Every hold tells at which of them it began, and
    /// where it was released, at which it ended: so the holds that add up to one reading of the item can be
    /// told from the others, however much happens between reading the item and reading the holds.
    pub serial: u64,
}

/// What is known of one saga's claim on one item. Everything but `Held` is a tombstone: it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The pieces are set aside for the saga, or sold to it: then the hold is removed once nobody can ask for them
    /// any more.
    Held {
        /// How many.
        quantity: Quantity,
        /// The item's serial after they were.
        since: u64,
        /// What they are set aside for.
        fingerprint: Fingerprint,
    },
    /// The saga was refused. The answer stays the same, even when pieces come in later.
    OutOfStock {
        /// How many pieces there were.
        left: Quantity,
    },
    /// The saga was refused: there was no such item.
    ItemGone,
    /// The saga was refused: the store was nearly full.
    NoRoom,
    /// The saga was undone: nothing is set aside, and never will be.
    Released {
        /// What was set aside until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Span>,
    },
}

/// Pieces that were set aside for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How many.
    pub quantity: Quantity,
    /// The item's serial after they were set aside.
    pub since: u64,
    /// The item's serial after they were given back.
    pub until: u64,
}

impl Hold {
    /// How many pieces the hold accounts for in a reading of its item that shows this serial.
    #[must_use]
    pub fn quantity_at(&self, serial: u64) -> Quantity {
        match self {
            Self::Held { quantity, since, .. } if *since <= serial => *quantity,
            Self::Released { before: Some(span) } if span.since <= serial && serial < span.until => span.quantity,
            _ => Quantity::ZERO,
        }
    }
}
