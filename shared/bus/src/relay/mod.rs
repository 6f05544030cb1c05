//! Moves a service's outbox to the bus: exactly once, in order, and without anybody polling.
//!
//! ```text
//!  store: XREAD BLOCK after the cursor ──> bus: MULTI, XADD .., SET cursor, EXEC ──> store: XTRIM up to the cursor
//!                                               │ (cursor and lease are watched)
//!                                               └─ null: another relay moved meanwhile; read the cursor again
//! ```
//!
//! The cursor stands on the bus, beside the events, and moves in the same transaction as they are appended. So if an
//! answer is lost, the cursor says what has happened. A service's replicas each have a relay; one at a time has the lease
//! and works. The lease only spares work: what keeps two relays apart is that each watches the cursors.
//!
//! `tests/models/relay.rs` removes these rules one by one.

mod cursor;
mod entries;
mod lease;
mod moving;
mod outbox;
mod report;
mod trim;

use std::time::Duration;

use domain::Backoff;
use engine::{
    keys::Partitions,
    store::{Store, connection::Connection},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use self::{
    cursor::{Cursor, Cursors, OutboxFacts},
    outbox::facts,
};
use self::{
    moving::{Bound, Moved},
    outbox::Outboxes,
    report::Report,
    trim::Trimmer,
};
use crate::{Bus, BusBounds, BusError, Topic};

/// How long a read waits for something to move before the lease is renewed.
const WAIT: Duration = Duration::from_millis(500);

/// How long events gather after a move before the next one, at least and at most, and how much longer for each byte that
/// was moved. A move of many events costs hardly more than a move of one, so the more there are, the more is saved by
/// waiting for others. An event that comes alone is moved at once.
const GATHER_MIN: Duration = Duration::from_millis(1);
const GATHER_MAX: Duration = Duration::from_millis(25);
const GATHER_BYTE: Duration = Duration::from_nanos(150);

const FAILURES: Backoff = Backoff {
    min: Duration::from_millis(20),
    max: Duration::from_secs(1),
};

/// Moves one service's outbox.
pub struct Relay {
    topic: Topic,
    store: Store,
    bus: Bus,
    partitions: Partitions,
    /// Unlike every other relay's.
    instance: String,
    trimmer: Trimmer,
    report: Report,
}

impl Relay {
    /// From a service's store to the bus.
    #[must_use]
    pub fn new(topic: Topic, store: Store, partitions: Partitions, bus: Bus, bounds: BusBounds) -> Self {
        Self {
            topic,
            store,
            bus,
            trimmer: Trimmer::new(topic, partitions.count(), bounds),
            partitions,
            instance: Uuid::now_v7().simple().to_string(),
            report: Report::new(topic),
        }
    }

    /// Moves until `stop`, and then what still waits. Whatever goes wrong, it tries again: events wait in the outbox.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let worked = self.work(&stop, &mut failures).await;
            match worked {
                Ok(()) => return,
                Err(error) => self.report.failed(&error),
            }
            if stop.is_cancelled() {
                tracing::warn!(topic = %self.topic, "stopped without the bus; what waits in the outbox is moved after the next start");
                return;
            }
            FAILURES.sleep(failures).await;
            failures += 1;
        }
    }

    /// Works as long as both connections last.
    async fn work(&mut self, stop: &CancellationToken, failures: &mut u32) -> Result<(), BusError> {
        let mut bus = self.bus.connect().await?;
        let mut outboxes = Outboxes::open(&self.store, &self.partitions).await?;
        lease::announce(&mut bus, self.topic, self.partitions.count()).await?;
        if !lease::wait_for(&mut bus, self.topic, &self.instance, stop).await? {
            return Ok(());
        }
        let (partitions, outbox_count) = (self.partitions.count(), outboxes.keys().len());
        let mut bound = Bound::new(self.topic, partitions, outbox_count, &self.instance, bus);
        let Some(mut cursors) = bound.watch().await? else {
            return Ok(());
        };
        self.reconcile(&mut outboxes, &mut cursors).await?;
        self.report.works();
        *failures = 0;
        self.relay(&mut outboxes, &mut bound, cursors, stop).await
    }

    /// Moves what comes, until `stop` or until another relay has the lease.
    async fn relay(
        &mut self,
        outboxes: &mut Outboxes,
        bound: &mut Bound,
        mut cursors: Cursors,
        stop: &CancellationToken,
    ) -> Result<(), BusError> {
        loop {
            let is_last = stop.is_cancelled();
            let wait = if is_last { Duration::ZERO } else { WAIT };
            let found = outboxes.read(&cursors, wait).await?;
            if found.is_empty() && is_last {
                return bound.release().await;
            }
            let moved = bound.move_entries(&cursors, &found).await?;
            let (moved_to, is_moved) = match moved {
                Moved::Done(cursors) => (cursors, true),
                Moved::Overtaken(cursors) => (cursors, false),
                Moved::Replaced => return Err(BusError::Strange("another relay has the lease")),
            };
            cursors = moved_to;
            if is_moved {
                self.report.moved(found.entries());
                outboxes.trim(&found, &cursors);
            }
            // A full read means that much waits: perhaps so much that the outbox's bound cut some of it.
            if found.is_full() || !is_moved {
                self.reconcile(outboxes, &mut cursors).await?;
            }
            self.trimmer.trim_now_and_then(bound.connection()).await?;
            if is_moved && !found.is_empty() && !found.is_full() {
                let more = GATHER_BYTE.saturating_mul(found.bytes());
                let gather = tokio::time::sleep((GATHER_MIN + more).min(GATHER_MAX));
                stop.run_until_cancelled(gather).await;
            }
        }
    }

    /// Finds what was cut from the outbox before it was moved, and says so.
    async fn reconcile(&self, outboxes: &mut Outboxes, cursors: &mut Cursors) -> Result<(), BusError> {
        let facts = outboxes.facts().await?;
        let waiting = facts
            .iter()
            .zip(cursors.all())
            .map(|(facts, cursor)| facts.waiting(cursor));
        self.report.waits(waiting.sum());
        for (number, (facts, outbox)) in facts.iter().zip(outboxes.keys()).enumerate() {
            if let Some(gap) = cursors.reconcile(number, facts) {
                self.report.lost(outbox, &gap);
            }
        }
        Ok(())
    }
}

/// A connection that may be used for nothing else until it has answered.
type Line = Connection;
