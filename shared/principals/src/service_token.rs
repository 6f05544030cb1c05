//! What a service presents to another one: a JWT that it has signed itself, with its own key, for one callee.
//!
//! One is good for a minute at most, so nobody keeps a list of those that were used: whoever can read the internal
//! network for a minute could as well send the calls.

use std::{path::Path, time::Duration};

use domain::{ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    KeyFileError, PeerKeys, SigningKey, TokenError,
    jwt::{self, Expected, Times, seconds},
    key_files::{Followed, read_signing_key},
};

/// How long one is valid.
pub const SERVICE_TOKEN_LIFETIME: Duration = Duration::from_secs(60);

const TYPE: &str = "service+jwt";

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// For whom the caller calls, as [`crate::Principal`] names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
}

impl Times for Claims {
    fn not_before(&self) -> u64 {
        self.nbf
    }

    fn expires(&self) -> u64 {
        self.exp
    }
}

/// Makes a service's own tokens, with the key in its file.
pub struct ServiceSigner {
    name: ServiceName,
    key: Followed<SigningKey>,
}

impl ServiceSigner {
    /// Signs as this service, with the private key in this file, which is read again when it changes.
    ///
    /// # Errors
    /// There is no such key.
    pub fn open(name: ServiceName, file: &Path) -> Result<Self, KeyFileError> {
        Ok(Self {
            name,
            key: Followed::open(file, read_signing_key)?,
        })
    }

    /// A token for one call to `callee`, or for some within the minute; `on_behalf_of` is who has caused the call.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn token(
        &self,
        callee: ServiceName,
        on_behalf_of: Option<String>,
        now: Timestamp,
    ) -> Result<String, TokenError> {
        let now = seconds(now);
        let claims = Claims {
            iss: self.name.as_str().into(),
            aud: callee.as_str().into(),
            sub: on_behalf_of,
            iat: now,
            nbf: now,
            exp: now + SERVICE_TOKEN_LIFETIME.as_secs(),
            jti: Uuid::now_v7().to_string(),
        };
        jwt::sign(TYPE, &claims, &self.key.current())
    }
}

/// A service that calls, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCaller {
    /// Who calls.
    pub service: ServiceName,
    /// Who has caused the call, in the words of the caller.
    pub on_behalf_of: Option<String>,
}

/// Checks the tokens of the services that call.
pub struct ServiceVerifier {
    name: ServiceName,
    keys: Followed<PeerKeys>,
}

impl ServiceVerifier {
    /// Checks for this service, by the public keys in this folder, which are read again when they change.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn open(name: ServiceName, folder: &Path) -> Result<Self, KeyFileError> {
        Ok(Self {
            name,
            keys: Followed::open(folder, PeerKeys::read)?,
        })
    }

    /// Who presents this token.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<ServiceCaller, TokenError> {
        verify(token, self.name, &self.keys.current(), now)
    }
}

fn verify(token: &str, callee: ServiceName, keys: &PeerKeys, now: Timestamp) -> Result<ServiceCaller, TokenError> {
    let expected = Expected {
        r#type: TYPE,
        audience: callee.as_str(),
        lifetime: SERVICE_TOKEN_LIFETIME,
    };
    let key = |kid: &str| keys.get(kid).map(|(key, owner)| (key, owner.as_str()));
    let claims: Claims = jwt::verify(token, &expected, key, now)?;
    Ok(ServiceCaller {
        // The key's owner and the issuer are the same, or the token would not have passed.
        service: ServiceName::named(&claims.iss).ok_or(TokenError::WrongIssuer)?,
        on_behalf_of: claims.sub,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// The folder of the public keys, and order's own key beside it.
    struct Keys(TempDir);

    impl Keys {
        fn new() -> Self {
            let folder = TempDir::new().expect("a folder");
            fs::create_dir(folder.path().join("public")).expect("a folder");
            Self(folder)
        }

        fn public(&self) -> std::path::PathBuf {
            self.0.path().join("public")
        }

        fn private(&self) -> std::path::PathBuf {
            self.0.path().join("order.key")
        }

        fn admit(&self, file: &str, key: &SigningKey) {
            fs::write(self.public().join(file), key.public().to_pem().expect("a PEM")).expect("a file");
        }

        fn sign_with(&self, key: &SigningKey) {
            fs::write(self.private(), key.to_secret_pem().expect("a PEM")).expect("a file");
        }
    }

    fn key() -> SigningKey {
        SigningKey::generate().expect("a key")
    }

    fn order_and_payment(keys: &Keys) -> (ServiceSigner, ServiceVerifier) {
        let order = ServiceSigner::open(ServiceName::Order, &keys.private()).expect("a signer");
        let payment = ServiceVerifier::open(ServiceName::Payment, &keys.public()).expect("a verifier");
        (order, payment)
    }

    #[test]
    fn a_service_is_known_by_its_own_key_for_a_minute_and_by_one_callee() {
        let (keys, key) = (Keys::new(), key());
        keys.admit("order.pem", &key);
        keys.sign_with(&key);
        let (order, payment) = order_and_payment(&keys);
        let for_payment = order
            .token(ServiceName::Payment, Some("user:7".into()), NOW)
            .expect("a token");
        let caller = payment.verify(&for_payment, NOW).expect("a caller");
        assert_eq!(caller.service, ServiceName::Order);
        assert_eq!(caller.on_behalf_of.as_deref(), Some("user:7"));
        let later = NOW.after(SERVICE_TOKEN_LIFETIME + crate::LEEWAY);
        assert_eq!(payment.verify(&for_payment, later), Err(TokenError::Expired));
        let for_stock = order.token(ServiceName::Stock, None, NOW).expect("a token");
        assert_eq!(payment.verify(&for_stock, NOW), Err(TokenError::WrongAudience));
    }

    #[test]
    fn a_service_cannot_pass_for_another_one() {
        let (keys, key) = (Keys::new(), key());
        keys.admit("stock.pem", &key);
        keys.sign_with(&key);
        let (order, payment) = order_and_payment(&keys);
        let token = order.token(ServiceName::Payment, None, NOW).expect("a token");
        assert_eq!(payment.verify(&token, NOW), Err(TokenError::WrongIssuer));
    }

    #[test]
    fn keys_rotate_with_overlap_while_both_sides_run() {
        let (keys, old, new) = (Keys::new(), key(), key());
        keys.admit("order.pem", &old);
        keys.sign_with(&old);
        let (order, payment) = order_and_payment(&keys);
        let by_old = order.token(ServiceName::Payment, None, NOW).expect("a token");
        keys.admit("order.next.pem", &new);
        payment.keys.look_now();
        keys.sign_with(&new);
        order.key.look_now();
        let by_new = order.token(ServiceName::Payment, None, NOW).expect("a token");
        assert!(payment.verify(&by_old, NOW).is_ok() && payment.verify(&by_new, NOW).is_ok());
        fs::remove_file(keys.public().join("order.pem")).expect("a file");
        payment.keys.look_now();
        assert_eq!(payment.verify(&by_old, NOW), Err(TokenError::UnknownKey));
        assert!(payment.verify(&by_new, NOW).is_ok());
    }

    #[test]
    fn a_file_that_is_broken_later_leaves_the_keys_that_were_read_before() {
        let (keys, key) = (Keys::new(), key());
        keys.admit("order.pem", &key);
        keys.sign_with(&key);
        let (order, payment) = order_and_payment(&keys);
        fs::write(keys.public().join("order.pem"), "no key").expect("a file");
        payment.keys.look_now();
        let token = order.token(ServiceName::Payment, None, NOW).expect("a token");
        assert!(payment.verify(&token, NOW).is_ok());
        assert!(ServiceVerifier::open(ServiceName::Payment, &keys.public()).is_err());
    }

    #[test]
    fn a_key_whose_file_names_no_service_is_refused() {
        let keys = Keys::new();
        keys.admit("anybody.pem", &key());
        let opened = ServiceVerifier::open(ServiceName::Payment, &keys.public());
        assert!(matches!(opened, Err(KeyFileError::NoOwner { .. })));
    }
}
