//! A service's socket, from the address that was asked for to the end of serving.

mod acceptor;
mod listen_at;

use std::net::SocketAddr;

use credentials::tls::ServerTls;
use poem::{EndpointExt, IntoEndpoint};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use web::{AllowedOrigins, middleware::RequestScope, names::System};

pub(crate) use self::acceptor::Acceptor;
use self::listen_at::PATIENCE;
pub use self::listen_at::{BadListenAt, ListenAt};
use crate::server;

/// A socket that is bound and not yet served.
pub struct Bound {
    acceptor: Acceptor,
    address: SocketAddr,
    tls: Option<ServerTls>,
}

/// The address cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it, or it is not this machine's.
    #[error("cannot listen on {address}: {cause}")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// Nothing authenticates callers, so an address that others can reach has to be asked for.
    #[error(
        "{0} can be reached from other machines, and Holdfast does not authenticate anyone: listen on 127.0.0.1, or say --allow-remote if the network keeps strangers out"
    )]
    Remote(SocketAddr),
    /// The name is not this machine's.
    #[error("cannot listen on {name}: no address of this machine has that name: {cause}")]
    NotOurs {
        /// What was asked for.
        name: String,
        /// What the last look found.
        cause: std::io::Error,
    },
}

impl Bound {
    /// Binds an address; a non-loopback one only if `allow_remote` says so.
    ///
    /// # Errors
    /// [`BindError`]
    pub fn bind(address: SocketAddr, allow_remote: bool) -> Result<Self, BindError> {
        if !address.ip().is_loopback() && !allow_remote {
            return Err(BindError::Remote(address));
        }
        let refused = |cause| BindError::Refused { address, cause };
        let acceptor = Acceptor::bind(address).map_err(refused)?;
        let address = acceptor.address().map_err(refused)?;
        Ok(Self {
            acceptor,
            address,
            tls: None,
        })
    }

    /// Serves over TLS, if a certificate is there to do so.
    #[must_use]
    pub fn over_tls(self, tls: Option<ServerTls>) -> Self {
        Self { tls, ..self }
    }

    /// Listens at an address, or at that of a name, which is waited for and followed.
    ///
    /// # Errors
    /// As [`Bound::bind`]; or a name that no address of this machine has.
    pub async fn listen(at: ListenAt, allow_remote: bool) -> Result<Self, BindError> {
        match at {
            ListenAt::Address(address) => Self::bind(address, allow_remote),
            ListenAt::Name(name) => name.bind(System, allow_remote, PATIENCE).await,
        }
    }

    /// Goes on at the address of each socket that comes.
    pub(super) fn follow(&mut self, moves: mpsc::Receiver<Self>) {
        self.acceptor.follow(moves);
    }

    /// What takes its connections.
    pub(super) fn into_acceptor(self) -> Acceptor {
        self.acceptor
    }

    /// Where it listens; tells the port where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The scheme of its URLs.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Serves until `stop`, then finishes what is being served. Pages of `origins` may call.
    pub async fn serve<E>(self, routes: E, origins: AllowedOrigins, stop: CancellationToken)
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let scope = RequestScope::new(origins, stop.clone());
        let served = routes.into_endpoint().with(scope);
        server::serve(self.acceptor, self.tls, served, stop).await;
    }
}
