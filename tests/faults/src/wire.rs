//! A TCP proxy between two parts that can be put in trouble for a while.

use std::{net::SocketAddr, sync::Arc};

use harness::unused_address;
use tokio::{net::TcpListener, sync::watch};

use super::{fault::Trouble, pump::relay};

/// The proxy. It ends with the value.
pub(crate) struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// Held by every connection, and by whoever makes them.
    connections: Arc<()>,
}

/// What the wire does to its connections.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    trouble: Option<Trouble>,
    /// How often all connections that were open have fallen silent.
    silences: u64,
}

impl Wire {
    /// Starts a wire to `server`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let address = unused_address();
        let listener = TcpListener::bind(address).await.expect("an unused address");
        let (state, watching) = watch::channel(State::default());
        let connections = Arc::new(());
        let open = connections.clone();
        tokio::spawn(async move {
            let mut gone = watching.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        let (line, open) = (Line::new(&watching), open.clone());
                        tokio::spawn(async move {
                            relay(client, server, line).await;
                            drop(open);
                        });
                    }
                    changed = gone.changed() => if changed.is_err() { return },
                }
            }
        });
        Self {
            address,
            state,
            connections,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the wire in trouble, or ends its trouble.
    pub(crate) fn set(&self, trouble: Option<Trouble>) {
        self.state.send_modify(|state| state.trouble = trouble);
    }

    /// Lets every connection that is open carry nothing any more, and returns how many those are.
    pub(crate) fn silence(&self) -> usize {
        self.state.send_modify(|state| state.silences += 1);
        Arc::strong_count(&self.connections) - 2
    }
}

/// What one connection sees of its wire. If the wire is gone, whatever is waited for has come.
#[derive(Clone)]
pub(crate) struct Line {
    state: watch::Receiver<State>,
    /// How often the wire had fallen silent before the connection was made.
    silences: u64,
}

impl Line {
    fn new(state: &watch::Receiver<State>) -> Self {
        Self {
            silences: state.borrow().silences,
            state: state.clone(),
        }
    }

    /// What the wire does now.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.state.borrow().trouble
    }

    /// Whether the connection carries nothing any more.
    pub(crate) fn is_silent(&self) -> bool {
        self.state.borrow().silences != self.silences
    }

    /// Waits until the trouble is one that `is` wants, and returns it.
    pub(crate) async fn until(&mut self, is: impl Fn(Option<Trouble>) -> bool) -> Option<Trouble> {
        self.state.wait_for(|state| is(state.trouble)).await.ok()?.trouble
    }

    /// Waits for as long as nothing passes.
    pub(crate) async fn pass(&mut self) -> Option<Trouble> {
        let trouble = self.until(|trouble| trouble != Some(Trouble::Stall)).await;
        if let Some(Trouble::Delay(delay)) = trouble {
            tokio::time::sleep(delay).await;
        }
        trouble
    }

    /// Waits until the direction to the server is closed. On a silent connection not even that passes.
    pub(crate) async fn until_requests_close(&mut self) {
        let silences = self.silences;
        let closed = |state: &State| match state.trouble {
            Some(Trouble::Cut) => true,
            Some(Trouble::HalfCloseRequests) => state.silences == silences,
            _ => false,
        };
        let _ = self.state.wait_for(closed).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    /// A wire to a server that sends back whatever it gets.
    async fn to_an_echo() -> Wire {
        let listener = TcpListener::bind(unused_address()).await.expect("an unused address");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
            }
        });
        Wire::start(address).await
    }

    async fn open(wire: &Wire) -> TcpStream {
        let mut stream = TcpStream::connect(wire.address()).await.expect("a wire listens");
        assert!(comes_back(&mut stream, 1).await);
        stream
    }

    async fn comes_back(stream: &mut TcpStream, length: usize) -> bool {
        stream
            .write_all(&vec![7; length])
            .await
            .expect("what is sent is acknowledged");
        let mut answer = vec![0; length];
        matches!(
            tokio::time::timeout(SHORT, stream.read_exact(&mut answer)).await,
            Ok(Ok(_))
        )
    }

    #[tokio::test]
    async fn connections_that_were_silenced_stay_silent_and_new_ones_work() {
        let wire = to_an_echo().await;
        let (mut one, mut other) = (open(&wire).await, open(&wire).await);
        assert_eq!(wire.silence(), 2);
        assert!(!comes_back(&mut one, 1).await && !comes_back(&mut other, 1).await);
        assert!(comes_back(&mut open(&wire).await, 1).await);
        assert!(!comes_back(&mut one, 1).await, "for ever");
        // Another trouble that ends does not wake it.
        wire.set(Some(Trouble::Stall));
        wire.set(None);
        assert!(!comes_back(&mut one, 1).await);
    }

    #[tokio::test]
    async fn what_is_bigger_than_a_packet_is_lost_with_all_that_follows_it() {
        for trouble in [Trouble::LoseBigRequests(1_400), Trouble::LoseBigReplies(1_400)] {
            let wire = to_an_echo().await;
            let mut stream = open(&wire).await;
            wire.set(Some(trouble));
            assert!(comes_back(&mut stream, 1_400).await, "{trouble:?}: small ones pass");
            assert!(!comes_back(&mut stream, 1_401).await, "{trouble:?}: a big one does not");
            assert!(
                !comes_back(&mut stream, 1).await,
                "{trouble:?}: nor does what follows it"
            );
            assert!(
                comes_back(&mut open(&wire).await, 1).await,
                "{trouble:?}: other connections do"
            );
            wire.set(None);
            assert!(
                !comes_back(&mut stream, 1).await,
                "{trouble:?}: what is lost stays lost"
            );
        }
    }
}
