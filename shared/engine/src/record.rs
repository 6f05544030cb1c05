use serde::{Serialize, de::DeserializeOwned};

use crate::{keys::Key, store::ReadError};

/// What is stored under a key: anything that serde can turn into JSON and back.
///
/// JSON, because whoever is on call reads these records with redis-cli.
pub trait Record: Serialize + DeserializeOwned + Send + 'static {}

impl<R: Serialize + DeserializeOwned + Send + 'static> Record for R {}

/// The record that these bytes are.
pub(crate) fn parse<R: Record>(key: &Key<R>, bytes: &[u8]) -> Result<R, ReadError> {
    serde_json::from_slice(bytes).map_err(|cause| ReadError::Corrupt {
        key: key.name().clone(),
        cause: cause.to_string(),
    })
}
