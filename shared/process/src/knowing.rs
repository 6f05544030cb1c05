//! Knowing who calls: what asks identity for the credentials, beside a service.

use std::sync::Arc;

use domain::ServiceName;
use principals::{Following, FollowingError, KeyFileError, ServiceSigner, Verifier};

use crate::{IdentityConfig, beside::Beside};

/// What asks identity, if anything does.
pub struct Knowing(Beside);

/// A service cannot ask identity.
#[derive(Debug, thiserror::Error)]
pub enum KnowingError {
    /// It has no key of its own.
    #[error("SERVICE_KEY_FILE: {0}")]
    Key(#[from] KeyFileError),
    /// It cannot send requests.
    #[error(transparent)]
    Following(#[from] FollowingError),
}

impl Knowing {
    /// Nobody is asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Beside::new("what asks identity"))
    }

    /// Begins to ask, if it is told where, and gives what knows the callers.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn start(&mut self, service: ServiceName, config: &IdentityConfig) -> Result<Option<Verifier>, KnowingError> {
        let Some(urls) = &config.identity_urls else {
            tracing::info!("no IDENTITY_URLS: nobody is known here, and calls that need a caller answer 503");
            return Ok(None);
        };
        let signer = config.service_key_file.as_deref();
        let signer = signer.map(|file| ServiceSigner::open(service, file)).transpose()?;
        let (publisher, verifier) = Verifier::new();
        let following = Following::new(urls.clone(), signer.map(Arc::new), publisher)?;
        self.0.start(|stop| following.run(stop));
        Ok(Some(verifier))
    }

    /// Asks no more.
    pub async fn finish(self) {
        self.0.finish().await;
    }
}

impl Default for Knowing {
    fn default() -> Self {
        Self::new()
    }
}
