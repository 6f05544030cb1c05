//! What whoever wants to know of events writes.

use crate::CloudEvent;

/// Handles events. It needs to know nothing of Redis, nor of partitions, groups or other processes.
///
/// Events of one subject come one after another, in order; events of different subjects at the same time. An event may
/// come again, after a failure or when its consumer died: the same `source` and `id` mean the same event. A handler
/// ignores types that it does not know and succeeds.
///
/// It must not block its thread: a handler that waits does it in `.await`, where it can be ended when its time is over.
pub trait Handler: Send + Sync + 'static {
    /// Handles one event. When it succeeds, the event is done with.
    fn handle(&self, event: &CloudEvent) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// An event could not be handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// Not now: it is worth another try. If repeats are not allowed, it also says that nothing was done.
    #[error("{0}")]
    Retry(String),
    /// Not now, through no fault of the event: what everything goes to is away. It is tried again for as long as it takes,
    /// never becomes a dead letter for it, and nothing was done.
    #[error("{0}")]
    Unavailable(String),
    /// Never: the event goes to the dead letters at once.
    #[error("{0}")]
    Reject(String),
}
