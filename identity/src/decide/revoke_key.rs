use domain::KeyId;
use engine::{
    Command, Touches, View,
    keys::{Key, Partition},
};

use crate::{events::KeyRevoked, problems::Refusal, record::KeyRecord};

/// Revokes an API key, for good. Repeating it changes nothing. The outcome is its record.
#[derive(Debug)]
pub(crate) struct RevokeKey {
    pub(crate) key: Key<KeyRecord>,
    pub(crate) key_id: KeyId,
    pub(crate) by: String,
}

impl Command for RevokeKey {
    type Outcome = Result<KeyRecord, Refusal>;

    fn partition(&self) -> Partition {
        self.key.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(&self.key);
    }

    fn decide(&self, view: &mut View) -> Result<KeyRecord, Refusal> {
        let unknown = || Refusal::UnknownKey(self.key_id.clone());
        let mut record = view.get(&self.key).cloned().ok_or_else(unknown)?;
        if record.revoked_at.is_none() {
            record.revoked_at = Some(view.now());
            let by = self.by.clone();
            view.emit(&self.key, &mut record.sequence, &KeyRevoked { by });
            view.put(&self.key, record.clone());
        }
        Ok(record)
    }
}
