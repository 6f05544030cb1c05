use domain::{Credits, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Item;

/// Creates an item without pieces.
#[derive(Debug)]
pub(crate) struct Create {
    /// Where the item will be. Its id must be new.
    pub(crate) item: Key<Item>,
    /// The price of one piece.
    pub(crate) price: Credits,
}

impl Command for Create {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.item.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.item);
    }

    fn decide(&self, view: &mut View) {
        let item = Item {
            stock: Quantity::ZERO,
            price: self.price,
            supplied: Quantity::ZERO,
            serial: 0,
        };
        view.put(&self.item, item);
    }
}
