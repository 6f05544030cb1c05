//! What callers give to a lane, and how a lane holds commands of different types in one queue.

use std::{
    any::Any,
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tokio::{sync::oneshot, time::Instant};

use super::{EngineError, Touches, View};
use crate::{clock::Timestamp, keys::Partition};

/// One state change, decided by a pure function over the records that it names.
///
/// The lane may run [`Command::decide`] several times over different views (a rival wrote, an answer was
/// lost) and keeps only the last result, so it must not do I/O, read a clock, or depend on anything but
/// its own fields and the view.
pub trait Command: Send + 'static {
    /// The business result, including every refusal. It is delivered only once the batch is committed.
    type Outcome: Send + 'static;

    /// Where all of the command's keys live. It decides which lane takes the command.
    fn partition(&self) -> Partition;

    /// Names every record that the decision reads or writes, and every stream and index it appends to.
    fn touches(&self, touches: &mut Touches);

    /// When the command may be decided, by the store's clock. Outside of it, its caller hears
    /// [`EngineError::Expired`] and nothing is written.
    ///
    /// The time is read together with the records and compared before each decision. Between that and EXEC, WATCH stands
    /// guard: whatever has happened to the records meanwhile ends the try. So a machine may sleep anywhere in
    /// between, for as long as it likes.
    fn validity(&self) -> RangeInclusive<Timestamp> {
        Timestamp::MIN..=Timestamp::MAX
    }

    /// Decides. A refusal must leave the view as it was.
    fn decide(&self, view: &mut View) -> Self::Outcome;
}

/// A submitted command of any type, waiting in a lane.
pub(super) trait Pending: Send {
    fn touches(&self, touches: &mut Touches);
    fn validity(&self) -> RangeInclusive<Timestamp>;
    /// Runs the decision and keeps its outcome; a panic is caught and described.
    fn decide(&mut self, view: &mut View) -> Result<(), String>;
    /// Answers the caller: with the kept outcome, or with the error.
    fn answer(self: Box<Self>, verdict: Result<(), EngineError>);
    /// When the caller no longer wants the command to be tried.
    fn deadline(&self) -> Instant;
}

pub(super) struct Submitted<C: Command> {
    command: C,
    outcome: Option<C::Outcome>,
    deadline: Instant,
    reply: oneshot::Sender<Result<C::Outcome, EngineError>>,
}

impl<C: Command> Submitted<C> {
    pub(super) fn new(command: C, deadline: Instant) -> (Self, oneshot::Receiver<Result<C::Outcome, EngineError>>) {
        let (reply, answer) = oneshot::channel();
        let submitted = Self {
            command,
            outcome: None,
            deadline,
            reply,
        };
        (submitted, answer)
    }
}

impl<C: Command> Pending for Submitted<C> {
    fn touches(&self, touches: &mut Touches) {
        self.command.touches(touches);
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        self.command.validity()
    }

    fn decide(&mut self, view: &mut View) -> Result<(), String> {
        // The caller throws the view away after a panic, so a half-changed view is never seen.
        let outcome =
            catch_unwind(AssertUnwindSafe(|| self.command.decide(view))).map_err(|panic| describe(&*panic))?;
        self.outcome = Some(outcome);
        Ok(())
    }

    fn answer(self: Box<Self>, verdict: Result<(), EngineError>) {
        let answer = match (verdict, self.outcome) {
            (Ok(()), Some(outcome)) => Ok(outcome),
            (Ok(()), None) => Err(EngineError::Bug("settled without a decision".into())),
            (Err(error), _) => Err(error),
        };
        // A caller that has gone away no longer wants its answer.
        let _ = self.reply.send(answer);
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".into())
}

/// The error of a command that may not be decided now.
pub(super) fn expired(validity: &RangeInclusive<Timestamp>, now: Timestamp) -> Option<EngineError> {
    (!validity.contains(&now)).then(|| EngineError::Expired {
        now,
        from: *validity.start(),
        to: *validity.end(),
    })
}
