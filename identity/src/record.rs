//! Users, API keys and signing keys as they are stored.
//!
//! Nothing that is stored lets its reader in, except the private signing keys: passwords are Argon2id hashes, and tokens and API keys
//! have 256 random bits and are kept as SHA-256. The signing keys are kept in the clear, because the store has to be
//! guarded like a key anyway: whoever may write it can make an admin. So all replicas sign with the same keys, and a
//! rotation reaches them all at once.

use std::{collections::BTreeSet, time::Duration};

use domain::{SessionId, Timestamp, UserId};
use engine::Sequence;
use principals::{ACCESS_TOKEN_LIFETIME, Jwks, LEEWAY, Role, Scopes, SecretHash, SigningKey};
use serde::{Deserialize, Serialize};

use crate::{
    email::Email,
    tokens::{Nonce, Secret},
};

/// How many sessions a user may have. One more ends the oldest.
pub const MAX_SESSIONS: usize = 20;
/// How long a session lasts, however it is used.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// For how long a refresh token that was just rotated is answered with the same successor: a client whose answer was lost
/// asks again within seconds.
pub const ROTATION_GRACE: Duration = Duration::from_secs(10);

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The address by which the user logs in.
    pub email: Email,
    /// The password's hash: Argon2id, as a PHC string.
    pub password: String,
    /// What the user is.
    pub roles: BTreeSet<Role>,
    /// Whether the user has shown that mails to the address arrive.
    pub is_verified: bool,
    /// When the user registered.
    pub created_at: Timestamp,
    /// What the mail to verify the address holds, if one is under way.
    pub verification: Option<MailToken>,
    /// What the mail to reset the password holds, likewise.
    pub reset: Option<MailToken>,
    /// The sessions that are not ended, oldest first.
    pub sessions: Vec<Session>,
    /// The number of the last event about the user.
    pub sequence: Sequence,
}

/// What is kept of a token that a mail holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailToken {
    /// The hash of its secret.
    pub hash: SecretHash,
    /// Until when it may be used, once.
    pub expires_at: Timestamp,
}

impl MailToken {
    /// Whether this secret is the token's, in time.
    #[must_use]
    pub fn admits(&self, secret: &Secret, now: Timestamp) -> bool {
        self.hash.matches(secret.as_bytes()) && now < self.expires_at
    }
}

/// All refresh tokens that follow from one login: its family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub session_id: SessionId,
    /// When the user logged in.
    pub begun_at: Timestamp,
    /// The hash of the secret that every token of the family has: it tells an old token from an invented one.
    pub family: SecretHash,
    /// The hash of the newest token's own secret.
    pub current: SecretHash,
    /// The token before it.
    pub previous: Option<Rotated>,
}

impl Session {
    /// Whether it still lasts.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> bool {
        now < self.begun_at.after(SESSION_LIFETIME)
    }
}

/// A refresh token that has been rotated. Its successor follows from its secret and the nonce, so whoever presents it once
/// more in time gets the same one, and whoever reads the store learns neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// The hash of its own secret.
    pub hash: SecretHash,
    /// What was added to make its successor.
    pub nonce: Nonce,
    /// When that was.
    pub rotated_at: Timestamp,
}

/// Whose an address is. It lies in the partition of its user, so one command can write both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Whose it is.
    pub user_id: UserId,
    /// The number of the last event about the address.
    pub sequence: Sequence,
}

/// A machine's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// What people call it.
    pub name: String,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// What it may do.
    pub scopes: Scopes,
    /// Who has made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Since when it is good for nothing.
    pub revoked_at: Option<Timestamp>,
    /// The number of the last event about it.
    pub sequence: Sequence,
}

/// The keys that sign access tokens, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeys {
    /// The keys.
    pub keys: Vec<KeptKey>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptKey {
    /// Its name: the RFC 7638 thumbprint.
    pub kid: String,
    /// The private key, as PEM.
    pub pem: String,
    /// From when on it signs: it is known everywhere before that.
    pub signs_from: Timestamp,
    /// From when on it no longer signs.
    pub retired_at: Option<Timestamp>,
}

/// Says which key it is, and not the key.
impl std::fmt::Debug for KeptKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeptKey({})", self.kid)
    }
}

impl KeptKey {
    /// Whether a token that it has signed may still be valid.
    #[must_use]
    pub fn is_needed(&self, now: Timestamp) -> bool {
        let kept = ACCESS_TOKEN_LIFETIME + 2 * LEEWAY;
        self.retired_at.is_none_or(|retired| now < retired.after(kept))
    }

    fn signs(&self, now: Timestamp) -> bool {
        self.signs_from <= now && self.retired_at.is_none_or(|retired| now < retired)
    }
}

impl SigningKeys {
    /// The document by which others check tokens.
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> Jwks {
        let needed = self.keys.iter().filter(|key| key.is_needed(now));
        let keys = needed.filter_map(|key| SigningKey::from_pem(&key.pem).ok());
        Jwks {
            keys: keys.map(|key| key.public().jwk()).collect(),
        }
    }

    /// The key that signs now.
    #[must_use]
    pub fn signer(&self, now: Timestamp) -> Option<SigningKey> {
        let signs = self.keys.iter().rev().find(|key| key.signs(now));
        // While a clock was set back, the newest one is still better than none.
        let signs = signs.or(self.keys.first())?;
        SigningKey::from_pem(&signs.pem).ok()
    }
}
