//! One event, from its turn to its end: handled, or a dead letter.

use std::sync::Arc;

use domain::Backoff;
use metrics::counter;
use tokio::{sync::SemaphorePermit, time::sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Context, Handler, Repeats,
    alone::{self, Mark},
    attempt::{Failure, Next, after, attempt},
    dead::{Letter, What, bury},
    retry::TROUBLE,
    seen::{self, Known},
    standing::labels,
};
use crate::{BusError, CloudEvent, TopicPartition, replies::EntryId};

/// Why an event is buried whose handling had begun and not ended.
const IN_DOUBT: &str = "it may have been handled already: a consumer died in the middle";

/// How an event's turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was handled, or is a dead letter.
    Settled,
    /// Neither: whoever owns the partition next sees to it.
    Left,
}

/// One event's turn.
pub(super) struct Turn<H> {
    pub(super) context: Arc<Context<H>>,
    pub(super) partition: TopicPartition,
    pub(super) event: Arc<CloudEvent>,
    /// What it is in.
    pub(super) entry: EntryId,
    /// Whether consumers may have died of it: it is handled alone.
    pub(super) is_suspect: bool,
    /// Says that the partition is being left: nothing is begun any more, except what is `due`.
    pub(super) leave: CancellationToken,
    /// Whether the first try is made even so.
    pub(super) due: bool,
}

impl<H: Handler> Turn<H> {
    /// Tries until the event is settled or the partition is left.
    pub(super) async fn run(self) -> End {
        let mark = self.is_suspect.then(|| self.alone_mark());
        let end = self.tries(mark.as_ref()).await;
        if let (Some(mark), End::Settled) = (&mark, end) {
            self.insist(|| mark.settle(&self.context.line)).await;
        }
        end
    }

    async fn tries(&self, alone: Option<&Mark>) -> End {
        let (config, line) = (&self.context.config, &self.context.line);
        let mark = format!("begun {}", Uuid::now_v7());
        let deaths = match alone {
            None => 0,
            Some(alone) => match self.ask(|| alone.look(line)).await {
                None => return End::Left,
                Some(alone::Known::Settled) => return End::Settled,
                Some(alone::Known::Deaths(deaths)) if deaths >= config.max_deaths.max(1) => {
                    let reason = format!("the consumer died while it handled this {deaths} times");
                    return self.bury(&reason, deaths).await;
                }
                Some(alone::Known::Deaths(deaths)) => deaths,
            },
        };
        let (mut tries, mut failures) = (0, 0_u32);
        loop {
            let Some(room) = self.room(failures).await else {
                return End::Left;
            };
            match self.begin(&mark).await {
                None => return End::Left,
                Some(Known::New) => {}
                Some(Known::Done) => return End::Settled,
                Some(Known::Begun) => return self.bury(IN_DOUBT, tries).await,
            }
            if let Some(alone) = alone
                && self.ask(|| alone.set(line, deaths + 1)).await.is_none()
            {
                self.undo().await;
                return End::Left;
            }
            let outcome = attempt(&self.context.handler, &self.event, config.handler_timeout).await;
            // It came back, and nothing else may begin before that is known.
            if let Some(alone) = alone {
                self.insist(|| alone.set(line, deaths)).await;
            }
            let Err(failure) = outcome else {
                self.done().await;
                return End::Settled;
            };
            drop(room);
            tries += u32::from(failure.counts());
            match after(&failure, tries, config.max_tries, config.repeats) {
                Next::Bury => return self.bury(&failure.to_string(), tries).await,
                Next::Again => self.again(&failure, tries).await,
            }
            if !self.pause(config.backoff, failures).await {
                return End::Left;
            }
            failures = failures.saturating_add(1);
        }
    }

    /// Waits for one of the places of handlers at work; for all of them if whatever else is at work might die of it.
    async fn room(&self, failures: u32) -> Option<SemaphorePermit<'_>> {
        let places = if self.is_suspect {
            self.context.config.places()
        } else {
            1
        };
        let room = self.context.at_once.acquire_many(places);
        let is_due = self.due && failures == 0;
        if is_due {
            return room.await.ok();
        }
        tokio::select! {
            biased;
            () = self.leave.cancelled() => None,
            room = room => room.ok(),
        }
    }

    /// Marks the event as begun if it must not be handled twice. Without an answer the event is left.
    async fn begin(&self, mark: &str) -> Option<Known> {
        let Some(key) = self.seen_key() else {
            return Some(Known::New);
        };
        self.ask(|| seen::begin(&self.context.line, &key, mark)).await
    }

    /// The mark is for the case that the entry's acknowledgement is lost. If it cannot be written, that must not be too.
    async fn done(&self) {
        counter!("holdfast_consumer_handled_total", &self.labels()).increment(1);
        if let Some(key) = self.seen_key() {
            self.insist(|| seen::done(&self.context.line, &key)).await;
        }
    }

    async fn again(&self, failure: &Failure, tries: u32) {
        counter!("holdfast_consumer_retried_total", &self.labels()).increment(1);
        tracing::warn!(group = self.context.config.group, event = self.event.id, tries, %failure, "an event is tried again");
        self.undo().await;
    }

    /// Takes the mark away that the event was begun: nothing was done.
    async fn undo(&self) {
        if let Some(key) = self.seen_key()
            && let Err(cause) = seen::undo(&self.context.line, &key).await
        {
            self.trouble(&cause);
        }
    }

    async fn bury(&self, reason: &str, tries: u32) -> End {
        let letter = Letter {
            what: What::Event(&self.event),
            reason,
            tries,
        };
        let buried = self.ask(|| bury(&self.context, self.partition, &letter, None)).await;
        if buried.is_some() { End::Settled } else { End::Left }
    }

    /// Asks the bus until it answers; none if the partition is left before.
    async fn ask<T, F>(&self, mut question: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        for failures in 0.. {
            match question().await {
                Ok(answer) => return Some(answer),
                Err(cause) => self.trouble(&cause),
            }
            if !self.pause(TROUBLE, failures).await {
                return None;
            }
        }
        None
    }

    /// Tells the bus what it may come to lack, also while the partition is being left.
    async fn insist<F>(&self, mut word: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), BusError>>,
    {
        for failures in 0..3 {
            match word().await {
                Ok(()) => return,
                Err(cause) => self.trouble(&cause),
            }
            TROUBLE.sleep(failures).await;
        }
    }

    /// Returns whether to go on afterwards.
    async fn pause(&self, backoff: Backoff, failures: u32) -> bool {
        tokio::select! {
            () = self.leave.cancelled() => false,
            () = sleep(backoff.wait(failures)) => true,
        }
    }

    fn trouble(&self, cause: &BusError) {
        self.context.trouble("an event cannot be settled", cause);
    }

    fn seen_key(&self) -> Option<String> {
        let is_marked = self.context.config.repeats == Repeats::Never;
        is_marked.then(|| self.partition.seen_key(&self.context.config.group, &self.event.id))
    }

    fn alone_mark(&self) -> Mark {
        Mark {
            key: self
                .partition
                .alone_key(&self.context.config.group, &self.entry.to_string()),
            event: self.event.id.clone(),
        }
    }

    fn labels(&self) -> [(&'static str, String); 2] {
        labels(&self.context.config.group, self.partition.topic)
    }
}
