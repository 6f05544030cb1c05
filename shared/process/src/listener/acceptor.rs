//! Taking connections, within a bound, and patiently if no more files can be opened.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::Bound;

/// How many connections may wait to be accepted; the system may allow fewer. If there is no room, a caller believes
/// that it is connected and sends in vain: measured, one among thousands then heard nothing for three seconds.
const BACKLOG: u32 = 16_384;
/// How many connections may be open. Each costs about 10 kB while it is idle.
const MAX_CONNECTIONS: usize = 16_384;
/// How many open files are for everything else: the stores, the log, calls to other services.
const FILES_KEPT: u64 = 64;
/// How long nothing is accepted after the system has refused it.
const PAUSE: Duration = Duration::from_millis(100);
/// How long connections have to be accepted until a refusal is news again.
const QUIET: Duration = Duration::from_secs(10);

/// A socket that listens.
pub(crate) struct Acceptor {
    listener: TcpListener,
    max_connections: usize,
    /// When the system last refused a connection, if that is not long ago.
    refused: Option<Instant>,
    /// Those that take its place.
    moves: Option<mpsc::Receiver<Bound>>,
}

impl Acceptor {
    /// Listens, as tokio's own `bind`, with room for more callers that come at once.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A port whose last connections are still being forgotten may be taken again.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self {
            listener: socket.listen(BACKLOG)?,
            max_connections: max_connections(open_files()),
            refused: None,
            moves: None,
        })
    }

    /// Goes on at the address of each socket that comes.
    pub(super) fn follow(&mut self, moves: mpsc::Receiver<Bound>) {
        self.moves = Some(moves);
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// How many connections may be open at once. One more waits.
    pub(crate) fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// The next connection. May be dropped and called again.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(refused) = self.refused {
                sleep_until(refused + PAUSE).await;
            }
            let accepted = tokio::select! {
                biased;
                Some(moved) = next(self.moves.as_mut()) => {
                    self.listener = moved.into_acceptor().listener;
                    continue;
                }
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => {
                    if self.refused.take_if(|refused| refused.elapsed() > QUIET).is_some() {
                        tracing::info!("connections are accepted again");
                    }
                    return accepted;
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    // It comes again at once, or after the next connection, so it is said once.
                    if self.refused.replace(Instant::now()).is_none() {
                        tracing::error!(%error, "no connection can be accepted");
                    }
                }
            }
        }
    }
}

/// The next one that takes this one's place, if any can come.
async fn next(moves: Option<&mut mpsc::Receiver<Bound>>) -> Option<Bound> {
    match moves {
        Some(moves) => moves.recv().await,
        None => None,
    }
}

/// How many files the process may open, after it has asked for more: the usual limit is for programs that use select(2).
fn open_files() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|cause| {
        tracing::warn!(%cause, "the number of open files stays as it was");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024)
    })
}

fn max_connections(open_files: u64) -> usize {
    let room = open_files.saturating_sub(FILES_KEPT).max(1);
    usize::try_from(room).map_or(MAX_CONNECTIONS, |room| room.min(MAX_CONNECTIONS))
}

/// A caller that has gone before it was accepted is no trouble of ours (accept(2), "Error handling").
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_other_files() {
        assert_eq!(max_connections(1_024), 960);
        assert_eq!(max_connections(u64::MAX), MAX_CONNECTIONS);
        assert_eq!(max_connections(10), 1);
    }
}
