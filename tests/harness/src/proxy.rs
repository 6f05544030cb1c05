use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, watch},
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
    /// The client's connection stays, and waits; the request arrives when [`Proxy::deliver`] says so.
    HoldRequest,
    /// Neither the request nor anything after it arrives; the connection stays.
    StallRequest,
    /// The request arrives, and no answer ever does; the connection stays.
    StallReply,
}

impl Fault {
    fn lets_the_request_through(self) -> bool {
        matches!(self, Self::DropReply | Self::StallReply)
    }
}

const BUFFER: usize = 256 * 1024;

/// A TCP proxy between a client and one server, which misbehaves once when it is armed.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Requests that hold all of the patterns, and are at least so long.
struct Forbidden {
    patterns: Vec<Vec<u8>>,
    length: usize,
}

struct Shared {
    armed: Mutex<VecDeque<(Vec<u8>, Fault)>>,
    /// One permit for each fault that has happened and was not waited for.
    struck: Semaphore,
    delayed: Mutex<Option<(OwnedWriteHalf, OwnedReadHalf, Talk)>>,
    forbidden: Mutex<Option<Forbidden>>,
    /// How long each piece of a request is under way.
    way: Mutex<Duration>,
    cut: watch::Sender<u64>,
    silenced: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy to `server`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(server: SocketAddr) -> Self {
        let address = unused_address();
        let listener = TcpListener::bind(address).await.expect("an unused address");
        let shared = Arc::new(Shared {
            armed: Mutex::default(),
            struck: Semaphore::new(0),
            delayed: Mutex::default(),
            forbidden: Mutex::default(),
            way: Mutex::default(),
            cut: watch::Sender::default(),
            silenced: watch::Sender::default(),
        });
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let silenced = accepting.silenced.subscribe();
                tokio::spawn(relay(client, server, silenced, accepting.clone()));
            }
        });
        Self { address, shared }
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Misbehaves at the next request that holds `pattern`, once, after all faults that were armed before have happened.
    pub fn arm(&self, pattern: &str, fault: Fault) {
        lock(&self.shared.armed).push_back((pattern.as_bytes().to_vec(), fault));
    }

    /// From now on breaks each connection on which a request is sent that holds all of the patterns and has at least this
    /// many bytes.
    pub fn forbid(&self, patterns: &[&str], length: usize) {
        let patterns = patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect();
        *lock(&self.shared.forbidden) = Some(Forbidden { patterns, length });
    }

    /// Lets every request pass again.
    pub fn allow(&self) {
        *lock(&self.shared.forbidden) = None;
    }

    /// Lets each request be so long under way.
    pub fn lengthen(&self, way: Duration) {
        *lock(&self.shared.way) = way;
    }

    /// Waits until the next fault has happened.
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`].
    pub async fn struck(&self) {
        let struck = tokio::time::timeout(PATIENCE, self.shared.struck.acquire()).await;
        let struck = struck.unwrap_or_else(|_| unreachable!("the fault did not happen within {PATIENCE:?}"));
        struck.expect("the semaphore is never closed").forget();
    }

    /// Breaks every connection.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Lets every connection that is open carry nothing any more, in either direction, until its ends close it: what
    /// they send is acknowledged and thrown away, and neither hears that the other has closed. New connections work.
    pub fn silence(&self) {
        self.shared.silenced.send_modify(|silences| *silences += 1);
    }

    /// Delivers the request that [`Fault::DelayRequest`] or [`Fault::HoldRequest`] kept back and returns the server's answer.
    ///
    /// # Panics
    /// If there is none, or the server has closed the connection.
    pub async fn deliver(&self) -> Vec<u8> {
        let delayed = lock(&self.shared.delayed).take();
        let (mut writer, mut reader, mut talk) = delayed.expect("a delayed request");
        writer
            .write_all(&talk.kept_back)
            .await
            .expect("the server still listens");
        let mut reply = vec![0; BUFFER];
        while !talk.is_answered() {
            let length = reader.read(&mut reply).await.expect("an answer");
            assert!(length > 0, "the server has closed the connection");
            talk.replies.extend_from_slice(&reply[..length]);
        }
        talk.replies
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn relay(client: TcpStream, server: SocketAddr, mut silenced: watch::Receiver<u64>, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut cut = shared.cut.subscribe();
    let (client_reader, client_writer) = client.into_split();
    let (server_reader, server_writer) = server.into_split();
    let client = (client_reader, client_writer);
    let server = (server_reader, server_writer);
    tokio::select! {
        _ = cut.changed() => {}
        () = pump(client, server, &mut silenced, &shared) => {}
    }
}

/// Passes bytes in both directions until one side closes or a fault breaks the connection.
async fn pump(
    (mut client_reader, mut client_writer): (OwnedReadHalf, OwnedWriteHalf),
    (mut server_reader, mut server_writer): (OwnedReadHalf, OwnedWriteHalf),
    silenced: &mut watch::Receiver<u64>,
    shared: &Shared,
) {
    let (mut request, mut reply) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut talk = Talk::default();
    let mut fault = None;
    loop {
        tokio::select! {
            _ = silenced.changed() => {
                tokio::join!(swallow(&mut client_reader), swallow(&mut server_reader));
                return;
            }
            read = client_reader.read(&mut request) => {
                let Some(bytes) = received(&request, read.ok()) else { return };
                if talk.requests.is_empty() {
                    // What came since then still belonged to the answer before.
                    talk.replies.clear();
                }
                talk.requests.extend_from_slice(bytes);
                if shared.forbids(&talk.requests) { return }
                let way = *lock(&shared.way);
                if !way.is_zero() { tokio::time::sleep(way).await; }
                fault = fault.or_else(|| shared.strikes(&talk.requests));
                if fault.is_some_and(|fault| !fault.lets_the_request_through()) {
                    talk.kept_back = bytes.to_vec();
                    break;
                }
                if server_writer.write_all(bytes).await.is_err() { return }
            }
            read = server_reader.read(&mut reply) => {
                let Some(bytes) = received(&reply, read.ok()) else { return };
                talk.replies.extend_from_slice(bytes);
                if fault.is_none() {
                    if client_writer.write_all(bytes).await.is_err() { return }
                    if talk.is_answered() { talk = Talk::default(); }
                } else if talk.is_answered() {
                    // The server has the whole request and has done it.
                    break;
                }
            }
        }
    }
    match fault {
        Some(Fault::DelayRequest | Fault::HoldRequest) => {
            *lock(&shared.delayed) = Some((server_writer, server_reader, talk));
            shared.struck.add_permits(1);
            if fault == Some(Fault::HoldRequest) {
                std::future::pending::<()>().await;
            }
        }
        Some(Fault::StallRequest | Fault::StallReply) => {
            shared.struck.add_permits(1);
            std::future::pending::<()>().await;
        }
        _ => shared.struck.add_permits(1),
    }
}

/// Throws away what comes, until its sender closes.
async fn swallow(reader: &mut OwnedReadHalf) {
    let mut buffer = vec![0; BUFFER];
    while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
}

/// What went over a connection since all that was asked was answered. A request comes in pieces of any size.
#[derive(Default)]
struct Talk {
    requests: Vec<u8>,
    replies: Vec<u8>,
    /// The last piece of the request, if it was not passed on.
    kept_back: Vec<u8>,
}

impl Talk {
    /// Whether all that was asked has come to its end, and so have as many answers. Of HTTP, the beginning of an answer
    /// is enough.
    fn is_answered(&self) -> bool {
        if !self.requests.starts_with(b"*") {
            return !self.replies.is_empty();
        }
        whole_values(&self.requests).is_some_and(|asked| whole_values(&self.replies) == Some(asked))
    }
}

/// How many values of Redis's protocol these bytes are; nothing if the last one's end is missing.
///
/// Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/> (RESP2)
fn whole_values(mut bytes: &[u8]) -> Option<usize> {
    let mut values = 0;
    while !bytes.is_empty() {
        bytes = &bytes[value_length(bytes)?..];
        values += 1;
    }
    Some(values)
}

/// How long the first value is.
fn value_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|end| end == b"\r\n")? + 2;
    let number = || -> Option<i64> { std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse().ok() };
    match bytes[0] {
        b'$' => match usize::try_from(number()?) {
            Ok(length) => Some(line + length + 2).filter(|end| bytes.len() >= *end),
            Err(_) => Some(line),
        },
        b'*' => (0..number()?).try_fold(line, |end, _| Some(end + value_length(&bytes[end..])?)),
        _ => Some(line),
    }
}

fn last(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).rposition(|window| window == pattern)
}

fn received(buffer: &[u8], read: Option<usize>) -> Option<&[u8]> {
    read.filter(|length| *length > 0).map(|length| &buffer[..length])
}

impl Shared {
    fn forbids(&self, request: &[u8]) -> bool {
        lock(&self.forbidden).as_ref().is_some_and(|forbidden| {
            let mut patterns = forbidden.patterns.iter();
            request.len() >= forbidden.length && patterns.all(|pattern| last(request, pattern).is_some())
        })
    }

    /// The armed fault, disarmed, if the request holds its pattern.
    fn strikes(&self, request: &[u8]) -> Option<Fault> {
        let mut armed = lock(&self.armed);
        let (pattern, _) = armed.front()?;
        last(request, pattern)?;
        armed.pop_front().map(|(_, fault)| fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talk_is_answered_once_each_command_is() {
        let requests = b"*2\r\n$5\r\nWATCH\r\n$1\r\na\r\n*2\r\n$4\r\nMGET\r\n$1\r\na\r\n*1\r\n$5\r\nMULTI\r\n";
        let replies = b"+OK\r\n*2\r\n$3\r\n1\r\n\r\n$-1\r\n+OK\r\n";
        for length in 0..=replies.len() {
            let talk = Talk {
                requests: requests.to_vec(),
                replies: replies[..length].to_vec(),
                kept_back: Vec::new(),
            };
            assert_eq!(talk.is_answered(), length == replies.len(), "{length}");
        }
        assert_eq!(whole_values(b"*-1\r\n"), Some(1));
    }
}
