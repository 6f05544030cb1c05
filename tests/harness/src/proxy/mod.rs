//! A TCP proxy between a client and one server, which misbehaves in every way that a network can.
//!
//! - for as long as it is in [`Trouble`];
//! - once, with a request that holds a pattern: it is armed with a [`Fault`];
//! - to all connections that are open at a moment: they are cut, or fall silent.
//!
//! ```text
//! client <── relay: one task a direction ──> server
//!              │ line: what the proxy does to all connections
//!              └ exchange: what was asked and answered on this one, and the fault that has struck it
//! ```

mod duplicate;
mod exchange;
mod line;
mod relay;
mod resp;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpListener, sync::watch, time::timeout};

pub use self::{exchange::Fault, line::Trouble};
use self::{
    exchange::{Armed, Delayed, Forbidden},
    line::{Line, State},
    relay::relay,
};
use crate::{PATIENCE, unused_address};

/// The proxy. It ends with the value.
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    armed: Arc<Armed>,
    /// Held by every connection, and by whoever makes them.
    connections: Arc<()>,
}

impl FaultProxy {
    /// Starts a proxy to `server`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(server: SocketAddr) -> Self {
        let address = unused_address();
        let listener = TcpListener::bind(address).await.expect("an unused address");
        let (state, watching) = watch::channel(State::default());
        let (armed, connections) = (Arc::new(Armed::default()), Arc::new(()));
        let (arming, open) = (armed.clone(), connections.clone());
        tokio::spawn(async move {
            let mut gone = watching.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        let (line, armed, open) = (Line::new(&watching), arming.clone(), open.clone());
                        tokio::spawn(async move {
                            relay(client, server, line, armed).await;
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
            armed,
            connections,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the proxy in trouble, or ends its trouble.
    pub fn set(&self, trouble: Option<Trouble>) {
        self.state.send_modify(|state| state.trouble = trouble);
    }

    /// Lets each piece of a request be so long under way.
    pub fn lengthen(&self, way: Duration) {
        self.set(Some(Trouble::DelayRequests(way)));
    }

    /// Breaks every connection that is open. New connections work.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Lets every connection that is open carry nothing any more, in either direction, until its ends close it: what
    /// they send is acknowledged and thrown away, and neither hears that the other has closed. New connections work.
    /// Returns how many those are.
    #[expect(
        clippy::must_use_candidate,
        reason = "most callers want the silence and not the number"
    )]
    pub fn silence(&self) -> usize {
        self.state.send_modify(|state| state.silences += 1);
        Arc::strong_count(&self.connections) - 2
    }

    /// Misbehaves at the next request that holds `pattern`, once, after all faults that were armed before have happened.
    pub fn arm(&self, pattern: &str, fault: Fault) {
        lock(&self.armed.faults).push_back((pattern.as_bytes().to_vec(), fault));
    }

    /// Waits until the next fault has happened.
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`].
    pub async fn struck(&self) {
        let struck = timeout(PATIENCE, self.armed.struck.acquire()).await;
        let struck = struck.unwrap_or_else(|_| unreachable!("the fault did not happen within {PATIENCE:?}"));
        struck.expect("the semaphore is never closed").forget();
    }

    /// Delivers the request that [`Fault::DelayRequest`] or [`Fault::HoldRequest`] kept back and returns the server's answer.
    ///
    /// # Panics
    /// If there is none, or no answer comes within [`PATIENCE`].
    pub async fn deliver(&self) -> Vec<u8> {
        let delayed = lock(&self.armed.delayed).take();
        let Delayed {
            mut server,
            request,
            exchange,
        } = delayed.expect("a delayed request");
        server.write_all(&request).await.expect("the server still listens");
        let answer = timeout(PATIENCE, exchange.answer()).await;
        answer.expect("an answer of the server")
    }

    /// From now on breaks each connection on which a request is sent that holds all of the patterns and has at least this
    /// many bytes.
    pub fn forbid(&self, patterns: &[&str], min_bytes: usize) {
        let patterns = patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect();
        *lock(&self.armed.forbidden) = Some(Forbidden { patterns, min_bytes });
    }

    /// Lets every request pass again.
    pub fn allow(&self) {
        *lock(&self.armed.forbidden) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A proxy to a server that sends back whatever it gets.
    async fn to_an_echo() -> FaultProxy {
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
        FaultProxy::start(address).await
    }

    async fn open(proxy: &FaultProxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.address()).await.expect("a proxy listens");
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
        let proxy = to_an_echo().await;
        let (mut one, mut other) = (open(&proxy).await, open(&proxy).await);
        assert_eq!(proxy.silence(), 2);
        assert!(!comes_back(&mut one, 1).await && !comes_back(&mut other, 1).await);
        assert!(comes_back(&mut open(&proxy).await, 1).await);
        assert!(!comes_back(&mut one, 1).await, "for ever");
        // Another trouble that ends does not wake it.
        proxy.set(Some(Trouble::Stall));
        proxy.set(None);
        assert!(!comes_back(&mut one, 1).await);
    }

    #[tokio::test]
    async fn what_is_bigger_than_a_packet_is_lost_with_all_that_follows_it() {
        for trouble in [Trouble::LoseBigRequests(1_400), Trouble::LoseBigReplies(1_400)] {
            let proxy = to_an_echo().await;
            let mut stream = open(&proxy).await;
            proxy.set(Some(trouble));
            assert!(comes_back(&mut stream, 1_400).await, "{trouble:?}: small ones pass");
            assert!(!comes_back(&mut stream, 1_401).await, "{trouble:?}: a big one does not");
            assert!(
                !comes_back(&mut stream, 1).await,
                "{trouble:?}: nor does what follows it"
            );
            assert!(
                comes_back(&mut open(&proxy).await, 1).await,
                "{trouble:?}: other connections do"
            );
            proxy.set(None);
            assert!(
                !comes_back(&mut stream, 1).await,
                "{trouble:?}: what is lost stays lost"
            );
        }
    }
}
