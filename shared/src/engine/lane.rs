//! The lane: the single task that commits batches, one at a time, on one dedicated connection.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use tokio::{sync::mpsc, time::Instant};

use super::{
    EngineConfig, EngineError, Touches,
    batch::Batch,
    clock_watch::ClockWatch,
    command::Pending,
    connection::{Commit, Connection, LoadError},
    fence::Fence,
};
use crate::{backoff::Backoff, store::LanePool};

/// Rivals are lanes of other processes, and each of their batches can cost one try.
const CONFLICT_TRIES: u32 = 64;
const CONFLICT_BACKOFF: Backoff = Backoff {
    first: Duration::from_micros(500),
    most: Duration::from_millis(20),
};
const RECONNECT_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(5),
    most: Duration::from_millis(200),
};

pub(super) struct Lane {
    queue: mpsc::Receiver<Box<dyn Pending>>,
    connections: LanePool,
    /// Absent after an error, until the next try makes one.
    connection: Option<Connection>,
    fence: Fence,
    /// The number of the last batch that was sent. Never used twice, not even for a second try.
    number: u64,
    batch_records: usize,
    /// How long a lost answer is asked for after the batch's own deadline.
    resolve_grace: Duration,
    metrics: LaneMetrics,
    clock: ClockWatch,
}

/// How one try at a batch ended.
enum Try {
    Settled,
    Conflict,
    /// Nothing is in force, and a new connection may help at once.
    Broken(String),
    /// Nothing is in force, and a new try won't help.
    Refused(EngineError),
    /// EXEC was sent as this number and not answered clearly.
    Lost {
        number: u64,
        cause: String,
        answered: bool,
    },
}

impl Lane {
    pub(super) fn new(
        number: u16,
        queue: mpsc::Receiver<Box<dyn Pending>>,
        connections: LanePool,
        fence: Fence,
        config: &EngineConfig,
    ) -> Self {
        Self {
            queue,
            connections,
            connection: None,
            fence,
            number: 0,
            batch_records: config.batch_records as usize,
            resolve_grace: Duration::from_millis(config.command_deadline_ms),
            metrics: LaneMetrics::new(number),
            clock: ClockWatch::new(number),
        }
    }

    /// Commits batches until every sender is gone and the queue is empty.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let (batch, deadline) = self.gather(first);
            if !batch.is_empty() {
                self.process(batch, deadline).await;
            }
        }
    }

    /// Takes what waits, up to the bound, and never waits for more. The deadline is that of the oldest.
    fn gather(&mut self, first: Box<dyn Pending>) -> (Batch, Instant) {
        let deadline = first.deadline();
        let now = Instant::now();
        let mut touches = Touches::default();
        let mut commands = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            if command.deadline() <= now {
                command.answer(Err(EngineError::Unavailable("not tried within the deadline".into())));
            } else {
                command.touches(&mut touches);
                commands.push(command);
            }
            next = (touches.records() < self.batch_records)
                .then(|| self.queue.try_recv().ok())
                .flatten();
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
        self.metrics.batch_size.record(commands.len() as f64);
        self.metrics.commands.increment(commands.len() as u64);
        (Batch::new(commands, touches), deadline.max(now))
    }

    async fn process(&mut self, mut batch: Batch, deadline: Instant) {
        let mut conflicts = 0;
        let mut breaks = 0;
        loop {
            match self.attempt(&mut batch).await {
                Try::Settled => return batch.settle(),
                Try::Refused(error) => {
                    self.disconnect();
                    return batch.fail(&error);
                }
                Try::Conflict => {
                    self.metrics.conflicts.increment(1);
                    conflicts += 1;
                    if conflicts >= CONFLICT_TRIES || Instant::now() >= deadline {
                        return batch.fail(&EngineError::Conflict);
                    }
                    CONFLICT_BACKOFF.sleep(conflicts).await;
                }
                Try::Broken(cause) => {
                    self.disconnect();
                    if Instant::now() >= deadline {
                        return batch.fail(&EngineError::Unavailable(cause));
                    }
                    RECONNECT_BACKOFF.sleep(breaks).await;
                    breaks += 1;
                }
                Try::Lost {
                    number,
                    cause,
                    answered,
                } => {
                    self.metrics.lost_answers.increment(1);
                    tracing::warn!(%cause, number, "the answer of a transaction was lost; asking the fence");
                    self.disconnect();
                    match self.resolve(number, deadline + self.resolve_grace).await {
                        Some(true) if answered => {
                            tracing::error!(%cause, "a command failed inside a transaction that is in force");
                            return batch.fail(&EngineError::OutcomeUnknown(cause));
                        }
                        Some(true) => return batch.settle(),
                        Some(false) => {}
                        None => return batch.fail(&EngineError::OutcomeUnknown(cause)),
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, batch: &mut Batch) -> Try {
        let touches = batch.touches();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(&self.connections).await {
                Ok(connection) => connection,
                Err(error) => return error.into(),
            },
        };
        let connection = self.connection.insert(connection);
        let loaded = match connection.load(&touches, &self.fence).await {
            Ok(loaded) => loaded,
            Err(error) => return error.into(),
        };
        self.clock.observe(loaded.now);
        let writes = match batch.decide(&touches, &loaded) {
            Ok(writes) => writes,
            Err(error) => return Try::Refused(error),
        };
        if writes.is_empty() {
            return match connection.unwatch().await {
                Ok(()) => Try::Settled,
                Err(error) => error.into(),
            };
        }
        self.number += 1;
        self.metrics.batches.increment(1);
        match connection.commit(writes, &self.fence, self.number).await {
            Commit::Done => Try::Settled,
            Commit::Conflict => Try::Conflict,
            Commit::Refused(cause) => Try::Refused(EngineError::Unavailable(cause)),
            Commit::Lost { cause, answered } => Try::Lost {
                number: self.number,
                cause,
                answered,
            },
        }
    }

    /// Asks the fence whether batch `number` is in force, until it knows or the deadline passes.
    async fn resolve(&mut self, number: u64, deadline: Instant) -> Option<bool> {
        let mut tries = 0;
        while tries == 0 || Instant::now() < deadline {
            self.number += 1;
            if let Ok(mut connection) = Connection::open(&self.connections).await {
                match connection.resolve(&self.fence, number, self.number).await {
                    Ok(Some(in_force)) => {
                        self.connection = Some(connection);
                        return Some(in_force);
                    }
                    Ok(None) | Err(_) => connection.throw_away(),
                }
            }
            RECONNECT_BACKOFF.sleep(tries).await;
            tries += 1;
        }
        None
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.throw_away();
        }
    }
}

impl From<LoadError> for Try {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Broken(cause) => Self::Broken(cause),
            LoadError::Refused(cause) => Self::Refused(EngineError::Unavailable(cause)),
        }
    }
}

struct LaneMetrics {
    commands: Counter,
    batches: Counter,
    batch_size: Histogram,
    conflicts: Counter,
    lost_answers: Counter,
}

impl LaneMetrics {
    fn new(number: u16) -> Self {
        let lane = number.to_string();
        Self {
            commands: counter!("holdfast_lane_commands_total", "lane" => lane.clone()),
            batches: counter!("holdfast_lane_batches_total", "lane" => lane.clone()),
            batch_size: histogram!("holdfast_lane_batch_commands", "lane" => lane.clone()),
            conflicts: counter!("holdfast_lane_conflicts_total", "lane" => lane.clone()),
            lost_answers: counter!("holdfast_lane_lost_answers_total", "lane" => lane),
        }
    }
}
