//! Consumers: groups that handle every event of the topics they name, at least once, in order within a subject.
//!
//! ```text
//!            keeper: member of the group, owner of a fair share of the partitions
//!              │ one worker a partition
//!  reader ───> worker ──> desk: the next event of each subject ──> handler: tries, then a dead letter
//!  one waiting   │ first what the former owner left, then what is new
//!  call for all  └ acknowledges an entry once all of its events are settled
//! ```
//!
//! A partition has one owner at a time, and its new owner begins with what the former one left; so a subject's events
//! keep their order over all processes. What a lease cannot promise, because a process can stand still for longer than it
//! lasts, is that nothing is handled twice: a handler knows an event by its source and id.

mod alone;
mod attempt;
mod backlog;
mod config;
mod dead;
mod desk;
mod event;
mod group;
mod handler;
mod keeper;
mod lease;
mod line;
mod members;
mod reader;
mod retry;
mod seat;
mod seen;
mod settling;
mod share;
mod standing;
mod takeover;
mod worker;

use std::sync::Arc;

use metrics::counter;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::{
    config::{ConsumerConfig, Repeats},
    handler::{Handler, HandlerError},
};
use self::{keeper::Keeper, line::Line, seat::Seats, standing::Gauges};
use crate::{Bus, BusError};

/// A consumer of a group: a process's part of the group's work.
pub struct Consumer<H>(Arc<Context<H>>);

/// What all parts of a consumer share.
struct Context<H> {
    config: ConsumerConfig,
    handler: H,
    /// The consumer's name and instance. Two of one name do not share an ownership.
    me: String,
    bus: Bus,
    line: Line,
    seats: Seats,
    gauges: Gauges,
    at_once: Semaphore,
}

impl<H: Handler> Consumer<H> {
    /// Prepares a consumer; waits for nothing.
    #[must_use]
    pub fn new(bus: Bus, config: ConsumerConfig, handler: H) -> Self {
        Self(Arc::new(Context {
            me: format!("{}/{}", config.name, Uuid::now_v7()),
            line: Line::new(bus.clone()),
            bus,
            seats: Seats::default(),
            gauges: Gauges::default(),
            at_once: Semaphore::new(config.places() as usize),
            config,
            handler,
        }))
    }

    /// Handles events until `stop`, whatever happens to the bus. A topic that is not there yet is waited for.
    ///
    /// At the end nothing new is begun; what is under way is ended within the handler's timeout, acknowledged, and
    /// handed over. If the future is dropped instead, another consumer takes over when the lease is over and the handlers'
    /// time, too.
    pub async fn run(self, stop: CancellationToken) {
        let keeper = Keeper::new(self.0.clone());
        tokio::select! {
            () = reader::read(self.0) => {}
            () = keeper.keep(&stop) => {}
        }
    }
}

impl<H> Context<H> {
    /// The bus does not do what it should: it is asked again.
    fn trouble(&self, what: &str, cause: &BusError) {
        counter!("holdfast_consumer_bus_failures_total", "group" => self.config.group.clone()).increment(1);
        tracing::warn!(group = self.config.group, %cause, "{what}");
    }
}
