use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
};

use crate::{PATIENCE, unused_address};

/// What the proxy does with the first request that holds the pattern it was armed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request does not arrive, and the connection breaks.
    DropRequest,
    /// The request arrives, the answer does not, and the connection breaks.
    DropReply,
    /// The client's connection breaks; the request arrives when [`Proxy::deliver`] says so.
    DelayRequest,
    /// Neither the request nor anything after it arrives; the connection stays.
    StallRequest,
    /// The request arrives, and no answer ever does; the connection stays.
    StallReply,
}

/// A TCP proxy between a client and one server, which misbehaves once when it is armed.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    armed: Mutex<Option<(Vec<u8>, Fault)>>,
    struck: Notify,
    delayed: Mutex<Option<(OwnedWriteHalf, OwnedReadHalf, Vec<u8>)>>,
    cut: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy to `server`.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub async fn start(server: SocketAddr) -> Self {
        let address = unused_address();
        let listener = TcpListener::bind(address).await.expect("an unused address");
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, accepting.clone()));
            }
        });
        Self { address, shared }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Misbehaves at the next request that holds `pattern`, once.
    pub fn arm(&self, pattern: &str, fault: Fault) {
        *lock(&self.shared.armed) = Some((pattern.as_bytes().to_vec(), fault));
    }

    /// Waits until the fault has happened.
    ///
    /// # Panics
    /// Where it does not within [`PATIENCE`].
    pub async fn struck(&self) {
        let struck = tokio::time::timeout(PATIENCE, self.shared.struck.notified()).await;
        assert!(struck.is_ok(), "the fault did not happen within {PATIENCE:?}");
    }

    /// Breaks every connection.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Delivers the request that [`Fault::DelayRequest`] kept back and returns the server's answer.
    ///
    /// # Panics
    /// Where there is none, or the server has closed the connection.
    pub async fn deliver(&self) -> Vec<u8> {
        let (mut writer, mut reader, request) = lock(&self.shared.delayed).take().expect("a delayed request");
        writer.write_all(&request).await.expect("the server still listens");
        let mut answer = vec![0; 64 * 1024];
        let length = reader.read(&mut answer).await.expect("an answer");
        answer.truncate(length);
        answer
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn relay(client: TcpStream, server: SocketAddr, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut cut = shared.cut.subscribe();
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    tokio::select! {
        _ = cut.changed() => {}
        () = pump(client_reader, client_writer, server_reader, server_writer, &shared) => {}
    }
}

/// Passes bytes in both directions until one side closes or a fault breaks the connection.
async fn pump(
    mut client_reader: OwnedReadHalf,
    mut client_writer: OwnedWriteHalf,
    mut server_reader: OwnedReadHalf,
    mut server_writer: OwnedWriteHalf,
    shared: &Shared,
) {
    let (mut request, mut reply) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    loop {
        tokio::select! {
            read = client_reader.read(&mut request) => {
                let Some(bytes) = received(&request, read.ok()) else { return };
                let Some(fault) = shared.strikes(bytes) else {
                    if server_writer.write_all(bytes).await.is_err() { return }
                    continue;
                };
                if matches!(fault, Fault::DropReply | Fault::StallReply) {
                    // The server has the request, and has done it, once it begins to answer.
                    if server_writer.write_all(bytes).await.is_err() { return }
                    let _ = server_reader.read(&mut reply).await;
                }
                if fault == Fault::DelayRequest {
                    *lock(&shared.delayed) = Some((server_writer, server_reader, bytes.to_vec()));
                    shared.struck.notify_one();
                    return;
                }
                shared.struck.notify_one();
                if matches!(fault, Fault::StallRequest | Fault::StallReply) {
                    std::future::pending::<()>().await;
                }
                return;
            }
            read = server_reader.read(&mut reply) => {
                let Some(bytes) = received(&reply, read.ok()) else { return };
                if client_writer.write_all(bytes).await.is_err() { return }
            }
        }
    }
}

fn received(buffer: &[u8], read: Option<usize>) -> Option<&[u8]> {
    read.filter(|length| *length > 0).map(|length| &buffer[..length])
}

impl Shared {
    /// The armed fault, disarmed, where the request holds its pattern.
    fn strikes(&self, request: &[u8]) -> Option<Fault> {
        let mut armed = lock(&self.armed);
        let (pattern, _) = armed.as_ref()?;
        let holds = request.windows(pattern.len()).any(|window| window == pattern);
        if holds {
            armed.take().map(|(_, fault)| fault)
        } else {
            None
        }
    }
}
