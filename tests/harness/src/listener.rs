//! A consumer beside a system: it must be given every event, each subject's in order, whatever happens to the bus.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{
    Bus, CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use domain::Timestamp;
use engine::store::StoreConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running consumer of all topics, and what it was given.
pub struct Listener {
    given: Arc<Given>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Given(Mutex<Log>);

#[derive(Default)]
struct Log {
    /// The number of the last event of each subject.
    last: HashMap<(String, String), u64>,
    paid: HashSet<String>,
    out_of_order: Vec<String>,
    /// From each event until it was given.
    delays: Vec<Duration>,
}

impl Given {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Recorder(Arc<Given>);

impl Handler for Recorder {
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        let now = Timestamp::now();
        let mut log = self.0.log();
        log.delays.extend(event.happened().map(|happened| now.since(happened)));
        let last = log
            .last
            .entry((event.source.clone(), event.subject.clone()))
            .or_default();
        let (before, number) = (*last, event.number());
        *last = before.max(number);
        if number > before + 1 {
            let late = format!("event {number} of {} was handled after event {before}", event.subject);
            log.out_of_order.push(late);
        }
        if event.r#type == "order.paid" {
            log.paid.insert(event.subject.clone());
        }
        Ok(())
    }
}

impl Listener {
    /// Begins to handle all events of a bus.
    ///
    /// # Panics
    /// If the URL names none.
    #[must_use]
    pub fn start(bus_url: &str) -> Self {
        let bus = Bus::open(&StoreConfig::at(bus_url)).expect("a bus");
        let (given, stop) = (Arc::new(Given::default()), CancellationToken::new());
        let config = ConsumerConfig::new("harness", "listener", Topic::all());
        let consumer = Consumer::new(bus, config, Recorder(given.clone()));
        let task = tokio::spawn(consumer.run(stop.clone()));
        Self { given, stop, task }
    }

    /// Which of these orders it was not told to be paid.
    pub fn missing<'a>(&self, paid: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
        let log = self.given.log();
        paid.into_iter().filter(|order| !log.paid.contains(*order)).collect()
    }

    /// How many orders it was told to be paid.
    #[must_use]
    pub fn paid(&self) -> usize {
        self.given.log().paid.len()
    }

    /// How long each event took from the time of its decision, by its store's clock, until it was given; from now on
    /// without these.
    #[must_use]
    pub fn take_delays(&self) -> Vec<Duration> {
        std::mem::take(&mut self.given.log().delays)
    }

    /// Ends it, and returns what it was given out of order.
    ///
    /// # Panics
    /// If the consumer broke.
    pub async fn finish(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.expect("a consumer goes on whatever happens");
        std::mem::take(&mut self.given.log().out_of_order)
    }
}
