//! What is pending and not in this consumer's hands: of the former owner, of a read that broke, or gone astray.

use std::time::Duration;

use metrics::counter;
use tokio::time::Instant;

use super::{
    Context, Handler, group,
    retry::Retry,
    standing::labels,
    takeover::{self, Claimed, Why},
};
use crate::{BusError, TopicPartition};

/// What is to be taken of it.
enum State {
    /// Whose it is, is to be asked.
    Unknown { released: bool },
    /// Everything from here on; what is new comes after it.
    All { start: String, why: Why },
    /// What nobody has touched for so long. A read that Redis carried out late may have left it behind.
    Strays { start: String, idle: Duration },
    /// Nothing.
    Taken,
}

impl State {
    fn all(why: Why) -> Self {
        Self::All {
            start: "0-0".into(),
            why,
        }
    }
}

/// What is pending and not in this consumer's hands.
pub(super) struct Backlog {
    state: State,
    retry: Retry,
}

impl Backlog {
    /// What the former owner has left.
    pub(super) fn of_former_owner(released: bool) -> Self {
        Self {
            state: State::Unknown { released },
            retry: Retry::now(),
        }
    }

    pub(super) fn is_there(&self) -> bool {
        !matches!(self.state, State::Taken)
    }

    /// Whether it must be taken before new entries are read.
    pub(super) fn comes_first(&self) -> bool {
        matches!(self.state, State::Unknown { .. } | State::All { .. })
    }

    /// From when on the next step may be made.
    pub(super) fn at(&self) -> Instant {
        self.retry.at
    }

    /// A read broke: what it would have brought is pending under this consumer's name.
    pub(super) fn begin_anew(&mut self) {
        // Who still waits for a former owner to end begins later anyway.
        if !matches!(self.state, State::Unknown { .. }) {
            self.state = State::all(Why::Astray);
        }
    }

    /// More is pending than is in hand.
    pub(super) fn look_for_strays(&mut self, idle: Duration) {
        if !self.is_there() {
            let start = "0-0".into();
            self.state = State::Strays { start, idle };
        }
    }

    /// Takes a part of it.
    pub(super) async fn step<H: Handler>(&mut self, context: &Context<H>, partition: TopicPartition) -> Vec<Claimed> {
        match self.try_step(context, partition).await {
            Ok(entries) => entries,
            Err(cause) => {
                if group::is_missing(&cause) {
                    group::mend(&context.line, &context.config.group, &[partition]).await;
                } else {
                    context.trouble("pending entries cannot be taken over", &cause);
                }
                self.retry.failed();
                Vec::new()
            }
        }
    }

    async fn try_step<H: Handler>(
        &mut self,
        context: &Context<H>,
        partition: TopicPartition,
    ) -> Result<Vec<Claimed>, BusError> {
        let (line, config) = (&context.line, &context.config);
        let (start, idle, why) = match &self.state {
            State::Taken => return Ok(Vec::new()),
            State::Unknown { released } => {
                let pending_of = takeover::pending_of(line, partition, &config.group).await?;
                let wait = takeover::wait(*released, &pending_of, &config.name, config.handler_bound());
                self.retry = Retry::now();
                self.retry.at += wait;
                let why = if *released { Why::HandedOver } else { Why::Died };
                self.state = State::all(why);
                return Ok(Vec::new());
            }
            State::All { start, why } => (start.clone(), Duration::ZERO, *why),
            State::Strays { start, idle } => (start.clone(), *idle, Why::Astray),
        };
        let who = (config.group.as_str(), config.name.as_str());
        let page = takeover::claim(line, partition, who, idle, &start, why).await?;
        self.retry = Retry::now();
        self.state = match (page.next, &self.state) {
            (None, _) => State::Taken,
            (Some(start), State::Strays { idle, .. }) => State::Strays { start, idle: *idle },
            (Some(start), _) => State::All { start, why },
        };
        if page.trimmed > 0 {
            tracing::error!(group = config.group, %partition, entries = page.trimmed,
                "entries that were delivered and not acknowledged are no longer in the stream: their events are lost to the group");
            counter!(
                "holdfast_consumer_trimmed_total",
                &labels(&config.group, partition.topic)
            )
            .increment(page.trimmed as u64);
        }
        Ok(page.entries)
    }
}
