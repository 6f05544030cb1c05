//! A consumer beside the system: it must be given every event, each subject's in order, whatever happens to the bus.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bus::{
    Bus, CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use engine::store::StoreConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running consumer, and what it was given.
pub(crate) struct Listener {
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
}

impl Given {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Recorder(Arc<Given>);

impl Handler for Recorder {
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        let mut log = self.0.log();
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
    pub(crate) fn start(bus_url: &str) -> Self {
        let bus = Bus::open(&StoreConfig::at(bus_url)).expect("a bus");
        let (given, stop) = (Arc::new(Given::default()), CancellationToken::new());
        let config = ConsumerConfig::new("faults", "listener", Topic::all());
        let consumer = Consumer::new(bus, config, Recorder(given.clone()));
        let task = tokio::spawn(consumer.run(stop.clone()));
        Self { given, stop, task }
    }

    /// Which of these orders it was not told to be paid.
    pub(crate) fn missing<'a>(&self, paid: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
        let log = self.given.log();
        paid.into_iter().filter(|order| !log.paid.contains(*order)).collect()
    }

    /// Ends it, and returns what it was given out of order.
    pub(crate) async fn finish(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.expect("a consumer goes on whatever happens");
        std::mem::take(&mut self.given.log().out_of_order)
    }
}
