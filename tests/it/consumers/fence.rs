//! Owners that the bus no longer knows: they stood still for longer than their lease, and have not noticed yet.

use std::time::Duration;

use bus::consumer::ConsumerConfig;
use harness::eventually;

use super::bench::{Bench, GROUP, Running, fine, hasty, orders};
use super::calls;

/// A consumer that owns the one partition, has handled an event of it, and renews it every two seconds.
async fn owner() -> (Bench, Running, [String; 2]) {
    let bench = Bench::start(1).await;
    let config = ConsumerConfig {
        lease: Duration::from_secs(20),
        ..hasty("one")
    };
    let consumer = bench.spawn(config, fine);
    bench.append(orders(), 0, &[&[("before", 1)]]).await;
    bench.log.reaches(1).await;
    bench.all_acknowledged(1).await;
    let keys = [
        orders().partition(0).owner_key(GROUP),
        orders().partition(0).stream_key(),
    ];
    (bench, consumer, keys)
}

/// The last entry that the group was given.
async fn given(bench: &Bench, stream: &str) -> Option<String> {
    let info = bench.redis.run(&["XINFO", "GROUPS", stream]).await;
    let mut lines = info.lines().skip_while(|line| *line != "last-delivered-id");
    lines.nth(1).map(ToOwned::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_partition_that_is_anothers_by_now_is_given_nothing() {
    let (bench, consumer, [owner, stream]) = owner().await;
    bench.redis.run(&["SET", &owner, "other/1", "PX", "60000"]).await;
    let (scripts, read) = (calls(&bench, "eval").await, given(&bench, &stream).await);
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    eventually("it tries", async || {
        (calls(&bench, "eval").await > scripts).then_some(())
    })
    .await;
    assert_eq!(given(&bench, &stream).await, read);
    // The other goes, and the partition can be taken again.
    bench.redis.run(&["DEL", &owner]).await;
    bench.log.reaches(2).await;
    bench.all_acknowledged(1).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_a_partition_that_is_nobodys_by_now_takes_over_what_was_left_in_between() {
    let (bench, consumer, [owner, stream]) = owner().await;
    // As another that took it, read an event and died, and whose lease is over.
    bench.redis.run(&["DEL", &owner]).await;
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    let read = ["XREADGROUP", "GROUP", GROUP, "other", "STREAMS", &stream, ">"];
    assert!(bench.redis.run(&read).await.contains("order.paid"));
    bench.append(orders(), 0, &[&[("a", 2)]]).await;
    bench.log.reaches(3).await;
    assert_eq!(bench.log.of("a"), [1, 2]);
    consumer.stop().await;
}
