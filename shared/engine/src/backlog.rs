//! What waits in a lane: its queue, and what it has taken from there and not committed.

use std::collections::VecDeque;

use metrics::Counter;
use tokio::{sync::mpsc, time::Instant};

use super::{EngineError, Touches, batch::Batch, command::Pending, pace::Bounds};

pub(super) struct Backlog {
    queue: mpsc::Receiver<Box<dyn Pending>>,
    /// Given back by a batch that did not pass, in order of arrival, and earlier than all in the queue.
    returned: VecDeque<Box<dyn Pending>>,
    /// What has to be tried next, and by itself.
    apart: Option<Batch>,
    /// Did not pass even alone: each is tried alone again, in turns with all others.
    suspects: VecDeque<Box<dyn Pending>>,
    /// The last batch was a suspect.
    was_suspect: bool,
    taken: Counter,
}

impl Backlog {
    /// `taken` counts what is taken from the queue.
    pub(super) fn new(queue: mpsc::Receiver<Box<dyn Pending>>, taken: Counter) -> Self {
        Self {
            queue,
            returned: VecDeque::new(),
            apart: None,
            suspects: VecDeque::new(),
            was_suspect: false,
            taken,
        }
    }

    /// Takes what waits, up to the bounds; waits for a first command, and never for more. Nothing is lost if the
    /// future is dropped.
    ///
    /// `None`: every sender is gone, and nothing waits.
    pub(super) async fn gather(&mut self, bounds: Bounds) -> Option<Batch> {
        if let Some(batch) = self.apart.take() {
            return Some(batch);
        }
        loop {
            self.answer_due_suspects();
            let next = if self.was_suspect { self.next() } else { None };
            let suspect = next.is_none().then(|| self.suspects.pop_front()).flatten();
            self.was_suspect = suspect.is_some();
            let batch = if let Some(suspect) = suspect {
                self.take(suspect, Bounds::ONE)
            } else {
                let first = match next.or_else(|| self.next()) {
                    Some(first) => first,
                    None => self.queue.recv().await.inspect(|_| self.taken.increment(1))?,
                };
                self.take(first, bounds)
            };
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// Suspects came in about the order of their deadlines.
    fn answer_due_suspects(&mut self) {
        let now = Instant::now();
        let due = self.suspects.iter().take_while(|suspect| suspect.deadline() <= now);
        let due = due.count();
        for suspect in self.suspects.drain(..due) {
            suspect.answer(Err(not_in_time()));
        }
    }

    fn take(&mut self, first: Box<dyn Pending>, bounds: Bounds) -> Batch {
        let now = Instant::now();
        let mut touches = Touches::default();
        let mut commands = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            if command.deadline() <= now {
                command.answer(Err(not_in_time()));
            } else if let Err(panic) = command.touches(&mut touches) {
                tracing::error!(%panic, "a command could not say what it touches");
                command.answer(Err(EngineError::Bug(panic)));
            } else {
                commands.push(command);
            }
            let has_room = commands.len() < bounds.commands && touches.records() < bounds.records;
            next = has_room.then(|| self.next()).flatten();
        }
        Batch::new(commands, touches)
    }

    fn next(&mut self) -> Option<Box<dyn Pending>> {
        self.returned
            .pop_front()
            .or_else(|| self.queue.try_recv().ok().inspect(|_| self.taken.increment(1)))
    }

    /// Takes a batch back that did not pass, to the front.
    pub(super) fn give_back(&mut self, batch: Batch) {
        for command in batch.into_commands().into_iter().rev() {
            self.returned.push_front(command);
        }
    }

    /// Takes a batch back that did not pass even alone, so that it does not hold the others up.
    pub(super) fn suspect(&mut self, batch: Batch) {
        self.suspects.extend(batch.into_commands());
    }

    /// Takes a batch back that is tried next, and with nothing else.
    pub(super) fn set_apart(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.apart = Some(batch);
        }
    }
}

fn not_in_time() -> EngineError {
    EngineError::Unavailable("not committed within the deadline".into())
}
