//! Keeping ownership: this consumer is a member of its group, and holds its fair share of the partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::{Instant, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    Context, Handler, Line, group,
    lease::{self, Taken},
    members,
    seat::Seat,
    share::{fair_share, plan},
    worker::Worker,
};
use crate::{
    BusError, Topic, TopicPartition,
    replies::{array, number, text},
};

/// A partition that this consumer owns.
struct Owned {
    seat: Arc<Seat>,
    /// Ends the work on it.
    leave: CancellationToken,
    task: Id,
}

/// Holds this consumer's share of the partitions.
pub(super) struct Keeper<H> {
    context: Arc<Context<H>>,
    /// Its own, so that nothing else delays a renewal.
    line: Line,
    owned: BTreeMap<TopicPartition, Owned>,
    workers: JoinSet<bool>,
    /// How many partitions each topic has, once that is known.
    counts: BTreeMap<Topic, u16>,
    /// Where the group was made.
    made: BTreeSet<TopicPartition>,
}

impl<H: Handler> Keeper<H> {
    pub(super) fn new(context: Arc<Context<H>>) -> Self {
        Self {
            line: Line::new(context.bus.clone()),
            context,
            owned: BTreeMap::new(),
            workers: JoinSet::new(),
            counts: BTreeMap::new(),
            made: BTreeSet::new(),
        }
    }

    /// Holds the share until `stop`, then gives all of it up.
    pub(super) async fn keep(mut self, stop: &CancellationToken) {
        let mut ticks = interval(self.context.config.tick());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended).await,
                _ = ticks.tick() => self.round().await,
            };
            if let Err(cause) = round {
                self.context.trouble("partitions cannot be taken", &cause);
            }
        }
        // The others count their shares without this one from now on.
        if let Err(cause) = members::leave(&self.line, &self.context).await {
            self.context.trouble("the membership cannot be ended", &cause);
        }
        self.owned.values().for_each(|owned| owned.leave.cancel());
        while !self.owned.is_empty() {
            let round = tokio::select! {
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended).await,
                _ = ticks.tick() => self.renew().await,
            };
            if let Err(cause) = round {
                self.context.trouble("partitions cannot be released", &cause);
            }
        }
    }

    /// A worker has ended: its partition is released if nothing of it is under way.
    async fn ended(&mut self, ended: Result<(Id, bool), JoinError>) -> Result<(), BusError> {
        let (task, is_quiet) = match ended {
            Ok((task, is_quiet)) => (task, is_quiet),
            Err(cause) => (cause.id(), false),
        };
        let found = self.owned.iter().find(|(_, owned)| owned.task == task);
        let Some(partition) = found.map(|(partition, _)| *partition) else {
            return Ok(());
        };
        self.owned.remove(&partition);
        if is_quiet {
            let key = self.owner_key(partition);
            let release = |connection: &mut _| lease::queue_release(connection, &key, &self.context.me);
            self.line.ask(release).await?;
        }
        Ok(())
    }

    /// Renews what is owned, and takes or gives up what the fair share demands.
    async fn round(&mut self) -> Result<(), BusError> {
        self.renew().await?;
        let all = self.partitions().await?;
        let members = members::announce(&self.line, &self.context).await?;
        let rank = members.iter().position(|member| *member == self.context.me);
        let rank = rank.unwrap_or_default();
        let share = fair_share(all.len(), members.len(), rank);
        let stays = |(partition, owned): (&TopicPartition, &Owned)| (!owned.leave.is_cancelled()).then_some(*partition);
        let held = self.owned.iter().filter_map(stays).collect();
        let planned = plan(&held, &self.free(&all).await?, share, rank);
        for partition in planned.give_up {
            if let Some(owned) = self.owned.get(&partition) {
                owned.leave.cancel();
            }
        }
        self.take(planned.take).await
    }

    /// Renews what is owned. What is no longer its own is lost at once.
    async fn renew(&mut self) -> Result<(), BusError> {
        let now = Instant::now();
        let owned: Vec<_> = self
            .owned
            .iter()
            .filter(|(_, owned)| owned.seat.deadline() > now)
            .collect();
        if owned.is_empty() {
            return Ok(());
        }
        let millis = self.lease_millis();
        let keys: Vec<String> = owned.iter().map(|(partition, _)| self.owner_key(**partition)).collect();
        let replies = self
            .line
            .ask_all(|connection| {
                for key in &keys {
                    lease::queue_keep(connection, key, &self.context.me, &millis);
                }
            })
            .await?;
        for ((partition, owned), reply) in owned.into_iter().zip(replies) {
            match number(reply) {
                Some(1) => owned.seat.extend(now + self.context.config.lease()),
                Some(_) => {
                    tracing::warn!(group = self.context.config.group, %partition, "a partition is no longer this consumer's");
                    owned.seat.extend(now);
                    owned.leave.cancel();
                }
                // Refused, as by a bus without room: it lasts as long as it lasted before.
                None => {}
            }
        }
        Ok(())
    }

    /// All partitions of the topics that are there so far, each with its group.
    async fn partitions(&mut self) -> Result<Vec<TopicPartition>, BusError> {
        let config = &self.context.config;
        let words = std::iter::once(TOPICS).chain(config.topics.iter().map(|topic| topic.name()));
        let reply = self
            .line
            .ask_one(|connection| connection.queue("HMGET", words.map(str::as_bytes)))
            .await?;
        for (topic, count) in config.topics.iter().zip(array(reply)) {
            // A bus that came back empty is told again; until then the old number holds.
            if let Some(count) = number(count).and_then(|count| u16::try_from(count).ok()) {
                self.counts.insert(*topic, count);
            }
        }
        let counts = self.counts.iter();
        let all: Vec<_> = counts
            .flat_map(|(topic, count)| (0..*count).map(|number| topic.partition(number)))
            .collect();
        let new: Vec<_> = all.iter().filter(|one| !self.made.contains(one)).copied().collect();
        if !new.is_empty() {
            group::create(&self.line, &config.group, &new).await?;
            self.made.extend(new);
        }
        Ok(all)
    }

    /// The partitions that nobody owns. One that is still being left here is not among them.
    async fn free(&self, all: &[TopicPartition]) -> Result<Vec<TopicPartition>, BusError> {
        let others: Vec<_> = all
            .iter()
            .filter(|one| !self.owned.contains_key(one))
            .copied()
            .collect();
        if others.is_empty() {
            return Ok(others);
        }
        let keys: Vec<String> = others.iter().map(|one| self.owner_key(*one)).collect();
        let owners = self
            .line
            .ask_one(|connection| connection.queue("MGET", keys.iter().map(String::as_bytes)))
            .await?;
        let owners: Vec<_> = array(owners).into_iter().map(text).collect();
        let is_free = |owner: &Option<String>| match owner.as_deref() {
            None | Some(lease::RELEASED) => true,
            Some(owner) => owner == self.context.me,
        };
        let of_others = || keys.iter().zip(&owners).filter(|(_, owner)| !is_free(owner));
        if of_others().next().is_some() {
            let shorten = |connection: &mut _| of_others().for_each(|(key, _)| lease::queue_shorten(connection, key));
            self.line.ask(shorten).await?;
        }
        let free = others.into_iter().zip(&owners).filter(|(_, owner)| is_free(owner));
        Ok(free.map(|(one, _)| one).collect())
    }

    async fn take(&mut self, wanted: Vec<TopicPartition>) -> Result<(), BusError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (now, millis) = (Instant::now(), self.lease_millis());
        let keys: Vec<String> = wanted.iter().map(|one| self.owner_key(*one)).collect();
        let replies = self
            .line
            .ask_all(|connection| {
                for key in &keys {
                    lease::queue_take(connection, key, &self.context.me, &millis);
                }
            })
            .await?;
        for (partition, reply) in wanted.into_iter().zip(&replies) {
            match lease::taken(reply) {
                Taken::No => {}
                taken => self.work_on(partition, now + self.context.config.lease(), taken == Taken::Released),
            }
        }
        Ok(())
    }

    fn work_on(&mut self, partition: TopicPartition, deadline: Instant, released: bool) {
        tracing::info!(group = self.context.config.group, %partition, released, "a partition is taken");
        let (sender, arrivals) = mpsc::unbounded_channel();
        let seat = Seat::new(partition, sender, deadline);
        let leave = CancellationToken::new();
        self.context.seats.add(seat.clone());
        let worker = Worker::new(self.context.clone(), seat.clone(), arrivals, leave.clone(), released);
        let task = self.workers.spawn(worker.run()).id();
        self.owned.insert(partition, Owned { seat, leave, task });
    }

    fn owner_key(&self, partition: TopicPartition) -> String {
        partition.owner_key(&self.context.config.group)
    }

    fn lease_millis(&self) -> String {
        self.context.config.lease().as_millis().to_string()
    }
}

/// The hash that says how many partitions each topic has.
const TOPICS: &str = "topics";
