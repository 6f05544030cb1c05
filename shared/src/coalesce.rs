//! Many waiting calls, one request.
//!
//! Calls queue; whenever fewer than `in_flight` requests are under way, all that wait, up to `calls`,
//! become the next one. A lone call goes out at once, so this adds no waiting of its own: batches form
//! while earlier requests are under way.

use std::sync::Arc;

use tokio::sync::{
    Semaphore,
    mpsc::{self, error::TrySendError},
    oneshot,
};

/// The bounds of a [`Coalescer`].
#[derive(Debug, Clone, Copy)]
pub struct CoalesceLimits {
    /// How many calls may wait. One more is refused at once.
    pub queue: usize,
    /// How many calls one request carries at most.
    pub calls: usize,
    /// How many requests may be under way at once.
    pub in_flight: usize,
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
    /// Starts the task that sends. `send` turns calls into as many answers, in the same order, and
    /// bounds its own time.
    pub fn start<F, R>(limits: CoalesceLimits, send: F) -> Self
    where
        F: Fn(Vec<Q>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>, CallError>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limits.queue);
        tokio::spawn(run(limits, waiting, Arc::new(send)));
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

async fn run<Q, A, F, R>(limits: CoalesceLimits, mut waiting: mpsc::Receiver<Waiting<Q, A>>, send: Arc<F>)
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Vec<A>, CallError>> + Send + 'static,
{
    let requests = Arc::new(Semaphore::new(limits.in_flight));
    while let Some(first) = waiting.recv().await {
        // The semaphore is never closed; the permit is what makes the next calls wait and gather.
        let Ok(permit) = requests.clone().acquire_owned().await else {
            return;
        };
        let mut calls = vec![first];
        while calls.len() < limits.calls {
            let Ok(next) = waiting.try_recv() else { break };
            calls.push(next);
        }
        let send = send.clone();
        tokio::spawn(async move {
            let (requests, replies): (Vec<Q>, Vec<_>) = calls.into_iter().unzip();
            distribute(send(requests).await, replies);
            drop(permit);
        });
    }
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

    const LIMITS: CoalesceLimits = CoalesceLimits {
        queue: 10,
        calls: 4,
        in_flight: 1,
    };

    #[tokio::test]
    async fn calls_that_wait_share_a_request_and_each_gets_its_own_answer() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let coalescer = Coalescer::start(LIMITS, move |calls: Vec<u32>| {
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
        let coalescer = Coalescer::start(LIMITS, |_: Vec<()>| std::future::pending::<Result<Vec<()>, _>>());
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
        let coalescer = Coalescer::start(LIMITS, |_: Vec<u32>| async { Ok(vec![1_u32, 2]) });
        assert!(matches!(coalescer.call(1).await, Err(CallError::Failed(_))));
    }
}
