//! The way into the lanes.

use std::{sync::Arc, time::Duration};

use clap::{Args, builder::TypedValueParser};
use domain::Millis;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{
    EngineError, Health,
    command::{Command, Pending, Submitted},
    fence::Fence,
    keys::{MAX_PARTITIONS, Partition, Partitions},
    lane::Lane,
    outbox::OutboxStream,
    store::Store,
    turn::Turn,
};

/// The engine's bounds.
#[derive(Debug, Clone, Args)]
pub struct EngineConfig {
    /// The number of key groups. Fixed at a store's first start.
    #[arg(long, env = "PARTITIONS", default_value_t = EngineConfig::DEFAULT.partitions, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_PARTITIONS)))]
    pub partitions: u16,
    /// How many lanes commit side by side on a single Redis. A cluster has one lane a partition.
    #[arg(long, env = "LANES", default_value_t = EngineConfig::DEFAULT.lanes, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub lanes: u16,
    /// How many commands may wait in a lane. One more is refused at once.
    #[arg(long, env = "LANE_QUEUE", default_value_t = EngineConfig::DEFAULT.lane_queue, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub lane_queue: u32,
    /// How many records one batch may touch. A batch takes what waits, up to this. More do not help: WATCH compares each key with all that are watched.
    #[arg(long, env = "BATCH_RECORDS", default_value_t = EngineConfig::DEFAULT.batch_records, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub batch_records: u32,
    /// How long a command may take before it is given up, in milliseconds.
    #[arg(long = "command-deadline-ms", value_name = "MILLIS", env = "COMMAND_DEADLINE_MS", default_value_t = EngineConfig::DEFAULT.command_deadline, value_parser = clap::value_parser!(u64).range(10..=60_000).map(Millis::new))]
    pub command_deadline: Millis,
    /// About how many entries the outbox keeps while the bus is away; an entry holds what one batch announces, up to 16 kB. On a cluster, each partition's outbox keeps as many. What is cut beyond them is lost to the bus, and counted.
    #[arg(long, env = "OUTBOX_ENTRIES", default_value_t = EngineConfig::DEFAULT.outbox_entries, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub outbox_entries: u32,
}

impl EngineConfig {
    const DEFAULT: Self = Self {
        partitions: 16,
        lanes: 1,
        lane_queue: 8_192,
        batch_records: 256,
        command_deadline: Millis::new(3_000),
        outbox_entries: 100_000,
    };
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The way into the lanes. Cheap to clone; when the last clone is dropped, the lanes finish what waits
/// and end.
#[derive(Clone)]
pub struct Engine {
    lanes: Arc<[mpsc::Sender<Box<dyn Pending>>]>,
    partitions: Partitions,
    deadline: Duration,
    health: Health,
}

/// The running lanes of an [`Engine`]. They go on when this is dropped.
pub struct Lanes(Vec<JoinHandle<()>>);

impl Lanes {
    /// Waits until every lane has finished its queue, which it does once all [`Engine`] clones are gone.
    pub async fn finished(self) {
        for lane in self.0 {
            if let Err(broken) = lane.await {
                tracing::error!(%broken, "a lane broke");
            }
        }
    }
}

impl Engine {
    /// Starts the lanes on the current tokio runtime.
    #[must_use]
    pub fn start(store: &Store, partitions: &Partitions, config: &EngineConfig) -> (Self, Lanes) {
        let count = if store.is_clustered() {
            partitions.count()
        } else {
            config.lanes
        };
        let outboxes = partitions.outboxes(store.is_clustered());
        let instance = Uuid::now_v7().simple().to_string();
        let (mut tasks, mut pulses) = (Vec::new(), Vec::new());
        let lanes = (0..count)
            .zip(partitions.all().cycle())
            .zip(outboxes.into_iter().cycle())
            .map(|((number, partition), outbox)| {
                let (tag, instance) = (partitions.tag(partition), format!("{instance}-{number}"));
                let fence = Fence::new(tag, &instance);
                let (sender, queue) = mpsc::channel(config.lane_queue as usize);
                let connections = store.lane(fence.slot());
                let outbox = OutboxStream::new(outbox, config.outbox_entries);
                let marks = (fence, Turn::new(tag, &instance));
                let lane = Lane::new(number, queue, connections, marks, outbox, config);
                pulses.push(lane.pulse());
                tasks.push(tokio::spawn(lane.run()));
                sender
            })
            .collect();
        let engine = Self {
            lanes,
            partitions: partitions.clone(),
            deadline: config.command_deadline.duration(),
            health: Health::new(pulses),
        };
        (engine, Lanes(tasks))
    }

    /// Whether the lanes do their work.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// The partitions that its commands live in.
    pub(crate) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Commits a command and returns its outcome.
    ///
    /// # Errors
    /// See [`EngineError`]; a full queue answers at once, everything else within the command deadline and
    /// one more for a lost answer. Dropping the future does not take the command back.
    pub async fn submit<C: Command>(&self, command: C) -> Result<C::Outcome, EngineError> {
        let lane = self.lane_of(command.partition());
        let (submitted, answer) = Submitted::new(command, Instant::now() + self.deadline);
        lane.try_send(Box::new(submitted)).map_err(|refused| match refused {
            TrySendError::Full(_) => EngineError::Overloaded,
            TrySendError::Closed(_) => EngineError::Stopped,
        })?;
        answer.await.unwrap_or(Err(EngineError::Stopped))
    }

    /// As [`Engine::submit`], for the step of a saga that has begun: it waits for room in a full queue, and nobody
    /// wants its outcome after `until`.
    ///
    /// Those who wait get their room in the order in which they came, and before those who do not wait.
    ///
    /// # Errors
    /// See [`EngineError`]; [`EngineError::Overloaded`] if there was no room until then.
    pub async fn submit_within<C: Command>(&self, command: C, until: Instant) -> Result<C::Outcome, EngineError> {
        let lane = self.lane_of(command.partition());
        let room = timeout_at(until, lane.reserve())
            .await
            .map_err(|_| EngineError::Overloaded)?
            .map_err(|_| EngineError::Stopped)?;
        let (submitted, answer) = Submitted::new(command, until.min(Instant::now() + self.deadline));
        room.send(Box::new(submitted));
        answer.await.unwrap_or(Err(EngineError::Stopped))
    }

    /// As [`Engine::submit`], for what can wait: it never takes the room that others need.
    ///
    /// # Errors
    /// See [`EngineError`]; [`EngineError::Overloaded`] if half of the queue is used.
    pub async fn submit_leaving_room<C: Command>(&self, command: C) -> Result<C::Outcome, EngineError> {
        let lane = self.lane_of(command.partition());
        if lane.capacity() <= lane.max_capacity() / 2 {
            return Err(EngineError::Overloaded);
        }
        self.submit(command).await
    }

    /// A partition's commands always go to the same lane, so the lanes of one process are never rivals.
    fn lane_of(&self, partition: Partition) -> &mpsc::Sender<Box<dyn Pending>> {
        &self.lanes[partition.index() % self.lanes.len()]
    }
}
