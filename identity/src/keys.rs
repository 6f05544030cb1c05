//! Where identity's records live.

use domain::{KeyId, UserId};
use engine::keys::{IndexKey, Key, Partition, Partitions};

use crate::{
    email::Email,
    record::{Address, KeyRecord, SigningKeys, User},
};

/// What the only record of the signing keys is called.
const SIGNING_KEYS: &str = "signing";

/// Identity's keys. A user lives in the partition of the user's address.
pub trait Keys {
    /// `user:{tag}:<user_id>`
    fn user(&self, user_id: &UserId) -> Key<User>;

    /// `address:{tag}:<SHA-256 of the address>`
    fn address(&self, email: &Email) -> Key<Address>;

    /// `api_key:{tag}:<key_id>`
    fn api_key(&self, key_id: &KeyId) -> Key<KeyRecord>;

    /// `signing_keys:{tag}:signing`
    fn signing_keys(&self) -> Key<SigningKeys>;

    /// `users:{tag}`: the users by when they registered.
    fn users(&self, partition: Partition) -> IndexKey;

    /// `api_keys:{tag}`: the API keys by when they were made.
    fn api_keys(&self, partition: Partition) -> IndexKey;

    /// `revoked:{tag}`: the sessions that were ended, by when. They stay for as long as their access tokens could.
    fn revoked(&self, partition: Partition) -> IndexKey;

    /// `unopened:{tag}`: the users whose account is not known to be open, by when they registered.
    fn unopened(&self, partition: Partition) -> IndexKey;
}

impl Keys for Partitions {
    fn user(&self, user_id: &UserId) -> Key<User> {
        self.key("user", self.of(user_id.as_str()), user_id)
    }

    fn address(&self, email: &Email) -> Key<Address> {
        let hash = email.hash();
        self.key("address", self.of(&hash), hash)
    }

    fn api_key(&self, key_id: &KeyId) -> Key<KeyRecord> {
        self.key("api_key", self.of(key_id.as_str()), key_id)
    }

    fn signing_keys(&self) -> Key<SigningKeys> {
        self.key("signing_keys", self.of(SIGNING_KEYS), SIGNING_KEYS)
    }

    fn users(&self, partition: Partition) -> IndexKey {
        self.index("users", partition)
    }

    fn api_keys(&self, partition: Partition) -> IndexKey {
        self.index("api_keys", partition)
    }

    fn revoked(&self, partition: Partition) -> IndexKey {
        self.index("revoked", partition)
    }

    fn unopened(&self, partition: Partition) -> IndexKey {
        self.index("unopened", partition)
    }
}
