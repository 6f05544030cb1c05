//! The stock as it is stored.

use domain::{Credits, Quantity};
use engine::{Sequence, View, keys::Key};
use ledger::{Balance, Balanced, Movement};
use serde::{Deserialize, Serialize};

/// Something that is sold by the piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The price of one piece.
    pub price: Credits,
    /// The pieces that can be reserved or taken out.
    pub balance: Balance<Quantity>,
    /// At how many pieces the stock is low, if somebody wants to hear of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_level: Option<Quantity>,
    /// The number of the last event about it.
    pub sequence: Sequence,
}

impl Item {
    /// An item without pieces.
    #[must_use]
    pub fn new(price: Credits) -> Self {
        Self {
            price,
            balance: Balance::default(),
            low_level: None,
            sequence: Sequence::default(),
        }
    }
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
            ..self.clone()
        }
    }

    /// What a batch changes is announced once, when it ends.
    fn put_moved(self, view: &mut View, key: &Key<Self>, _movement: &Movement<'_, Quantity>) {
        view.put_announced(key, self);
    }
}
