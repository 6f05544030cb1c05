//! The engine goes on, whatever does not: poison, rivals that are quicker, a store that moves, is full or forbids.

use std::{ops::RangeInclusive, time::Duration};

use domain::Timestamp;
use engine::{
    Ailment, Command, Engine, EngineConfig, EngineError, Lanes, Touches, View,
    keys::{Key, Partition},
    store::{Store, StoreConfig},
};
use futures::future::join_all;
use harness::{Fault, FaultProxy, Increment, RedisServer, eventually};
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use super::{
    engine::{counter, partitions, start},
    engine_faults::{Bench, increment, one_lane},
};

fn submit(engine: &Engine, name: &str) -> impl Future<Output = Result<i64, EngineError>> {
    engine.submit(Increment::of(name, &partitions()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_passes_is_given_up_at_its_deadline_and_holds_nobody_up() {
    let bench = Bench::start().await;
    // Whatever commits this one does not come through.
    bench.proxy.forbid(&["EXEC", ":poison"], 0);
    let started = Instant::now();
    // The first one keeps the lane busy, so that the poison shares a batch with many.
    let (_, poison, others) = tokio::join!(
        submit(&bench.engine, "another"),
        submit(&bench.engine, "poison"),
        join_all((0..100).map(|_| submit(&bench.engine, "hot"))),
    );
    assert!(matches!(poison, Err(EngineError::Unavailable(_))), "{poison:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert_eq!(bench.counter().await, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_that_do_not_pass_make_batches_smaller() {
    let bench = Bench::start().await;
    bench.proxy.forbid(&["EXEC"], 600);
    let names: Vec<String> = (0..400).map(|number| number.to_string()).collect();
    let sums = join_all(names.iter().map(|name| submit(&bench.engine, name))).await;
    assert!(sums.iter().all(|sum| matches!(sum, Ok(1))), "{sums:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_was_ill_is_well_again_though_nobody_asks_for_anything() {
    /// A probe comes every second. Without one, illness was forgotten ten seconds after the last try.
    const SOON: Duration = Duration::from_secs(5);
    let bench = Bench::start().await;
    let health = bench.engine.health();
    bench.proxy.forbid(&["WATCH"], 0);
    eventually("the lane is ill", async || {
        let failed = increment(&bench.engine).await;
        assert!(matches!(failed, Err(EngineError::Unavailable(_))), "{failed:?}");
        health.check().err()
    })
    .await;
    bench.proxy.allow();
    let healed = async {
        while health.check().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, healed).await.expect("it heals by itself");
    assert!(increment(&bench.engine).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_commits_nothing_is_seen_by_readiness_until_it_does() {
    let bench = Bench::start().await;
    let health = bench.engine.health();
    assert_eq!(health.check(), Ok(()));
    bench.proxy.forbid(&["EXEC", ":hot"], 0);
    let ill = eventually("the lane is ill", async || {
        let failed = increment(&bench.engine).await;
        assert!(matches!(failed, Err(EngineError::Unavailable(_))), "{failed:?}");
        health.check().err()
    })
    .await;
    assert!(matches!(ill, Ailment::Stalled { lane: 0, seconds: 5.. }), "{ill}");
    bench.proxy.allow();
    eventually("the lane heals", async || increment(&bench.engine).await.ok()).await;
    assert_eq!(health.check(), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_a_replica_for_a_while_is_waited_for() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    increment(&engine).await.expect("an outcome");
    let nobody = harness::unused_address();
    let (host, port) = (nobody.ip().to_string(), nobody.port().to_string());
    redis.run(&["REPLICAOF", &host, &port]).await;
    let (sum, _) = tokio::join!(increment(&engine), async {
        eventually("the lane has met a replica", async || {
            let stats = redis.run(&["INFO", "errorstats"]).await;
            stats.contains("READONLY").then_some(())
        })
        .await;
        redis.run(&["REPLICAOF", "NO", "ONE"]).await
    });
    assert_eq!(sum.expect("an outcome"), 2);
    assert_eq!(counter(&store, "hot").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_multi_nothing_is_written_at_all() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    increment(&engine).await.expect("an outcome");
    redis.run(&["ACL", "SETUSER", "default", "-multi"]).await;
    for _ in 0..3 {
        let refused = increment(&engine).await;
        assert!(
            matches!(&refused, Err(EngineError::Unavailable(cause)) if cause.contains("NOPERM")),
            "{refused:?}"
        );
    }
    assert_eq!(counter(&store, "hot").await, 1);
    redis.run(&["ACL", "SETUSER", "default", "+multi"]).await;
    assert_eq!(increment(&engine).await.expect("an outcome"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_gone_after_a_lost_answer_leaves_the_outcome_unknown() {
    let bench = Bench::start().await;
    bench.proxy.arm("EXEC", Fault::DropReply);
    // Before the fence is asked, somebody deletes it.
    bench.proxy.arm("fence:", Fault::StallRequest);
    let engine = bench.engine.clone();
    let caller = tokio::spawn(async move { increment(&engine).await });
    bench.proxy.struck().await;
    bench.proxy.struck().await;
    let fences = bench.redis.run(&["KEYS", "fence:*"]).await;
    for fence in fences.lines() {
        bench.redis.run(&["DEL", fence]).await;
    }
    let unknown = caller.await.expect("no panic");
    assert!(matches!(unknown, Err(EngineError::OutcomeUnknown(_))), "{unknown:?}");
    assert_eq!(bench.counter().await, 2, "it has happened once");
    assert_eq!(increment(&bench.engine).await.expect("an outcome"), 3);
}

/// Deletes a record.
struct Delete(Key<String>);

impl Command for Delete {
    type Outcome = ();

    const REPEATABLE: bool = true;

    fn partition(&self) -> Partition {
        self.0.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        touches.record(&self.0);
    }

    fn decide(&self, view: &mut View) {
        view.remove(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_still_takes_what_frees_it_and_says_that_it_is_full() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    increment(&engine).await.expect("an outcome");
    let old: Key<String> = partitions().key("note", partitions().of("old"), "old");
    redis.run(&["SET", old.name(), "\"to be deleted\""]).await;
    redis.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    // The first ones keep the lane busy, so that the deletion shares a batch with others.
    let (refused, deleted) = tokio::join!(
        join_all((0..20).map(|_| increment(&engine))),
        engine.submit(Delete(old.clone())),
    );
    assert!(deleted.is_ok(), "{deleted:?}");
    assert_eq!(store.read(&old).await.expect("a read"), None);
    for answer in refused {
        assert!(
            matches!(&answer, Err(EngineError::Unavailable(cause)) if cause.contains("OOM")),
            "{answer:?}"
        );
    }
    let ill = engine.health().check();
    assert!(
        matches!(&ill, Err(Ailment::Refused { cause, .. }) if cause == "OOM"),
        "{ill:?}"
    );
    assert_eq!(counter(&store, "hot").await, 1);
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    // Nobody has to ask for anything.
    eventually("the lane finds out", async || engine.health().check().ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeatable_command_whose_answer_is_lost_is_decided_again() {
    let bench = Bench::start().await;
    for fault in [Fault::DropReply, Fault::DropRequest] {
        let old: Key<String> = partitions().key("note", partitions().of("old"), "old");
        bench.redis.run(&["SET", old.name(), "\"to be deleted\""]).await;
        bench.proxy.arm("EXEC", fault);
        bench.engine.submit(Delete(old.clone())).await.expect("an outcome");
        assert_eq!(bench.redis.run(&["EXISTS", old.name()]).await, "0");
    }
}

/// A record that cannot be written.
#[derive(Deserialize)]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        unreachable!("on purpose")
    }
}

enum Break {
    Touches,
    Validity,
    Record,
}

struct Breaks(Key<Unwritable>, Break);

impl Command for Breaks {
    type Outcome = ();

    fn partition(&self) -> Partition {
        self.0.partition()
    }

    fn touches(&self, touches: &mut Touches) {
        assert!(!matches!(self.1, Break::Touches), "on purpose");
        touches.record(&self.0);
    }

    fn validity(&self) -> RangeInclusive<Timestamp> {
        assert!(!matches!(self.1, Break::Validity), "on purpose");
        Timestamp::MIN..=Timestamp::MAX
    }

    fn decide(&self, view: &mut View) {
        view.put(&self.0, Unwritable);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_anywhere_costs_its_own_caller_and_not_the_lane() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    let key = || partitions().key("note", partitions().of("a"), "a");
    let mut sum = 0;
    for what in [Break::Touches, Break::Record] {
        // The first ones keep the lane busy, so that the broken one shares a batch with others.
        let (others, broken) = tokio::join!(
            join_all((0..20).map(|_| increment(&engine))),
            engine.submit(Breaks(key(), what)),
        );
        assert!(matches!(broken, Err(EngineError::Bug(_))), "{broken:?}");
        assert!(others.iter().all(Result::is_ok), "{others:?}");
        sum += 20;
        assert_eq!(counter(&store, "hot").await, sum);
    }
    // This breaks the lane itself, which then goes on.
    let broken = engine.submit(Breaks(key(), Break::Validity)).await;
    assert!(matches!(broken, Err(EngineError::Stopped)), "{broken:?}");
    assert_eq!(increment(&engine).await.expect("an outcome"), sum + 1);
    assert_eq!(engine.health().check(), Ok(()));
}

/// A process whose requests are so long under way to Redis.
struct Distant {
    _proxy: FaultProxy,
    engine: Engine,
    _lanes: Lanes,
}

impl Distant {
    async fn start(redis: &RedisServer, way: Duration) -> Self {
        let proxy = FaultProxy::start(redis.address()).await;
        proxy.lengthen(way);
        let store = Store::open(&StoreConfig::at(format!("redis://{}", proxy.address()))).expect("a store");
        let (engine, lanes) = Engine::start(&store, &partitions(), &EngineConfig::default());
        Self {
            _proxy: proxy,
            engine,
            _lanes: lanes,
        }
    }

    /// How many increments of 8 callers are committed until then. None may fail.
    async fn increment_until(&self, end: Instant) -> u32 {
        let callers = (0..8).map(|_| async {
            let mut done = 0;
            while Instant::now() < end {
                increment(&self.engine).await.expect("nobody is given up");
                done += 1;
            }
            done
        });
        join_all(callers).await.into_iter().sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_duel_the_slower_one_gets_at_least_a_fifth_and_nobody_is_given_up() {
    let redis = RedisServer::start().await;
    let slow = Distant::start(&redis, Duration::from_millis(20)).await;
    let fast = Distant::start(&redis, Duration::from_millis(4)).await;
    let end = Instant::now() + Duration::from_secs(8);
    let (slow, fast) = tokio::join!(slow.increment_until(end), fast.increment_until(end));
    println!("slow {slow}, fast {fast}");
    assert!(slow * 5 >= slow + fast, "{slow} of {}", slow + fast);
    assert!(fast * 5 >= slow + fast, "{fast} of {}", slow + fast);
}
