//! Several consumers of a group: who owns what, and what happens when one goes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::consumer::ConsumerConfig;
use domain::Backoff;
use harness::{PATIENCE, eventually};
use tokio::time::{sleep, timeout};

use super::bench::{Bench, GROUP, Running, count, fine, hasty, orders};

/// Longer than any test waits for anything.
const HOUR: Duration = Duration::from_secs(3_600);

/// How many partitions each consumer owns, by the bus's word.
async fn owners(bench: &Bench, partitions: u16) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for partition in 0..partitions {
        let owner = bench
            .redis
            .run(&["GET", &orders().partition(partition).owner_key(GROUP)])
            .await;
        let name = owner.split('/').next().unwrap_or_default().to_owned();
        *owners.entry(name).or_default() += 1;
    }
    owners
}

async fn owned_as(bench: &Bench, partitions: u16, expected: &[(&str, usize)]) {
    let expected = expected
        .iter()
        .map(|(name, number)| ((*name).to_owned(), *number))
        .collect();
    eventually("the partitions are shared", async || {
        (owners(bench, partitions).await == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_share_them_anew_when_one_comes_or_goes() {
    let bench = Bench::start(7).await;
    let first = bench.spawn(hasty("one"), fine);
    owned_as(&bench, 7, &[("one", 7)]).await;
    let second = bench.spawn(hasty("two"), fine);
    owned_as(&bench, 7, &[("one", 4), ("two", 3)]).await;
    let third = bench.spawn(hasty("three"), fine);
    owned_as(&bench, 7, &[("one", 3), ("three", 2), ("two", 2)]).await;
    second.kill().await;
    owned_as(&bench, 7, &[("one", 4), ("three", 3)]).await;
    let event: &[_] = &[("a", 1)];
    for partition in 0..7 {
        bench.append(orders(), partition, &[event]).await;
    }
    bench.log.reaches(7).await;
    assert_eq!(bench.log.consumers(), ["one", "three"]);
    first.stop().await;
    owned_as(&bench, 7, &[("three", 7)]).await;
    third.stop().await;
    owned_as(&bench, 7, &[("released", 7)]).await;
    assert_eq!(bench.redis.run(&["EXISTS", &format!("members:{GROUP}")]).await, "0");
    assert_eq!(bench.log.lines().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stops_in_the_middle_ends_it_and_hands_over_at_once() {
    for _ in 0..10 {
        let bench = Bench::start(1).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = begun.clone();
        // Who takes over from a dead one would wait for longer than anybody here does.
        let config = ConsumerConfig {
            handler_timeout: HOUR,
            lease: Duration::from_secs(10),
            ..hasty("one")
        };
        let first = bench.spawn(config.clone(), move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                sleep(Duration::from_millis(400)).await;
                Ok(())
            }
        });
        bench.append(orders(), 0, &[&[("a", 1), ("a", 2)], &[("a", 3)]]).await;
        eventually("it has begun", async || {
            (begun.load(Ordering::SeqCst) == 1).then_some(())
        })
        .await;
        let second = bench.spawn(
            ConsumerConfig {
                name: "two".into(),
                ..config
            },
            fine,
        );
        first.stop.cancel();
        bench.log.reaches(3).await;
        assert!(first.has_ended());
        let lines = bench.log.lines();
        let who: Vec<_> = lines.iter().map(|(who, _, number)| (who.as_str(), *number)).collect();
        // What had begun is ended by whoever began it, and is not repeated; the rest is the other's.
        assert_eq!(who, [("one", 1), ("one", 2), ("two", 3)]);
        bench.all_acknowledged(1).await;
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_an_event_that_is_being_retried() {
    let bench = Bench::start(1).await;
    // Nobody here waits for its next try, nor for as long as a try may take.
    let config = |name| ConsumerConfig {
        backoff: Backoff { min: HOUR, max: HOUR },
        handler_timeout: HOUR,
        ..hasty(name)
    };
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let first = bench.spawn(config("one"), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err(bus::consumer::HandlerError::Retry("not today".into())) }
    });
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    eventually("it waits for the next try", async || {
        let failed = count("holdfast_consumer_retried_total") == 1;
        (failed && tries.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    timeout(PATIENCE, first.stop()).await.expect("an end");
    let second = bench.spawn(config("two"), fine);
    bench.log.reaches(1).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_of_one_name_never_work_on_one_partition_at_the_same_time() {
    let bench = Bench::start(4).await;
    let busy: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let clashes = Arc::new(AtomicUsize::new(0));
    let spawn = || {
        let (busy, clashes) = (busy.clone(), clashes.clone());
        bench.spawn(hasty("same"), move |event| {
            let (busy, clashes) = (busy.clone(), clashes.clone());
            async move {
                *busy.lock().expect("no panic").entry(event.subject.clone()).or_default() += 1;
                sleep(Duration::from_millis(5)).await;
                let mut busy = busy.lock().expect("no panic");
                let working = busy.get_mut(&event.subject).expect("an entry");
                clashes.fetch_add(*working - 1, Ordering::SeqCst);
                *working -= 1;
                Ok(())
            }
        })
    };
    let first = spawn();
    let mut second = spawn();
    for number in 1..=200 {
        for partition in 0..4 {
            bench
                .append(orders(), partition, &[&[(&format!("s{partition}"), number)]])
                .await;
        }
        if number % 50 == 0 {
            second.stop().await;
            second = spawn();
        }
    }
    bench.log.reaches(800).await;
    assert_eq!(clashes.load(Ordering::SeqCst), 0);
    assert_eq!(bench.log.lines().len(), 800);
    for partition in 0..4 {
        assert!(bench.log.of(&format!("s{partition}")).is_sorted());
    }
    first.stop().await;
    second.stop().await;
}

/// A consumer with this name, after one named "one" died in the middle of the first event of partition 0. Newer ones wait
/// there, and in partition 1.
async fn after_a_death(name: &str, handler_timeout: Duration) -> (Bench, Running) {
    let bench = Bench::start(2).await;
    let config = |name: &str| ConsumerConfig {
        handler_timeout,
        ..hasty(name)
    };
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let first = bench.spawn(config("one"), move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    eventually("it has begun", async || {
        (begun.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    first.kill().await;
    bench.append(orders(), 0, &[&[("a", 2)], &[("b", 1)]]).await;
    bench.append(orders(), 1, &[&[("c", 1)]]).await;
    let next = bench.spawn(config(name), fine);
    (bench, next)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_owners_work_is_taken_over_before_anything_new() {
    let (bench, second) = after_a_death("two", Duration::from_secs(1)).await;
    bench.log.reaches(4).await;
    assert_eq!(bench.log.of("a"), [1, 2]);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_owners_work_is_not_taken_over_while_it_may_still_end() {
    let (bench, second) = after_a_death("two", HOUR).await;
    owned_as(&bench, 2, &[("two", 2)]).await;
    for number in 2..100 {
        bench.append(orders(), 1, &[&[("c", number)]]).await;
        eventually("the other partition is worked on", async || {
            (bench.log.of("c").len() as u64 == number).then_some(())
        })
        .await;
    }
    assert_eq!(bench.log.lines().len(), 99, "nothing of the dead one's partition");
    let key = orders().partition(0).stream_key();
    let pending = bench.redis.run(&["XPENDING", &key, GROUP]).await;
    assert!(pending.ends_with("one\n1"), "{pending}");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_comes_again_under_its_name_takes_its_work_up_without_that_wait() {
    let (bench, second) = after_a_death("one", HOUR).await;
    bench.log.reaches(4).await;
    assert_eq!(bench.log.of("a"), [1, 2]);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_keeps_no_partition_from_the_living() {
    let bench = Bench::start(2).await;
    // As a dead consumer has left it, if the clock was set back by an hour since.
    let (first, second) = (orders().partition(0), orders().partition(1));
    let ghost = ["SET", &first.owner_key(GROUP), "ghost/1", "PX", "3600000"];
    bench.redis.run(&ghost).await;
    let future = "99999999999999";
    bench
        .redis
        .run(&["ZADD", &format!("members:{GROUP}"), future, "ghost/1"])
        .await;
    let consumer = bench.spawn(hasty("one"), fine);
    // The ghost counts for no share.
    eventually("the free one is taken", async || {
        bench
            .redis
            .run(&["GET", &second.owner_key(GROUP)])
            .await
            .starts_with("one/")
            .then_some(())
    })
    .await;
    eventually("the ghost's lease is shortened", async || {
        let left: u64 = bench.redis.run(&["PTTL", &first.owner_key(GROUP)]).await.parse().ok()?;
        (left <= 60_000).then_some(())
    })
    .await;
    consumer.stop().await;
}
