//! Where stock's records live.

use domain::{ItemId, SagaId};
use engine::keys::{Key, Partitions};

use crate::record::{Hold, Item};

/// Stock's keys. An item's holds live in the item's partition.
pub trait Keys {
    /// `item:{tag}:<item_id>`
    fn item(&self, item_id: &ItemId) -> Key<Item>;

    /// `hold:{tag}:<saga_id>:<item_id>`
    fn hold(&self, saga_id: &SagaId, item_id: &ItemId) -> Key<Hold>;
}

impl Keys for Partitions {
    fn item(&self, item_id: &ItemId) -> Key<Item> {
        self.key("item", self.of(item_id.as_str()), item_id)
    }

    fn hold(&self, saga_id: &SagaId, item_id: &ItemId) -> Key<Hold> {
        let partition = self.of(item_id.as_str());
        self.key("hold", partition, format_args!("{saga_id}:{item_id}"))
    }
}
