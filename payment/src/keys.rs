//! Where payment's records live.

use domain::{SagaId, UserId};
use engine::keys::{Key, Partitions};

use crate::record::{Account, Hold};

/// Payment's keys. A saga's hold lives in its user's partition.
pub trait Keys {
    /// `account:{tag}:<user_id>`
    fn account(&self, user_id: &UserId) -> Key<Account>;

    /// `hold:{tag}:<saga_id>:<user_id>`
    fn hold(&self, saga_id: &SagaId, user_id: &UserId) -> Key<Hold>;
}

impl Keys for Partitions {
    fn account(&self, user_id: &UserId) -> Key<Account> {
        self.key("account", self.of(user_id.as_str()), user_id)
    }

    fn hold(&self, saga_id: &SagaId, user_id: &UserId) -> Key<Hold> {
        let partition = self.of(user_id.as_str());
        self.key("hold", partition, format_args!("{saga_id}:{user_id}"))
    }
}
