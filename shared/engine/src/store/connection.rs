//! One connection to one redis-server, and the bytes on it.
//!
//! fred carries everything else. A lane speaks for itself, because fred 10.1 writes to the socket once for each command
//! of a transaction: measured, 12.6 writes a batch, and a redis-server woken for each. Here all that a batch asks goes
//! out in one write, and its answers are read until they are complete.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/> (RESP2)

use std::{io, path::Path, time::Duration};

use bytes::BytesMut;
use credentials::tls::{explain, is_about_trust};
use fred::types::config::Server;
use redis_protocol::{
    error::RedisProtocolError,
    resp2::{decode::decode_bytes_mut, types::BytesFrame},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::stream::Stream;

/// What Redis answers to one command.
pub type Reply = BytesFrame;

/// What Redis says is wrong, if an answer is an error.
#[must_use]
pub fn error(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Error(cause) => Some(cause),
        _ => None,
    }
}

/// How long a connection may be silent before the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How much is read at once, at least: a batch's records in few reads.
const READ: usize = 64 * 1024;

/// Nothing more can be learned on this connection.
///
/// What was sent may have been done. The connection must not be used any more: a late answer would be taken for the
/// answer to something else.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// There was no answer in time.
    #[error("Redis did not answer within {0:?}")]
    Timeout(Duration),
    /// The other side has ended it.
    #[error("Redis closed the connection")]
    Closed,
    /// The socket failed.
    #[error("the connection to Redis broke: {}", explain(.0))]
    Broken(#[from] io::Error),
    /// There is no encrypted connection.
    #[error("no TLS with Redis at {server}: {}", explain(.cause))]
    Tls {
        /// Who was asked.
        server: String,
        /// What went wrong.
        cause: io::Error,
    },
    /// What came is no answer.
    #[error("Redis does not speak its protocol: {0}")]
    Garbled(#[from] RedisProtocolError),
    /// More came than was asked for.
    #[error("Redis sent what nobody had asked for")]
    Unasked,
}

impl ConnectionError {
    /// Whether one side does not accept the other's certificate.
    pub(super) fn is_about_trust(&self) -> bool {
        matches!(self, Self::Broken(cause) | Self::Tls { cause, .. } if is_about_trust(cause))
    }
}

/// A connection that never reconnects and never repeats anything.
pub struct Connection {
    stream: Stream,
    timeout: Duration,
    outgoing: Vec<u8>,
    /// How many commands are in `outgoing`.
    asked: usize,
    is_asking: bool,
    in_transaction: bool,
    /// Which of them are ASKING, whose answers are nobody's.
    unheard: Vec<usize>,
    incoming: BytesMut,
}

impl Connection {
    /// Over TCP.
    pub(crate) async fn over_tcp(server: &Server, timeout: Duration) -> Result<Self, ConnectionError> {
        let stream = within(timeout, tcp(server, timeout)).await?;
        Ok(Self::on(Stream::Tcp(stream), timeout))
    }

    /// Over TLS. The server's certificate has to be for the name or address that it is reached by.
    pub(crate) async fn over_tls(
        server: &Server,
        connector: &TlsConnector,
        timeout: Duration,
    ) -> Result<Self, ConnectionError> {
        let failed = |cause| ConnectionError::Tls {
            server: format!("{}:{}", server.host, server.port),
            cause,
        };
        let name = ServerName::try_from(server.host.to_string()).map_err(|cause| failed(io::Error::other(cause)))?;
        let connect = async {
            let stream = tcp(server, timeout).await?;
            Ok(connector.connect(name, stream).await.map_err(failed))
        };
        let stream = within(timeout, connect).await??;
        Ok(Self::on(Stream::Tls(Box::new(stream)), timeout))
    }

    /// Over a socket in the file system.
    pub(crate) async fn over_unix(path: &Path, timeout: Duration) -> Result<Self, ConnectionError> {
        let stream = within(timeout, UnixStream::connect(path)).await?;
        Ok(Self::on(Stream::Unix(stream), timeout))
    }

    fn on(stream: Stream, timeout: Duration) -> Self {
        Self {
            stream,
            timeout,
            outgoing: Vec::new(),
            asked: 0,
            is_asking: false,
            in_transaction: false,
            unheard: Vec::new(),
            incoming: BytesMut::new(),
        }
    }

    /// Says ASKING from now on, as a server wants it that is taking a slot over and does not own it yet.
    ///
    /// Once before each command, and once before MULTI for all of a transaction.
    /// Source: <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#ask-redirection>, and
    /// `resetClient` in Redis's networking.c
    pub(crate) fn say_asking(&mut self) {
        self.is_asking = true;
    }

    /// Adds a command to what [`Connection::exchange`] sends.
    pub fn queue<'a>(&mut self, name: &'a str, arguments: impl IntoIterator<Item = &'a [u8]>) {
        if self.is_asking && !self.in_transaction {
            self.unheard.push(self.asked);
            self.put("ASKING", []);
        }
        self.in_transaction = match name {
            "MULTI" => true,
            "EXEC" | "DISCARD" => false,
            _ => self.in_transaction,
        };
        self.put(name, arguments);
    }

    fn put<'a>(&mut self, name: &'a str, arguments: impl IntoIterator<Item = &'a [u8]>) {
        let parts: Vec<&[u8]> = std::iter::once(name.as_bytes()).chain(arguments).collect();
        head(&mut self.outgoing, b'*', parts.len());
        for part in parts {
            head(&mut self.outgoing, b'$', part.len());
            self.outgoing.extend_from_slice(part);
            self.outgoing.extend_from_slice(b"\r\n");
        }
        self.asked += 1;
    }

    /// Sends what was added, and waits for as many answers.
    ///
    /// An answer that is an error is an answer like any other.
    ///
    /// # Errors
    /// Any of them ends the connection: see [`ConnectionError`].
    pub async fn exchange(&mut self) -> Result<Vec<Reply>, ConnectionError> {
        self.exchange_waiting(Duration::ZERO).await
    }

    /// As [`Connection::exchange`], if what was added makes Redis wait for so long before it answers.
    ///
    /// # Errors
    /// As there.
    pub async fn exchange_waiting(&mut self, wait: Duration) -> Result<Vec<Reply>, ConnectionError> {
        let timeout = self.timeout + wait;
        tokio::time::timeout(timeout, self.exchange_unbounded())
            .await
            .map_err(|_| ConnectionError::Timeout(timeout))?
    }

    async fn exchange_unbounded(&mut self) -> Result<Vec<Reply>, ConnectionError> {
        self.stream.write_all(&self.outgoing).await?;
        // What TLS has encrypted may wait for room in the socket. The other streams have nothing to flush.
        self.stream.flush().await?;
        self.outgoing.clear();
        let asked = std::mem::take(&mut self.asked);
        let mut replies = Vec::with_capacity(asked);
        while replies.len() < asked {
            match decode_bytes_mut(&mut self.incoming)? {
                Some((reply, _, _)) => replies.push(reply),
                None => self.read().await?,
            }
        }
        for asking in self.unheard.drain(..).rev() {
            replies.remove(asking);
        }
        if self.incoming.is_empty() {
            Ok(replies)
        } else {
            Err(ConnectionError::Unasked)
        }
    }

    async fn read(&mut self) -> Result<(), ConnectionError> {
        self.incoming.reserve(READ);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => Err(ConnectionError::Closed),
            _ => Ok(()),
        }
    }
}

async fn tcp(server: &Server, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((&*server.host, server.port)).await?;
    // A batch is one write; to wait for more to send would only be late.
    stream.set_nodelay(true)?;
    find_out_when_gone(&stream, timeout)?;
    Ok(stream)
}

/// Lets the system find out that the other side is gone without a word: while nothing is asked, by asking for it now
/// and then, and while something is, within the time that an answer may take.
fn find_out_when_gone(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(timeout))?;
    Ok(())
}

/// A marker and a number: how every part of a command begins.
fn head(outgoing: &mut Vec<u8>, marker: u8, number: usize) {
    use std::io::Write;
    outgoing.push(marker);
    // Writing to memory does not fail.
    let _ = write!(outgoing, "{number}\r\n");
}

async fn within<T>(timeout: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, ConnectionError> {
    tokio::time::timeout(timeout, work)
        .await
        .map_err(|_| ConnectionError::Timeout(timeout))?
        .map_err(ConnectionError::Broken)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.expect("a connection"), server.expect("a caller").0)
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_without_a_word_is_found() {
        let (client, _server) = connected().await;
        let timeout = Duration::from_millis(700);
        find_out_when_gone(&client, timeout).expect("the options");
        let socket = SockRef::from(&client);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), KEEPALIVE);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(timeout));
    }

    #[tokio::test]
    async fn asking_is_said_before_each_command_and_once_for_a_transaction() {
        let (client, mut server) = connected().await;
        let mut connection = Connection::on(Stream::Tcp(client), Duration::from_secs(5));
        connection.say_asking();
        connection.queue("WATCH", [&b"a"[..]]);
        connection.queue("MULTI", []);
        connection.queue("SET", [&b"a"[..], b"1"]);
        connection.queue("EXEC", []);
        connection.queue("GET", [&b"a"[..]]);
        let answers = b"+OK\r\n+1\r\n+OK\r\n+2\r\n+3\r\n*0\r\n+OK\r\n+4\r\n";
        server.write_all(answers).await.expect("a connection");
        let replies = connection.exchange().await.expect("answers");
        let words: Vec<&[u8]> = replies
            .iter()
            .filter_map(|reply| match reply {
                Reply::SimpleString(word) => Some(&**word),
                _ => None,
            })
            .collect();
        assert_eq!(words, [b"1", b"2", b"3", b"4"]);
        let mut sent = vec![0; 1_024];
        let length = server.read(&mut sent).await.expect("what was sent");
        let sent = String::from_utf8_lossy(&sent[..length]).into_owned();
        let names = ["ASKING", "WATCH", "MULTI", "SET", "EXEC", "GET"];
        let said: Vec<&str> = sent.lines().filter(|line| names.contains(line)).collect();
        let expected = ["ASKING", "WATCH", "ASKING", "MULTI", "SET", "EXEC", "ASKING", "GET"];
        assert_eq!(said, expected);
    }
}
