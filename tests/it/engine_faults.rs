//! The engine when the connection or Redis itself fails at the worst moment.

use std::time::Duration;

use domain::Millis;
use engine::{Engine, EngineConfig, EngineError};
use futures::future::join_all;
use harness::{Fault, FaultProxy, Increment, RedisServer, eventually};

use super::engine::{Tell, counter, partitions, start};

/// One lane, so that every command goes through the connection under test.
pub(crate) fn one_lane() -> EngineConfig {
    EngineConfig {
        lanes: 1,
        command_deadline: Millis::new(2_000),
        ..EngineConfig::default()
    }
}

pub(crate) async fn increment(engine: &Engine) -> Result<i64, EngineError> {
    engine.submit(Increment::of("hot", &partitions())).await
}

pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    pub(crate) proxy: FaultProxy,
    pub(crate) engine: Engine,
}

impl Bench {
    /// A lane that reaches Redis through a proxy, and has committed once.
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start().await;
        let proxy = FaultProxy::start(redis.address()).await;
        let (_store, engine, _lanes) = start(&format!("redis://{}", proxy.address()), &one_lane());
        assert_eq!(increment(&engine).await.expect("an outcome"), 1);
        Self { redis, proxy, engine }
    }

    pub(crate) async fn counter(&self) -> i64 {
        let (store, _engine, _lanes) = start(&self.redis.url(), &one_lane());
        counter(&store, "hot").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_killed_between_watch_and_exec_loses_no_rivals_write() {
    let bench = Bench::start().await;
    let key = Increment::of("hot", &partitions()).key().name().to_string();
    for round in 0..20 {
        let before = bench.counter().await;
        bench.proxy.arm("EXEC", Fault::DropRequest);
        let engine = bench.engine.clone();
        let caller = tokio::spawn(async move { increment(&engine).await });
        bench.proxy.struck().await;
        // The rival writes what the lane has read and watched on a connection that is gone.
        bench.redis.run(&["INCRBY", &key, "1000"]).await;
        let sum = caller.await.expect("no panic").expect("an outcome");
        let after = bench.counter().await;
        assert_eq!(after, before + 1_001, "round {round}");
        // The lane may have been back before the rival, or after it.
        assert!(sum == before + 1 || sum == after, "round {round}: {sum}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_redis_got_is_committed_once_when_its_answer_is_cut_off() {
    let bench = Bench::start().await;
    for round in 2..22 {
        bench.proxy.arm("EXEC", Fault::DropReply);
        assert_eq!(increment(&bench.engine).await.expect("an outcome"), round);
        assert_eq!(bench.counter().await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_redis_did_not_get_is_decided_anew() {
    let bench = Bench::start().await;
    for round in 2..22 {
        bench.proxy.arm("EXEC", Fault::DropRequest);
        assert_eq!(increment(&bench.engine).await.expect("an outcome"), round);
        assert_eq!(bench.counter().await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_old_exec_never_commits_after_the_fence_moved() {
    let bench = Bench::start().await;
    for round in 2..22 {
        bench.proxy.arm("EXEC", Fault::DelayRequest);
        assert_eq!(increment(&bench.engine).await.expect("an outcome"), round);
        let late = bench.proxy.deliver().await;
        let late = String::from_utf8_lossy(&late);
        assert!(late.ends_with("*-1\r\n"), "the old EXEC was not refused: {late}");
        assert_eq!(bench.counter().await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_old_exec_does_not_commit_before_its_batch_is_decided_anew_either() {
    let bench = Bench::start().await;
    for round in 2..7 {
        bench.proxy.arm("EXEC", Fault::DelayRequest);
        // The fence has moved and the records have not been read again: nothing but the fence keeps the old
        // EXEC from its place.
        bench.proxy.arm("MGET", Fault::StallRequest);
        let engine = bench.engine.clone();
        let caller = tokio::spawn(async move { increment(&engine).await });
        bench.proxy.struck().await;
        bench.proxy.struck().await;
        let late = bench.proxy.deliver().await;
        assert!(late.ends_with(b"*-1\r\n"), "{}", String::from_utf8_lossy(&late));
        assert_eq!(caller.await.expect("no panic").expect("an outcome"), round);
        assert_eq!(bench.counter().await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_the_fences_own_answer_is_survived() {
    let bench = Bench::start().await;
    for round in 2..22 {
        // The transaction is in force, or it is not; then its answer is lost.
        let first = if round % 2 == 0 {
            Fault::DropReply
        } else {
            Fault::DropRequest
        };
        bench.proxy.arm("EXEC", first);
        // So is the answer of whatever asks the fence.
        bench.proxy.arm("fence:", Fault::DropReply);
        let engine = bench.engine.clone();
        let caller = tokio::spawn(async move { increment(&engine).await });
        bench.proxy.struck().await;
        bench.proxy.struck().await;
        assert_eq!(caller.await.expect("no panic").expect("an outcome"), round);
        assert_eq!(bench.counter().await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_while_connections_break_all_the_time_happen_exactly_once() {
    let bench = Bench::start().await;
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let engine = bench.engine.clone();
            tokio::spawn(async move {
                let mut done = 0;
                for _ in 0..100 {
                    if increment(&engine).await.is_ok() {
                        done += 1;
                    }
                }
                done
            })
        })
        .collect();
    let proxy = &bench.proxy;
    let breaking = async {
        loop {
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    let all = futures::future::join_all(callers);
    let done = tokio::select! {
        done = all => done.into_iter().map(|done| done.expect("no panic")).sum::<i64>(),
        () = breaking => unreachable!("it never ends"),
    };
    assert!(done > 0);
    assert_eq!(bench.counter().await, 1 + done);
}

/// With Redis in this state, callers get a bounded, retryable error, nothing is written, and the lane
/// heals when Redis does.
async fn refused_and_healed(ill: &[&[&str]], well: &[&[&str]]) {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    assert_eq!(engine.submit(Tell::of("hot")).await.expect("an outcome"), 1);
    for words in ill {
        redis.run(words).await;
    }
    let told = engine.submit(Tell::of("hot")).await;
    assert!(matches!(told, Err(EngineError::Unavailable(_))), "{ill:?}: {told:?}");
    for words in well {
        redis.run(words).await;
    }
    assert_eq!(counter(&store, "hot").await, 1, "{ill:?}: nothing was written");
    let healed = eventually("the lane heals", async || engine.submit(Tell::of("hot")).await.ok()).await;
    assert_eq!(healed, 2, "{ill:?}");
    let told = redis.run(&["XRANGE", Tell::of("hot").stream.name(), "-", "+"]).await;
    assert_eq!(told.matches("sum").count(), 2, "{ill:?}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_is_survived() {
    refused_and_healed(
        &[&["CONFIG", "SET", "maxmemory", "1"]],
        &[&["CONFIG", "SET", "maxmemory", "0"]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_redis_is_survived() {
    let nobody = harness::unused_address();
    let (host, port) = (nobody.ip().to_string(), nobody.port().to_string());
    refused_and_healed(&[&["REPLICAOF", &host, &port]], &[&["REPLICAOF", "NO", "ONE"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_cannot_persist_is_survived() {
    // With a replica required and none there, Redis refuses writes as it does when it cannot save.
    refused_and_healed(
        &[&["CONFIG", "SET", "min-replicas-to-write", "1"]],
        &[&["CONFIG", "SET", "min-replicas-to-write", "0"]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_whose_snapshots_fail_is_survived() {
    // MISCONF: a snapshot that cannot be written, with stop-writes-on-bgsave-error.
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    assert_eq!(increment(&engine).await.expect("an outcome"), 1);
    redis.run(&["CONFIG", "SET", "save", "3600 1000000"]).await;
    redis.run(&["CONFIG", "SET", "dbfilename", "a-folder"]).await;
    redis.obstruct("a-folder");
    redis.run(&["BGSAVE"]).await;
    eventually("the snapshot has failed", async || {
        let persistence = redis.run(&["INFO", "persistence"]).await;
        persistence.contains("rdb_last_bgsave_status:err").then_some(())
    })
    .await;
    let refused = increment(&engine).await;
    assert!(
        matches!(&refused, Err(EngineError::Unavailable(cause)) if cause.contains("MISCONF")),
        "{refused:?}"
    );
    redis.run(&["CONFIG", "SET", "save", ""]).await;
    assert_eq!(counter(&store, "hot").await, 1);
    assert_eq!(
        eventually("the lane heals", async || increment(&engine).await.ok()).await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_wants_a_password_is_survived() {
    let bench = Bench::start().await;
    bench.redis.run(&["CONFIG", "SET", "requirepass", "secret"]).await;
    bench.proxy.cut();
    let refused = increment(&bench.engine).await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    bench
        .redis
        .run_as("secret", &["CONFIG", "SET", "requirepass", ""])
        .await;
    assert_eq!(
        eventually("the lane heals", async || increment(&bench.engine).await.ok()).await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loads_its_data_is_waited_for() {
    let mut redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    assert_eq!(increment(&engine).await.expect("an outcome"), 1);
    redis.run(&["DEBUG", "POPULATE", "200000"]).await;
    redis.kill();
    redis.start_loading(Duration::from_secs(1)).await;
    let waited = eventually("the lane heals", async || increment(&engine).await.ok()).await;
    assert_eq!(waited, 2);
    assert_eq!(counter(&store, "hot").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_of_the_wrong_type_is_the_trouble_of_those_who_append_to_it() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    assert_eq!(engine.submit(Tell::of("hot")).await.expect("an outcome"), 1);
    let told = Tell::of("hot");
    for key in [told.stream.name(), told.index.name()] {
        redis.run(&["RENAME", key, "aside"]).await;
        redis.run(&["SET", key, "neither a stream nor an index"]).await;
        // The first ones keep the lane busy, so that the others share a batch.
        let (others, refused) = tokio::join!(
            join_all((0..20).map(|_| engine.submit(Increment::of("fine", &partitions())))),
            engine.submit(Tell::of("hot")),
        );
        assert!(
            matches!(&refused, Err(EngineError::Corrupt { cause, .. }) if cause.contains("holds a string")),
            "{refused:?}"
        );
        assert!(others.iter().all(Result::is_ok), "{others:?}");
        assert_eq!(counter(&store, "hot").await, 1, "nothing was written");
        redis.run(&["RENAME", "aside", key]).await;
    }
    assert_eq!(engine.submit(Tell::of("hot")).await.expect("an outcome"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_given_up_in_bounded_time_and_nothing_happens_twice() {
    let redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    assert_eq!(increment(&engine).await.expect("an outcome"), 1);
    redis.signal("STOP");
    let given_up = tokio::time::timeout(Duration::from_secs(20), increment(&engine))
        .await
        .expect("a bounded wait");
    assert!(
        matches!(
            given_up,
            Err(EngineError::Unavailable(_) | EngineError::OutcomeUnknown(_))
        ),
        "{given_up:?}"
    );
    redis.signal("CONT");
    let after = eventually("the lane heals", async || increment(&engine).await.ok()).await;
    assert_eq!(counter(&store, "hot").await, after);
    assert_eq!(after, 2, "the command that was given up was never sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_and_comes_back_keeps_every_answered_command() {
    let mut redis = RedisServer::start().await;
    let (store, engine, _lanes) = start(&redis.url(), &one_lane());
    let mut total = 0;
    for round in 0..5 {
        let callers: Vec<_> = (0..32).map(|_| tokio::spawn(increment_often(engine.clone()))).collect();
        redis.kill();
        redis.start_again().await;
        let (mut done, mut unknown) = (0, 0);
        for caller in callers {
            let (caller_done, caller_unknown) = caller.await.expect("no panic");
            done += caller_done;
            unknown += caller_unknown;
        }
        let before = std::mem::replace(&mut total, counter(&store, "hot").await);
        assert!(
            (done..=done + unknown).contains(&(total - before)),
            "round {round}: {before} + {done} + {unknown}? = {total}"
        );
    }
}

/// How many of a caller's commands were answered, and of how many the outcome stayed unknown.
async fn increment_often(engine: Engine) -> (i64, i64) {
    let (mut done, mut unknown) = (0, 0);
    for _ in 0..20 {
        match increment(&engine).await {
            Ok(_) => done += 1,
            Err(EngineError::OutcomeUnknown(_)) => unknown += 1,
            Err(_) => {}
        }
    }
    (done, unknown)
}
