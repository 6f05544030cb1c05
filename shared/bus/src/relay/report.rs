//! What a relay counts and logs.

use metrics::{Counter, Gauge, counter, gauge};

use super::cursor::Gap;
use crate::{BusError, Topic};

/// Counts what a relay does, and says once what keeps it from it.
pub(super) struct Report {
    topic: Topic,
    moved: Counter,
    failures: Counter,
    lost: Counter,
    waiting: Gauge,
    is_away: bool,
}

impl Report {
    pub(super) fn new(topic: Topic) -> Self {
        let label = topic.name();
        Self {
            topic,
            moved: counter!("holdfast_relay_moved_entries_total", "topic" => label),
            failures: counter!("holdfast_relay_failures_total", "topic" => label),
            lost: counter!("holdfast_relay_lost_entries_total", "topic" => label),
            waiting: gauge!("holdfast_relay_waiting_entries", "topic" => label),
            is_away: false,
        }
    }

    pub(super) fn moved(&self, entries: usize) {
        self.moved.increment(entries as u64);
    }

    /// How many entries wait in the outbox.
    pub(super) fn waits(&self, entries: u64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a float, and this is no exact science"
        )]
        self.waiting.set(entries as f64);
    }

    /// Both connections are there.
    pub(super) fn works(&mut self) {
        if std::mem::take(&mut self.is_away) {
            tracing::info!(topic = %self.topic, "events are moved to the bus again");
        }
    }

    pub(super) fn failed(&mut self, error: &BusError) {
        self.failures.increment(1);
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(topic = %self.topic, %error, "events are not moved to the bus; they wait in the outbox, up to OUTBOX_ENTRIES");
        }
    }

    pub(super) fn lost(&self, outbox: &str, gap: &Gap) {
        match gap {
            Gap::Cut { entries, after, up_to } => {
                self.lost.increment(*entries);
                tracing::error!(topic = %self.topic, outbox, entries, %after, %up_to, "entries are not on this bus: the outbox cut them before they were moved, or a bus that is no more had them");
            }
            Gap::AnotherOutbox { former } => {
                self.lost.increment(1);
                tracing::error!(topic = %self.topic, outbox, %former, "the outbox is not the one that the bus knows: the store has lost what it had; its events are moved from the beginning");
            }
        }
    }
}
