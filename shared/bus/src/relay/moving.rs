//! The bus's side: appends entries and moves the cursors, in one transaction.

use std::time::Instant;

use engine::store::connection::{Reply, error};

use super::{Line, cursor::Cursors, entries::TopicEntries, lease::LEASE, outbox::Found};
use crate::{
    BusError, Topic, TopicPartition,
    replies::{EVENTS_FIELD, answered, array, text},
};

/// A relay's connection to the bus. Between its exchanges, the cursors and the lease are watched.
pub(super) struct Bound {
    line: Line,
    streams: Vec<String>,
    cursors: String,
    outboxes: usize,
    lease: String,
    own: String,
    /// When the lease was renewed last.
    renewed: Instant,
}

/// What became of entries that were to be moved.
pub(super) enum Moved {
    /// They are on the bus; the cursors as they are now.
    Done(Cursors),
    /// Another relay moved a cursor. Nothing of this is on the bus; the cursors as they are now.
    Overtaken(Cursors),
    /// Another relay has the lease.
    Replaced,
}

impl Bound {
    /// Of a relay that has just taken the lease.
    pub(super) fn new(topic: Topic, partitions: u16, outboxes: usize, own: &str, line: Line) -> Self {
        Self {
            line,
            streams: (0..partitions)
                .map(|number| TopicPartition::stream_key(topic.partition(number)))
                .collect(),
            cursors: topic.cursor_key(),
            outboxes,
            lease: topic.lease_key(),
            own: own.to_owned(),
            renewed: Instant::now(),
        }
    }

    /// The connection, for what does not touch the cursors.
    pub(super) fn connection(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Watches the cursors and the lease, and reads them. None if another relay has the lease.
    pub(super) async fn watch(&mut self) -> Result<Option<Cursors>, BusError> {
        self.queue_watch();
        let replies = answered(self.line.exchange().await?)?;
        self.watched(replies)
    }

    /// Appends entries and moves their cursors, and renews the lease now and then.
    pub(super) async fn move_entries(&mut self, cursors: &Cursors, found: &Found) -> Result<Moved, BusError> {
        self.line.queue("MULTI", []);
        let (mut entries, mut moved) = (TopicEntries::default(), cursors.clone());
        for (outbox, read) in &found.0 {
            for (partition, events) in read.iter().flat_map(|entry| &entry.parts) {
                entries.add(*partition, events);
            }
            if let Some(last) = read.last() {
                moved.moved(*outbox, last.id, read.len());
            }
        }
        for (partition, events) in entries.all() {
            let Some(stream) = self.streams.get(usize::from(partition)) else {
                tracing::error!(partition, "the outbox has events of a partition that there is not");
                continue;
            };
            let arguments = [stream.as_bytes(), b"*", EVENTS_FIELD.as_bytes(), events];
            self.line.queue("XADD", arguments);
        }
        if moved != *cursors {
            let moved = moved.to_string();
            self.line.queue("SET", [self.cursors.as_bytes(), moved.as_bytes()]);
        }
        let renews = self.renewed.elapsed() >= LEASE / 5;
        if renews {
            self.renewed = Instant::now();
            let kept = LEASE.as_millis().to_string();
            let lease = [self.lease.as_bytes(), self.own.as_bytes(), b"PX", kept.as_bytes()];
            self.line.queue("SET", lease);
        }
        self.line.queue("EXEC", []);
        self.queue_watch();
        let replies = self.line.exchange().await?;
        // If a command was not even queued, EXEC says no more than that.
        let refusal = replies.iter().find_map(error).map(ToOwned::to_owned);
        if let Some(cause) = refusal {
            return Err(BusError::Refused(cause));
        }
        let exec = replies.len().saturating_sub(3);
        let is_done = match &replies[exec] {
            Reply::Null => false,
            Reply::Array(done) => match done.iter().find_map(error) {
                Some(cause) => return Err(BusError::Refused(cause.to_owned())),
                None => true,
            },
            _ => return Err(BusError::Strange("EXEC was not answered with a list")),
        };
        Ok(match (self.watched(replies)?, is_done) {
            (Some(cursors), true) => Moved::Done(cursors),
            (Some(cursors), false) => Moved::Overtaken(cursors),
            (None, _) => Moved::Replaced,
        })
    }

    /// Gives the lease to whoever wants it next, unless somebody has it already.
    pub(super) async fn release(&mut self) -> Result<(), BusError> {
        self.line.queue("MULTI", []);
        self.line.queue("DEL", [self.lease.as_bytes()]);
        self.line.queue("EXEC", []);
        answered(self.line.exchange().await?)?;
        Ok(())
    }

    fn queue_watch(&mut self) {
        let keys = [self.cursors.as_bytes(), self.lease.as_bytes()];
        self.line.queue("WATCH", keys);
        self.line.queue("MGET", keys);
    }

    /// What MGET, the last of the answers, says.
    fn watched(&self, mut replies: Vec<Reply>) -> Result<Option<Cursors>, BusError> {
        let values = array(replies.pop().unwrap_or(Reply::Null));
        let Ok([cursors, lease]) = <[Reply; 2]>::try_from(values) else {
            return Err(BusError::Strange(
                "MGET was not answered with the cursors and the lease",
            ));
        };
        let cursors = Cursors::parse(text(cursors).as_deref(), self.outboxes)
            .ok_or(BusError::Strange("the cursors are none of as many outboxes"))?;
        let is_own = text(lease).as_deref() == Some(&self.own);
        Ok(is_own.then_some(cursors))
    }
}
