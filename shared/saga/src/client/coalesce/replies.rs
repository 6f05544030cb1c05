//! Who waits for the answers of a request.

use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use super::CallError;

/// A call, and who waits for its answer.
pub(super) struct Waiting<Q, A> {
    pub(super) call: Q,
    pub(super) reply: oneshot::Sender<Result<A, CallError>>,
}

/// Those who wait for the answers of one request, by their calls' places in it.
pub struct Replies<A> {
    waiting: Vec<Option<oneshot::Sender<Result<A, CallError>>>>,
    begun: Arc<Notify>,
}

impl<A> Replies<A> {
    pub(super) fn new(waiting: Vec<oneshot::Sender<Result<A, CallError>>>, begun: Arc<Notify>) -> Self {
        Self {
            waiting: waiting.into_iter().map(Some).collect(),
            begun,
        }
    }

    /// Says that the target has begun to answer.
    pub fn begun(&self) {
        self.begun.notify_one();
    }

    /// Answers the call at a place of the request.
    ///
    /// # Errors
    /// There is no such call, or it has its answer.
    pub fn answer(&mut self, index: usize, answer: A) -> Result<(), CallError> {
        let waiting = self.waiting.get_mut(index).and_then(Option::take);
        let reply =
            waiting.ok_or_else(|| CallError::Failed(format!("an answer to call {index}, which waits for none")))?;
        // A caller that has gone away no longer wants its answer.
        let _ = reply.send(Ok(answer));
        Ok(())
    }

    /// Ends the request: tells those who still wait that they get no answer.
    pub(super) fn end(self, carried: Result<(), CallError>) -> Result<(), CallError> {
        let total = self.waiting.len();
        let rest: Vec<_> = self.waiting.into_iter().flatten().collect();
        let ended = match carried {
            Ok(()) if rest.is_empty() => return Ok(()),
            Ok(()) => CallError::Failed(format!("{} of {total} calls got no answer", rest.len())),
            Err(error) => error,
        };
        for reply in rest {
            let _ = reply.send(Err(ended.clone()));
        }
        Err(ended)
    }
}
