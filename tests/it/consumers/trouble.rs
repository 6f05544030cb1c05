//! What can happen to the bus and to the way there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use harness::{Fault, FaultProxy, eventually};
use tokio::time::sleep;

use super::bench::{Bench, GROUP, bus_at, count, fine, hasty, orders};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_gone_is_made_again_and_begins_at_the_first_entry() {
    let bench = Bench::start(1).await;
    let key = orders().partition(0).stream_key();
    let consumer = bench.spawn(hasty("one"), fine);
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    bench.log.reaches(1).await;
    bench.redis.run(&["XGROUP", "DESTROY", &key, GROUP]).await;
    bench.append(orders(), 0, &[&[("a", 2)]]).await;
    bench.log.reaches(3).await;
    assert_eq!(bench.log.of("a"), [1, 1, 2]);
    bench.redis.run(&["DEL", &key]).await;
    bench.append(orders(), 0, &[&[("a", 3)]]).await;
    bench.log.reaches(4).await;
    bench.redis.run(&["FLUSHALL"]).await;
    bench.append(orders(), 0, &[&[("a", 4)]]).await;
    bench.log.reaches(5).await;
    bench.announce(orders(), 1).await;
    bench.append(orders(), 0, &[&[("a", 5)]]).await;
    bench.log.reaches(6).await;
    bench.all_acknowledged(1).await;
    assert_eq!(count("holdfast_consumer_groups_mended_total"), 3);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_were_trimmed_before_they_were_acknowledged_are_counted() {
    let bench = Bench::start(1).await;
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let first = bench.spawn(hasty("one"), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    bench
        .append(orders(), 0, &[&[("a", 1)], &[("b", 1)], &[("c", 1)]])
        .await;
    eventually("all have begun", async || {
        (begun.load(Ordering::SeqCst) == 3).then_some(())
    })
    .await;
    first.kill().await;
    let key = orders().partition(0).stream_key();
    bench.redis.run(&["XTRIM", &key, "MAXLEN", "1"]).await;
    let second = bench.spawn(hasty("one"), fine);
    bench.log.reaches(1).await;
    bench.all_acknowledged(1).await;
    assert_eq!(bench.log.of("c"), [1]);
    assert_eq!(count("holdfast_consumer_trimmed_total"), 2);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_dies_and_comes_back_loses_nothing() {
    let mut bench = Bench::start(2).await;
    let consumer = bench.spawn(hasty("one"), fine);
    let mut number = 0;
    for _ in 0..5 {
        number += 1;
        bench.append(orders(), 0, &[&[("a", number)]]).await;
        bench.append(orders(), 1, &[&[("b", number)]]).await;
        bench.redis.kill();
        // For longer and for shorter than a lease.
        sleep(Duration::from_millis(600 * number)).await;
        bench.redis.start_again().await;
    }
    bench.append(orders(), 0, &[&[("a", 6)]]).await;
    bench.append(orders(), 1, &[&[("b", 6)]]).await;
    for subject in ["a", "b"] {
        eventually("all are handled", async || {
            let mut numbers = bench.log.of(subject);
            assert!(numbers.is_sorted(), "{numbers:?}");
            numbers.dedup();
            (numbers == [1, 2, 3, 4, 5, 6]).then_some(())
        })
        .await;
    }
    bench.all_acknowledged(2).await;
    assert!(count("holdfast_consumer_bus_failures_total") > 0);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_read_had_brought_is_handled_before_what_is_new() {
    let bench = Bench::start(1).await;
    let proxy = FaultProxy::start(bench.redis.address()).await;
    let consumer = bench.spawn_over(bus_at(&format!("redis://{}", proxy.address())), hasty("one"), fine);
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    bench.log.reaches(1).await;
    let mut number = 1;
    for round in 0..10 {
        proxy.arm("XREADGROUP", Fault::DropReply);
        for _ in 0..3 {
            number += 1;
            bench.append(orders(), 0, &[&[("a", number)]]).await;
        }
        proxy.struck().await;
        number += 1;
        bench.append(orders(), 0, &[&[("a", number)]]).await;
        bench.log.reaches(usize::try_from(number).expect("small")).await;
        assert_eq!(bench.log.of("a"), (1..=number).collect::<Vec<_>>(), "round {round}");
    }
    bench.all_acknowledged(1).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_lost_is_made_again() {
    let bench = Bench::start(1).await;
    let proxy = FaultProxy::start(bench.redis.address()).await;
    let consumer = bench.spawn_over(bus_at(&format!("redis://{}", proxy.address())), hasty("one"), fine);
    for number in 1..=10 {
        let fault = if number % 2 == 0 {
            Fault::DropReply
        } else {
            Fault::DropRequest
        };
        proxy.arm("XACK", fault);
        bench.append(orders(), 0, &[&[("a", number)]]).await;
        proxy.struck().await;
        bench.all_acknowledged(1).await;
    }
    assert_eq!(bench.log.of("a"), (1..=10).collect::<Vec<_>>());
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_went_astray_is_found() {
    let bench = Bench::start(1).await;
    let consumer = bench.spawn(hasty("one"), fine);
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    bench.log.reaches(1).await;
    // As if a read of a former owner had been carried out late.
    let key = orders().partition(0).stream_key();
    let late = async {
        let words = [
            "XREADGROUP",
            "GROUP",
            GROUP,
            "former",
            "BLOCK",
            "5000",
            "STREAMS",
            &key,
            ">",
        ];
        bench.redis.run(&words).await
    };
    let appended = async {
        for number in 2..40 {
            sleep(Duration::from_millis(100)).await;
            bench.append(orders(), 0, &[&[("a", number)]]).await;
        }
    };
    let (read, ()) = tokio::join!(late, appended);
    assert!(read.contains("order.paid"));
    bench.log.reaches(39).await;
    bench.all_acknowledged(1).await;
    let mut numbers = bench.log.of("a");
    numbers.sort_unstable();
    assert_eq!(numbers, (1..40).collect::<Vec<_>>());
    consumer.stop().await;
}
