//! Where stock's records live.

use domain::{ItemId, SagaId};
use engine::keys::{Key, Partition, Partitions};

use crate::record::{Hold, Item};

/// Names stock's keys. An item's holds live in the item's partition.
#[derive(Debug, Clone)]
pub struct Keys(Partitions);

impl Keys {
    /// Keys over these partitions.
    #[must_use]
    pub fn new(partitions: Partitions) -> Self {
        Self(partitions)
    }

    /// The partitions that the keys lie in.
    #[must_use]
    pub fn partitions(&self) -> &Partitions {
        &self.0
    }

    /// The partition of an item and of its holds.
    #[must_use]
    pub fn partition(&self, item_id: &ItemId) -> Partition {
        self.0.of(item_id.as_str())
    }

    /// `item:{tag}:<item_id>`
    #[must_use]
    pub fn item(&self, item_id: &ItemId) -> Key<Item> {
        self.0.key("item", self.partition(item_id), item_id)
    }

    /// `hold:{tag}:<saga_id>:<item_id>`
    #[must_use]
    pub fn hold(&self, saga_id: &SagaId, item_id: &ItemId) -> Key<Hold> {
        self.0
            .key("hold", self.partition(item_id), format_args!("{saga_id}:{item_id}"))
    }
}
