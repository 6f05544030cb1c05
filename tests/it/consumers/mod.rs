//! Consumers of the bus: every event at least once, in order within a subject, whatever fails.

pub(crate) mod bench;
mod deadly;
mod deaths;
mod failures;
mod fence;
mod ownership;
#[path = "../../../shared/bus/examples/print_paid_orders.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is not called here")]
mod print_paid_orders;
mod trouble;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::{
    Topic,
    consumer::{Consumer, ConsumerConfig},
};
use domain::ServiceName;
use harness::eventually;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use self::bench::{Bench, count, fine, gauge, hasty, orders};

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_all_partitions_is_handled_in_order_also_of_a_topic_that_comes_late() {
    let bench = Bench::start(4).await;
    let late = Topic::of(ServiceName::Stock);
    let config = ConsumerConfig {
        topics: vec![orders(), late],
        ..hasty("one")
    };
    for partition in 0..4 {
        let name = format!("order{partition}");
        bench
            .append(
                orders(),
                partition,
                &[&[(&name, 1), ("x", 1), (&name, 2)], &[(&name, 3)]],
            )
            .await;
    }
    let consumer = bench.spawn(config, fine);
    bench.log.reaches(16).await;
    bench.announce(late, 2).await;
    bench.append(late, 1, &[&[("item", 1)], &[("item", 2)]]).await;
    bench.log.reaches(18).await;
    for partition in 0..4 {
        assert_eq!(bench.log.of(&format!("order{partition}")), [1, 2, 3]);
    }
    assert_eq!(bench.log.of("item"), [1, 2]);
    bench.all_acknowledged(4).await;
    // The group is there on the partition that never had an event.
    let key = late.partition(0).stream_key();
    assert!(bench.redis.run(&["XINFO", "GROUPS", &key]).await.contains("mail"));
    consumer.stop().await;
    assert_eq!(bench.log.lines().len(), 18);
    assert_eq!(count("holdfast_consumer_handled_total"), 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_event_is_handled_at_once_and_not_at_the_next_tick() {
    let bench = Bench::start(2).await;
    // A tick is six seconds.
    let config = ConsumerConfig {
        lease: Duration::from_secs(60),
        ..hasty("one")
    };
    let consumer = bench.spawn(config, fine);
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    bench.log.reaches(1).await;
    let ticks = calls(&bench, "zadd").await;
    for number in 2..52 {
        // Whoever polls is never seen waiting there. Redis answers whoever waits.
        eventually("the consumer waits in the bus", async || {
            let clients = bench.redis.run(&["INFO", "clients"]).await;
            clients.lines().any(|line| line == "blocked_clients:1").then_some(())
        })
        .await;
        bench.append(orders(), 1, &[&[("b", number)]]).await;
        bench.log.reaches(usize::try_from(number).expect("small")).await;
    }
    // A consumer announces itself at each tick. Fifty events one after another took fewer.
    let ticks = calls(&bench, "zadd").await - ticks;
    assert!(ticks < 25, "{ticks}");
    consumer.stop().await;
}

/// How often Redis was told to do something.
async fn calls(bench: &Bench, command: &str) -> u64 {
    let stats = bench.redis.run(&["INFO", "commandstats"]).await;
    let begin = format!("cmdstat_{command}:calls=");
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix(&begin)?.split(',').next()?.parse().ok());
    calls.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_are_handled_side_by_side_and_not_more_than_the_bound() {
    let bench = Bench::start(2).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let config = ConsumerConfig {
        at_once: 5,
        ..hasty("one")
    };
    let names: Vec<String> = (0..16).map(|number| format!("s{number}")).collect();
    let events: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.append(orders(), 0, &[&events]).await;
    bench.append(orders(), 1, &[&events]).await;
    let (counted, highest) = (now.clone(), most.clone());
    let consumer = bench.spawn(config, move |_| {
        let (now, most) = (counted.clone(), highest.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(50)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    bench.log.reaches(32).await;
    assert_eq!(most.load(Ordering::SeqCst), 5);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_the_group_is_can_be_seen() {
    let bench = Bench::start(1).await;
    let config = ConsumerConfig {
        ahead: 32,
        max_tries: 1_000,
        ..hasty("one")
    };
    let consumer = bench.spawn(config, |_| async {
        Err(bus::consumer::HandlerError::Retry("not today".into()))
    });
    let event: &[_] = &[("a", 1)];
    bench.append(orders(), 0, &[event; 100]).await;
    eventually("the gauges show it", async || {
        let (lag, age) = (
            gauge("holdfast_consumer_lag_entries"),
            gauge("holdfast_consumer_age_seconds"),
        );
        ((lag - 100.0).abs() < 0.5 && age > 1.0 && age < 60.0).then_some(())
    })
    .await;
    // A subject that cannot be handled does not fill the memory.
    let pending: usize = bench.pending(0).await.parse().expect("a number");
    assert!((16..=64).contains(&pending), "{pending}");
    consumer.stop().await;
    assert!(gauge("holdfast_consumer_lag_entries").abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_prints_paid_orders() {
    let bench = Bench::start(1).await;
    bench.append(orders(), 0, &[&[("7", 1)]]).await;
    let (sender, mut lines) = mpsc::unbounded_channel();
    let print = move |line| sender.send(line).expect("a reader");
    let consumer = Consumer::new(bench.bus.clone(), hasty("one"), print_paid_orders::PaidOrders(print));
    let stop = CancellationToken::new();
    let work = tokio::spawn(consumer.run(stop.clone()));
    assert_eq!(lines.recv().await.as_deref(), Some("order 7 is paid: {\"total\":5}"));
    stop.cancel();
    work.await.expect("no panic");
}
