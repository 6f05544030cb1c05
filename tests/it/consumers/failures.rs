//! Handlers that fail, hang and panic, and entries that nobody can read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::consumer::{ConsumerConfig, HandlerError, Repeats};
use harness::eventually;
use tokio::time::sleep;

use super::bench::{Bench, GROUP, count, fine, hasty, orders, panics};

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_is_retried_holds_back_itself_alone_and_comes_in_order_later() {
    let bench = Bench::start(2).await;
    let config = ConsumerConfig {
        max_tries: 1_000_000,
        at_once: 1,
        ..hasty("one")
    };
    let healed = Arc::new(AtomicBool::new(false));
    let heal = healed.clone();
    let consumer = bench.spawn(config, move |event| {
        let is_well = healed.load(Ordering::SeqCst) || event.subject != "ill";
        async move {
            if is_well {
                Ok(())
            } else {
                Err(HandlerError::Retry("not yet".into()))
            }
        }
    });
    let both: &[_] = &[("ill", 1), ("well", 1)];
    bench
        .append(orders(), 0, &[both, &[("ill", 2), ("well", 2)], &[("well", 3)]])
        .await;
    bench.append(orders(), 1, &[&[("other", 1)]]).await;
    bench.log.reaches(4).await;
    assert!(bench.log.of("ill").is_empty());
    sleep(Duration::from_millis(300)).await;
    // The one that holds nothing of the ill subject is acknowledged.
    assert_eq!(bench.pending(0).await, "2");
    heal.store(true, Ordering::SeqCst);
    bench.log.reaches(6).await;
    assert_eq!(bench.log.of("ill"), [1, 2]);
    assert_eq!(bench.log.of("well"), [1, 2, 3]);
    bench.all_acknowledged(2).await;
    assert!(count("holdfast_consumer_retried_total") > 2);
    assert_eq!(bench.letters(0).await, "");
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_hangs_panics_or_is_rejected_becomes_a_dead_letter_and_blocks_nothing() {
    let bench = Bench::start(1).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let consumer = bench.spawn(hasty("one"), move |event| {
        counted.fetch_add(usize::from(event.subject != "fine"), Ordering::SeqCst);
        async move {
            match &*event.subject {
                "fails" => Err(HandlerError::Retry("no luck".into())),
                "rejects" => Err(HandlerError::Reject("no such thing".into())),
                "hangs" => std::future::pending().await,
                "panics" => panics(),
                _ => Ok(()),
            }
        }
    });
    let all: &[_] = &[("fails", 1), ("rejects", 1), ("hangs", 1), ("panics", 1), ("fine", 1)];
    bench.append(orders(), 0, &[all, &[("fine", 2)]]).await;
    bench.log.reaches(2).await;
    bench.all_acknowledged(1).await;
    let letters = bench.letters(0).await;
    for reason in [
        "no luck",
        "rejected: no such thing",
        "the handler did not end within 1s",
        "the handler panicked: on purpose",
    ] {
        assert!(letters.contains(reason), "{letters}");
    }
    assert!(
        letters.contains(r#""type":"order.paid","subject":"fails""#),
        "{letters}"
    );
    assert_eq!(letters.matches("specversion").count(), 4, "{letters}");
    assert_eq!(letters.matches("failed_at").count(), 4, "{letters}");
    assert_eq!(
        (letters.matches("\n3\n").count(), letters.matches("\n1\n").count()),
        (3, 1),
        "{letters}"
    );
    assert_eq!(tries.load(Ordering::SeqCst), 10);
    assert_eq!(count("holdfast_consumer_dead_total"), 4);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_nobody_can_read_becomes_a_dead_letter_whole() {
    let bench = Bench::start(1).await;
    let key = orders().partition(0).stream_key();
    bench.redis.run(&["XADD", &key, "*", "events", "{not JSON"]).await;
    bench.redis.run(&["XADD", &key, "*", "something", "else"]).await;
    bench.redis.run(&["XADD", &key, "*", "events", "[]"]).await;
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    let consumer = bench.spawn(hasty("one"), fine);
    bench.log.reaches(1).await;
    bench.all_acknowledged(1).await;
    let letters = bench.letters(0).await;
    assert!(letters.contains("entry\n{not JSON\n"), "{letters}");
    assert_eq!(letters.matches("the entry holds no events").count(), 2, "{letters}");
    assert_eq!(count("holdfast_consumer_dead_total"), 2);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_a_full_bus_refuses_is_written_when_there_is_room() {
    let bench = Bench::start(1).await;
    let consumer = bench.spawn(hasty("one"), |event| async move {
        match &*event.subject {
            "bad" => Err(HandlerError::Reject("bad".into())),
            _ => Ok(()),
        }
    });
    bench.append(orders(), 0, &[&[("good", 1)]]).await;
    bench.log.reaches(1).await;
    let event: &[_] = &[("good", 2)];
    bench.append(orders(), 0, &[&[("bad", 1)], event]).await;
    bench.redis.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    // What was read before or after goes on; the owner keeps what it has for longer than a lease.
    sleep(Duration::from_secs(5)).await;
    bench.log.reaches(2).await;
    let owner = orders().partition(0).owner_key(GROUP);
    assert!(bench.redis.run(&["GET", &owner]).await.starts_with("one/"));
    bench.redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    bench.all_acknowledged(1).await;
    assert!(bench.letters(0).await.contains("rejected: bad"));
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_dead_letters_than_are_kept_push_the_oldest_out_and_these_are_counted() {
    let bench = Bench::start(2).await;
    let config = ConsumerConfig {
        max_letters: 5,
        ..hasty("one")
    };
    let consumer = bench.spawn(config, |_| async { Err(HandlerError::Reject("bad".into())) });
    for number in 1..=12 {
        bench.append(orders(), 0, &[&[("a", number)]]).await;
    }
    let key = orders().partition(1).stream_key();
    bench.redis.run(&["XADD", &key, "*", "events", "{not JSON"]).await;
    eventually("all are dead letters", async || {
        (count("holdfast_consumer_dead_total") == 13).then_some(())
    })
    .await;
    bench.all_acknowledged(2).await;
    let letters = bench.letters(0).await;
    let kept: Vec<bool> = (1..=12)
        .map(|number| letters.contains(&format!(r#""id":"a-{number}""#)))
        .collect();
    assert_eq!(kept, [[false; 7].as_slice(), &[true; 5]].concat(), "{letters}");
    assert_eq!(count("holdfast_consumer_dead_cut_total"), 7);
    // Also to an operator, and after the consumer's end. The other partition has room of its own.
    consumer.stop().await;
    let mut line = bench.bus.connect().await.expect("a bus");
    let status = &bus::operator::groups(&mut line).await.expect("an answer")[0];
    assert_eq!((status.dead, status.cut), (6, 7));
}

fn never(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        repeats: Repeats::Never,
        ..hasty(name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_repeated_is_not_when_its_consumer_died_and_what_was_done_is_no_letter() {
    let bench = Bench::start(1).await;
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    // One is done, one is being retried, one is in the middle, one has not begun, when the first consumer dies.
    let config = ConsumerConfig {
        max_tries: 1_000,
        handler_timeout: Duration::from_secs(30),
        ..never("one")
    };
    let first = bench.spawn(config.clone(), move |event| {
        let counted = counted.clone();
        async move {
            match &*event.subject {
                "done" => Ok(()),
                "middle" => {
                    counted.fetch_add(1, Ordering::SeqCst);
                    std::future::pending().await
                }
                _ => Err(HandlerError::Retry("later".into())),
            }
        }
    });
    let all: &[_] = &[("done", 1), ("middle", 1), ("middle", 2), ("retried", 1)];
    bench.append(orders(), 0, &[all]).await;
    let (mark, retried) = (
        orders().partition(0).seen_key(GROUP, "done-1"),
        orders().partition(0).seen_key(GROUP, "retried-1"),
    );
    eventually("one is done, one in the middle", async || {
        let is_done = bench.redis.run(&["GET", &mark]).await == "done";
        (is_done && begun.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
    first.kill().await;
    // As if it had died between two tries, which it may have done.
    bench.redis.run(&["DEL", &retried]).await;
    let second = bench.spawn(config, fine);
    bench.all_acknowledged(1).await;
    assert_eq!(bench.log.of("done"), [1]);
    assert_eq!(bench.log.of("retried"), [1]);
    assert_eq!(bench.log.of("middle"), [2]);
    let letters = bench.letters(0).await;
    assert!(letters.contains("it may have been handled already: a consumer died in the middle"));
    assert_eq!(letters.matches("specversion").count(), 1, "{letters}");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_repeated_is_not_tried_again_when_nobody_knows_how_it_ended() {
    let bench = Bench::start(1).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let consumer = bench.spawn(never("one"), move |event| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            match &*event.subject {
                "hangs" => std::future::pending().await,
                "panics" => panics(),
                "fails" => Err(HandlerError::Retry("no luck".into())),
                _ => Ok(()),
            }
        }
    });
    bench
        .append(
            orders(),
            0,
            &[&[("hangs", 1), ("panics", 1), ("fails", 1), ("fine", 1)]],
        )
        .await;
    bench.log.reaches(1).await;
    bench.all_acknowledged(1).await;
    assert_eq!(tries.load(Ordering::SeqCst), 1 + 1 + 3 + 1);
    assert_eq!(bench.letters(0).await.matches("specversion").count(), 3);
    consumer.stop().await;
}
