use shared::{
    amounts::Quantity,
    engine::{Command, Touches, View},
    keys::{Key, Partition},
    protocol::{Released, TOMBSTONE_KEPT},
};

use crate::record::{Hold, Item};

/// Gives back what a saga holds in one partition, and refuses it for good.
///
/// A saga that holds nothing gets a tombstone all the same, so that its late reserve is refused.
#[derive(Debug)]
pub struct ReleaseItems {
    /// Where all the items live.
    pub partition: Partition,
    /// The items' counters, and what is known of the saga's claims on them.
    pub items: Vec<(Key<Item>, Key<Hold>)>,
}

impl Command for ReleaseItems {
    type Outcome = Released;

    fn partition(&self) -> Partition {
        self.partition
    }

    fn touches(&self, touches: &mut Touches) {
        for (item, hold) in &self.items {
            touches.record(item);
            touches.record(hold);
        }
    }

    fn decide(&self, view: &mut View) -> Released {
        for (item, hold) in &self.items {
            match view.get(hold) {
                Some(Hold::Held { quantity }) => {
                    let quantity = *quantity;
                    give_back(view, item, quantity);
                    view.put_expiring(hold, Hold::Released, TOMBSTONE_KEPT);
                }
                None => view.put_expiring(hold, Hold::Released, TOMBSTONE_KEPT),
                // These refuse the saga as they are.
                Some(Hold::Released | Hold::OutOfStock { .. } | Hold::ItemGone) => {}
            }
        }
        Released
    }
}

fn give_back(view: &mut View, key: &Key<Item>, quantity: Quantity) {
    // An item that is no longer there has no stock to give back to.
    if let Some(item) = view.get(key).cloned() {
        // Stock never exceeds `supplied`, which is checked on its way in.
        let stock = item.stock.checked_add(quantity).unwrap_or(Quantity::MAX);
        view.put(key, Item { stock, ..item });
    }
}
