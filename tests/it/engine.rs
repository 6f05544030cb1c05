//! The engine against a real Redis: rivals, bounds, expiry, the outbox, the claim on a store.

use std::{process::Command as Program, time::Duration};

use domain::Millis;
use engine::{
    Command, Engine, EngineConfig, EngineError, Event, Lanes, Sequence, Touches, View,
    keys::{IndexKey, Key, Partition, Partitions, StreamKey},
    store::{End, Store, StoreConfig, StoreError},
};
use futures::future::join_all;
use harness::{Increment, Process, RedisServer, binary, eventually};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

pub(crate) fn partitions() -> Partitions {
    Partitions::new(16).expect("an allowed count")
}

pub(crate) fn start(redis_url: &str, config: &EngineConfig) -> (Store, Engine, Lanes) {
    let store = Store::open(&StoreConfig::at(redis_url)).expect("a store");
    let (engine, lanes) = Engine::start(&store, &partitions(), config);
    (store, engine, lanes)
}

pub(crate) async fn counter(store: &Store, name: &str) -> i64 {
    let counter = Increment::of(name, &partitions());
    store
        .read(counter.key())
        .await
        .expect("a readable counter")
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rival_processes_on_one_hot_key_lose_nothing() {
    let redis = RedisServer::start().await;
    let times = 50_048;
    let mut rivals: Vec<Process> = (0..2)
        .map(|_| {
            let mut program = Program::new(binary("rival"));
            program.args(["--redis-url", &redis.url(), "--times", &times.to_string()]);
            Process::spawn("rival", &mut program)
        })
        .collect();
    for rival in &mut rivals {
        assert!(
            tokio::task::block_in_place(|| rival.wait().success()),
            "{}",
            rival.log()
        );
    }
    let (store, _engine, _lanes) = start(&redis.url(), &EngineConfig::default());
    assert_eq!(counter(&store, "hot").await, 2 * times);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sees_what_the_commands_before_it_did() {
    let redis = RedisServer::start().await;
    let (store, engine, lanes) = start(&redis.url(), &EngineConfig::default());
    let outcomes = join_all((0..1_000).map(|_| engine.submit(Increment::of("hot", &partitions())))).await;
    let mut sums: Vec<i64> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("an outcome"))
        .collect();
    sums.sort_unstable();
    assert_eq!(
        sums,
        (1..=1_000).collect::<Vec<_>>(),
        "each caller gets a sum of its own"
    );
    drop(engine);
    lanes.finished().await;
    assert_eq!(counter(&store, "hot").await, 1_000);
}

// On one thread, so that the lane takes nothing between one caller and the next.
#[tokio::test]
async fn a_full_queue_answers_at_once_and_the_others_are_served() {
    let redis = RedisServer::start().await;
    let config = EngineConfig {
        lane_queue: 8,
        command_deadline: Millis::new(30_000),
        ..EngineConfig::default()
    };
    let (store, engine, _lanes) = start(&redis.url(), &config);
    engine
        .submit(Increment::of("hot", &partitions()))
        .await
        .expect("an outcome");
    redis.signal("STOP");
    // What has come before the lane has its turn fills the queue; the rest is refused.
    let engine = &engine;
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        let mut caller = Box::pin(engine.submit(Increment::of("hot", &partitions())));
        match futures::poll!(&mut caller) {
            std::task::Poll::Pending => waiting.push(caller),
            std::task::Poll::Ready(Err(EngineError::Overloaded)) => refused += 1,
            std::task::Poll::Ready(answer) => unreachable!("Redis stands still, and yet: {answer:?}"),
        }
    }
    assert_eq!(refused, 100 - 8);
    redis.signal("CONT");
    let mut served = 1;
    for caller in waiting {
        caller.await.expect("an outcome");
        served += 1;
    }
    assert_eq!(counter(&store, "hot").await, served);
}

struct Remember {
    record: Key<String>,
    kept: Option<Duration>,
}

impl Command for Remember {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.record.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.record);
    }

    fn decide(&self, view: &mut View) {
        match self.kept {
            Some(kept) => view.put_expiring(&self.record, "soon gone".into(), kept),
            None => view.put(&self.record, "here to stay".into()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_an_expiry_goes_and_one_without_stays() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &EngineConfig::default());
    let key = |id: &str| -> Key<String> { partitions().key("note", partitions().of(id), id) };
    let (going, staying) = (key("going"), key("staying"));
    let kept = Some(Duration::from_millis(300));
    engine
        .submit(Remember {
            record: going.clone(),
            kept,
        })
        .await
        .expect("an outcome");
    engine
        .submit(Remember {
            record: staying.clone(),
            kept: None,
        })
        .await
        .expect("an outcome");
    assert_eq!(store.read(&going).await.expect("a read").as_deref(), Some("soon gone"));
    eventually("the record has expired", async || {
        store.read(&going).await.expect("a read").is_none().then_some(())
    })
    .await;
    assert_eq!(
        store.read(&staying).await.expect("a read").as_deref(),
        Some("here to stay")
    );
}

/// Tells an event and an index about a change of a counter.
pub(crate) struct Tell {
    pub(crate) counter: Increment,
    pub(crate) stream: StreamKey,
    pub(crate) index: IndexKey,
}

#[derive(Serialize, JsonSchema)]
struct Summed {
    sum: i64,
}

impl Event for Summed {
    const TYPE: &'static str = "counter.changed";

    fn example() -> Self {
        Self { sum: 1 }
    }
}

impl Tell {
    pub(crate) fn of(name: &str) -> Self {
        let partition = partitions().of(name);
        Self {
            counter: Increment::of(name, &partitions()),
            stream: partitions().outboxes(false).swap_remove(0),
            index: partitions().index("told", partition),
        }
    }
}

impl Command for Tell {
    type Outcome = i64;

    fn partition(&self) -> Partition {
        self.counter.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.subject(self.counter.key());
        touches.index(&self.index);
    }

    fn decide(&self, view: &mut View) -> i64 {
        let sum = self.counter.decide(view);
        view.emit(self.counter.key(), &mut Sequence::default(), &Summed { sum });
        view.index_add(&self.index, &sum.to_string(), 1.0);
        view.index_remove(&self.index, &(sum - 1).to_string());
        sum
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_indexes_are_committed_with_the_records() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &EngineConfig::default());
    for _ in 0..3 {
        engine.submit(Tell::of("a")).await.expect("an outcome");
    }
    let told = Tell::of("a");
    let entries = redis.run(&["XRANGE", told.stream.name(), "-", "+"]).await;
    for sum in 1..=3 {
        let data = json!({ "data": { "sum": sum } }).to_string();
        assert!(entries.contains(data.trim_matches(['{', '}'])), "{entries}");
    }
    let members = store
        .members(&told.index, 0.0..=1.0, End::Lowest, 0, 10)
        .await
        .expect("members");
    assert_eq!(members, [("3".to_owned(), 1.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_breaks_or_an_unreadable_record_is_its_own_callers_trouble() {
    struct Break(Increment);
    impl Command for Break {
        type Outcome = i64;
        fn partition(&self) -> Partition {
            self.0.partition()
        }
        fn touches(&self, touches: &mut Touches) {
            self.0.touches(touches);
        }
        fn decide(&self, view: &mut View) -> i64 {
            self.0.decide(view);
            unreachable!("on purpose, after half of the work")
        }
    }

    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &EngineConfig::default());
    let unreadable = Increment::of("unreadable", &partitions());
    redis.run(&["SET", unreadable.key().name(), "no number"]).await;
    // All of them wait together, so that they share batches.
    let (sums, broken, corrupt) = tokio::join!(
        join_all((0..50).map(|_| engine.submit(Increment::of("fine", &partitions())))),
        engine.submit(Break(Increment::of("fine", &partitions()))),
        engine.submit(unreadable),
    );
    assert!(matches!(broken, Err(EngineError::Bug(_))), "{broken:?}");
    assert!(matches!(corrupt, Err(EngineError::Corrupt { .. })), "{corrupt:?}");
    assert!(sums.iter().all(Result::is_ok));
    assert_eq!(counter(&store, "fine").await, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_service_number_of_partitions_or_form_is_refused() {
    let redis = RedisServer::start().await;
    let store = Store::open(&StoreConfig::at(redis.url())).expect("a store");
    let claim = |service: &'static str, count| {
        let (store, partitions) = (store.clone(), Partitions::new(count).expect("an allowed count"));
        async move { store.claim(service, &partitions, Duration::from_secs(5)).await }
    };
    claim("stock", 16).await.expect("the first claim");
    claim("stock", 16).await.expect("the same claim again");
    assert!(matches!(claim("stock", 8).await, Err(StoreError::Foreign { .. })));
    assert!(matches!(claim("payment", 16).await, Err(StoreError::Foreign { .. })));
    redis.run(&["SET", "holdfast", "stock with 16 partitions"]).await;
    assert!(matches!(claim("stock", 16).await, Err(StoreError::Foreign { .. })));
}
