use shared::{
    amounts::{Credits, Quantity},
    engine::{Command, Touches, View},
    keys::{Key, Partition},
};

use crate::record::Item;

/// Creates items, or sets existing ones to the given stock and price.
#[derive(Debug)]
pub struct Init {
    /// Where all the items live.
    pub partition: Partition,
    /// The items.
    pub items: Vec<Key<Item>>,
    /// How many pieces each will have.
    pub stock: Quantity,
    /// The price of one piece of each.
    pub price: Credits,
}

/// What became of an [`Init`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitOutcome {
    /// All items are as asked for.
    Done,
    /// What sagas still hold or have sold of an item, and its new stock, are too many to count together.
    /// Nothing changed.
    Overflow,
}

impl Command for Init {
    type Outcome = InitOutcome;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.items.iter().for_each(|item| touches.record(item));
    }

    fn decide(&self, view: &mut View) -> InitOutcome {
        let supplied: Option<Vec<Quantity>> = self.items.iter().map(|item| self.supplied(view.get(item))).collect();
        let Some(supplied) = supplied else {
            return InitOutcome::Overflow;
        };
        for (key, supplied) in self.items.iter().zip(supplied) {
            let item = Item {
                stock: self.stock,
                price: self.price,
                supplied,
            };
            view.put(key, item);
        }
        InitOutcome::Done
    }
}

impl Init {
    /// The new stock and what is out with sagas, which stays true across the change.
    fn supplied(&self, old: Option<&Item>) -> Option<Quantity> {
        match old {
            None => Some(self.stock),
            Some(old) => old.supplied.checked_sub(old.stock)?.checked_add(self.stock),
        }
    }
}
