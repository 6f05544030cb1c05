//! Consumers that die in the middle, again and again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bus::{Topic, consumer::ConsumerConfig};
use domain::ServiceName;
use harness::eventually;
use tokio::time::sleep;

use super::bench::{Bench, Running, count, hasty, orders};

/// 2,000 events of 40 subjects over two topics, in entries of up to 16.
async fn flow(bench: &Bench, topics: [Topic; 2], partitions: u16) {
    let mut next = [[0_u64; 10]; 4];
    for round in 0..125_usize {
        let lane = round % 4;
        let topic = topics[lane % 2];
        let partition = u16::try_from(lane / 2).expect("small") % partitions;
        let events: Vec<(String, u64)> = (0..16)
            .map(|step| {
                let subject = (round * 7 + step * 3) % 10;
                next[lane][subject] += 1;
                (format!("{topic}-{partition}-{subject}"), next[lane][subject])
            })
            .collect();
        let events: Vec<_> = events
            .iter()
            .map(|(subject, number)| (subject.as_str(), *number))
            .collect();
        bench.append(topic, partition, &[&events]).await;
        sleep(Duration::from_millis(80)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_events_survive_ten_deaths_of_their_consumers_in_order() {
    let bench = Arc::new(Bench::start(2).await);
    let topics = [orders(), Topic::of(ServiceName::Payment)];
    bench.announce(topics[1], 2).await;
    let spawn = |name: &str| -> Running {
        let config = ConsumerConfig {
            topics: topics.to_vec(),
            lease: Duration::from_millis(400),
            ..hasty(name)
        };
        bench.spawn(config, |_| async {
            // Slow enough that each death finds it in the middle of an entry.
            sleep(Duration::from_millis(30)).await;
            Ok(())
        })
    };
    let mut consumers = vec![("one", spawn("one")), ("two", spawn("two"))];
    let flowing = {
        let bench = bench.clone();
        tokio::spawn(async move { flow(&bench, topics, 2).await })
    };
    for _ in 0..10 {
        sleep(Duration::from_millis(800)).await;
        let (name, victim) = consumers.remove(0);
        victim.kill().await;
        consumers.push((name, spawn(name)));
    }
    flowing.await.expect("no panic");
    let mut first: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    eventually("each event is handled", async || {
        first.clear();
        for (_, subject, number) in bench.log.lines() {
            let numbers = first.entry(subject).or_default();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        (first.values().map(Vec::len).sum::<usize>() == 2_000).then_some(())
    })
    .await;
    for (subject, numbers) in &first {
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(*numbers, expected, "{subject}");
    }
    let duplicates = bench.log.lines().len() - 2_000;
    println!("duplicates: {duplicates}");
    // At most what the dead ones had in hand.
    assert!(duplicates < 1_000, "{duplicates}");
    assert_eq!(count("holdfast_consumer_dead_total"), 0);
    for (_, consumer) in consumers {
        consumer.stop().await;
    }
}
