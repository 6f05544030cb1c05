//! Telling the bus what is done with: acknowledgements, and whole entries that become dead letters.

use std::collections::BTreeSet;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Context, Handler,
    dead::{Letter, What, bury},
    retry::Retry,
};
use crate::{BusError, TopicPartition, replies::EntryId};

/// An entry that holds no events, and why nobody can read it.
struct Unreadable {
    id: EntryId,
    bytes: Bytes,
    reason: String,
}

/// What the bus has not been told yet. Tried until it works.
pub(super) struct Settling {
    complete: Vec<EntryId>,
    unreadable: Vec<Unreadable>,
    /// Of these there may be marks.
    suspects: BTreeSet<EntryId>,
    retry: Retry,
}

impl Settling {
    pub(super) fn new() -> Self {
        Self {
            complete: Vec::new(),
            unreadable: Vec::new(),
            suspects: BTreeSet::new(),
            retry: Retry::now(),
        }
    }

    /// The entry's events are marked; the marks go with its acknowledgement.
    pub(super) fn suspect(&mut self, id: EntryId) {
        self.suspects.insert(id);
    }

    /// All events of the entry are settled.
    pub(super) fn complete(&mut self, id: EntryId) {
        self.complete.push(id);
    }

    /// The entry holds no events.
    pub(super) fn bury(&mut self, id: EntryId, bytes: Bytes, reason: String) {
        self.unreadable.push(Unreadable { id, bytes, reason });
    }

    pub(super) fn is_due(&self) -> bool {
        !self.complete.is_empty() || !self.unreadable.is_empty()
    }

    /// From when on the next step may be made.
    pub(super) fn at(&self) -> Instant {
        self.retry.at
    }

    /// Tells the bus. Returns the entries that it knows of now.
    pub(super) async fn step<H: Handler>(&mut self, context: &Context<H>, partition: TopicPartition) -> Vec<EntryId> {
        let mut settled = Vec::new();
        match self.try_step(context, partition, &mut settled).await {
            Ok(()) => self.retry = Retry::now(),
            Err(cause) => {
                context.trouble("entries cannot be acknowledged", &cause);
                self.retry.failed();
            }
        }
        settled
    }

    async fn try_step<H: Handler>(
        &mut self,
        context: &Context<H>,
        partition: TopicPartition,
        settled: &mut Vec<EntryId>,
    ) -> Result<(), BusError> {
        if !self.complete.is_empty() {
            let marked = self.complete.iter().filter(|id| self.suspects.contains(id));
            let marks = marked.map(|id| partition.alone_key(&context.config.group, &id.to_string()));
            acknowledge(context, partition, &self.complete, &marks.collect::<Vec<_>>()).await?;
            self.suspects.retain(|id| !self.complete.contains(id));
            settled.append(&mut self.complete);
        }
        while let Some(Unreadable { id, bytes, reason }) = self.unreadable.last() {
            let letter = Letter {
                what: What::Entry(bytes),
                reason,
                tries: 0,
            };
            bury(context, partition, &letter, Some(*id)).await?;
            settled.push(*id);
            self.unreadable.pop();
        }
        Ok(())
    }
}

async fn acknowledge<H: Handler>(
    context: &Context<H>,
    partition: TopicPartition,
    ids: &[EntryId],
    marks: &[String],
) -> Result<(), BusError> {
    let (key, group) = (partition.stream_key(), &context.config.group);
    let ids: Vec<String> = ids.iter().map(EntryId::to_string).collect();
    let words = [&key, group].into_iter().chain(&ids).map(String::as_bytes);
    context
        .line
        .ask(|connection| {
            connection.queue("XACK", words);
            if !marks.is_empty() {
                connection.queue("DEL", marks.iter().map(String::as_bytes));
            }
        })
        .await
        .map(drop)
}
