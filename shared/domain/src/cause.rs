//! What caused a change: it goes with every log line, call and event that follows from it.

use futures::future::Either;

use crate::{CorrelationId, TraceParent};

tokio::task_local! {
    static CURRENT: Cause;
}

/// The client's request that something follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The name that the client chose for its request, or a new one.
    pub correlation_id: CorrelationId,
    /// Where the request stands in the client's trace, if it is traced.
    pub traceparent: Option<TraceParent>,
}

impl Cause {
    /// The cause of what this task does, if it serves a request.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Does `work` for this cause.
    pub fn scope<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self, work)
    }

    /// Does `work`, in another task perhaps, for the cause of the task that calls this.
    pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
        // No async block: it would hold the work twice, as what it was given and as what it waits for.
        match Self::current() {
            Some(cause) => Either::Left(cause.scope(work)),
            None => Either::Right(work),
        }
    }
}

/// A request that nobody named.
impl Default for Cause {
    fn default() -> Self {
        Self {
            correlation_id: CorrelationId::accept(None),
            traceparent: None,
        }
    }
}
