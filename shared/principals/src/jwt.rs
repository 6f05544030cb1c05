//! What access tokens and service tokens have in common: how they are signed, and all that is checked of one.
//!
//! Sources: RFC 7519 (JWT), RFC 8725 (best practices): one algorithm, the type is checked, the audience is checked.

use std::time::Duration;

use domain::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode, errors::ErrorKind};
use serde::{Serialize, de::DeserializeOwned};

use crate::{PublicKey, SigningKey};

/// By how much two machines' clocks may differ.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// The longest token that is looked at. One of ours has about 700 bytes.
pub const MAX_TOKEN_BYTES: usize = 4 * 1_024;

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than any of ours.
    #[error("the token has more than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// It is not made as a token is.
    #[error("the token is not well formed")]
    Malformed,
    /// It is a token for something else.
    #[error("the token is of another type")]
    WrongType,
    /// It wants to be checked by another algorithm.
    #[error("the token is not signed with EdDSA")]
    WrongAlgorithm,
    /// Nobody knows the key that it names.
    #[error("the token's key is not known, or no longer")]
    UnknownKey,
    /// The signature is not that key's.
    #[error("the token's signature is wrong")]
    WrongSignature,
    /// Somebody else made it.
    #[error("the token is of another issuer")]
    WrongIssuer,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It is not to be used yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It is valid for longer than one of its type may be.
    #[error("the token is valid for too long")]
    TooLasting,
}

/// When a token is to be used, in whole seconds since the epoch.
pub(crate) trait Times {
    /// From when on.
    fn not_before(&self) -> u64;
    /// Until when.
    fn expires(&self) -> u64;
}

/// Whole seconds since the epoch.
pub(crate) fn seconds(time: Timestamp) -> u64 {
    time.as_millis() / 1_000
}

/// A signed token.
///
/// # Errors
/// The key cannot sign, or the claims are no JSON.
pub(crate) fn sign(r#type: &str, claims: &impl Serialize, key: &SigningKey) -> Result<String, TokenError> {
    let header = Header {
        typ: Some(r#type.into()),
        kid: Some(key.public().kid().into()),
        ..Header::new(Algorithm::EdDSA)
    };
    encode(&header, claims, key.encoding()).map_err(|_| TokenError::Malformed)
}

/// What a token has to be.
pub(crate) struct Expected<'a> {
    pub(crate) r#type: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) lifetime: Duration,
}

/// The claims of a token, if all is well with it. `key` gives the key of a name, and who signs with it.
pub(crate) fn verify<'k, C: DeserializeOwned + Times>(
    token: &str,
    expected: &Expected<'_>,
    key: impl FnOnce(&str) -> Option<(&'k PublicKey, &'k str)>,
    now: Timestamp,
) -> Result<C, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.alg != Algorithm::EdDSA {
        return Err(TokenError::WrongAlgorithm);
    }
    // RFC 7515, 4.1.9: without regard to case.
    if !header
        .typ
        .is_some_and(|told| told.eq_ignore_ascii_case(expected.r#type))
    {
        return Err(TokenError::WrongType);
    }
    let kid = header.kid.ok_or(TokenError::UnknownKey)?;
    let (key, issuer) = key(&kid).ok_or(TokenError::UnknownKey)?;
    let claims: C = decode(token, key.decoding(), &validation(expected.audience, issuer))
        .map_err(|error| refused(error.kind()))?
        .claims;
    check_times(&claims, expected.lifetime, seconds(now))?;
    Ok(claims)
}

fn validation(audience: &str, issuer: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
    // The library would read the machine's clock; the times are checked below, by the time that the caller gives.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

fn check_times(claims: &impl Times, lifetime: Duration, now: u64) -> Result<(), TokenError> {
    let (from, until, leeway) = (claims.not_before(), claims.expires(), LEEWAY.as_secs());
    if until.saturating_sub(from) > lifetime.as_secs() {
        return Err(TokenError::TooLasting);
    }
    if now >= until.saturating_add(leeway) {
        return Err(TokenError::Expired);
    }
    if now.saturating_add(leeway) < from {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

fn refused(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::WrongSignature,
        ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
        ErrorKind::InvalidIssuer => TokenError::WrongIssuer,
        ErrorKind::InvalidAudience => TokenError::WrongAudience,
        _ => TokenError::Malformed,
    }
}
