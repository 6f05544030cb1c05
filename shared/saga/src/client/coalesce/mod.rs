//! Many waiting calls, one request.
//!
//! Calls queue; whenever one of the senders is free, all that wait, up to a bound, become its next request. A lone call
//! goes out at once, so this adds no waiting of its own: requests grow while earlier ones are under way.
//!
//! ```text
//! call ─┐                                ┌─> sender ─ request ─> replica
//! call ─┼─> bounded queue ─> dispatcher ─┤
//! call ─┘                        ^       └─> sender ─ request ─> replica
//!                             targets: senders come and go with them
//! ```
//!
//! Each sender goes to one target, and takes calls only while it knows that somebody is there: a new one asks first, and
//! so does one that has failed, after a rest. So one that hangs holds up no more than the calls it took, once, and one
//! that fails does not take the most calls by losing them the fastest. A request whose answer has begun, and that some of
//! its calls hold up, does not hold up its sender: the next request goes beside it, up to a bound.

mod dispatch;
mod replies;
mod sender;

use std::{hash::Hash, sync::Arc};

use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::{Instant, timeout_at},
};

pub use self::replies::Replies;
use self::{dispatch::Dispatcher, replies::Waiting};

/// The bounds of a [`Coalescer`].
#[derive(Debug, Clone, Copy)]
pub struct CoalesceLimits {
    /// How many calls may wait. One more is refused at once.
    pub queue: usize,
    /// How many calls one request carries at most.
    pub calls: usize,
    /// A request that has this size takes no further call. Calls are counted as [`Weight`] says.
    pub size: usize,
}

/// What one call adds to a request's size.
pub trait Weight {
    /// The size, in the unit of [`CoalesceLimits::size`].
    fn weight(&self) -> usize;
}

/// A call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Too much waits, here or there. A part of the call may have happened; ask again later.
    #[error("too many calls are waiting")]
    Overloaded,
    /// The request failed, or its answer did not come; the call may or may not have happened.
    #[error("{0}")]
    Failed(String),
}

/// The way to one target.
pub trait Link<Q, A>: Send + Sync + 'static {
    /// Asks whether somebody is there who would take calls. It bounds its own time.
    fn ask(&self) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Carries calls there and gives each answer to `replies` as it comes. It bounds its own time.
    fn carry(&self, calls: Vec<Q>, replies: &mut Replies<A>) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Turns single calls of type `Q` into requests, and their answers of type `A` back.
pub struct Coalescer<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

impl<Q: Weight + Send + 'static, A: Send + 'static> Coalescer<Q, A> {
    /// Starts the task that sends: to each of the `targets`, over the link that `open` makes. A link that has failed is
    /// thrown away, with whatever it kept, and another one made.
    pub fn start<T, L>(
        limits: CoalesceLimits,
        targets: watch::Receiver<Arc<[T]>>,
        open: impl Fn(&T) -> L + Send + Sync + 'static,
    ) -> Self
    where
        T: Clone + Eq + Hash + Send + Sync + 'static,
        L: Link<Q, A>,
    {
        let (queue, waiting) = mpsc::channel(limits.queue);
        tokio::spawn(Dispatcher::new(limits, waiting, targets, open).run());
        Self { queue }
    }

    /// Makes one call, which waits for its answer until then.
    ///
    /// # Errors
    /// See [`CallError`]; a full queue answers at once.
    pub async fn call(&self, call: Q, until: Instant) -> Result<A, CallError> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Waiting { call, reply })
            .map_err(|refused| match refused {
                TrySendError::Full(_) => CallError::Overloaded,
                TrySendError::Closed(_) => CallError::Failed("the sender has stopped".into()),
            })?;
        match timeout_at(until, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CallError::Failed("the sender has stopped".into())),
            Err(_) => Err(CallError::Failed("no answer in time".into())),
        }
    }
}

#[cfg(test)]
mod tests;
