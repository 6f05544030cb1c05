use domain::{Credits, ItemId};
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::record::Item;

/// Creates an item without pieces. Its id must be new. The outcome is the id: of a repeat, the first one's.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) item_id: ItemId,
    pub(crate) item: Key<Item>,
    pub(crate) price: Credits,
}

impl Command for Create {
    type Outcome = ItemId;

    fn partition(&self) -> Partition {
        self.item.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.item);
    }

    fn decide(&self, view: &mut View) -> ItemId {
        view.put_announced(&self.item, Item::new(self.price));
        self.item_id.clone()
    }
}
