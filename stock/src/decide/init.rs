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
        let items: Option<Vec<Item>> = self.items.iter().map(|item| self.set(view.get(item))).collect();
        let Some(items) = items else {
            return InitOutcome::Overflow;
        };
        for (key, item) in self.items.iter().zip(items) {
            view.put(key, item);
        }
        InitOutcome::Done
    }
}

impl Init {
    /// The item as asked for. What is out with sagas stays true across the change.
    fn set(&self, old: Option<&Item>) -> Option<Item> {
        let (supplied, serial) = match old {
            None => (self.stock, 0),
            Some(old) => (
                old.supplied.checked_sub(old.stock)?.checked_add(self.stock)?,
                old.serial,
            ),
        };
        Some(Item {
            stock: self.stock,
            price: self.price,
            supplied,
            serial,
        })
    }
}
