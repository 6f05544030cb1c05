//! Serving a socket: connections within bounds of number and of time, and an orderly end.
//!
//! hyper speaks the protocol. poem's own server sets none of hyper's time limits, asks again and again if no more
//! files can be opened, and takes as many connections as come.
//!
//! ```text
//! stop ──> connections close once they have answered; new ones hear that the service is stopping
//!          nothing is being served, or STOP_PATIENCE is over ──> no new ones, FLUSH_PATIENCE, the end
//! ```

mod handshake;
mod progress;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use credentials::tls::ServerTls;
use futures::StreamExt;
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use poem::{
    Addr, Body, Endpoint, Request, Response,
    http::{self, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    handshake::Handshakes,
    progress::{Progress, Watched},
};
use crate::listener::Acceptor;

/// How long a stopping server waits for the requests that it is serving. With what a service does afterwards it ends
/// within [`STOP_WITHIN`](crate::shutdown::STOP_WITHIN).
const STOP_PATIENCE: Duration = Duration::from_millis(6_500);
/// How long what was answered may take to be written, then.
const FLUSH_PATIENCE: Duration = Duration::from_millis(300);
/// How long a request's body may bring nothing.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How often a connection is looked at whether it is overdue.
const LOOK: Duration = Duration::from_secs(2);
/// What hyper keeps of a request's head at most, in bytes.
const MAX_HEAD: usize = 128 * 1024;
/// How large the head of a request by HTTP/2 may be, in bytes, and how many such requests one connection may have: in
/// all, and given up before they were answered (hyper's and h2's own defaults).
const MAX_HTTP2_HEAD: u32 = 16 * 1024;
const MAX_HTTP2_STREAMS: u32 = 200;
const MAX_HTTP2_RESETS: usize = 20;

/// Serves every connection until `stop`, then finishes what is being served.
///
/// While it stops, new requests are still taken, so that whoever asks for its health hears that it stops; `endpoint`
/// refuses all others.
pub(crate) async fn serve<E>(mut acceptor: Acceptor, tls: Option<ServerTls>, endpoint: E, stop: CancellationToken)
where
    E: Endpoint<Output = Response> + 'static,
{
    let server = Arc::new(Server::new(tls, endpoint));
    let mut connections = JoinSet::new();
    let closing = CancellationToken::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => told(ended),
            (stream, remote) = acceptor.accept(), if connections.len() < acceptor.max_connections() => {
                connections.spawn(server.clone().converse(stream, remote, closing.clone()));
            }
        }
    }
    closing.cancel();
    // Those that come now have come to hear that it stops.
    let closing = CancellationToken::new();
    let patience = Instant::now() + STOP_PATIENCE;
    loop {
        tokio::select! {
            biased;
            () = server.served.none() => break,
            () = sleep_until(patience) => {
                tracing::warn!(requests = server.served.count(), "what is still being served is given up");
                break;
            }
            Some(ended) = connections.join_next() => told(ended),
            (stream, remote) = acceptor.accept(), if connections.len() < acceptor.max_connections() => {
                connections.spawn(server.clone().converse(stream, remote, closing.clone()));
            }
        }
    }
    drop(acceptor);
    closing.cancel();
    let written = async { while connections.join_next().await.is_some() {} };
    // What is not written by now goes to somebody who does not read.
    let _ = timeout(FLUSH_PATIENCE, written).await;
    connections.shutdown().await;
}

/// A connection's task fails if a panic came through.
fn told(ended: Result<(), tokio::task::JoinError>) {
    if let Err(broken) = ended {
        tracing::error!(%broken, "a connection broke");
    }
}

/// Both ends of a connection, and what its URLs begin with.
#[derive(Clone)]
struct Ends {
    local: SocketAddr,
    remote: SocketAddr,
    scheme: Scheme,
}

struct Server<E> {
    endpoint: E,
    handshakes: Option<Handshakes>,
    http: auto::Builder<TokioExecutor>,
    served: Served,
}

impl<E: Endpoint<Output = Response> + 'static> Server<E> {
    fn new(tls: Option<ServerTls>, endpoint: E) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().max_buf_size(MAX_HEAD);
        http.http2()
            .max_concurrent_streams(MAX_HTTP2_STREAMS)
            .max_pending_accept_reset_streams(MAX_HTTP2_RESETS)
            .max_header_list_size(MAX_HTTP2_HEAD);
        Self {
            endpoint,
            handshakes: tls.map(Handshakes::new),
            http,
            served: Served::default(),
        }
    }

    /// Serves one connection, after the handshake of TLS if there is one.
    async fn converse(self: Arc<Self>, stream: TcpStream, remote: SocketAddr, closing: CancellationToken) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let ends = |scheme| Ends { local, remote, scheme };
        let Some(handshakes) = &self.handshakes else {
            return self.talk(stream, ends(Scheme::HTTP), closing).await;
        };
        let shaken = closing.run_until_cancelled(handshakes.shake(stream));
        match shaken.await {
            Some(Ok(stream)) => self.talk(stream, ends(Scheme::HTTPS), closing).await,
            Some(Err(error)) => tracing::debug!(%remote, %error, "no TLS with a client"),
            None => {}
        }
    }

    /// Serves one connection until it ends, is overdue, or has answered after `closing`.
    async fn talk<S>(self: &Arc<Self>, stream: S, ends: Ends, closing: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let remote = ends.remote;
        let progress = Arc::new(Progress::default());
        let io = TokioIo::new(Watched::new(stream, progress.clone()));
        let server = self.clone();
        let of_connection = progress.clone();
        let service = service_fn(move |request| {
            let (server, progress, ends) = (server.clone(), of_connection.clone(), ends.clone());
            async move { Ok::<_, Infallible>(server.answer(request, &progress, ends).await) }
        });
        let connection = self.http.serve_connection(io, service);
        tokio::pin!(connection);
        let mut look = interval(LOOK);
        // A child: what is polled with every byte has its own lock, and not one that all connections share.
        let closing = closing.child_token();
        let mut is_closing = false;
        loop {
            tokio::select! {
                biased;
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%remote, %error, "a connection has ended");
                    }
                    return;
                }
                () = closing.cancelled(), if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = look.tick() => if let Some(overdue) = progress.overdue() {
                    tracing::debug!(%remote, overdue, "a connection is closed");
                    return;
                },
            }
        }
    }

    async fn answer(
        &self,
        request: http::Request<Incoming>,
        progress: &Progress,
        ends: Ends,
    ) -> http::Response<BoxBody<Bytes, io::Error>> {
        let _served = (self.served.one_more(), progress.serving());
        let addresses = (LocalAddr(Addr::from(ends.local)), RemoteAddr(Addr::from(ends.remote)));
        let mut request = Request::from((request, addresses.0, addresses.1, ends.scheme));
        let body = request.take_body();
        if !body.is_empty() {
            request.set_body(impatient(body));
        }
        self.endpoint.get_response(request).await.into()
    }
}

/// A body that fails if it brings nothing for [`BODY_PATIENCE`].
fn impatient(body: Body) -> Body {
    let chunks = Box::pin(body.into_bytes_stream());
    Body::from_bytes_stream(futures::stream::unfold(Some(chunks), async |chunks| {
        let mut chunks = chunks?;
        match timeout(BODY_PATIENCE, chunks.next()).await {
            Ok(chunk) => Some((chunk?, Some(chunks))),
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    }))
}

/// How many requests are being served.
#[derive(Default)]
struct Served {
    requests: AtomicUsize,
    none: Notify,
}

impl Served {
    fn one_more(&self) -> ServedOne<'_> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        ServedOne(self)
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits until none is.
    async fn none(&self) {
        loop {
            // Before the look, so that what happens in between is heard of.
            let none = self.none.notified();
            if self.count() == 0 {
                return;
            }
            none.await;
        }
    }
}

/// A request that is served until this is dropped, with its answer or because its connection has ended.
struct ServedOne<'a>(&'a Served);

impl Drop for ServedOne<'_> {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.none.notify_waiters();
        }
    }
}
