use domain::{Credits, Quantity};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Item;

/// Creates items, or sets existing ones to the given stock and price. What sagas hold of them stays true.
///
/// The outcome is the numbers of those that stay as they were: what sagas hold or have bought of them, and the new stock,
/// are too many to count together.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) partition: Partition,
    /// The items, with their numbers.
    pub(crate) items: Vec<(u32, Key<Item>)>,
    pub(crate) stock: Quantity,
    pub(crate) price: Credits,
}

impl Command for Init {
    type Outcome = Vec<u32>;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        self.items.iter().for_each(|(_, item)| touches.subject(item));
    }

    fn decide(&self, view: &mut View) -> Vec<u32> {
        let mut stay = Vec::new();
        for (number, key) in &self.items {
            let item = view.get(key).cloned().unwrap_or_else(|| Item::new(self.price));
            let Some(balance) = item.balance.reset(self.stock) else {
                stay.push(*number);
                continue;
            };
            let price = self.price;
            view.put_announced(key, Item { price, balance, ..item });
        }
        stay
    }
}
