//! What goes to one target.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use domain::Backoff;
use futures::FutureExt;
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{CallError, Link, Replies, replies::Waiting};

/// How long a sender rests after its first failure in a row, and at most.
const REST: Backoff = Backoff {
    min: Duration::from_millis(20),
    max: Duration::from_secs(1),
};
/// A request takes this long before its sender may take the next one, if its answer has begun.
const LATE: Duration = Duration::from_millis(50);
/// How many such requests a sender has under way at most, beside the latest.
const MAX_LATE: usize = 8;

/// Where senders go that may take calls.
pub(super) type Free<T, L> = mpsc::UnboundedSender<Sender<T, L>>;

/// The right to send to one target. There is one for each, which whoever sends has, rests with, or has put among the free.
pub(super) struct Sender<T, L> {
    target: T,
    link: Arc<L>,
    late: Arc<Semaphore>,
    gone: CancellationToken,
}

impl<T, L> Sender<T, L> {
    pub(super) fn new(target: T, link: L, gone: CancellationToken) -> Self {
        Self {
            target,
            link: Arc::new(link),
            late: Arc::new(Semaphore::new(MAX_LATE)),
            gone,
        }
    }

    /// Whether its target is no longer one.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_cancelled()
    }

    /// Joins the free ones as soon as somebody is there, unless its target goes before.
    pub(super) async fn prove<Q, A>(self, free: Free<T, L>)
    where
        L: Link<Q, A>,
    {
        let mut failures = 0;
        let proven = async {
            while let Err(error) = broken(self.link.ask()).await {
                tracing::debug!(%error, failures, "nobody is there");
                REST.sleep(failures).await;
                failures += 1;
            }
        };
        if self.gone.run_until_cancelled(proven).await.is_some() {
            // Nobody wants it if the dispatcher has ended.
            let _ = free.send(self);
        }
    }

    /// Sends one request, and then, or once others must no longer wait for it, joins the free ones.
    pub(super) async fn send<Q, A>(mut self, calls: Vec<Waiting<Q, A>>, open: impl Fn(&T) -> L, free: Free<T, L>)
    where
        L: Link<Q, A>,
    {
        let sent = Instant::now();
        let (link, late, begun) = (self.link.clone(), self.late.clone(), Arc::new(Notify::new()));
        let mut request = pin!(carry(&*link, calls, begun.clone()));
        let becomes_late = async {
            begun.notified().await;
            sleep_until(sent + LATE).await;
            late.acquire().await
        };
        let carried = tokio::select! {
            biased;
            carried = &mut request => carried,
            _slot = becomes_late => {
                let _ = free.send(self);
                // If it fails after all, so does the next one, which tells.
                let _ = request.await;
                return;
            }
        };
        match carried {
            Ok(()) => {
                let _ = free.send(self);
            }
            Err(error) => {
                tracing::debug!(%error, "a request failed");
                self.link = Arc::new(open(&self.target));
                REST.sleep(0).await;
                self.prove(free).await;
            }
        }
    }
}

async fn carry<Q, A, L: Link<Q, A>>(link: &L, calls: Vec<Waiting<Q, A>>, begun: Arc<Notify>) -> Result<(), CallError> {
    let (calls, waiting) = calls.into_iter().map(|Waiting { call, reply }| (call, reply)).unzip();
    let mut replies = Replies::new(waiting, begun);
    let carried = broken(link.carry(calls, &mut replies)).await;
    replies.end(carried)
}

/// A link that breaks has failed: a panic here would drop the sender for ever, so it is caught.
async fn broken(attempt: impl Future<Output = Result<(), CallError>>) -> Result<(), CallError> {
    let attempt = AssertUnwindSafe(attempt).catch_unwind().await;
    attempt.unwrap_or_else(|_| Err(CallError::Failed("the sender broke".into())))
}
