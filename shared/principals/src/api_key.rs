//! What a machine presents: `hf_sk_<key id>_<secret>`.
//!
//! The secret has 256 bits of randomness, so a fast hash is enough to keep it: nobody can guess what it is the hash of. (A
//! password needs a slow one, because people choose it.)

use std::{fmt, str::FromStr};

use domain::KeyId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How every API key begins, so that whoever finds one in a file or a log knows what it is.
pub const API_KEY_PREFIX: &str = "hf_sk_";

const SECRET_BYTES: usize = 32;

/// An API key as its owner has it: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    key_id: KeyId,
    secret: [u8; SECRET_BYTES],
}

/// The text is not an API key. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key is {API_KEY_PREFIX}<key id>_<64 hexadecimal digits>")]
pub struct BadApiKey;

impl ApiKey {
    /// A new one of this name.
    #[must_use]
    pub fn generate(key_id: KeyId) -> Self {
        Self {
            key_id,
            secret: rand::random(),
        }
    }

    /// Its name, which is no secret.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }

    /// Its text: to be shown once, and never logged.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{API_KEY_PREFIX}{}_{}", self.key_id, hex::encode(self.secret))
    }
}

impl FromStr for ApiKey {
    type Err = BadApiKey;

    fn from_str(text: &str) -> Result<Self, BadApiKey> {
        let text = text.strip_prefix(API_KEY_PREFIX).ok_or(BadApiKey)?;
        // A key's id may have underscores, hexadecimal digits have none.
        let (key_id, secret) = text.rsplit_once('_').ok_or(BadApiKey)?;
        let mut bytes = [0; SECRET_BYTES];
        hex::decode_to_slice(secret, &mut bytes).map_err(|_| BadApiKey)?;
        Ok(Self {
            key_id: key_id.parse().map_err(|_| BadApiKey)?,
            secret: bytes,
        })
    }
}

/// Says which key it is, and not the secret.
impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKey({})", self.key_id)
    }
}

/// The SHA-256 of a random secret. It is compared in constant time and in no other way.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether it is the hash of this secret.
    #[must_use]
    pub fn matches(&self, secret: &[u8]) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
    }

    /// Whether it is the hash of this key's secret.
    #[must_use]
    pub fn matches_key(&self, key: &ApiKey) -> bool {
        self.matches(&key.secret)
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl TryFrom<String> for SecretHash {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<SecretHash> for String {
    fn from(hash: SecretHash) -> Self {
        hex::encode(hash.0)
    }
}

/// Logs need no hashes.
impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_and_known_by_its_secret_alone() {
        let key = ApiKey::generate("shop_1".parse().expect("an id"));
        let read: ApiKey = key.reveal().parse().expect("a key");
        assert_eq!(read.key_id().as_str(), "shop_1");
        assert!(key.hash().matches_key(&read));
        let other = ApiKey::generate(key.key_id().clone());
        assert!(!key.hash().matches_key(&other));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = ApiKey::generate(KeyId::numbered(1)).reveal();
        for bad in [
            "",
            "hf_sk_",
            "hf_sk_1",
            "hf_sk_1_",
            &key[..key.len() - 1],
            &format!("{key}0"),
            &key.replacen("sk", "pk", 1),
            &key.replacen("hf_sk_1", "hf_sk_", 1),
            &key.replacen("hf_sk_1", "hf_sk_a b", 1),
        ] {
            assert_eq!(bad.parse::<ApiKey>(), Err(BadApiKey), "{bad:?}");
        }
    }

    #[test]
    fn neither_a_key_nor_its_hash_shows_in_a_log() {
        let key = ApiKey::generate(KeyId::numbered(1));
        let secret = hex::encode(key.secret);
        let hash = String::from(key.hash());
        let logged = format!("{key:?} {:?}", key.hash());
        assert!(!logged.contains(&secret) && !logged.contains(&hash), "{logged}");
    }
}
