//! Many waiting calls, one request.
//!
//! Calls queue; whenever one of the senders is free, all that wait, up to a bound, become its next request. A lone call
//! goes out at once, so this adds no waiting of its own: requests grow while earlier ones are under way.
//!
//! Each sender has one request under way at most. So one that hangs holds up no more than the calls it took, and the
//! others go on; and one that fails rests for a while, or it would take the most calls by losing them the fastest.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::backoff::Backoff;

/// How long a sender rests after its first failure in a row, and at most.
const REST: Backoff = Backoff {
    first: Duration::from_millis(20),
    most: Duration::from_secs(1),
};

/// The bounds of a [`Coalescer`].
#[derive(Debug, Clone, Copy)]
pub struct CoalesceLimits {
    /// How many calls may wait. One more is refused at once.
    pub queue: usize,
    /// How many calls one request carries at most.
    pub calls: usize,
}

/// A call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The queue was full; the call was not sent.
    #[error("too many calls are waiting")]
    Overloaded,
    /// The request failed, or its answer did not come; the call may or may not have happened.
    #[error("{0}")]
    Failed(String),
}

type Waiting<Q, A> = (Q, oneshot::Sender<Result<A, CallError>>);

/// Turns single calls of type `Q` into requests, and their answers of type `A` back.
pub struct Coalescer<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Coalescer<Q, A> {
    /// Starts the task that sends. `send` gives calls to one of the senders, numbered from 0, and turns them into as
    /// many answers, in the same order; it bounds its own time.
    pub fn start<F, R>(limits: CoalesceLimits, senders: usize, send: F) -> Self
    where
        F: Fn(usize, Vec<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>, CallError>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limits.queue);
        tokio::spawn(run(limits, senders, waiting, Arc::new(send)));
        Self { queue }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, request: Q) -> Result<A, CallError> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send((request, reply)).map_err(|refused| match refused {
            TrySendError::Full(_) => CallError::Overloaded,
            TrySendError::Closed(_) => CallError::Failed("the sender has stopped".into()),
        })?;
        answer
            .await
            .unwrap_or_else(|_| Err(CallError::Failed("the sender has stopped".into())))
    }
}

async fn run<Q, A, F, R>(
    limits: CoalesceLimits,
    senders: usize,
    mut waiting: mpsc::Receiver<Waiting<Q, A>>,
    send: Arc<F>,
) where
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(usize, Vec<Q>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Vec<A>, CallError>> + Send + 'static,
{
    let (free, mut next) = mpsc::unbounded_channel();
    for number in 0..senders {
        // The receiver is here until the end.
        let _ = free.send(Sender { number, failures: 0 });
    }
    while let Some(first) = waiting.recv().await {
        // In turn, so that a call that is repeated goes to another one; the others wait and gather.
        let Some(mut sender) = next.recv().await else { return };
        let mut calls = vec![first];
        while calls.len() < limits.calls {
            let Ok(next) = waiting.try_recv() else { break };
            calls.push(next);
        }
        let (send, free) = (send.clone(), free.clone());
        tokio::spawn(async move {
            let (requests, replies): (Vec<Q>, Vec<_>) = calls.into_iter().unzip();
            // A sender that were lost here would be lost for good.
            let attempt = AssertUnwindSafe(async { send(sender.number, requests).await }).catch_unwind();
            let answers = attempt
                .await
                .unwrap_or_else(|_| Err(CallError::Failed("the sender broke".into())));
            sender.failures = match &answers {
                Ok(_) => 0,
                Err(_) => sender.failures.saturating_add(1),
            };
            distribute(answers, replies);
            if sender.failures > 0 {
                REST.sleep(sender.failures - 1).await;
            }
            let _ = free.send(sender);
        });
    }
}

/// One that has no request under way.
struct Sender {
    number: usize,
    /// How many of its last requests have failed.
    failures: u32,
}

fn distribute<A>(answers: Result<Vec<A>, CallError>, replies: Vec<oneshot::Sender<Result<A, CallError>>>) {
    let answers = answers.and_then(|answers| {
        if answers.len() == replies.len() {
            Ok(answers)
        } else {
            Err(CallError::Failed(format!(
                "{} calls got {} answers",
                replies.len(),
                answers.len()
            )))
        }
    });
    // A caller that has gone away no longer wants its answer, so failed sends are of no interest.
    match answers {
        Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| {
            let _ = reply.send(Ok(answer));
        }),
        Err(error) => replies.into_iter().for_each(|reply| {
            let _ = reply.send(Err(error.clone()));
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const LIMITS: CoalesceLimits = CoalesceLimits { queue: 10, calls: 4 };

    #[tokio::test]
    async fn calls_that_wait_share_a_request_and_each_gets_its_own_answer() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let coalescer = Coalescer::start(LIMITS, 1, move |_, calls: Vec<u32>| {
            seen.lock().expect("no holder panics").push(calls.len());
            async move {
                tokio::task::yield_now().await;
                Ok(calls.into_iter().map(|call| call * 2).collect())
            }
        });
        let answers = futures::future::join_all((0..9).map(|call| coalescer.call(call))).await;
        assert_eq!(answers, (0..9).map(|call| Ok(call * 2)).collect::<Vec<_>>());
        let sizes = sizes.lock().expect("no holder panics");
        assert_eq!(sizes.iter().sum::<usize>(), 9);
        assert!(
            sizes.len() < 9 && sizes.iter().all(|size| *size <= LIMITS.calls),
            "{sizes:?}"
        );
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let coalescer = Coalescer::start(LIMITS, 1, |_, _: Vec<()>| std::future::pending::<Result<Vec<()>, _>>());
        let mut calls: Vec<_> = (0..=LIMITS.queue).map(|_| Box::pin(coalescer.call(()))).collect();
        // Queued before the sender runs: the queue takes its limit, the next is refused.
        let last = calls.pop().expect("a call");
        for call in &mut calls {
            assert!(futures::poll!(call).is_pending());
        }
        assert_eq!(last.await, Err(CallError::Overloaded));
    }

    #[tokio::test]
    async fn a_wrong_number_of_answers_fails_every_call() {
        let coalescer = Coalescer::start(LIMITS, 1, |_, _: Vec<u32>| async { Ok(vec![1_u32, 2]) });
        assert!(matches!(coalescer.call(1).await, Err(CallError::Failed(_))));
    }

    #[tokio::test]
    async fn a_sender_that_hangs_holds_up_only_what_it_took() {
        let coalescer = Coalescer::start(LIMITS, 2, |sender, calls: Vec<u32>| async move {
            match sender {
                0 => std::future::pending().await,
                _ => Ok(calls),
            }
        });
        assert!(futures::poll!(Box::pin(coalescer.call(0))).is_pending());
        tokio::task::yield_now().await;
        for call in 1..20 {
            assert_eq!(coalescer.call(call).await, Ok(call));
        }
    }

    #[tokio::test]
    async fn a_sender_that_fails_rests_while_the_others_work() {
        let coalescer = Coalescer::start(LIMITS, 2, |sender, calls: Vec<u32>| async move {
            match sender {
                0 => Err(CallError::Failed("gone".into())),
                _ => Ok(calls),
            }
        });
        let mut failed = 0;
        for call in 0..100 {
            failed += u32::from(coalescer.call(call).await.is_err());
        }
        // In turn it would be every other one. A rest can be short, but they get longer.
        assert!((1..=10).contains(&failed), "{failed}");
    }

    #[tokio::test]
    async fn a_sender_that_breaks_comes_back() {
        let coalescer = Coalescer::start(LIMITS, 1, |_, calls: Vec<u32>| async move {
            assert_ne!(calls, [0], "on purpose");
            Ok(calls)
        });
        assert!(matches!(coalescer.call(0).await, Err(CallError::Failed(_))));
        assert_eq!(coalescer.call(1).await, Ok(1));
    }
}
