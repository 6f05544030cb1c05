//! The bus's side: appends entries and moves the cursors, in one transaction.

use engine::{
    EVENTS_FIELD,
    store::connection::{Reply, error},
};

use super::{
    Line,
    cursor::{Cursor, Cursors},
    lease::LEASE,
    outbox::Found,
};
use crate::{
    BusError, Topic, TopicPartition,
    replies::{answered, array, text},
};

/// A relay's connection to the bus. Between its exchanges, the cursors and the lease are watched.
pub(super) struct Bound {
    line: Line,
    streams: Vec<String>,
    cursors: Vec<String>,
    lease: String,
    own: String,
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
    pub(super) fn new(topic: Topic, partitions: u16, own: &str, line: Line) -> Self {
        let all = || (0..partitions).map(|number| topic.partition(number));
        Self {
            line,
            streams: all().map(TopicPartition::stream_key).collect(),
            cursors: all().map(TopicPartition::cursor_key).collect(),
            lease: topic.lease_key(),
            own: own.to_owned(),
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

    /// Appends entries and moves their cursors, and renews the lease.
    pub(super) async fn move_entries(&mut self, cursors: &Cursors, found: &Found) -> Result<Moved, BusError> {
        self.line.queue("MULTI", []);
        for (number, entries) in &found.0 {
            let number = usize::from(*number);
            for events in entries.iter().filter_map(|entry| entry.events.as_ref()) {
                let stream = self.streams[number].as_bytes();
                self.line.queue("XADD", [stream, b"*", EVENTS_FIELD.as_bytes(), events]);
            }
            if let Some(last) = entries.last() {
                let moved = cursors.all()[number].moved(last.id, entries.len()).to_string();
                self.line
                    .queue("SET", [self.cursors[number].as_bytes(), moved.as_bytes()]);
            }
        }
        let kept = LEASE.as_millis().to_string();
        let lease = [self.lease.as_bytes(), self.own.as_bytes(), b"PX", kept.as_bytes()];
        self.line.queue("SET", lease);
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
        let keys = || {
            let cursors = self.cursors.iter().map(String::as_bytes);
            cursors.chain([self.lease.as_bytes()])
        };
        self.line.queue("WATCH", keys());
        self.line.queue("MGET", keys());
    }

    /// What MGET, the last of the answers, says.
    fn watched(&self, mut replies: Vec<Reply>) -> Result<Option<Cursors>, BusError> {
        let values = array(replies.pop().unwrap_or(Reply::Null));
        if values.len() != self.cursors.len() + 1 {
            return Err(BusError::Strange("MGET was not answered with every cursor"));
        }
        let mut values = values.into_iter().map(text);
        let cursors: Result<Vec<Cursor>, BusError> = values
            .by_ref()
            .take(self.cursors.len())
            .map(|value| match value {
                Some(text) => Cursor::parse(&text).ok_or(BusError::Strange("a cursor is none")),
                None => Ok(Cursor::default()),
            })
            .collect();
        let is_own = values.next().flatten().as_deref() == Some(&self.own);
        Ok(is_own.then_some(Cursors(cursors?)))
    }
}
