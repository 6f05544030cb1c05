//! What a user who has logged in presents: a JWT that identity has signed.
//!
//! Source: RFC 9068, "JWT Profile for OAuth 2.0 Access Tokens".

use std::{collections::BTreeSet, time::Duration};

use domain::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    KeySet, Role, SigningKey, TokenError, User,
    jwt::{self, Expected, Times, seconds},
};

/// How long one is valid.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(5 * 60);

const TYPE: &str = "at+jwt";
const ISSUER: &str = "holdfast-identity";
const AUDIENCE: &str = "holdfast";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    roles: BTreeSet<Role>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
}

impl AccessToken {
    /// The token of a user from `now` on, for [`ACCESS_TOKEN_LIFETIME`].
    #[must_use]
    pub fn new(user: &User, now: Timestamp) -> Self {
        let now = seconds(now);
        Self {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.user_id.clone(),
            sid: user.session_id.clone(),
            roles: user.roles.clone(),
            iat: now,
            nbf: now,
            exp: now + ACCESS_TOKEN_LIFETIME.as_secs(),
            jti: Uuid::now_v7().to_string(),
        }
    }

    /// As it is given to the user: a secret.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, TokenError> {
        jwt::sign(TYPE, self, key)
    }

    /// The user who presents a token at `now`, if one of the keys has signed it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(token: &str, keys: &KeySet, now: Timestamp) -> Result<User, TokenError> {
        let expected = Expected {
            r#type: TYPE,
            audience: AUDIENCE,
            lifetime: ACCESS_TOKEN_LIFETIME,
        };
        let claims: Self = jwt::verify(token, &expected, |kid| Some((keys.get(kid)?, ISSUER)), now)?;
        Ok(User {
            user_id: claims.sub,
            session_id: claims.sid,
            roles: claims.roles,
        })
    }
}

impl Times for AccessToken {
    fn not_before(&self) -> u64 {
        self.nbf
    }

    fn expires(&self) -> u64 {
        self.exp
    }
}

#[cfg(test)]
mod tests;
