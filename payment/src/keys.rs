//! Where payment's records live.

use domain::{SagaId, UserId};
use engine::keys::{Key, Partitions};

use crate::record::{Account, Hold};

/// Names payment's keys. A saga's hold lives in its user's partition.
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

    /// `account:{tag}:<user_id>`
    #[must_use]
    pub fn account(&self, user_id: &UserId) -> Key<Account> {
        self.0.key("account", self.0.of(user_id.as_str()), user_id)
    }

    /// `hold:{tag}:<saga_id>:<user_id>`
    #[must_use]
    pub fn hold(&self, saga_id: &SagaId, user_id: &UserId) -> Key<Hold> {
        let partition = self.0.of(user_id.as_str());
        self.0.key("hold", partition, format_args!("{saga_id}:{user_id}"))
    }
}
