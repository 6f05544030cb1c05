//! What a service stands on, from its start to its end: its store, its lanes, its sockets.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bus::Bus;
use credentials::{
    CredentialError,
    tls::{ServerFiles, ServerTls, trusting_nobody, trusting_only},
};
use domain::ServiceName;
use engine::{
    Engine, EngineConfig, Lanes,
    keys::{BadPartitionCount, Partitions},
    store::{Store, StoreConfig, StoreError},
};
use futures::future::join_all;
use poem::Route;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use web::AllowedOrigins;

use crate::{BindError, Bound, ListenAt, Trouble, Vitals};

/// How long a starting service waits for its Redis.
const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// How long a stopping service waits for its lanes. A store that stands still would keep them for two command deadlines;
/// what they have under way then is as if the process had been killed.
const LANES_PATIENCE: Duration = Duration::from_secs(2);

/// How long a service may take to say that it is ready.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

/// What every service stands on.
pub struct Resources {
    /// Whose they are.
    pub service: ServiceName,
    /// The way into the lanes.
    pub engine: Engine,
    /// The service's Redis.
    pub store: Store,
    /// The key groups of the deployment.
    pub partitions: Partitions,
    /// Where its events go, if somewhere.
    pub bus: Option<Bus>,
}

impl Resources {
    /// Claims the store for `service`, without a bus, and starts the lanes, which are to be waited for in the end ([`finish`]).
    ///
    /// # Errors
    /// Wrong settings, a store that is somebody else's, no store within [`STORE_PATIENCE`], or `stop` before it is there.
    pub async fn start(
        service: ServiceName,
        store: &StoreConfig,
        engine: &EngineConfig,
        stop: &CancellationToken,
    ) -> Result<(Self, Lanes), StartError> {
        let partitions = Partitions::new(engine.partitions)?;
        let store = Store::open(store)?;
        tokio::select! {
            claimed = store.claim(service.as_str(), &partitions, STORE_PATIENCE) => claimed?,
            () = stop.cancelled() => return Err(StartError::Stopped),
        }
        store.watch(service.as_str(), &partitions).await;
        let (engine, lanes) = Engine::start(&store, &partitions, engine);
        let resources = Self {
            service,
            engine,
            store,
            partitions,
            bus: None,
        };
        Ok((resources, lanes))
    }

    /// What the service needs in order to do its work.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            service: self.service,
            store: self.store.clone(),
            lanes: self.engine.health(),
            trouble: Trouble::default(),
        }
    }
}

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// PARTITIONS is out of range.
    #[error(transparent)]
    Partitions(#[from] BadPartitionCount),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something else that the service needs cannot be set up.
    #[error(transparent)]
    Service(Box<dyn std::error::Error + Send + Sync>),
    /// The service was told to stop while it waited for its store.
    #[error("stopped before it had started")]
    Stopped,
}

/// What has started; `None` if it was told to stop before, which is no failure.
///
/// # Errors
/// Every other reason why it has not started.
pub fn unless_stopped<T>(started: Result<T, StartError>) -> Result<Option<T>, StartError> {
    match started {
        Ok(started) => Ok(Some(started)),
        Err(StartError::Stopped) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Binds a socket and serves routes on it until `stop`, over TLS if there is a certificate; then finishes what is being
/// served.
///
/// # Errors
/// An address that cannot be bound.
pub async fn serve(
    at: impl Into<ListenAt>,
    tls: Option<ServerTls>,
    allow_remote: bool,
    routes: Route,
    origins: AllowedOrigins,
    stop: CancellationToken,
) -> Result<(), BindError> {
    let bound = tokio::select! {
        bound = Bound::listen(at.into(), allow_remote) => bound,
        () = stop.cancelled() => return Ok(()),
    };
    let socket = bound?.over_tls(tls);
    tracing::info!(address = %socket.address(), scheme = socket.scheme(), "serving");
    socket.serve(routes, origins, stop).await;
    Ok(())
}

/// Lets the lanes of a stopping process commit what waits in them. They end once every [`Engine`] is dropped.
pub async fn finish(lanes: impl IntoIterator<Item = Lanes>) {
    let finished = join_all(lanes.into_iter().map(Lanes::finished));
    if timeout(LANES_PATIENCE, finished).await.is_err() {
        tracing::warn!("the lanes do not come to an end; leaving them");
    }
}

/// The service does not say that it is ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// It is not, or it says nothing.
    #[error(transparent)]
    Asked(#[from] reqwest::Error),
    /// The certificate that it should show cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
}

/// Asks the service that listens here, over TLS with the certificate in `tls` if it has one, whether it is ready: for a
/// container's health check.
///
/// # Errors
/// If it is not, or does not say so within [`HEALTH_PATIENCE`].
pub async fn check_health(listen: SocketAddr, tls: Option<ServerFiles>) -> Result<(), HealthError> {
    let host = match listen.ip() {
        // What listens everywhere listens here.
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let (scheme, trust) = match tls {
        Some(files) => ("https", trusting_only(&files)?),
        None => ("http", trusting_nobody()),
    };
    // A proxy that the environment names is for the world outside.
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(HEALTH_PATIENCE)
        .tls_backend_preconfigured(trust)
        .build()?;
    let url = format!("{scheme}://{}/health/ready", SocketAddr::new(host, listen.port()));
    client.get(url).send().await?.error_for_status()?;
    Ok(())
}
