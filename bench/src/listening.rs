//! Consumers beside a run: how long events take to those who handle them.

use std::time::Duration;

use anyhow::ensure;
use bus::{Bus, BusError, operator};
use engine::store::StoreConfig;
use harness::{Listener, RedisAddress};
use tokio::time::{Instant, sleep};

use crate::{
    load::{histogram, record},
    run::{Details, Latency},
};

/// How long events may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A consumer, and the bus that it listens to.
pub(crate) struct Listening {
    bus: Bus,
    listener: Listener,
}

impl Listening {
    /// Begins to handle what is on the bus there.
    ///
    /// # Panics
    /// The address is none of a bus.
    pub(crate) fn start(bus: &RedisAddress) -> Self {
        Self {
            bus: Bus::open(&StoreConfig::at(bus.url())).expect("a bus"),
            listener: Listener::start(&bus.url()),
        }
    }

    /// Waits until everything that is on the bus was handled, and forgets how long it took.
    ///
    /// # Errors
    /// The bus does not answer, or it takes too long.
    pub(crate) async fn is_even(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.behind().await? > 0 {
            ensure!(started.elapsed() < PATIENCE, "the consumers do not catch up");
            sleep(Duration::from_millis(20)).await;
        }
        drop(self.listener.take_delays());
        Ok(())
    }

    async fn behind(&self) -> Result<u64, BusError> {
        let mut line = self.bus.connect().await?;
        let groups = operator::groups(&mut line).await?;
        Ok(groups.iter().map(|group| group.lag + group.pending).sum())
    }

    /// Waits until the events of so many paid orders were handled, and ends the consumer.
    ///
    /// # Errors
    /// They are not, or one was out of order.
    pub(crate) async fn finish(self, paid: u64) -> anyhow::Result<Details> {
        let (started, paid) = (Instant::now(), usize::try_from(paid)?);
        while self.listener.paid() < paid {
            ensure!(
                started.elapsed() < PATIENCE,
                "of {paid} orders that were paid, the consumers were told {}",
                self.listener.paid()
            );
            sleep(Duration::from_millis(20)).await;
        }
        let mut delays = histogram()?;
        for delay in self.listener.take_delays() {
            record(&mut delays, delay);
        }
        let late = self.listener.finish().await;
        ensure!(late.is_empty(), "events came out of order: {late:?}");
        Ok(Details::Events {
            given: delays.len(),
            to_handler_ms: Latency::of(&delays),
        })
    }
}
