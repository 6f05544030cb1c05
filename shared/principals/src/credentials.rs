//! All that a service needs to know in order to tell who calls.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

use domain::{KeyId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{API_KEY_PREFIX, AccessToken, ApiKey, BadKey, Jwks, KeySet, Principal, Scopes, SecretHash, TokenError};

/// What may be known of an API key without being able to use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyEntry {
    /// The key.
    pub key_id: KeyId,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// What it may do.
    pub scopes: Scopes,
}

/// The credentials as identity serves them. There is no secret in it; who can change it on its way can pass for anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsDocument {
    /// The keys that access tokens may be signed with.
    pub jwks: Jwks,
    /// The API keys that are not revoked.
    pub api_keys: Vec<ApiKeyEntry>,
    /// The sessions that were revoked, for as long as one of their access tokens may still be valid.
    pub revoked_sessions: Vec<SessionId>,
}

/// The credentials as they are asked.
#[derive(Debug, Default)]
pub struct Credentials {
    keys: KeySet,
    api_keys: HashMap<KeyId, (SecretHash, Scopes)>,
    revoked_sessions: HashSet<SessionId>,
}

/// Why nobody is known by what was presented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// Nothing was presented, or not in the form that is asked for.
    #[error("an access token or an API key is needed: `Authorization: Bearer <token>`")]
    Nothing,
    /// The access token is refused.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The token's session was revoked.
    #[error("the session was ended")]
    Revoked(SessionId),
    /// It is no API key, though it begins like one.
    #[error("the API key is not well formed")]
    NoApiKey,
    /// There is no such API key, or no longer, or its secret is wrong: whoever asks is not told which.
    #[error("the API key is not known, or was revoked")]
    UnknownApiKey(KeyId),
}

impl TryFrom<CredentialsDocument> for Credentials {
    type Error = BadKey;

    fn try_from(document: CredentialsDocument) -> Result<Self, BadKey> {
        Ok(Self {
            keys: KeySet::try_from(&document.jwks)?,
            api_keys: document
                .api_keys
                .into_iter()
                .map(|entry| (entry.key_id, (entry.hash, entry.scopes)))
                .collect(),
            revoked_sessions: document.revoked_sessions.into_iter().collect(),
        })
    }
}

impl Credentials {
    /// Who presents this at `now`.
    ///
    /// # Errors
    /// Nobody is known by it.
    pub fn authenticate(&self, presented: &str, now: Timestamp) -> Result<Principal, Unauthenticated> {
        if presented.starts_with(API_KEY_PREFIX) {
            return self.api_key(presented);
        }
        let user = AccessToken::verify(presented, &self.keys, now)?;
        if self.revoked_sessions.contains(&user.session_id) {
            return Err(Unauthenticated::Revoked(user.session_id));
        }
        Ok(Principal::User(user))
    }

    fn api_key(&self, presented: &str) -> Result<Principal, Unauthenticated> {
        let key = ApiKey::from_str(presented).map_err(|_| Unauthenticated::NoApiKey)?;
        match self.api_keys.get(key.key_id()) {
            Some((hash, scopes)) if hash.matches_key(&key) => Ok(Principal::ApiKey {
                key_id: key.key_id().clone(),
                scopes: scopes.clone(),
            }),
            _ => Err(Unauthenticated::UnknownApiKey(key.key_id().clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::UserId;

    use super::*;
    use crate::{Role, Scope, SigningKey, User};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn known(key: &ApiKey) -> ApiKeyEntry {
        ApiKeyEntry {
            key_id: key.key_id().clone(),
            hash: key.hash(),
            scopes: [Scope::OrdersRead].into_iter().collect(),
        }
    }

    fn authenticate(document: CredentialsDocument, presented: &str) -> Result<Principal, Unauthenticated> {
        let credentials = Credentials::try_from(document).expect("credentials");
        credentials.authenticate(presented, NOW)
    }

    #[test]
    fn an_api_key_may_do_what_it_was_given_until_it_is_revoked() {
        let key = ApiKey::generate(KeyId::numbered(1));
        let document = CredentialsDocument {
            api_keys: vec![known(&key)],
            ..CredentialsDocument::default()
        };
        let principal = authenticate(document, &key.reveal()).expect("a principal");
        assert!(principal.may(Scope::OrdersRead) && !principal.may(Scope::OrdersWrite));
        let revoked = authenticate(CredentialsDocument::default(), &key.reveal());
        assert_eq!(revoked, Err(Unauthenticated::UnknownApiKey(KeyId::numbered(1))));
    }

    #[test]
    fn a_known_id_with_another_secret_is_nobody() {
        let (key, other) = (
            ApiKey::generate(KeyId::numbered(1)),
            ApiKey::generate(KeyId::numbered(1)),
        );
        let document = CredentialsDocument {
            api_keys: vec![known(&key)],
            ..CredentialsDocument::default()
        };
        let refused = authenticate(document, &other.reveal());
        assert_eq!(refused, Err(Unauthenticated::UnknownApiKey(KeyId::numbered(1))));
    }

    #[test]
    fn a_token_of_a_session_that_was_ended_is_refused_before_it_expires() {
        let key = SigningKey::generate().expect("a key");
        let user = User {
            user_id: UserId::numbered(7),
            session_id: SessionId::numbered(3),
            roles: BTreeSet::from([Role::Customer]),
        };
        let token = AccessToken::new(&user, NOW).sign(&key).expect("a token");
        let mut document = CredentialsDocument {
            jwks: Jwks {
                keys: vec![key.public().jwk()],
            },
            ..CredentialsDocument::default()
        };
        let before = authenticate(document.clone(), &token);
        assert_eq!(before, Ok(Principal::User(user.clone())));
        document.revoked_sessions.push(user.session_id.clone());
        let after = authenticate(document, &token);
        assert_eq!(after, Err(Unauthenticated::Revoked(user.session_id)));
    }

    #[test]
    fn what_was_presented_shows_in_no_error() {
        let key = ApiKey::generate(KeyId::numbered(1)).reveal();
        for presented in [&key, "hf_sk_hunter2", "hunter2", "a.hunter2.c"] {
            let refused = authenticate(CredentialsDocument::default(), presented).expect_err("a refusal");
            let told = format!("{refused} {refused:?}");
            let secret = presented.rsplit('_').next().unwrap_or_default();
            assert!(!told.contains(secret), "{told}");
        }
    }
}
