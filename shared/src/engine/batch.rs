//! The pure middle of a lane: run the decisions of a batch over one view.

use super::{
    EngineError, Touches, Writes,
    command::{Pending, expired},
    view::Loaded,
};

/// Commands that one transaction commits together.
pub(super) struct Batch {
    commands: Vec<Box<dyn Pending>>,
    /// What they touch, where it is known from gathering them.
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

    /// What the commands touch. A later try asks them again: some may have left the batch.
    pub(super) fn touches(&mut self) -> Touches {
        self.touches.take().unwrap_or_else(|| {
            let mut touches = Touches::default();
            for command in &self.commands {
                command.touches(&mut touches);
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
                if let Some(error) = expired(&command.validity(), loaded.now) {
                    self.commands.remove(next).answer(Err(error));
                } else if let Some(error) = view.unreadable(|own| command.touches(own)) {
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
}
