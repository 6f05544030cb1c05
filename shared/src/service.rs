//! Running a service: its two sockets, until it is told to stop.

use poem::Route;
use tokio_util::sync::CancellationToken;

use crate::{config::ServiceConfig, http::Bound};

/// Serves the public and the internal routes until `stop`, then finishes what is being served.
///
/// # Errors
/// An address that cannot be bound, or a socket that fails.
pub async fn serve(
    config: &ServiceConfig,
    public: Route,
    internal: Route,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let public_socket = Bound::bind(config.listen, config.allow_remote).await?;
    let internal_socket = Bound::bind(config.internal_listen, config.allow_remote).await?;
    tracing::info!(public = %public_socket.address(), internal = %internal_socket.address(), "serving");
    tokio::try_join!(
        public_socket.serve(public, stop.clone()),
        internal_socket.serve(internal, stop)
    )?;
    Ok(())
}

/// The service cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] crate::http::BindError),
    /// A socket failed.
    #[error("a socket failed: {0}")]
    Socket(#[from] std::io::Error),
}
