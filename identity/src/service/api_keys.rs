//! API keys.

use domain::KeyId;
use engine::EngineError;
use principals::{ApiKey, Scopes};

use super::{Identity, Outcome};
use crate::{
    decide::{CreateKey, RevokeKey},
    keys::Keys,
    listing::{Cursor, Page, list},
    problems::Refusal,
    record::KeyRecord,
};

/// A key to be made.
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Who makes it.
    pub by: String,
}

impl Identity {
    /// Makes an API key. Its text is told once, here.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeyRecord), EngineError> {
        self.store.admit()?;
        let api_key = ApiKey::generate(KeyId::generate());
        let key = self.partitions.api_key(api_key.key_id());
        let create = CreateKey {
            api_keys: self.partitions.api_keys(key.partition()),
            key,
            key_id: api_key.key_id().clone(),
            name: new.name,
            hash: api_key.hash(),
            scopes: new.scopes,
            by: new.by,
        };
        let record = self.engine.submit(create).await?;
        Ok((api_key, record))
    }

    /// Revokes an API key.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn revoke_key(&self, key_id: &KeyId, by: String) -> Outcome<KeyRecord> {
        let revoke = RevokeKey {
            key: self.partitions.api_key(key_id),
            key_id: key_id.clone(),
            by,
        };
        self.engine.submit(revoke).await
    }

    /// An API key, without its secret.
    pub(crate) async fn api_key(&self, key_id: &KeyId) -> Outcome<KeyRecord> {
        let record = self.store.read(&self.partitions.api_key(key_id)).await?;
        Ok(record.ok_or_else(|| Refusal::UnknownKey(key_id.clone())))
    }

    /// A part of the list of API keys.
    pub(crate) async fn api_keys(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<KeyRecord>, EngineError> {
        let indexes = self
            .partitions
            .all()
            .map(|partition| self.partitions.api_keys(partition));
        let key = |id: &str| Some(self.partitions.api_key(&id.parse().ok()?));
        Ok(list(&self.store, indexes, key, after, limit).await?)
    }
}
