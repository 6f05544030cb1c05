//! The shared reader: one client of fred's, which is replaced if it goes silent.
//!
//! fred reconnects when a connection breaks. A connection that stays open and carries nothing any more (a hung server
//! behind a proxy, a middlebox that has forgotten it) it does not notice: its check for that counts from the last
//! write, so whoever keeps asking is never found unresponsive; and a task that waits to write into a full socket
//! takes no command, not even the one to reconnect. So a question that was not answered in half its time makes the
//! reader open a second client. If that one is answered, it takes the first one's place: whoever asks two timeouts
//! after a connection fell silent is answered.
//!
//! ```text
//! ask ──> client ── no answer in half the time ──> a new client: PING ─┬─ answered ──> takes its place
//!                                                                      └─ silent ───> Redis itself hangs: all stays
//! ```

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use fred::{
    clients::Client,
    error::{Error as RedisError, ErrorKind},
    interfaces::ClientLike,
    types::{
        ConnectHandle,
        config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy},
    },
};
use tokio::sync::Mutex;

/// How a client is opened.
pub(super) struct Dialing {
    pub(super) redis: Config,
    pub(super) performance: PerformanceConfig,
    pub(super) connection: ConnectionConfig,
}

/// A way to ask Redis that heals by itself. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reader(Arc<Shared>);

struct Shared {
    dialing: Dialing,
    /// Read for every question and written once in a while, never across an await.
    line: RwLock<Arc<Line>>,
    /// Held by the one who tries to replace the line.
    replacing: Mutex<()>,
}

/// A client, and the task that does its work. It ends once nobody asks over it any more.
struct Line {
    client: Client,
    task: ConnectHandle,
}

impl Line {
    fn open(dialing: &Dialing) -> Arc<Self> {
        let client = Client::new(
            dialing.redis.clone(),
            Some(dialing.performance.clone()),
            Some(dialing.connection.clone()),
            Some(ReconnectPolicy::new_exponential(0, 20, 1_000, 2)),
        );
        let task = client.connect();
        Arc::new(Self { client, task })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Begins to connect.
    pub(super) fn open(dialing: Dialing) -> Self {
        let line = RwLock::new(Line::open(&dialing));
        Self(Arc::new(Shared {
            dialing,
            line,
            replacing: Mutex::new(()),
        }))
    }

    /// Asks once. If no answer comes within half the timeout, the reader begins to heal, so that a question which is asked
    /// after this one has failed may be answered.
    pub(crate) async fn ask<T, F>(&self, question: impl FnOnce(Client) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let line = self.line();
        // Boxed: fred's futures are large, and each that waits for this one would hold and move it.
        let mut answer = Box::pin(question(line.client.clone()));
        if let Ok(answer) = tokio::time::timeout(self.patience(), &mut answer).await {
            return answer;
        }
        // The line is kept until the answer is there, also if another one takes its place.
        tokio::spawn(self.clone().replace(line.clone()));
        answer.await
    }

    /// Asks, and if no answer comes in time, asks once more, over the client that takes the silent one's place if one does.
    pub(crate) async fn insist<T, F>(&self, question: impl Fn(Client) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        match self.ask(&question).await {
            Err(error) if *error.kind() == ErrorKind::Timeout => {
                // Whoever heals began half a timeout ago, and on a busy machine may need a little longer.
                let _ = tokio::time::timeout(self.patience(), self.0.replacing.lock()).await;
                self.ask(&question).await
            }
            answer => answer,
        }
    }

    /// How long an answer may take before the line is under suspicion.
    fn patience(&self) -> Duration {
        self.0.dialing.performance.default_command_timeout / 2
    }

    fn line(&self) -> Arc<Line> {
        self.0.line.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a client that is answered in the place of one that was not. Only one caller at a time tries.
    async fn replace(self, silent: Arc<Line>) {
        let Ok(_alone) = self.0.replacing.try_lock() else {
            return;
        };
        if !Arc::ptr_eq(&self.line(), &silent) {
            return;
        }
        let fresh = Line::open(&self.0.dialing);
        match fresh.client.ping::<()>(None).await {
            Ok(()) => {
                tracing::warn!("a connection to Redis went silent, and a new one takes its place");
                *self.0.line.write().unwrap_or_else(PoisonError::into_inner) = fresh;
            }
            Err(cause) => tracing::debug!(%cause, "Redis does not answer over a new connection either"),
        }
    }
}
