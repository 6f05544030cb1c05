//! One connection to one redis-server, and the bytes on it.
//!
//! fred carries everything else. A lane speaks for itself, because fred 10.1 writes to the socket once for each command
//! of a transaction: measured, 12.6 writes a batch, and a redis-server woken for each. Here all that a batch asks goes
//! out in one write, and its answers are read until they are complete.
//!
//! Source: <https://redis.io/docs/latest/develop/reference/protocol-spec/> (RESP2)

use std::{io, path::Path, time::Duration};

use bytes::BytesMut;
use redis_protocol::{
    error::RedisProtocolError,
    resp2::{decode::decode_bytes_mut, types::BytesFrame},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

/// What Redis answers to one command.
pub(crate) type Reply = BytesFrame;

/// What Redis says is wrong, where an answer is an error.
pub(crate) fn error(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Error(cause) => Some(cause),
        _ => None,
    }
}

/// How much is read at once, at least: a batch's records in few reads.
const READ: usize = 64 * 1024;

/// Nothing more can be learned on this connection.
///
/// What was sent may have been done. The connection must not be used any more: a late answer would be taken for the
/// answer to something else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("Redis did not answer within {0:?}")]
    Timeout(Duration),
    #[error("Redis closed the connection")]
    Closed,
    #[error("the connection to Redis broke: {0}")]
    Broken(#[from] io::Error),
    #[error("Redis does not speak its protocol: {0}")]
    Garbled(#[from] RedisProtocolError),
    #[error("Redis sent what nobody had asked for")]
    Unasked,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that never reconnects and never repeats anything.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    timeout: Duration,
    outgoing: Vec<u8>,
    /// How many commands are in `outgoing`.
    asked: usize,
    incoming: BytesMut,
}

impl Wire {
    /// Over TCP.
    pub(crate) async fn over_tcp(host: &str, port: u16, timeout: Duration) -> Result<Self, WireError> {
        let stream = within(timeout, TcpStream::connect((host, port))).await?;
        // A batch is one write; to wait for more to send would only be late.
        stream.set_nodelay(true)?;
        Ok(Self::on(stream, timeout))
    }

    /// Over a socket in the file system.
    pub(crate) async fn over_unix(path: &Path, timeout: Duration) -> Result<Self, WireError> {
        let stream = within(timeout, UnixStream::connect(path)).await?;
        Ok(Self::on(stream, timeout))
    }

    fn on(stream: impl Stream + 'static, timeout: Duration) -> Self {
        Self {
            stream: Box::new(stream),
            timeout,
            outgoing: Vec::new(),
            asked: 0,
            incoming: BytesMut::new(),
        }
    }

    /// Adds a command to what [`Wire::exchange`] sends.
    pub(crate) fn ask<'a>(&mut self, name: &'a str, arguments: impl IntoIterator<Item = &'a [u8]>) {
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
    pub(crate) async fn exchange(&mut self) -> Result<Vec<Reply>, WireError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.exchange_unbounded())
            .await
            .map_err(|_| WireError::Timeout(timeout))?
    }

    async fn exchange_unbounded(&mut self) -> Result<Vec<Reply>, WireError> {
        self.stream.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        let asked = std::mem::take(&mut self.asked);
        let mut replies = Vec::with_capacity(asked);
        while replies.len() < asked {
            match decode_bytes_mut(&mut self.incoming)? {
                Some((reply, _, _)) => replies.push(reply),
                None => self.read().await?,
            }
        }
        if self.incoming.is_empty() {
            Ok(replies)
        } else {
            Err(WireError::Unasked)
        }
    }

    async fn read(&mut self) -> Result<(), WireError> {
        self.incoming.reserve(READ);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => Err(WireError::Closed),
            _ => Ok(()),
        }
    }
}

/// A marker and a number: how every part of a command begins.
fn head(outgoing: &mut Vec<u8>, marker: u8, number: usize) {
    use std::io::Write;
    outgoing.push(marker);
    // Writing to memory does not fail.
    let _ = write!(outgoing, "{number}\r\n");
}

async fn within<T>(timeout: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, WireError> {
    tokio::time::timeout(timeout, work)
        .await
        .map_err(|_| WireError::Timeout(timeout))?
        .map_err(WireError::Broken)
}
