//! The handshakes of TLS, within bounds of number and of time: each costs memory and processor time before anybody has
//! asked for anything.

use std::{io, time::Duration};

use credentials::tls::ServerTls;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_rustls::server::TlsStream;

/// How long a client may take for its handshake, the wait for a place included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many handshakes may be under way at once. So many that silent clients cannot take all places by hundreds.
const MAX_HANDSHAKES: usize = 4_096;

/// Shakes hands with clients.
pub(super) struct Handshakes {
    tls: ServerTls,
    places: Semaphore,
}

impl Handshakes {
    pub(super) fn new(tls: ServerTls) -> Self {
        Self {
            tls,
            places: Semaphore::new(MAX_HANDSHAKES),
        }
    }

    /// Shakes hands with one client.
    ///
    /// # Errors
    /// It speaks no TLS that we do, or has not come to an end with it in time.
    pub(super) async fn shake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        // The last message of a handshake would otherwise wait for the client to acknowledge the one before.
        stream.set_nodelay(true)?;
        let shaken = timeout(PATIENCE, async {
            let _place = self.places.acquire().await.map_err(io::Error::other)?;
            self.tls.acceptor().accept(stream).await
        });
        shaken.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
