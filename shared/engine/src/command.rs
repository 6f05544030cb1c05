//! What callers give to a lane, and how a lane holds commands of different types in one queue.

use std::{
    any::Any,
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
};

use domain::{Cause, Timestamp};
use tokio::{sync::oneshot, time::Instant};

use super::{EngineError, Touches, View};
use crate::keys::Partition;

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

    /// Names every record that the decision reads or writes, every subject of its events, and every index that it changes.
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

    /// Whether what it deletes may be deleted at any time, and again, whatever has happened to the records: so that
    /// deciding it again after a success that nobody saw changes nothing more and gives the same outcome.
    ///
    /// A batch of such commands that writes nothing else goes without the lane's fence. On a Redis that is full it goes
    /// even without a transaction, which Redis would not take.
    const REPEATABLE: bool = false;

    /// Decides. A refusal must leave the view as it was.
    fn decide(&self, view: &mut View) -> Self::Outcome;
}

/// What may be in force of a command without anybody having seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    Nothing,
    /// An EXEC with it is under way, and will be resolved.
    UnderWay,
    /// An EXEC with it was lost and will never be resolved. This is for good.
    Unseen,
}

/// A submitted command of any type, waiting in a lane.
pub(super) trait Pending: Send {
    /// Names what the command touches; a panic is caught and described.
    fn touches(&self, touches: &mut Touches) -> Result<(), String>;
    fn validity(&self) -> RangeInclusive<Timestamp>;
    /// Runs the decision and keeps its outcome; a panic is caught and described.
    fn decide(&mut self, view: &mut View) -> Result<(), String>;
    /// Answers the caller: with the kept outcome, or with the error.
    fn answer(self: Box<Self>, verdict: Result<(), EngineError>);
    /// When the caller no longer wants the command to be tried.
    fn deadline(&self) -> Instant;
    /// See [`Command::REPEATABLE`].
    fn is_repeatable(&self) -> bool;
    /// What caused it.
    fn cause(&self) -> Option<&Cause>;
    /// Remembers what may be in force of it.
    fn note(&mut self, trace: Trace);
}

/// A command and its caller, who hears something whatever happens to the lane.
pub(super) struct Submitted<C: Command> {
    command: C,
    outcome: Option<C::Outcome>,
    deadline: Instant,
    cause: Option<Cause>,
    trace: Trace,
    /// Absent once the caller was answered.
    reply: Option<oneshot::Sender<Result<C::Outcome, EngineError>>>,
}

impl<C: Command> Submitted<C> {
    pub(super) fn new(command: C, deadline: Instant) -> (Self, oneshot::Receiver<Result<C::Outcome, EngineError>>) {
        let (reply, answer) = oneshot::channel();
        let submitted = Self {
            command,
            outcome: None,
            deadline,
            cause: Cause::current(),
            trace: Trace::Nothing,
            reply: Some(reply),
        };
        (submitted, answer)
    }

    fn reply(&mut self, answer: Result<C::Outcome, EngineError>) {
        let answer = match answer {
            Err(error) if self.trace != Trace::Nothing && !matches!(error, EngineError::OutcomeUnknown(_)) => {
                Err(EngineError::OutcomeUnknown(error.to_string()))
            }
            answer => answer,
        };
        if let Some(reply) = self.reply.take() {
            // A caller that has gone away no longer wants its answer.
            let _ = reply.send(answer);
        }
    }
}

impl<C: Command> Drop for Submitted<C> {
    /// Nobody has answered: the lane broke, or the whole program ends.
    fn drop(&mut self) {
        self.reply(Err(EngineError::Stopped));
    }
}

impl<C: Command> Pending for Submitted<C> {
    fn touches(&self, touches: &mut Touches) -> Result<(), String> {
        // What it has named before the panic is read in vain, and no more.
        catch_unwind(AssertUnwindSafe(|| self.command.touches(touches))).map_err(|panic| describe(&*panic))
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

    fn answer(mut self: Box<Self>, verdict: Result<(), EngineError>) {
        let outcome = self.outcome.take();
        let undecided = || EngineError::Bug("settled without a decision".into());
        self.reply(verdict.and_then(|()| outcome.ok_or_else(undecided)));
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn is_repeatable(&self) -> bool {
        C::REPEATABLE
    }

    fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }

    fn note(&mut self, trace: Trace) {
        if self.trace != Trace::Unseen {
            self.trace = trace;
        }
    }
}

/// What a panic says.
pub(super) fn describe(panic: &(dyn Any + Send)) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Partitions;

    struct Nothing(Partition);

    impl Command for Nothing {
        type Outcome = ();

        fn partition(&self) -> Partition {
            self.0
        }

        fn touches(&self, _: &mut Touches) {}

        fn decide(&self, _: &mut View) {}
    }

    fn submitted() -> (Box<Submitted<Nothing>>, oneshot::Receiver<Result<(), EngineError>>) {
        let partition = Partitions::new(1).expect("an allowed count").of("a");
        let (submitted, answer) = Submitted::new(Nothing(partition), Instant::now());
        (Box::new(submitted), answer)
    }

    #[test]
    fn a_command_whose_exec_may_have_been_sent_is_never_said_not_to_have_happened() {
        for trace in [Trace::UnderWay, Trace::Unseen] {
            let (mut dropped, mut answer) = submitted();
            dropped.note(trace);
            drop(dropped);
            assert!(matches!(answer.try_recv(), Ok(Err(EngineError::OutcomeUnknown(_)))));
            let (mut refused, mut answer) = submitted();
            refused.note(trace);
            refused.answer(Err(EngineError::Unavailable("away".into())));
            assert!(matches!(answer.try_recv(), Ok(Err(EngineError::OutcomeUnknown(_)))));
        }
        let (dropped, mut answer) = submitted();
        drop(dropped);
        assert!(matches!(answer.try_recv(), Ok(Err(EngineError::Stopped))));
    }

    #[test]
    fn what_was_lost_for_good_stays_so_and_what_was_resolved_does_not() {
        let (mut lost, mut answer) = submitted();
        lost.note(Trace::Unseen);
        lost.note(Trace::UnderWay);
        lost.note(Trace::Nothing);
        lost.answer(Err(EngineError::Conflict));
        assert!(matches!(answer.try_recv(), Ok(Err(EngineError::OutcomeUnknown(_)))));
        let (mut resolved, mut answer) = submitted();
        resolved.note(Trace::UnderWay);
        resolved.note(Trace::Nothing);
        resolved.answer(Err(EngineError::Conflict));
        assert!(matches!(answer.try_recv(), Ok(Err(EngineError::Conflict))));
    }
}
