//! Where order's records live.

use domain::{OrderId, SagaId};
use engine::keys::{IndexKey, Key, Partition, Partitions};

use crate::record::{Order, Rejection, Sale};

/// Names order's keys.
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

    /// `order:{tag}:<order_id>`
    #[must_use]
    pub fn order(&self, order_id: &OrderId) -> Key<Order> {
        self.0.key("order", self.0.of(order_id.as_str()), order_id)
    }

    /// `sale:{tag}:<saga_id>`, beside the saga's order.
    #[must_use]
    pub fn sale(&self, saga_id: &SagaId) -> Key<Sale> {
        self.0.key("sale", self.0.of(saga_id.order.as_str()), saga_id)
    }

    /// `rejection:{tag}:<saga_id>`, beside the saga's order: why a saga was rejected that the order no longer tells of.
    #[must_use]
    pub fn rejection(&self, saga_id: &SagaId) -> Key<Rejection> {
        self.0.key("rejection", self.0.of(saga_id.order.as_str()), saga_id)
    }

    /// `inflight:{tag}`: the partition's sagas that are not finished, or paid and not settled yet, by when they
    /// were last taken to drive.
    #[must_use]
    pub fn inflight(&self, partition: Partition) -> IndexKey {
        self.0.index("inflight", partition)
    }

    /// The keys of everything that a saga's step changes.
    #[must_use]
    pub fn saga(&self, order_id: &OrderId) -> SagaKeys {
        let order = self.order(order_id);
        SagaKeys {
            inflight: self.inflight(order.partition()),
            all: self.clone(),
            order,
            order_id: order_id.clone(),
        }
    }
}

/// What a saga's step changes together.
#[derive(Debug, Clone)]
pub struct SagaKeys {
    /// The order's name.
    pub order_id: OrderId,
    /// The order's record.
    pub order: Key<Order>,
    /// The index of sagas in flight.
    pub inflight: IndexKey,
    all: Keys,
}

impl SagaKeys {
    /// Where it is written why one of the order's sagas was rejected, once the order no longer tells.
    #[must_use]
    pub fn rejection(&self, attempt: u32) -> Key<Rejection> {
        self.all.rejection(&SagaId {
            order: self.order_id.clone(),
            attempt,
        })
    }
}
