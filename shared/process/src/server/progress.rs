//! What a connection has last brought or taken, and whether it is overdue.
//!
//! hyper's own time limit of a request's head begins when the one before was answered, so it cannot tell a client that
//! keeps its connection for later from one that has sent half a head.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// How long a connection may carry nothing while nothing is asked of it. Longer than the 60 s for which gateways keep
/// theirs, so that none is closed that is about to be used.
const IDLE_PATIENCE: Duration = Duration::from_secs(75);
/// How long a client may take for a request's head, from its first byte.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// No head has begun.
const NONE: u64 = u64::MAX;

/// A connection's times, in milliseconds since it was opened.
pub(super) struct Progress {
    opened: Instant,
    moved: AtomicU64,
    head_begun: AtomicU64,
    serving: AtomicUsize,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            moved: AtomicU64::new(0),
            head_begun: AtomicU64::new(NONE),
            serving: AtomicUsize::new(0),
        }
    }
}

impl Progress {
    fn now(&self) -> u64 {
        self.opened.elapsed().as_millis().try_into().unwrap_or(NONE - 1)
    }

    fn has_read(&self, now: u64) {
        self.moved.store(now, Ordering::Relaxed);
        if self.serving.load(Ordering::Relaxed) == 0 {
            // What comes while a request is served belongs to it, or to the one after it.
            let _ = self
                .head_begun
                .compare_exchange(NONE, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn has_written(&self, now: u64) {
        self.moved.store(now, Ordering::Relaxed);
    }

    /// A request's head is complete; it is served until the guard is dropped.
    pub(super) fn serving(&self) -> Serving<'_> {
        self.serving.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(NONE, Ordering::Relaxed);
        Serving(self)
    }

    /// Why the connection is to be closed, if it is.
    pub(super) fn overdue(&self) -> Option<&'static str> {
        self.overdue_at(self.now())
    }

    fn overdue_at(&self, now: u64) -> Option<&'static str> {
        if self.serving.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let head_begun = self.head_begun.load(Ordering::Relaxed);
        if head_begun != NONE && since(head_begun) > HEAD_PATIENCE {
            Some("a request that was begun does not go on")
        } else if since(self.moved.load(Ordering::Relaxed)) > IDLE_PATIENCE {
            Some("it carries nothing")
        } else {
            None
        }
    }
}

/// A request that is served until this is dropped.
pub(super) struct Serving<'a>(&'a Progress);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        // The wait for the next request begins now.
        self.0.has_written(self.0.now());
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that notes its progress: of a TLS connection, what comes out of it and what goes into it. It offers no vectored writes: answers are small, and hyper then puts head and body into
/// one buffer.
pub(super) struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.progress.has_read(self.progress.now());
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.progress.has_written(self.progress.now());
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;
    const IDLE: u64 = IDLE_PATIENCE.as_secs() * SECOND;
    const HEAD: u64 = HEAD_PATIENCE.as_secs() * SECOND;

    #[test]
    fn a_head_that_was_begun_has_less_time_than_a_connection_that_is_kept() {
        let progress = Progress::default();
        assert_eq!(progress.overdue_at(IDLE), None);
        assert!(progress.overdue_at(IDLE + SECOND).is_some());
        progress.has_read(IDLE);
        // One byte more does not give it more time.
        progress.has_read(IDLE + HEAD);
        assert_eq!(progress.overdue_at(IDLE + HEAD), None);
        assert!(progress.overdue_at(IDLE + HEAD + SECOND).is_some());
    }

    #[test]
    fn a_request_that_is_served_takes_its_time_and_no_head_is_waited_for_meanwhile() {
        let progress = Progress::default();
        progress.has_read(1);
        let serving = progress.serving();
        // The client's next request, or what it still sends of this one.
        progress.has_read(2 * IDLE);
        assert_eq!(progress.overdue_at(4 * IDLE), None);
        drop(serving);
        progress.has_written(4 * IDLE);
        assert_eq!(progress.overdue_at(5 * IDLE), None);
        assert!(progress.overdue_at(5 * IDLE + SECOND).is_some());
    }
}
