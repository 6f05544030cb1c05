//! Who calls Holdfast, what each may do, and how each proves it.
//!
//! ```text
//! Authorization ─> Verifier ─> Credentials (in memory) ─> Principal ─> may(Scope)?
//!                     ^ a new one every second
//!                 Following ── HTTP ──> identity
//! ```
//!
//! A check asks nobody: what it needs is in [`Credentials`], and [`Verifier`] knows how old they are.

mod access_token;
mod api_key;
mod credentials;
mod following;
mod jwt;
mod key_files;
mod principal;
mod role;
mod scope;
mod service_token;
mod signing;
mod verifier;

pub use self::{
    access_token::{ACCESS_TOKEN_LIFETIME, AccessToken},
    api_key::{API_KEY_PREFIX, ApiKey, BadApiKey, SecretHash},
    credentials::{ApiKeyEntry, Credentials, CredentialsDocument, Unauthenticated},
    following::{BadIdentityUrls, Following, FollowingError, IdentityUrls},
    jwt::{LEEWAY, MAX_TOKEN_BYTES, TokenError},
    key_files::{KeyFileError, PeerKeys},
    principal::{Principal, User},
    role::{BadRole, Role},
    scope::{BadScope, Scope, Scopes, needs},
    service_token::{SERVICE_TOKEN_LIFETIME, ServiceCaller, ServiceSigner, ServiceVerifier},
    signing::{BadKey, Jwk, Jwks, KeySet, PublicKey, SigningKey},
    verifier::{MAX_CREDENTIALS_AGE, Publisher, Refused, Verifier},
};

/// Where identity serves the credentials to the other services.
pub const CREDENTIALS_PATH: &str = "/internal/credentials";

/// The header in which it says how long ago they were true, in milliseconds.
pub const CREDENTIALS_AGE_HEADER: &str = "x-credentials-age-ms";
