//! The pure middle of a lane: run the decisions of a batch over one view.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    EngineError, Touches,
    command::{Pending, Trace, expired},
    view::Loaded,
    writes::Writes,
};

/// Commands that one transaction commits together, in order of arrival.
#[derive(Default)]
pub(super) struct Batch {
    commands: Vec<Box<dyn Pending>>,
    /// What they touch, if it is known from gathering them.
    touches: Option<Touches>,
}

impl Batch {
    pub(super) fn new(commands: Vec<Box<dyn Pending>>, touches: Touches) -> Self {
        Self {
            commands,
            touches: Some(touches),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(super) fn into_commands(self) -> Vec<Box<dyn Pending>> {
        self.commands
    }

    /// What the commands touch. A later try asks them again: some may have left the batch.
    pub(super) fn touches(&mut self) -> Touches {
        self.touches.take().unwrap_or_else(|| {
            let mut touches = Touches::default();
            for command in &self.commands {
                // A command that breaks here has not broken at its first try; it is answered when it is decided.
                let _ = command.touches(&mut touches);
            }
            touches
        })
    }

    /// Decides every command in arrival order, so that each sees what those before it did.
    ///
    /// A command that is out of its time, whose record is unreadable, or whose decision panics, is answered with that
    /// error and leaves the batch; after a panic the others are decided anew, because the view may be half-changed.
    pub(super) fn decide(&mut self, touches: &Touches, loaded: &Loaded) -> Result<Writes, EngineError> {
        'anew: loop {
            let mut view = touches.load(loaded.clone());
            let mut next = 0;
            while next < self.commands.len() {
                let command = &mut self.commands[next];
                view.caused_by(command.cause());
                if let Some(error) = expired(&command.validity(), loaded.now) {
                    self.commands.remove(next).answer(Err(error));
                } else if let Some(error) = view.unreadable(|own| _ = command.touches(own)) {
                    self.commands.remove(next).answer(Err(error));
                } else if let Err(panic) = command.decide(&mut view) {
                    tracing::error!(%panic, "a decision function broke");
                    self.commands.remove(next).answer(Err(EngineError::Bug(panic)));
                    continue 'anew;
                } else {
                    next += 1;
                }
            }
            return view.into_writes();
        }
    }

    /// Whether each of its commands may be decided again after a success that nobody saw.
    pub(super) fn is_repeatable(&self) -> bool {
        self.commands.iter().all(|command| command.is_repeatable())
    }

    /// Lets each command remember what may be in force of it.
    pub(super) fn note(&mut self, trace: Trace) {
        for command in &mut self.commands {
            command.note(trace);
        }
    }

    /// Gives every caller its outcome.
    pub(super) fn settle(self) {
        for command in self.commands {
            command.answer(Ok(()));
        }
    }

    /// Gives every caller the same error.
    pub(super) fn fail(self, error: &EngineError) {
        for command in self.commands {
            command.answer(Err(error.clone()));
        }
    }

    /// Gives the error to those whose deadline, and `grace`, are over. The others stay.
    pub(super) fn fail_due(&mut self, now: Instant, grace: Duration, error: &EngineError) {
        self.fail_if(|command| command.deadline() + grace <= now, error);
    }

    /// Gives the error to those that must not be decided again unless it is known what became of them.
    pub(super) fn fail_unrepeatable(&mut self, error: &EngineError) {
        self.fail_if(|command| !command.is_repeatable(), error);
    }

    fn fail_if(&mut self, fails: impl Fn(&dyn Pending) -> bool, error: &EngineError) {
        for failed in self.commands.extract_if(.., |command| fails(&**command)) {
            failed.answer(Err(error.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::Receiver;

    use super::*;
    use crate::{
        Command, View,
        command::Submitted,
        keys::{Partition, Partitions},
    };

    struct Nothing<const REPEATABLE: bool>(Partition);

    impl<const REPEATABLE: bool> Command for Nothing<REPEATABLE> {
        type Outcome = ();

        const REPEATABLE: bool = REPEATABLE;

        fn partition(&self) -> Partition {
            self.0
        }

        fn touches(&self, _: &mut Touches) {}

        fn decide(&self, _: &mut View) {}
    }

    type Answer = Receiver<Result<(), EngineError>>;

    fn command<const REPEATABLE: bool>(deadline: Instant) -> (Box<dyn Pending>, Answer) {
        let partition = Partitions::new(1).expect("an allowed count").of("a");
        let (submitted, answer) = Submitted::new(Nothing::<REPEATABLE>(partition), deadline);
        (Box::new(submitted), answer)
    }

    fn conflicted(answer: &mut Answer) -> bool {
        matches!(answer.try_recv(), Ok(Err(EngineError::Conflict)))
    }

    #[test]
    fn each_command_has_its_own_deadline() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let (due, mut due_answer) = command::<false>(now);
        let (fresh, mut fresh_answer) = command::<false>(now + second);
        let mut batch = Batch::new(vec![due, fresh], Touches::default());
        batch.fail_due(now, Duration::ZERO, &EngineError::Conflict);
        assert!(conflicted(&mut due_answer));
        assert!(fresh_answer.try_recv().is_err(), "it has heard nothing yet");
        assert_eq!(batch.len(), 1);
        batch.fail_due(now + second, second, &EngineError::Conflict);
        assert_eq!(batch.len(), 1, "the grace is not over");
        batch.fail_due(now + second * 2, second, &EngineError::Conflict);
        assert!(batch.is_empty() && conflicted(&mut fresh_answer));
    }

    #[test]
    fn only_commands_that_may_be_repeated_are_kept_for_it() {
        let now = Instant::now();
        let (once, mut once_answer) = command::<false>(now);
        let (often, mut often_answer) = command::<true>(now);
        let mut batch = Batch::new(vec![once, often], Touches::default());
        assert!(!batch.is_repeatable());
        batch.fail_unrepeatable(&EngineError::Conflict);
        assert!(conflicted(&mut once_answer) && often_answer.try_recv().is_err());
        assert!(batch.is_repeatable() && batch.len() == 1);
    }
}
