//! What becomes of a batch that did not come through: each of its commands is answered, or decided again.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::{CONFLICT_BACKOFF, FAILURE_BACKOFF, Failed, Lane, Passed};
use crate::{
    EngineError,
    batch::Batch,
    command::Trace,
    fence::{Sent, Verdict},
    refusal::{Refusal, Remedy},
    store::Redirect,
    transaction::Transaction,
};

impl Lane {
    /// Sees to it that every command of a batch that did not come through is answered, or decided again later.
    pub(super) async fn recover(&mut self, batch: Batch, failed: Failed, started: Instant) {
        match failed {
            Failed::Conflict => {
                self.report.conflicted();
                self.pace.conflicted(batch.len());
                let in_a_row = self.turn.lost(started.elapsed(), Instant::now());
                self.give_back(batch, &EngineError::Conflict);
                if self.turn.held().is_none() {
                    CONFLICT_BACKOFF.sleep(in_a_row).await;
                }
            }
            Failed::Yielded => {
                self.report.yielded();
                self.give_back(batch, &EngineError::Conflict);
                match self.turn.pause() {
                    Some(pause) => sleep(pause).await,
                    None => yield_now().await,
                }
            }
            Failed::Unfenced => {
                self.give_back(batch, &EngineError::Unavailable("the fence does not stay".into()));
                CONFLICT_BACKOFF.sleep(self.failures).await;
                self.failures += 1;
            }
            Failed::Unconnected(cause) => {
                self.give_back(batch, &EngineError::Unavailable(cause));
                self.failed_again().await;
            }
            Failed::Broken(cause) => {
                self.disconnect();
                self.give_back_lost(batch, cause).await;
            }
            Failed::Refused(refusal) => self.recover_refused(batch, &refusal).await,
            Failed::Faulty(error) if batch.len() <= 1 => {
                self.disconnect();
                batch.fail(&error);
            }
            Failed::Faulty(error) => {
                self.disconnect();
                self.pace.split(batch.len());
                self.give_back(batch, &error);
            }
            Failed::Lost { sent, cause, answered } => self.recover_lost(batch, sent, cause, answered).await,
        }
    }

    async fn recover_refused(&mut self, mut batch: Batch, refusal: &Refusal) {
        self.disconnect();
        let error = EngineError::Unavailable(refusal.to_string());
        match refusal.remedy() {
            Remedy::Reconnect => {
                if let Some(redirect) = Redirect::parse(refusal.cause()) {
                    self.connections.manager().redirect(redirect);
                }
                self.give_back(batch, &error);
                self.failed_again().await;
            }
            // What only frees may still pass by itself, now that it is known how.
            Remedy::Free if !(self.report.is_full() && batch.is_repeatable()) => {
                self.report.refused(refusal.code(), refusal.cause());
                batch.fail_unrepeatable(&error);
                self.backlog.set_apart(batch);
            }
            Remedy::Free | Remedy::GiveUp => {
                self.report.refused(refusal.code(), refusal.cause());
                batch.fail(&error);
            }
        }
    }

    async fn recover_lost(&mut self, mut batch: Batch, sent: Sent, cause: String, answered: bool) {
        self.report.lost();
        self.disconnect();
        tracing::warn!(
            cause,
            number = sent.number,
            "the answer of a transaction was lost; asking the fence"
        );
        let verdict = self.resolve(&mut batch, &sent, &cause).await;
        match verdict {
            Verdict::InForce if answered => {
                tracing::error!(cause, "a command failed inside a transaction that is in force");
                batch.fail(&EngineError::OutcomeUnknown(cause));
            }
            Verdict::InForce => self.settle(batch, &Passed { bytes: 0, fenced: true }),
            Verdict::NotInForce => {
                batch.note(Trace::Nothing);
                self.give_back_lost(batch, cause).await;
            }
            Verdict::Unknown => {
                if !batch.is_empty() {
                    tracing::error!(cause, "the fence does not tell what became of a transaction");
                }
                batch.fail(&EngineError::OutcomeUnknown(cause));
            }
        }
    }

    /// Asks the fence what became of an EXEC, until it tells or nobody waits for it any more.
    async fn resolve(&mut self, batch: &mut Batch, sent: &Sent, cause: &str) -> Verdict {
        let unknown = EngineError::OutcomeUnknown(cause.to_owned());
        let mut tries = 0;
        loop {
            self.number += 1;
            if let Ok(mut transaction) = Transaction::open(&self.connections, self.outbox.clone()).await {
                match transaction.resolve(&self.fence, sent, self.number).await {
                    Ok(Some(verdict)) => {
                        self.transaction = Some(transaction);
                        return verdict;
                    }
                    Ok(None) | Err(_) => transaction.throw_away(),
                }
            }
            batch.fail_due(Instant::now(), self.resolve_grace, &unknown);
            if batch.is_empty() {
                return Verdict::Unknown;
            }
            FAILURE_BACKOFF.sleep(tries).await;
            tries += 1;
        }
    }

    /// Gives the error to the commands that are due; the others are decided again.
    fn give_back(&mut self, mut batch: Batch, error: &EngineError) {
        batch.fail_due(Instant::now(), Duration::ZERO, error);
        self.backlog.give_back(batch);
    }

    /// As [`Lane::give_back`], if it may be the batch itself that does not come through.
    async fn give_back_lost(&mut self, mut batch: Batch, cause: String) {
        self.pace.lost(batch.len(), Instant::now());
        batch.fail_due(Instant::now(), Duration::ZERO, &EngineError::Unavailable(cause));
        if batch.len() == 1 {
            self.backlog.suspect(batch);
        } else {
            self.backlog.give_back(batch);
        }
        self.failed_again().await;
    }

    /// Waits a little longer each time that nothing came through.
    pub(super) async fn failed_again(&mut self) {
        FAILURE_BACKOFF.sleep(self.failures).await;
        self.failures += 1;
    }
}
