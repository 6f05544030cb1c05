//! The stock as it is stored.

use domain::{Credits, Quantity};
use ledger::{Balance, Balanced};
use serde::{Deserialize, Serialize};

/// Something that is sold by the piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The price of one piece.
    pub price: Credits,
    /// The pieces that can be reserved or taken out.
    pub balance: Balance<Quantity>,
}

/// What is known of one saga's claim on one item.
pub type Hold = ledger::Hold<Quantity>;

impl Balanced for Item {
    type Amount = Quantity;

    fn balance(&self) -> &Balance<Quantity> {
        &self.balance
    }

    fn with(&self, balance: Balance<Quantity>) -> Self {
        Self {
            balance,
            price: self.price,
        }
    }
}
