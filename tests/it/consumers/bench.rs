//! A bus, what flows over it, and consumers that note what they handle.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bus::{
    Bus, CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use domain::{Backoff, ServiceName};
use engine::store::StoreConfig;
use harness::{RedisServer, counted, eventually};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const GROUP: &str = "mail";

pub(crate) fn orders() -> Topic {
    Topic::of(ServiceName::Order)
}

/// The metrics of this process.
fn metrics() -> &'static PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| PrometheusBuilder::new().install_recorder().expect("the only recorder"))
}

/// What a counter says by now.
pub(crate) fn count(name: &str) -> u64 {
    counted(&metrics().render(), name)
}

/// What a gauge says now.
pub(crate) fn gauge(name: &str) -> f64 {
    harness::measured(&metrics().render(), name)
}

/// Which events were handled, in that order: consumer, subject, number.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(String, String, u64)>>>);

impl Log {
    pub(crate) fn note(&self, consumer: &str, event: &CloudEvent) {
        let line = (consumer.to_owned(), event.subject.clone(), event.number());
        self.0.lock().expect("no panic").push(line);
    }

    pub(crate) fn lines(&self) -> Vec<(String, String, u64)> {
        self.0.lock().expect("no panic").clone()
    }

    /// The numbers of one subject's events, as they were handled.
    pub(crate) fn of(&self, subject: &str) -> Vec<u64> {
        let lines = self.lines().into_iter();
        lines.filter(|line| line.1 == subject).map(|line| line.2).collect()
    }

    pub(crate) fn consumers(&self) -> Vec<String> {
        let mut consumers: Vec<_> = self.lines().into_iter().map(|line| line.0).collect();
        consumers.sort_unstable();
        consumers.dedup();
        consumers
    }

    pub(crate) async fn reaches(&self, length: usize) {
        eventually("all events are handled", async || {
            (self.lines().len() >= length).then_some(())
        })
        .await;
    }
}

/// Does something with each event, and notes those that it handled.
pub(crate) struct Doing<F> {
    name: String,
    log: Log,
    act: F,
}

impl<F, R> Handler for Doing<F>
where
    F: Fn(CloudEvent) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        (self.act)(event.clone()).await?;
        self.log.note(&self.name, event);
        Ok(())
    }
}

/// A consumer that runs.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends it as kill -9 would: nothing of it goes on.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("no panic");
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

/// A bus of its own.
pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    pub(crate) bus: Bus,
    pub(crate) log: Log,
}

impl Bench {
    /// A bus whose topic of orders has so many partitions.
    pub(crate) async fn start(partitions: u16) -> Self {
        Self::start_with(partitions, &[]).await
    }

    pub(crate) async fn start_with(partitions: u16, options: &[&str]) -> Self {
        metrics();
        let redis = RedisServer::start_with(options).await;
        let bench = Self {
            bus: bus_at(&redis.url()),
            redis,
            log: Log::default(),
        };
        bench.announce(orders(), partitions).await;
        bench
    }

    pub(crate) async fn announce(&self, topic: Topic, partitions: u16) {
        self.redis
            .run(&["HSET", "topics", topic.name(), &partitions.to_string()])
            .await;
    }

    pub(crate) fn spawn<F, R>(&self, config: ConsumerConfig, act: F) -> Running
    where
        F: Fn(CloudEvent) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send,
    {
        self.spawn_over(self.bus.clone(), config, act)
    }

    pub(crate) fn spawn_over<F, R>(&self, bus: Bus, config: ConsumerConfig, act: F) -> Running
    where
        F: Fn(CloudEvent) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send,
    {
        spawn(bus, &self.log, config, act)
    }

    /// Appends entries of these events (subject, number) to a partition.
    pub(crate) async fn append(&self, topic: Topic, partition: u16, entries: &[&[(&str, u64)]]) {
        let key = topic.partition(partition).stream_key();
        let mut connection = self.bus.connect().await.expect("a bus");
        let entries: Vec<String> = entries.iter().map(|events| entry(events)).collect();
        for entry in &entries {
            connection.queue("XADD", [&*key, "*", "events", entry].map(str::as_bytes));
        }
        connection.exchange().await.expect("answers");
    }

    /// How many entries of a partition the group has not acknowledged.
    pub(crate) async fn pending(&self, partition: u16) -> String {
        let key = orders().partition(partition).stream_key();
        let summary = self.redis.run(&["XPENDING", &key, GROUP]).await;
        summary.lines().next().unwrap_or_default().to_owned()
    }

    pub(crate) async fn all_acknowledged(&self, partitions: u16) {
        for partition in 0..partitions {
            eventually("all is acknowledged", async || {
                (self.pending(partition).await == "0").then_some(())
            })
            .await;
        }
    }

    pub(crate) async fn letters(&self, partition: u16) -> String {
        let key = orders().partition(partition).dead_key(GROUP);
        self.redis.run(&["XRANGE", &key, "-", "+"]).await
    }
}

/// A consumer that runs, and notes in `log` what it handles.
pub(crate) fn spawn<F, R>(bus: Bus, log: &Log, config: ConsumerConfig, act: F) -> Running
where
    F: Fn(CloudEvent) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send,
{
    metrics();
    let (name, log) = (config.name.clone(), log.clone());
    let consumer = Consumer::new(bus, config, Doing { name, log, act });
    let stop = CancellationToken::new();
    let task = tokio::spawn(consumer.run(stop.clone()));
    Running { stop, task }
}

pub(crate) fn bus_at(url: &str) -> Bus {
    Bus::open(&StoreConfig::at(url)).expect("settings")
}

fn entry(events: &[(&str, u64)]) -> String {
    let events = events.iter().map(|(subject, number)| {
        format!(r#"{{"type":"order.paid","subject":"{subject}","sequence":{number},"time":1700000000123,"data":{{"total":5}}}}"#)
    });
    format!("[{}]", events.collect::<Vec<_>>().join(","))
}

/// A consumer of orders that gives up soon.
pub(crate) fn hasty(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        handler_timeout: Duration::from_secs(1),
        max_tries: 3,
        backoff: Backoff {
            min: Duration::from_millis(10),
            max: Duration::from_millis(50),
        },
        lease: Duration::from_secs(2),
        ..ConsumerConfig::new(GROUP, name, [orders()])
    }
}

/// A handler that succeeds.
pub(crate) async fn fine(_: CloudEvent) -> Result<(), HandlerError> {
    Ok(())
}

/// A handler's bug.
#[expect(clippy::panic, reason = "it is what is tested")]
pub(crate) fn panics() -> Result<(), HandlerError> {
    panic!("on purpose")
}
