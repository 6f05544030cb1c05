//! Telling who calls, by credentials of which the age is known.

use std::{sync::Arc, time::Duration};

use domain::Timestamp;
use tokio::{sync::watch, time::Instant};

use crate::{Credentials, Principal, Unauthenticated};

/// How old credentials may be. What was revoked has no effect after this time, everywhere.
pub const MAX_CREDENTIALS_AGE: Duration = Duration::from_secs(5);

/// Why a caller is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody is known by what was presented.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// Nobody can be told: there are no credentials, or they are too old to be trusted.
    #[error("the identity service has not been heard of for {} seconds", MAX_CREDENTIALS_AGE.as_secs())]
    Stale,
}

#[derive(Clone)]
struct Snapshot {
    credentials: Arc<Credentials>,
    /// When they were true.
    as_of: Instant,
}

/// Tells who calls. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(watch::Receiver<Option<Snapshot>>);

/// Gives a [`Verifier`] its credentials.
pub struct Publisher(watch::Sender<Option<Snapshot>>);

impl Verifier {
    /// One that knows nobody yet, and who tells it.
    #[must_use]
    pub fn new() -> (Publisher, Self) {
        let (publisher, verifier) = watch::channel(None);
        (Publisher(publisher), Self(verifier))
    }

    /// Who presents this.
    ///
    /// # Errors
    /// Nobody is known by it, or nobody can be told now.
    pub fn authenticate(&self, presented: &str) -> Result<Principal, Refused> {
        let snapshot = self.0.borrow().clone().ok_or(Refused::Stale)?;
        if snapshot.as_of.elapsed() > MAX_CREDENTIALS_AGE {
            return Err(Refused::Stale);
        }
        Ok(snapshot.credentials.authenticate(presented, Timestamp::now())?)
    }

    /// How old the credentials are, if there are any.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.0.borrow().as_ref().map(|snapshot| snapshot.as_of.elapsed())
    }
}

impl Publisher {
    /// From now on these are the credentials, which were true at `as_of`.
    pub fn publish(&self, credentials: Arc<Credentials>, as_of: Instant) {
        self.0.send_replace(Some(Snapshot { credentials, as_of }));
    }
}

#[cfg(test)]
mod tests {
    use domain::KeyId;

    use super::*;
    use crate::{ApiKey, ApiKeyEntry, CredentialsDocument, Scopes};

    #[test]
    fn credentials_that_are_too_old_admit_nobody() {
        let key = ApiKey::generate(KeyId::numbered(1));
        let document = CredentialsDocument {
            api_keys: vec![ApiKeyEntry {
                key_id: key.key_id().clone(),
                hash: key.hash(),
                scopes: Scopes::all(),
            }],
            ..CredentialsDocument::default()
        };
        let credentials = Arc::new(Credentials::try_from(document).expect("credentials"));
        let (publisher, verifier) = Verifier::new();
        assert_eq!(verifier.authenticate(&key.reveal()), Err(Refused::Stale));
        publisher.publish(credentials.clone(), Instant::now());
        assert!(verifier.authenticate(&key.reveal()).is_ok());
        let too_long_ago = Instant::now().checked_sub(MAX_CREDENTIALS_AGE + Duration::from_millis(1));
        publisher.publish(credentials.clone(), too_long_ago.expect("a time"));
        assert_eq!(verifier.authenticate(&key.reveal()), Err(Refused::Stale));
        publisher.publish(credentials, Instant::now());
        assert!(verifier.authenticate(&key.reveal()).is_ok());
    }
}
