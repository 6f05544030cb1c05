//! What every service's HTTP side shares: the edge, health, metrics, documentation, and the server.

mod admission;
mod allow;
mod correlation;
mod edge;
mod internal;
mod parameter;
mod problem;
mod readiness;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, Route, Server, endpoint::make, listener::TcpAcceptor};
use poem_openapi::{OpenApi, OpenApiService};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use self::{admission::Admission, allow::Allow, edge::Edge, readiness::readiness};
pub use self::{
    correlation::{CORRELATION_HEADER, CorrelationId},
    internal::{BadLine, InternalRoutes, ReplyLines},
    problem::{
        COMMON, Catalogue, INTERNAL, MALFORMED, OUTCOME_UNKNOWN, OVERFLOW, OVERLOADED, PROBLEM_JSON, Problem,
        ProblemKind, Refused, UNAVAILABLE,
    },
    readiness::Vitals,
};
use crate::telemetry::Telemetry;

/// How long a stopping server waits for the requests that it is serving.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// How many connections may wait to be accepted; the system may allow fewer. Where there is no room, a caller believes
/// that it is connected and sends in vain: measured, one among thousands then heard nothing for three seconds.
const BACKLOG: u32 = 16_384;
/// How long a connection may send nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// The public side of a service: its API below `roots`, documentation, health and metrics.
///
/// The API serves at most `most_calls` calls at once. The rest is answered however many there are: a service that
/// has much to do is not ill.
pub fn public_routes<A: OpenApi + 'static>(
    api: OpenApiService<A, ()>,
    roots: &[&str],
    vitals: Vec<Vitals>,
    telemetry: Telemetry,
    most_calls: u32,
) -> Route {
    let fixed = Route::new()
        .nest("/docs", api.swagger_ui())
        .at("/openapi.json", api.spec_endpoint())
        .nest("/health", health_routes(vitals))
        .at("/metrics", metrics_endpoint(telemetry));
    let allow = Allow::documented_in(&api.spec());
    let api = api.into_endpoint().with(allow).with(Admission::of(most_calls as usize));
    let api = Arc::new(api);
    roots
        .iter()
        .fold(fixed, |routes, root| routes.nest_no_strip(root, api.clone()))
}

fn health_routes(vitals: Vec<Vitals>) -> Route {
    let vitals: Arc<[Vitals]> = vitals.into();
    Route::new().at("/live", make(|_| async { "live\n" })).at(
        "/ready",
        make(move |_| {
            let vitals = vitals.clone();
            async move { readiness(&vitals).await }
        }),
    )
}

fn metrics_endpoint(telemetry: Telemetry) -> impl Endpoint {
    make(move |_| {
        let text = telemetry.render();
        async move {
            Response::builder()
                .content_type("text/plain; version=0.0.4; charset=utf-8")
                .body(text)
        }
    })
}

/// As tokio's own `bind`, with room for more callers that come at once.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A port whose last connections are still being forgotten may be taken again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket that is bound and not yet served.
pub struct Bound {
    acceptor: TcpAcceptor,
    address: SocketAddr,
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
        "{0} can be reached from other machines, and Holdfast does not authenticate anyone: listen on 127.0.0.1, or say --allow-remote where the network keeps strangers out"
    )]
    Remote(SocketAddr),
}

impl Bound {
    /// Binds an address; a non-loopback one only where `allow_remote` says so.
    pub fn bind(address: SocketAddr, allow_remote: bool) -> Result<Self, BindError> {
        if !address.ip().is_loopback() && !allow_remote {
            return Err(BindError::Remote(address));
        }
        // Every connection is an open file. The usual limit is for programs that use select(2); ours may be raised.
        if let Err(cause) = rlimit::increase_nofile_limit(u64::MAX) {
            tracing::warn!(%cause, "the number of open files stays as it was");
        }
        let refused = |cause| BindError::Refused { address, cause };
        let listener = listen(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let acceptor = TcpAcceptor::from_tokio(listener).map_err(refused)?;
        Ok(Self { acceptor, address })
    }

    /// Where it listens; tells the port where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then finishes what is being served.
    ///
    /// # Errors
    /// What the operating system said when the socket failed.
    pub async fn serve<E>(self, routes: E, stop: CancellationToken) -> std::io::Result<()>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let served = routes.into_endpoint().with(Edge);
        Server::new_with_acceptor(self.acceptor)
            .idle_timeout(IDLE_TIMEOUT)
            .run_with_graceful_shutdown(served, stop.cancelled_owned(), Some(STOP_PATIENCE))
            .await
    }
}
