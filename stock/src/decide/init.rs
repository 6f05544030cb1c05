use domain::{Credits, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Item;

/// Creates items, or sets existing ones to the given stock and price.
///
/// The outcome is the numbers of those that stay as they were: what sagas still hold or have sold of them, and the new
/// stock, are too many to count together.
#[derive(Debug)]
pub(crate) struct Init {
    /// Where all the items live.
    pub(crate) partition: Partition,
    /// The items, with their numbers.
    pub(crate) items: Vec<(u32, Key<Item>)>,
    /// How many pieces each will have.
    pub(crate) stock: Quantity,
    /// The price of one piece of each.
    pub(crate) price: Credits,
}

impl Command for Init {
    type Outcome = Vec<u32>;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.items.iter().for_each(|(_, item)| touches.record(item));
    }

    fn decide(&self, view: &mut View) -> Vec<u32> {
        let mut stay = Vec::new();
        for (number, key) in &self.items {
            match self.set(view.get(key)) {
                Some(item) => view.put(key, item),
                None => stay.push(*number),
            }
        }
        stay
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
