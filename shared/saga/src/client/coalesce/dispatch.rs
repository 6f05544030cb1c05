//! Who takes the calls that wait.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    CoalesceLimits, Link, Weight,
    replies::Waiting,
    sender::{Free, Sender},
};

/// Gives the calls that wait to the senders that are free, and follows the targets.
pub(super) struct Dispatcher<Q, A, T, L, O> {
    limits: CoalesceLimits,
    waiting: mpsc::Receiver<Waiting<Q, A>>,
    targets: watch::Receiver<Arc<[T]>>,
    open: Arc<O>,
    /// Each target's sender ends with its guard, once it has finished what it took.
    senders: HashMap<T, DropGuard>,
    free: Free<T, L>,
    next: mpsc::UnboundedReceiver<Sender<T, L>>,
}

impl<Q, A, T, L, O> Dispatcher<Q, A, T, L, O>
where
    Q: Weight + Send + 'static,
    A: Send + 'static,
    T: Clone + Eq + Hash + Send + Sync + 'static,
    L: Link<Q, A>,
    O: Fn(&T) -> L + Send + Sync + 'static,
{
    pub(super) fn new(
        limits: CoalesceLimits,
        waiting: mpsc::Receiver<Waiting<Q, A>>,
        targets: watch::Receiver<Arc<[T]>>,
        open: O,
    ) -> Self {
        let (free, next) = mpsc::unbounded_channel();
        Self {
            limits,
            waiting,
            targets,
            open: Arc::new(open),
            senders: HashMap::new(),
            free,
            next,
        }
    }

    /// Runs until nobody can call any more.
    pub(super) async fn run(mut self) {
        self.follow();
        while let Some(mut first) = self.next_call().await {
            // In turn, so that a call that is repeated goes to another one; the others wait and gather.
            let Some(sender) = self.next_sender(&mut first).await else {
                continue;
            };
            let calls = self.gather(first);
            let (open, free) = (self.open.clone(), self.free.clone());
            tokio::spawn(async move { sender.send(calls, &*open, free).await });
        }
    }

    async fn next_call(&mut self) -> Option<Waiting<Q, A>> {
        loop {
            tokio::select! {
                call = self.waiting.recv() => return call,
                Ok(()) = self.targets.changed() => self.follow(),
            }
        }
    }

    /// A sender that is free, or nothing if the one who waits for it leaves before.
    async fn next_sender(&mut self, first: &mut Waiting<Q, A>) -> Option<Sender<T, L>> {
        loop {
            tokio::select! {
                biased;
                () = first.reply.closed() => return None,
                Ok(()) = self.targets.changed() => self.follow(),
                Some(sender) = self.next.recv() => {
                    if !sender.is_gone() {
                        return Some(sender);
                    }
                }
            }
        }
    }

    /// The first call and those behind it, as many as a request may carry. Those whose callers have left are left out.
    fn gather(&mut self, first: Waiting<Q, A>) -> Vec<Waiting<Q, A>> {
        let mut size = first.call.weight();
        let mut calls = vec![first];
        while calls.len() < self.limits.calls && size < self.limits.size {
            let Ok(next) = self.waiting.try_recv() else { break };
            if !next.reply.is_closed() {
                size += next.call.weight();
                calls.push(next);
            }
        }
        calls
    }

    /// Makes a sender for each new target, and lets go of those whose target is gone.
    fn follow(&mut self) {
        let targets = self.targets.borrow_and_update().clone();
        self.senders.retain(|target, _| targets.contains(target));
        for target in targets.iter() {
            if self.senders.contains_key(target) {
                continue;
            }
            let gone = CancellationToken::new();
            let sender = Sender::new(target.clone(), (self.open)(target), gone.clone());
            self.senders.insert(target.clone(), gone.drop_guard());
            tokio::spawn(sender.prove(self.free.clone()));
        }
    }
}
