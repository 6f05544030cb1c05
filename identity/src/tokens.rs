//! The random tokens that identity gives out: they mean nothing to anybody else.
//!
//! ```text
//! hf_rt_<user id>.<session id>.<family secret><secret>   a refresh token
//! hf_vt_<user id>.<secret>                               what a mail to verify an address holds
//! hf_pr_<user id>.<secret>                               what a mail to reset a password holds
//! ```
//!
//! They name their record in the clear, so it is found without an index, and secrets are compared by their SHA-256.

use std::fmt;

use domain::{SessionId, UserId};
use hmac::{Hmac, KeyInit, Mac};
use principals::SecretHash;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const SECRET_BYTES: usize = 32;
const SECRET_DIGITS: usize = 2 * SECRET_BYTES;

/// 256 random bits that whoever has them may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

impl Secret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// The bare bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// The secret that follows from it and a nonce: whoever knows only one of both does not know it.
    #[must_use]
    pub fn successor(&self, nonce: &Nonce) -> Self {
        // A key of any length is taken, so this cannot fail.
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| mac.chain_update(nonce.0).finalize());
        mac.map_or_else(|_| Self::generate(), |made| Self(made.into_bytes().into()))
    }

    fn parse(digits: &str) -> Option<Self> {
        let mut bytes = [0; SECRET_BYTES];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn digits(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// What is mixed into a secret to make its successor. It is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce([u8; SECRET_BYTES]);

impl Nonce {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }
}

impl TryFrom<String> for Nonce {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; SECRET_BYTES];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        hex::encode(nonce.0)
    }
}

/// What keeps a session going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose session.
    pub user_id: UserId,
    /// Which one.
    pub session_id: SessionId,
    /// What all tokens of the session have.
    pub family: Secret,
    /// What this one alone has.
    pub secret: Secret,
}

impl RefreshToken {
    const PREFIX: &str = "hf_rt_";

    /// The token that a text is.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(Self::PREFIX)?.split('.');
        let (user_id, session_id, secrets) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || secrets.len() != 2 * SECRET_DIGITS || !secrets.is_ascii() {
            return None;
        }
        let (family, secret) = secrets.split_at(SECRET_DIGITS);
        Some(Self {
            user_id: user_id.parse().ok()?,
            session_id: session_id.parse().ok()?,
            family: Secret::parse(family)?,
            secret: Secret::parse(secret)?,
        })
    }

    /// Its text: a secret.
    #[must_use]
    pub fn reveal(&self) -> String {
        let (family, secret) = (self.family.digits(), self.secret.digits());
        format!("{}{}.{}.{family}{secret}", Self::PREFIX, self.user_id, self.session_id)
    }
}

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To verify the address.
    Verify,
    /// To reset the password.
    Reset,
}

impl Purpose {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Verify => "hf_vt_",
            Self::Reset => "hf_pr_",
        }
    }

    /// A mail's token: a secret.
    #[must_use]
    pub fn reveal(self, user_id: &UserId, secret: &Secret) -> String {
        format!("{}{user_id}.{}", self.prefix(), secret.digits())
    }

    /// Whose token a text is, and its secret.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<(UserId, Secret)> {
        let (user_id, secret) = text.strip_prefix(self.prefix())?.split_once('.')?;
        Some((user_id.parse().ok()?, Secret::parse(secret)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_a_round_trip_and_shows_in_no_log() {
        let token = RefreshToken {
            user_id: UserId::numbered(1),
            session_id: SessionId::numbered(2),
            family: Secret::generate(),
            secret: Secret::generate(),
        };
        let text = token.reveal();
        assert_eq!(RefreshToken::parse(&text), Some(token.clone()));
        assert!(!format!("{token:?}").contains(&token.secret.digits()));
        let (user_id, secret) = (UserId::numbered(1), Secret::generate());
        let mail = Purpose::Reset.reveal(&user_id, &secret);
        assert_eq!(Purpose::Reset.parse(&mail), Some((user_id, secret)));
        assert_eq!(Purpose::Verify.parse(&mail), None);
        for bad in [
            "",
            "hf_rt_",
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!("{text}."),
        ] {
            assert_eq!(RefreshToken::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_successor_is_the_same_for_the_same_secret_and_nonce_and_for_nothing_else() {
        let (secret, nonce) = (Secret::generate(), Nonce::generate());
        assert_eq!(secret.successor(&nonce), secret.successor(&nonce));
        assert_ne!(secret.successor(&nonce), secret.successor(&Nonce::generate()));
        assert_ne!(secret.successor(&nonce), Secret::generate().successor(&nonce));
    }
}
