use std::ops::RangeInclusive;

use domain::{Quantity, Timestamp};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};
use saga::{Fingerprint, Released, Terms};

use crate::record::{Hold, Item, Span};

/// Gives back what a saga holds in one partition, and refuses it for good.
///
/// A saga that holds nothing gets a tombstone all the same, so that its late reserve is refused. What its name holds for
/// something else stays, and refuses it as well.
#[derive(Debug)]
pub(crate) struct ReleaseItems {
    /// Where all the items live.
    pub(crate) partition: Partition,
    /// How long words count and records stay.
    pub(crate) terms: Terms,
    /// When the asking driver took the saga.
    pub(crate) driven_since: Timestamp,
    /// What the saga is about.
    pub(crate) fingerprint: Fingerprint,
    /// The items' counters, and what is known of the saga's claims on them.
    pub(crate) items: Vec<(Key<Item>, Key<Hold>)>,
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

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.terms.honour(self.driven_since)
    }

    fn decide(&self, view: &mut View) -> Released {
        for (item, hold) in &self.items {
            match view.get(hold) {
                Some(Hold::Held {
                    quantity,
                    since,
                    fingerprint,
                }) if *fingerprint == self.fingerprint => {
                    let (quantity, since) = (*quantity, *since);
                    let until = give_back(view, item, quantity);
                    let before = until.map(|until| Span { quantity, since, until });
                    view.put_expiring(hold, Hold::Released { before }, self.terms.kept());
                }
                None => view.put_expiring(hold, Hold::Released { before: None }, self.terms.kept()),
                // These refuse the saga as they are.
                Some(
                    Hold::Held { .. } | Hold::Released { .. } | Hold::OutOfStock { .. } | Hold::ItemGone | Hold::NoRoom,
                ) => {}
            }
        }
        Released
    }
}

/// Returns the item's serial afterwards. An item that is no longer there has no stock to give back to.
fn give_back(view: &mut View, key: &Key<Item>, quantity: Quantity) -> Option<u64> {
    let item = view.get(key).cloned()?;
    let item = Item {
        // Stock never exceeds `supplied`, which is checked on its way in.
        stock: item.stock.checked_add(quantity).unwrap_or(Quantity::MAX),
        serial: item.serial + 1,
        ..item
    };
    let serial = item.serial;
    view.put(key, item);
    Some(serial)
}
