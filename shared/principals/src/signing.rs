//! The keys that sign tokens, and their public halves.
//!
//! Sources: RFC 8032 (Ed25519), RFC 7517 (JWK), RFC 8037 (JWK of Ed25519), RFC 7638 (thumbprints).

use std::{collections::HashMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The text is not a key. It is not repeated: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not a private key.
    #[error(
        "a signing key is an Ed25519 private key in PEM (PKCS #8), as `openssl genpkey -algorithm ed25519` makes it"
    )]
    Private,
    /// Not a public key.
    #[error("a public key is an Ed25519 public key in PEM, as `openssl pkey -pubout` makes it")]
    Public,
    /// Not a JWK of ours.
    #[error("a key of a JWKS document is an Ed25519 public key: kty OKP, crv Ed25519")]
    Jwk,
}

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    public: PublicKey,
    private: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// It cannot be written in the form that signing takes.
    pub fn generate() -> Result<Self, BadKey> {
        Self::new(ed25519_dalek::SigningKey::from_bytes(&rand::random()))
    }

    /// The key that a PEM text holds.
    ///
    /// # Errors
    /// [`BadKey::Private`].
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let private = ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim()).map_err(|_| BadKey::Private)?;
        Self::new(private)
    }

    fn new(private: ed25519_dalek::SigningKey) -> Result<Self, BadKey> {
        let der = private.to_pkcs8_der().map_err(|_| BadKey::Private)?;
        Ok(Self {
            key: EncodingKey::from_ed_der(der.as_bytes()),
            public: PublicKey::new(private.verifying_key()),
            private,
        })
    }

    /// As PEM: a secret, for the file or the record that keeps it.
    ///
    /// # Errors
    /// It cannot be written in that form.
    pub fn to_secret_pem(&self) -> Result<String, BadKey> {
        let pem = self.private.to_pkcs8_pem(LineEnding::LF).map_err(|_| BadKey::Private)?;
        Ok(pem.to_string())
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.key
    }
}

/// Says which key it is, and not the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public.kid)
    }
}

/// The half of a key that checks signatures.
#[derive(Clone)]
pub struct PublicKey {
    kid: String,
    key: VerifyingKey,
    decoding: DecodingKey,
}

impl PublicKey {
    fn new(key: VerifyingKey) -> Self {
        Self {
            kid: thumbprint(&URL_SAFE_NO_PAD.encode(key.as_bytes())),
            // The library slices what it is given, so it gets nothing that is not a checked key.
            decoding: DecodingKey::from_ed_der(key.as_bytes()),
            key,
        }
    }

    /// The key that a PEM text holds.
    ///
    /// # Errors
    /// [`BadKey::Public`].
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| BadKey::Public)?;
        Ok(Self::new(key))
    }

    /// As PEM.
    ///
    /// # Errors
    /// It cannot be written in that form.
    pub fn to_pem(&self) -> Result<String, BadKey> {
        self.key.to_public_key_pem(LineEnding::LF).map_err(|_| BadKey::Public)
    }

    /// Its name in tokens: the RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// As an entry of a JWKS document.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x: URL_SAFE_NO_PAD.encode(self.key.as_bytes()),
            kid: self.kid.clone(),
            alg: "EdDSA".into(),
            r#use: "sig".into(),
        }
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.kid)
    }
}

fn thumbprint(x: &str) -> String {
    // RFC 7638, 3: the required members alone, in the order of their names, without white space.
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

/// A public key in a JWKS document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The kind of key: OKP.
    pub kty: String,
    /// The curve: Ed25519.
    pub crv: String,
    /// The key, in base64url.
    pub x: String,
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// The algorithm: EdDSA.
    pub alg: String,
    /// What it is for: sig.
    pub r#use: String,
}

impl TryFrom<&Jwk> for PublicKey {
    type Error = BadKey;

    /// The key's own thumbprint is its name, whatever the entry calls it.
    fn try_from(jwk: &Jwk) -> Result<Self, BadKey> {
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return Err(BadKey::Jwk);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&jwk.x).map_err(|_| BadKey::Jwk)?;
        let bytes = bytes.try_into().map_err(|_| BadKey::Jwk)?;
        Ok(Self::new(VerifyingKey::from_bytes(&bytes).map_err(|_| BadKey::Jwk)?))
    }
}

/// A JWKS document: the public keys that tokens may be signed with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// Public keys by their names.
#[derive(Debug, Clone, Default)]
pub struct KeySet(HashMap<String, PublicKey>);

impl KeySet {
    /// The key of this name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.0.get(kid)
    }
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (key.kid.clone(), key)).collect())
    }
}

impl TryFrom<&Jwks> for KeySet {
    type Error = BadKey;

    fn try_from(jwks: &Jwks) -> Result<Self, BadKey> {
        jwks.keys.iter().map(PublicKey::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_name_is_its_thumbprint_as_rfc_8037_gives_it() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint(x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_survives_its_files_and_its_jwk() {
        let key = SigningKey::generate().expect("a key");
        let read = SigningKey::from_pem(&key.to_secret_pem().expect("a PEM")).expect("a key");
        let public = PublicKey::from_pem(&key.public().to_pem().expect("a PEM")).expect("a key");
        let listed = PublicKey::try_from(&key.public().jwk()).expect("a key");
        for kid in [read.public().kid(), public.kid(), listed.kid()] {
            assert_eq!(kid, key.public().kid());
        }
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused_and_not_repeated() {
        let told = SigningKey::from_pem("hunter2").expect_err("no key").to_string();
        assert!(!told.contains("hunter2"));
        let mut short = SigningKey::generate().expect("a key").public().jwk();
        short.x = URL_SAFE_NO_PAD.encode([7; 31]);
        assert_eq!(PublicKey::try_from(&short).err(), Some(BadKey::Jwk));
        let mut other = SigningKey::generate().expect("a key").public().jwk();
        other.crv = "X25519".into();
        assert_eq!(PublicKey::try_from(&other).err(), Some(BadKey::Jwk));
    }
}
