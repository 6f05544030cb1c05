//! The lane: the single task that commits batches, one at a time, on one dedicated connection.
//!
//! ```text
//!           ┌───────────────────────── given back: decided again with what has come since ──┐
//!           v                                                                               │
//! queue ─> gather ─> load ─> decide ─> commit ─┬─ in force ──────────────────> answers      │
//!                                              ├─ not in force: who is due hears so, the rest is
//!                                              └─ lost: the fence tells which of the two
//! ```

mod recover;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::Backoff;
use futures::FutureExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    EngineConfig, EngineError, Touches,
    backlog::Backlog,
    batch::Batch,
    clock_watch::ClockWatch,
    command::{Pending, Trace, describe},
    fence::{Fence, Sent},
    health::{Pulse, Report},
    outbox::OutboxStream,
    pace::Pace,
    refusal::Refusal,
    transaction::{Commit, Load, LoadError, Transaction},
    turn::Turn,
    writes::Writes,
};
use crate::store::LanePool;

const CONFLICT_BACKOFF: Backoff = Backoff {
    min: Duration::from_micros(500),
    max: Duration::from_millis(20),
};
const FAILURE_BACKOFF: Backoff = Backoff {
    min: Duration::from_millis(5),
    max: Duration::from_millis(200),
};
/// How often a lane that Redis refuses to write for, and that has nothing to do, tries whether it does again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Lane {
    backlog: Backlog,
    connections: LanePool,
    outbox: OutboxStream,
    /// Absent after an error, until the next try makes one.
    transaction: Option<Transaction>,
    fence: Fence,
    /// The number of the last EXEC that was sent. Never used twice, not even for a second try.
    number: u64,
    pace: Pace,
    turn: Turn,
    /// Tries in a row that failed for another reason than a rival.
    failures: u32,
    /// How long a lost answer is asked for after a command's own deadline.
    resolve_grace: Duration,
    report: Report,
    clock: ClockWatch,
}

/// A try that came through.
struct Passed {
    /// How large the records were that it loaded.
    bytes: usize,
    /// Redis took its changes, the fence's number among them.
    fenced: bool,
}

/// Why a try did not come through.
enum Failed {
    /// A rival wrote. Nothing is in force.
    Conflict,
    /// It is another lane's turn. Nothing was tried.
    Yielded,
    /// The fence was not there and had to be written first.
    Unfenced,
    /// There is no connection to be had.
    Unconnected(String),
    /// The connection broke. Nothing is in force, and a new one may help at once.
    Broken(String),
    /// Redis won't. Nothing is in force.
    Refused(Refusal),
    /// What was decided cannot be written, because of one of the commands.
    Faulty(EngineError),
    /// EXEC was sent and not answered clearly.
    Lost {
        sent: Sent,
        cause: String,
        /// Redis did answer: see [`Commit::Lost`].
        answered: bool,
    },
}

impl Lane {
    pub(super) fn new(
        number: u16,
        queue: mpsc::Receiver<Box<dyn Pending>>,
        connections: LanePool,
        (fence, turn): (Fence, Turn),
        outbox: OutboxStream,
        config: &EngineConfig,
    ) -> Self {
        let report = Report::new(number);
        Self {
            backlog: Backlog::new(queue, report.taken()),
            connections,
            outbox,
            transaction: None,
            fence,
            number: 0,
            pace: Pace::new(config.batch_records as usize),
            turn,
            failures: 0,
            resolve_grace: config.command_deadline.duration(),
            report,
            clock: ClockWatch::new(number),
        }
    }

    /// What others may know of how the lane is doing.
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        self.report.pulse()
    }

    /// Commits batches until every sender is gone and nothing waits. A panic costs the batch under way, not the lane.
    pub(super) async fn run(mut self) {
        while let Err(panic) = AssertUnwindSafe(self.work()).catch_unwind().await {
            tracing::error!(panic = describe(&*panic), "a lane broke, and goes on");
            self.report.restarted();
            self.disconnect();
            self.failed_again().await;
        }
        self.report.pulse().end();
    }

    async fn work(&mut self) {
        while let Some(mut batch) = self.gather().await {
            let started = Instant::now();
            match self.attempt(&mut batch).await {
                Ok(passed) => self.settle(batch, &passed),
                Err(failed) => {
                    self.report.failed(Instant::now());
                    self.recover(batch, failed, started).await;
                }
            }
        }
    }

    /// What waits, as much as the pace allows. An empty batch is a probe: it writes the fence alone.
    async fn gather(&mut self) -> Option<Batch> {
        if let Some(room) = self.turn.room(Instant::now()) {
            sleep(room).await;
        }
        let bounds = self.pace.bounds(Instant::now());
        tokio::select! {
            biased;
            batch = self.backlog.gather(bounds) => batch,
            () = sleep(PROBE_INTERVAL), if self.report.is_failing() => Some(Batch::default()),
        }
    }

    /// Tries to commit a batch. In case of an error, the connection is fit for another try only after
    /// [`Failed::Conflict`], [`Failed::Yielded`] and [`Failed::Unfenced`].
    async fn attempt(&mut self, batch: &mut Batch) -> Result<Passed, Failed> {
        let is_probe = batch.is_empty();
        let touches = batch.touches();
        let transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => Transaction::open(&self.connections, self.outbox.clone())
                .await
                .map_err(Failed::to_connect)?,
        };
        let transaction = self.transaction.insert(transaction);
        let started = Instant::now();
        self.number += 1;
        let request = self.turn.request(self.number, started);
        let load = transaction.load(&touches, &self.fence, &request).await?;
        self.clock.observe(load.loaded.now);
        if self.turn.yields_to(load.turn.as_ref(), started) {
            transaction.discard().await?;
            return Err(Failed::Yielded);
        }
        let writes = batch.decide(&touches, &load.loaded).map_err(Failed::Faulty)?;
        let bytes = load.loaded.bytes();
        if writes.is_empty() && !is_probe {
            transaction.discard().await?;
            return Ok(Passed { bytes, fenced: false });
        }
        let is_free = writes.only_frees() && batch.is_repeatable() && !is_probe;
        let seen = match load.fence {
            Some(seen) => seen,
            None if is_free => Bytes::new(),
            None => return Err(self.establish().await),
        };
        self.report.sent();
        batch.note(Trace::UnderWay);
        if is_free && self.report.is_full() {
            batch.note(Trace::Unseen);
            transaction.free(&writes).await?;
            return Ok(Passed { bytes, fenced: false });
        }
        let fenced = (!is_free).then_some((&self.fence, self.number));
        match transaction.commit(&writes, fenced, self.turn.held()).await {
            Commit::Done => {
                self.turn.committed(started.elapsed(), Instant::now());
                Ok(Passed {
                    bytes,
                    fenced: !is_free,
                })
            }
            Commit::Lost { cause, .. } if is_free => {
                batch.note(Trace::Unseen);
                Err(Failed::Broken(cause))
            }
            Commit::Lost { cause, answered } => {
                let number = self.number;
                let sent = Sent { number, seen };
                Err(Failed::Lost { sent, cause, answered })
            }
            Commit::Conflict => {
                batch.note(Trace::Nothing);
                Err(Failed::Conflict)
            }
            Commit::Refused(refusal) => {
                batch.note(Trace::Nothing);
                Err(Failed::Refused(refusal))
            }
        }
    }

    /// Writes the fence, and nothing else: whatever becomes of it, the next load sees. It watches the fence alone, so
    /// that no rival comes between, and watches it from an earlier request on, so that it cannot come late.
    async fn establish(&mut self) -> Failed {
        let Some(transaction) = &mut self.transaction else {
            return Failed::Unfenced;
        };
        if let Err(error) = transaction.discard().await {
            return error.into();
        }
        match transaction
            .load(&Touches::default(), &self.fence, &self.turn.look())
            .await
        {
            Err(error) => return error.into(),
            Ok(Load { fence: Some(_), .. }) => {
                return transaction
                    .discard()
                    .await
                    .map_or_else(Failed::from, |()| Failed::Unfenced);
            }
            Ok(_) => {}
        }
        let fence = Some((&self.fence, self.number));
        match transaction.commit(&Writes::default(), fence, None).await {
            Commit::Done | Commit::Conflict => Failed::Unfenced,
            Commit::Refused(refusal) => Failed::Refused(refusal),
            Commit::Lost { cause, .. } => Failed::Broken(cause),
        }
    }

    fn settle(&mut self, batch: Batch, passed: &Passed) {
        self.failures = 0;
        self.pace.passed(batch.len(), passed.bytes, Instant::now());
        self.report.passed(batch.len(), passed.fenced);
        batch.settle();
    }

    fn disconnect(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.throw_away();
        }
    }
}

impl Failed {
    fn to_connect(error: LoadError) -> Self {
        match error {
            LoadError::Broken(cause) => Self::Unconnected(cause),
            LoadError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl From<LoadError> for Failed {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Broken(cause) => Self::Broken(cause),
            LoadError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}
