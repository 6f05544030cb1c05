//! The checkout saga's control flow.
//!
//! ```text
//! begin ─> reserve ─> charge ─> finish(paid)
//!             │          │
//!             │ refused  │ refused        on the clean path: release what is held, finish(rejected)
//!             └──────────┴──────────────> otherwise: cancel, release and refund, finish(rejected)
//! ```
//!
//! Nothing here is trusted to run to its end. Each step is safe to repeat, the order's record says how far
//! the saga is, and whoever takes it over runs the same steps again.
//!
//! Sources: Garcia-Molina and Salem, "Sagas" (SIGMOD 1987); Helland, "Life beyond Distributed
//! Transactions" (CIDR 2007).

use std::{panic::AssertUnwindSafe, time::Duration};

use engine::{Command, Engine, EngineError};
use futures::FutureExt;
use metrics::Counter;
use saga::{
    Charge, ChargeAnswer, Refund, Release, Reserve, ReserveAnswer,
    client::{Answering, CallError},
};
use tokio::time::Instant;

use crate::{
    decide::{Cancel, CancelOutcome, Course, Finish, FinishOutcome, Saga, Verdict},
    keys::Keys,
    participants::Participants,
    record::Rejection,
    retry::{Answered, with_retries},
};

/// How far a driver came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DriveOutcome {
    /// The saga is finished, and this is how.
    Finished(Verdict),
    /// Somebody else has decided, or will: the order's record tells.
    Overtaken,
}

/// A driver could not go on. The saga is unfinished and will be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriveError {
    #[error("a participant did not answer: {0}")]
    Participant(#[from] CallError),
    #[error("the order's record could not be changed: {0}")]
    Record(#[from] EngineError),
    #[error("the driver broke")]
    Broke,
}

/// Drives sagas towards their end. It decides which step comes next, and nothing else does.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) keys: Keys,
    pub(crate) participants: Participants,
    /// The first driver's lease.
    pub(crate) lease: Duration,
    /// Counts drives that have panicked.
    pub(crate) broken: Counter,
}

impl Driver {
    /// Drives a saga until it is finished or cannot go on.
    ///
    /// Steps are repeated for as long as the first driver's lease, and not for the longer ones of later drivers: a saga
    /// that cannot go on makes room for others, and its lease keeps it from coming again too soon.
    pub(crate) async fn drive(&self, saga: &Saga, course: Course) -> Result<DriveOutcome, DriveError> {
        let deadline = Instant::now() + self.lease;
        let drive = async {
            match course {
                Course::Forward => self.forward(saga, deadline).await,
                Course::Back(reason) => self.back(saga, reason, deadline).await,
            }
        };
        // A panic is a driver that has died. The next one takes its saga over.
        AssertUnwindSafe(drive).catch_unwind().await.unwrap_or_else(|_| {
            self.broken.increment(1);
            Err(DriveError::Broke)
        })
    }

    async fn forward(&self, saga: &Saga, deadline: Instant) -> Result<DriveOutcome, DriveError> {
        let reserved = call(deadline, || self.participants.stock.reserve(reserve(saga))).await?;
        let clean = saga.epoch == 0 && reserved.first_try;
        match reserved.answer.into() {
            Step::Done => {}
            Step::Undone => return self.back(saga, Rejection::Interrupted, deadline).await,
            // A refused reserve holds nothing, and stays refused.
            Step::Refused(reason) if clean => return self.finish(saga, Verdict::Rejected(reason), deadline).await,
            Step::Refused(reason) => return self.back(saga, reason, deadline).await,
        }
        let charged = call(deadline, || self.participants.payment.charge(charge(saga))).await?;
        let clean = clean && charged.first_try;
        match charged.answer.into() {
            Step::Done => self.finish(saga, Verdict::Paid, deadline).await,
            Step::Undone => self.back(saga, Rejection::Interrupted, deadline).await,
            // A refused charge stays refused, so no driver can finish this saga as paid any more.
            Step::Refused(reason) if clean => {
                call(deadline, || self.participants.stock.release(release(saga))).await?;
                self.finish(saga, Verdict::Rejected(reason), deadline).await
            }
            Step::Refused(reason) => self.back(saga, reason, deadline).await,
        }
    }

    /// Gives the saga up: first the order's record says so, then every participant compensates, with
    /// tombstones against requests that may still be on their way.
    async fn back(&self, saga: &Saga, reason: Rejection, deadline: Instant) -> Result<DriveOutcome, DriveError> {
        let cancel = || Cancel {
            keys: self.keys.saga(&saga.id.order),
            saga_id: saga.id.clone(),
            epoch: saga.epoch,
            fingerprint: saga.fingerprint,
            reason: reason.clone(),
        };
        let reason = match self.change(deadline, cancel).await? {
            CancelOutcome::Cancelling(reason) => reason,
            CancelOutcome::Overtaken => return Ok(DriveOutcome::Overtaken),
        };
        tokio::try_join!(
            call(deadline, || self.participants.stock.release(release(saga))),
            call(deadline, || self.participants.payment.refund(refund(saga))),
        )?;
        self.finish(saga, Verdict::Rejected(reason), deadline).await
    }

    async fn finish(&self, saga: &Saga, verdict: Verdict, deadline: Instant) -> Result<DriveOutcome, DriveError> {
        let finish = || Finish {
            keys: self.keys.saga(&saga.id.order),
            saga_id: saga.id.clone(),
            epoch: saga.epoch,
            fingerprint: saga.fingerprint,
            verdict: verdict.clone(),
        };
        match self.change(deadline, finish).await? {
            FinishOutcome::Finished => Ok(DriveOutcome::Finished(verdict)),
            FinishOutcome::Overtaken => Ok(DriveOutcome::Overtaken),
        }
    }

    /// Changes the order's record by a command that may be repeated: if an earlier try is in force although its answer was
    /// lost, the record shows it.
    async fn change<C: Command>(&self, deadline: Instant, command: impl Fn() -> C) -> Result<C::Outcome, EngineError> {
        let passes = |error: &EngineError| match error {
            EngineError::Overloaded
            | EngineError::Conflict
            | EngineError::Unavailable(_)
            | EngineError::StoreFull
            | EngineError::OutcomeUnknown(_) => true,
            EngineError::Expired { .. } | EngineError::Corrupt { .. } | EngineError::Bug(_) | EngineError::Stopped => {
                false
            }
        };
        let changed = with_retries(deadline, || self.engine.submit(command()), passes).await?;
        Ok(changed.answer)
    }
}

/// Calls a participant. Whatever kept an answer away may pass.
pub(crate) async fn call<'a, A>(
    deadline: Instant,
    call: impl Fn() -> Answering<'a, A>,
) -> Result<Answered<A>, CallError> {
    with_retries(deadline, call, |_| true).await
}

/// What a participant's answer means for the saga.
enum Step {
    Done,
    /// The participant was told to undo the saga, so it can no longer be paid: by a driver that overtook
    /// this one, or by an earlier one that died before it could say so in the order's record.
    Undone,
    Refused(Rejection),
}

impl From<ReserveAnswer> for Step {
    fn from(answer: ReserveAnswer) -> Self {
        match answer {
            ReserveAnswer::Reserved => Self::Done,
            ReserveAnswer::Undone => Self::Undone,
            ReserveAnswer::OutOfStock { item_id, left } => Self::Refused(Rejection::OutOfStock { item_id, left }),
            ReserveAnswer::ItemGone { item_id } => Self::Refused(Rejection::ItemGone { item_id }),
            ReserveAnswer::StoreFull => Self::Refused(Rejection::StoreFull),
            // The others' lines are released, as after every refusal; what the name holds for something else stays.
            ReserveAnswer::Mismatch { .. } => Self::Refused(Rejection::Mismatch),
        }
    }
}

impl From<ChargeAnswer> for Step {
    fn from(answer: ChargeAnswer) -> Self {
        match answer {
            ChargeAnswer::Charged => Self::Done,
            ChargeAnswer::Undone => Self::Undone,
            ChargeAnswer::InsufficientCredit { credit } => Self::Refused(Rejection::InsufficientCredit { credit }),
            ChargeAnswer::UnknownUser => Self::Refused(Rejection::UnknownUser),
            ChargeAnswer::StoreFull => Self::Refused(Rejection::StoreFull),
            ChargeAnswer::Mismatch => Self::Refused(Rejection::Mismatch),
        }
    }
}

fn reserve(saga: &Saga) -> Reserve {
    Reserve {
        saga_id: saga.id.clone(),
        driven_since: saga.driven_since,
        fingerprint: saga.fingerprint,
        lines: saga.lines.clone(),
    }
}

fn release(saga: &Saga) -> Release {
    Release {
        saga_id: saga.id.clone(),
        driven_since: saga.driven_since,
        fingerprint: saga.fingerprint,
        item_ids: saga.lines.iter().map(|line| line.item_id.clone()).collect(),
    }
}

fn charge(saga: &Saga) -> Charge {
    Charge {
        saga_id: saga.id.clone(),
        driven_since: saga.driven_since,
        fingerprint: saga.fingerprint,
        user_id: saga.user_id.clone(),
        amount: saga.total,
    }
}

fn refund(saga: &Saga) -> Refund {
    Refund {
        saga_id: saga.id.clone(),
        driven_since: saga.driven_since,
        fingerprint: saga.fingerprint,
        user_id: saga.user_id.clone(),
    }
}
