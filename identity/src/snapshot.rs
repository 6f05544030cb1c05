//! What identity knows of all its credentials at one moment: what it tells the other services, and signs and checks by itself.
//!
//! It is read from the store anew every [`EVERY`], and in between by nobody: so however many services ask, the store is asked
//! once a while. All replicas of identity read the same store, so whatever one of them has revoked, all tell.

use std::{sync::Arc, time::Duration};

use domain::{KeyId, SessionId, Timestamp};
use engine::{
    keys::Partitions,
    store::{End, ReadError, Store},
};
use principals::{
    ACCESS_TOKEN_LIFETIME, ApiKeyEntry, BadKey, Credentials, CredentialsDocument, LEEWAY, Publisher, Verifier,
};
use sha2::{Digest, Sha256};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{keys::Keys, record::SigningKeys};

/// How often the store is asked. With the second at which services ask identity, and the time that both take, it stays well below
/// [`principals::MAX_CREDENTIALS_AGE`].
const EVERY: Duration = Duration::from_millis(500);

/// How many entries of an index are read at once.
const PAGE: usize = 500;

/// For how long a session that was ended is listed: as long as one of its access tokens may be taken somewhere.
pub(crate) const REVOKED_FOR: Duration = ACCESS_TOKEN_LIFETIME.saturating_add(LEEWAY).saturating_add(LEEWAY);

/// The credentials at one moment.
pub(crate) struct Snapshot {
    /// As they are served, in JSON.
    pub(crate) json: String,
    /// What tells whether they have changed.
    pub(crate) tag: String,
    /// When they were true.
    pub(crate) as_of: Instant,
    /// The keys that sign.
    pub(crate) signing: SigningKeys,
    /// What others check tokens by.
    pub(crate) document: CredentialsDocument,
}

/// The credentials cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// A stored key is none.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// They are no JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Reads the credentials again and again.
pub(crate) struct Snapshots {
    store: Store,
    partitions: Partitions,
    latest: watch::Sender<Option<Arc<Snapshot>>>,
    publisher: Publisher,
}

/// The latest credentials. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Latest(watch::Receiver<Option<Arc<Snapshot>>>);

impl Latest {
    /// The latest that there are, if any were read yet.
    pub(crate) fn get(&self) -> Option<Arc<Snapshot>> {
        self.0.borrow().clone()
    }
}

impl Snapshots {
    /// Of this store; with what gives the latest, and what knows callers by them.
    pub(crate) fn new(store: Store, partitions: Partitions) -> (Self, Latest, Verifier) {
        let (latest, receiver) = watch::channel(None);
        let (publisher, verifier) = Verifier::new();
        let snapshots = Self {
            store,
            partitions,
            latest,
            publisher,
        };
        (snapshots, Latest(receiver), verifier)
    }

    /// Reads until `stop`. What cannot be read stays as it was, and grows old.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let read = async {
            loop {
                if let Err(error) = self.read().await {
                    tracing::warn!(%error, "the credentials cannot be read");
                }
                sleep(EVERY).await;
            }
        };
        stop.run_until_cancelled(read).await;
    }

    async fn read(&self) -> Result<(), SnapshotError> {
        let (as_of, now) = (Instant::now(), Timestamp::now());
        let signing = self
            .store
            .read(&self.partitions.signing_keys())
            .await?
            .unwrap_or_default();
        let document = CredentialsDocument {
            jwks: signing.jwks(now),
            api_keys: self.api_keys().await?,
            revoked_sessions: self.revoked_sessions(now).await?,
        };
        let json = serde_json::to_string(&document)?;
        let credentials = Arc::new(Credentials::try_from(document.clone())?);
        let snapshot = Snapshot {
            tag: format!("\"{}\"", hex::encode(Sha256::digest(&json))),
            json,
            as_of,
            signing,
            document,
        };
        self.latest.send_replace(Some(Arc::new(snapshot)));
        self.publisher.publish(credentials, as_of);
        Ok(())
    }

    async fn api_keys(&self) -> Result<Vec<ApiKeyEntry>, ReadError> {
        let mut entries = Vec::new();
        for partition in self.partitions.all() {
            let index = self.partitions.api_keys(partition);
            let mut skip = 0;
            loop {
                let page = self
                    .store
                    .members(&index, 0.0..=f64::INFINITY, End::Lowest, skip, PAGE)
                    .await?;
                let ids: Vec<KeyId> = page.iter().filter_map(|(id, _)| id.parse().ok()).collect();
                let keys = ids.iter().map(|id| self.partitions.api_key(id)).collect();
                for (key_id, record) in ids.into_iter().zip(self.store.read_all(keys).await?) {
                    if let Some(record) = record?.filter(|record| record.revoked_at.is_none()) {
                        entries.push(ApiKeyEntry {
                            key_id,
                            hash: record.hash,
                            scopes: record.scopes,
                        });
                    }
                }
                skip += page.len();
                if page.len() < PAGE {
                    break;
                }
            }
        }
        Ok(entries)
    }

    async fn revoked_sessions(&self, now: Timestamp) -> Result<Vec<SessionId>, ReadError> {
        let since = now.before(REVOKED_FOR).score();
        let mut sessions = Vec::new();
        for partition in self.partitions.all() {
            let index = self.partitions.revoked(partition);
            let mut skip = 0;
            loop {
                let page = self
                    .store
                    .members(&index, since..=f64::INFINITY, End::Lowest, skip, PAGE)
                    .await?;
                sessions.extend(page.iter().filter_map(|(id, _)| id.parse::<SessionId>().ok()));
                skip += page.len();
                if page.len() < PAGE {
                    break;
                }
            }
        }
        Ok(sessions)
    }
}
