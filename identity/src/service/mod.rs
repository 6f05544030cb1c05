//! What identity does, for its HTTP side, for `holdfast admin`, and for a process that embeds it.

mod api_keys;
mod passwords;
mod sessions;
mod users;

use std::sync::{Arc, Mutex, PoisonError};

use engine::{Engine, EngineError, keys::Partitions, store::Store};
use principals::{SigningKey, Verifier};
use process::Resources;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::sessions::{LoggedIn, Login};
pub use self::{
    api_keys::NewKey,
    users::{NewUser, Registration},
};
use crate::{
    accounts::Accounts,
    background::Background,
    decide::RotateKeys,
    keys::Keys,
    passwords::Passwords,
    snapshot::{Latest, Snapshot, Snapshots},
};

/// What a call gives: its outcome, or why it is refused, or why there is neither.
pub(crate) type Outcome<T> = Result<Result<T, crate::problems::Refusal>, EngineError>;

/// What the background needs besides.
type Waiting = (Arc<Snapshots>, Arc<dyn Accounts>);

/// The users, sessions and keys of a deployment, behind their engine.
#[derive(Clone)]
pub struct Identity {
    engine: Engine,
    store: Store,
    partitions: Partitions,
    passwords: Passwords,
    latest: Latest,
    verifier: Verifier,
    registered: Arc<Notify>,
    /// What runs in the background, until that is started.
    // A std mutex: it is locked once, to take what is in it.
    waiting: Arc<Mutex<Option<Waiting>>>,
}

/// Passwords cannot be hashed.
#[derive(Debug, thiserror::Error)]
#[error("passwords cannot be hashed: {0}")]
pub struct CannotHash(#[from] argon2::password_hash::Error);

impl Identity {
    /// On this store and these lanes, with accounts that are opened there.
    ///
    /// # Errors
    /// Passwords cannot be hashed.
    pub fn new(resources: Resources, accounts: Arc<dyn Accounts>) -> Result<Self, CannotHash> {
        let (snapshots, latest, verifier) = Snapshots::new(resources.store.clone(), resources.partitions.clone());
        let waiting = Arc::new(Mutex::new(Some((Arc::new(snapshots), accounts))));
        Self::with(resources, (latest, verifier), waiting)
    }

    /// On this store, for whoever changes it and serves nobody: nothing runs in the background, and an identity service opens the accounts.
    ///
    /// # Errors
    /// Passwords cannot be hashed.
    pub fn on_store(resources: Resources) -> Result<Self, CannotHash> {
        let (_, latest, verifier) = Snapshots::new(resources.store.clone(), resources.partitions.clone());
        Self::with(resources, (latest, verifier), Arc::default())
    }

    fn with(
        resources: Resources,
        (latest, verifier): (Latest, Verifier),
        waiting: Arc<Mutex<Option<Waiting>>>,
    ) -> Result<Self, CannotHash> {
        Ok(Self {
            engine: resources.engine,
            store: resources.store,
            partitions: resources.partitions,
            passwords: Passwords::new()?,
            latest,
            verifier,
            registered: Arc::default(),
            waiting,
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// What knows callers by the credentials of this very store.
    #[must_use]
    pub fn knows_callers(&self) -> Verifier {
        self.verifier.clone()
    }

    /// The latest credentials.
    ///
    /// # Errors
    /// They were not read yet.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>, EngineError> {
        let unread = || EngineError::Unavailable("the credentials are not read yet".into());
        self.latest.get().ok_or_else(unread)
    }

    /// Adds a signing key, which takes over when every service knows it. Returns its name.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn rotate_keys(&self) -> Result<String, EngineError> {
        self.add_signing_key(false).await
    }

    /// Makes a signing key if there is none.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn ensure_signing_key(&self) -> Result<String, EngineError> {
        self.add_signing_key(true).await
    }

    async fn add_signing_key(&self, only_first: bool) -> Result<String, EngineError> {
        let bug = |bad: principals::BadKey| EngineError::Bug(bad.to_string());
        let key = SigningKey::generate().map_err(bug)?;
        let rotate = RotateKeys {
            keys: self.partitions.signing_keys(),
            kid: key.public().kid().to_owned(),
            pem: key.to_secret_pem().map_err(bug)?,
            only_first,
        };
        self.engine.submit(rotate).await
    }

    /// What identity does beside answering calls, until `stop`. The first caller does it.
    pub(crate) fn work(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let identity = self.clone();
        async move {
            let Some((snapshots, accounts)) = waiting else {
                return;
            };
            let first = stop.run_until_cancelled(identity.first_signing_key()).await;
            if first.is_none() {
                return;
            }
            let background = Background {
                registered: identity.registered.clone(),
                identity,
                snapshots,
                accounts,
            };
            background.run(stop).await;
        }
    }

    /// Makes the first signing key, however long the store is away.
    async fn first_signing_key(&self) {
        const REST: domain::Backoff = domain::Backoff {
            min: std::time::Duration::from_millis(100),
            max: std::time::Duration::from_secs(5),
        };
        let mut failures = 0;
        while let Err(error) = self.ensure_signing_key().await {
            tracing::warn!(%error, "there is no signing key yet");
            REST.sleep(failures).await;
            failures = failures.saturating_add(1);
        }
    }
}
