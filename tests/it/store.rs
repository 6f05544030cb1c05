//! What is asked of a store besides its lanes: reads that heal, and a Redis that keeps what it is given.

use std::time::Duration;

use domain::Millis;
use engine::store::{Store, StoreConfig, StoreError};
use harness::{Deployment, FaultProxy, Increment, RedisServer, Setup, eventually};
use tokio::time::Instant;

use crate::engine::{counter, partitions};

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_within_two_timeouts_when_open_connections_fall_silent() {
    let timeout = Duration::from_secs(1);
    let redis = RedisServer::start().await;
    let proxy = FaultProxy::start(redis.address()).await;
    let store = Store::open(&StoreConfig {
        redis_timeout: Millis::new(1_000),
        ..StoreConfig::at(format!("redis://{}", proxy.address()))
    })
    .expect("a store");
    redis
        .run(&["SET", Increment::of("hot", &partitions()).key().name(), "7"])
        .await;
    assert_eq!(counter(&store, "hot").await, 7);
    for _ in 0..3 {
        proxy.silence();
        let silent = Instant::now();
        // Reads that never pause keep fred's own check from ever finding the connection unresponsive.
        let increment = Increment::of("hot", &partitions());
        while store.read(increment.key()).await.is_err() {
            assert!(silent.elapsed() < 2 * timeout, "reads did not heal");
        }
        let scanner = store.scanner();
        proxy.silence();
        let page = scanner.keys("*", engine::store::scan::START).await;
        assert_eq!(page.expect("a scanner asks once more").entries.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_read_again_when_it_goes_on() {
    let redis = RedisServer::start().await;
    let store = Store::open(&StoreConfig {
        redis_timeout: Millis::new(200),
        ..StoreConfig::at(redis.url())
    })
    .expect("a store");
    store.ping().await.expect("it answers");
    redis.signal("STOP");
    for _ in 0..5 {
        assert!(store.ping().await.is_err());
    }
    redis.signal("CONT");
    eventually("reads go on", async || store.ping().await.ok()).await;
    let clients = redis.run(&["CLIENT", "LIST", "TYPE", "normal"]).await;
    let ours = clients.lines().filter(|line| line.contains("name=fred")).count();
    assert!(ours <= 2, "{clients}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_connections_fall_silent_reads_recovers_and_is_ready_again() {
    let order_redis = RedisServer::start().await;
    let proxy = FaultProxy::start(order_redis.address()).await;
    let (stock_redis, payment_redis) = tokio::join!(RedisServer::start(), RedisServer::start());
    let setup = Setup {
        order_redis: Some(format!("redis://{}", proxy.address())),
        ..Setup::default()
    };
    let deployment = Deployment::start_on(setup, stock_redis, payment_redis, order_redis).await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    // A driver that is gone leaves a saga for recovery, which reads the index.
    deployment.payment[0].process.signal("STOP");
    let checkout = tokio::spawn({
        let (client, order) = (client.clone(), order.clone());
        async move { client.checkout(&order).await }
    });
    eventually("the piece is held", async || {
        (client.stock(&item).await == 9).then_some(())
    })
    .await;
    proxy.silence();
    deployment.payment[0].process.signal("CONT");
    checkout.await.expect("the client's task");
    assert_eq!(client.checkout_decided(&order).await.status, 200);
    eventually("order is ready", async || {
        let path = format!("{}/health/ready", deployment.order[0].origin());
        let answer = harness::tls::http().build().ok()?.get(path).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_evicts_is_refused_with_what_to_set() {
    for policy in ["volatile-lru", "volatile-ttl", "allkeys-random", "allkeys-lfu"] {
        let redis = RedisServer::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", policy]).await;
        let store = Store::open(&StoreConfig::at(redis.url())).expect("a store");
        let claimed = store.claim("stock", &partitions(), Duration::from_secs(5)).await;
        let Err(StoreError::Evicts { policy: told }) = claimed else {
            unreachable!("{policy}: {claimed:?}");
        };
        assert_eq!(told, policy);
        redis.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
        let claimed = store.claim("stock", &partitions(), Duration::from_secs(5)).await;
        claimed.expect("it keeps all now");
    }
}
