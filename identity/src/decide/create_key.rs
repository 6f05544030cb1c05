use domain::KeyId;
use engine::{
    Command, Touches, View,
    keys::{IndexKey, Key, Partition},
};

use principals::{Scopes, SecretHash};

use crate::{events::KeyCreated, record::KeyRecord};

/// Creates an API key. Its id must be new. The outcome is its record.
#[derive(Debug)]
pub(crate) struct CreateKey {
    pub(crate) key: Key<KeyRecord>,
    pub(crate) api_keys: IndexKey,
    pub(crate) key_id: KeyId,
    pub(crate) name: String,
    pub(crate) hash: SecretHash,
    pub(crate) scopes: Scopes,
    pub(crate) by: String,
}

impl Command for CreateKey {
    type Outcome = KeyRecord;

    fn partition(&self) -> Partition {
        self.key.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.key);
        touches.index(&self.api_keys);
    }

    fn decide(&self, view: &mut View) -> KeyRecord {
        let mut record = KeyRecord {
            name: self.name.clone(),
            hash: self.hash.clone(),
            scopes: self.scopes.clone(),
            created_by: self.by.clone(),
            created_at: view.now(),
            revoked_at: None,
            sequence: engine::Sequence::default(),
        };
        let event = KeyCreated {
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            by: self.by.clone(),
        };
        view.emit(&self.key, &mut record.sequence, &event);
        view.put(&self.key, record.clone());
        view.index_add(&self.api_keys, self.key_id.as_str(), record.created_at.score());
        record
    }
}
