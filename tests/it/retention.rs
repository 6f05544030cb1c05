//! How long the bus keeps what: what a group still needs, what is young, and no more than its bound.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bus::{
    CloudEvent, Topic,
    consumer::{ConsumerConfig, HandlerError},
};
use domain::ServiceName;
use harness::{Deployment, RedisServer, Setup, eventually};
use tokio::time::sleep;

use crate::consumers::bench::{GROUP, Log, Running, bus_at, count, hasty, spawn};

/// A service whose events are about one item, and a group that has its consumer's word for what it handles.
struct Shelf {
    deployment: Deployment,
    item: String,
    log: Log,
    key: String,
    /// The handler does not come back from events with this number or a later one.
    stuck_from: Arc<AtomicU64>,
}

impl Shelf {
    async fn open(setting: (&'static str, &str)) -> Self {
        let mut setup = Setup::with_bus();
        setup.settings.push(("PARTITIONS", "1".into()));
        setup.settings.push((setting.0, setting.1.into()));
        let deployment = Deployment::start(setup).await;
        let item = deployment.client.item(1, 1).await;
        let shelf = Self {
            deployment,
            item,
            log: Log::default(),
            key: Topic::of(ServiceName::Stock).partition(0).stream_key(),
            stuck_from: Arc::new(AtomicU64::new(u64::MAX)),
        };
        eventually("the item's first events are moved", async || {
            (shelf.newest().await == Some(3)).then_some(())
        })
        .await;
        shelf
    }

    fn bus(&self) -> &RedisServer {
        self.deployment.bus.as_ref().expect("a bus")
    }

    fn consumer(&self) -> Running {
        let config = ConsumerConfig {
            topics: vec![Topic::of(ServiceName::Stock)],
            handler_timeout: Duration::from_secs(3_600),
            ..hasty("one")
        };
        let stuck_from = self.stuck_from.clone();
        let handle = move |event: CloudEvent| {
            let stuck_from = stuck_from.clone();
            async move {
                while event.number() >= stuck_from.load(Ordering::SeqCst) {
                    sleep(Duration::from_millis(10)).await;
                }
                Ok::<(), HandlerError>(())
            }
        };
        spawn(bus_at(&self.bus().url()), &self.log, config, handle)
    }

    /// Makes so many events, each an entry of its own because it is waited for.
    async fn sell(&self, events: usize) {
        let path = format!("/stock/add/{}/1", self.item);
        for _ in 0..events {
            let before = self.added().await;
            assert_eq!(self.deployment.client.post(&path).await.status, 200);
            eventually("the event is moved", async || {
                (self.added().await > before).then_some(())
            })
            .await;
        }
    }

    async fn length(&self) -> u64 {
        self.bus().run(&["XLEN", &self.key]).await.parse().expect("a number")
    }

    /// How many entries ever came to the topic.
    async fn added(&self) -> u64 {
        let info = self.bus().run(&["XINFO", "STREAM", &self.key]).await;
        let mut lines = info.lines().skip_while(|line| *line != "entries-added");
        lines.nth(1).and_then(|line| line.parse().ok()).unwrap_or_default()
    }

    async fn pending(&self) -> u64 {
        let summary = self.bus().run(&["XPENDING", &self.key, GROUP]).await;
        summary
            .lines()
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or_default()
    }

    /// The number of the last event that was handled.
    fn last(&self) -> u64 {
        self.log.of(&self.item).last().copied().unwrap_or_default()
    }

    async fn handles_up_to(&self, number: u64) {
        eventually("the events are handled", async || {
            (self.last() == number && self.pending().await == 0).then_some(())
        })
        .await;
    }

    /// The number of the last event that the service made.
    async fn newest(&self) -> Option<u64> {
        self.number(&["XREVRANGE", &self.key, "+", "-", "COUNT", "1"]).await
    }

    /// The number of the last event about the item in what a command prints.
    async fn number(&self, words: &[&str]) -> Option<u64> {
        let printed = self.bus().run(words).await;
        let (_, rest) = printed.rsplit_once("\"sequence\":")?;
        rest.split(|found: char| !found.is_ascii_digit()).next()?.parse().ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_away_for_too_long_loses_the_oldest_by_count_and_by_name_and_goes_on_in_order() {
    let shelf = Shelf::open(("BUS_ENTRIES", "100")).await;
    let consumer = shelf.consumer();
    shelf.sell(20).await;
    shelf.handles_up_to(shelf.newest().await.expect("an event")).await;
    // It goes away with five events in its hands.
    shelf.stuck_from.store(0, Ordering::SeqCst);
    shelf.sell(5).await;
    eventually("it has five", async || (shelf.pending().await == 5).then_some(())).await;
    consumer.kill().await;
    shelf.stuck_from.store(u64::MAX, Ordering::SeqCst);
    let (seen, delivered) = (shelf.last(), shelf.added().await);
    let stock = &shelf.deployment.stock[0];
    let mut sold = delivered;
    // Each round goes beyond the bound again.
    for _ in 0..3 {
        shelf.sell(150).await;
        sold += 150;
        eventually("the topic is within its bound", async || {
            (shelf.length().await <= 100).then_some(())
        })
        .await;
    }
    let (left, newest) = (shelf.length().await, shelf.newest().await.expect("an event"));
    let lost = sold - left - delivered;
    eventually("the loss is counted, and nothing twice", async || {
        (stock.counted("holdfast_bus_lost_entries_total").await == lost).then_some(())
    })
    .await;
    let logs = stock.logs();
    let line = logs.lines().find(|line| line.contains("a group is so far behind"));
    assert!(
        line.is_some_and(|line| line.contains(GROUP) && line.contains("item-0")),
        "{line:?}"
    );
    let consumer = shelf.consumer();
    shelf.handles_up_to(newest).await;
    // What was in its hands is its own alarm; the rest is there, and in order.
    assert_eq!(count("holdfast_consumer_trimmed_total"), 5);
    let numbers = shelf.log.of(&shelf.item);
    let first = newest - left + 1;
    let expected: Vec<u64> = (1..=seen).chain(first..=newest).collect();
    assert_eq!(numbers, expected);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_still_needs_stays_however_old_it_is_and_what_all_have_handled_goes() {
    let shelf = Shelf::open(("BUS_RETENTION_SECONDS", "1")).await;
    let (bus, key) = (shelf.bus(), &*shelf.key);
    // A group whose work is done by hand, and which has handled all that there is.
    bus.run(&["XGROUP", "CREATE", key, "quick", "$", "MKSTREAM"]).await;
    shelf.stuck_from.store(11, Ordering::SeqCst);
    let consumer = shelf.consumer();
    shelf.sell(20).await;
    eventually("the slow one is stuck", async || (shelf.last() == 10).then_some(())).await;
    let newest = shelf.newest().await.expect("an event");
    bus.run(&["XGROUP", "SETID", key, "quick", "$"]).await;
    let oldest = ["XRANGE", key, "-", "+", "COUNT", "1"];
    eventually("what both have handled goes", async || {
        (shelf.number(&oldest).await == Some(11)).then_some(())
    })
    .await;
    // It is looked at several times a second: an entry that is seconds beyond its age has been spared.
    eventually("the rest has grown old", async || {
        let id = bus.run(&oldest).await;
        let came: u64 = id.lines().next()?.split_once('-')?.0.parse().ok()?;
        let now: u64 = bus.run(&["TIME"]).await.lines().next()?.parse().ok()?;
        (now * 1_000 > came + 4_000).then_some(())
    })
    .await;
    assert_eq!(shelf.number(&oldest).await, Some(11));
    assert_eq!(shelf.length().await, newest - 10);
    shelf.stuck_from.store(u64::MAX, Ordering::SeqCst);
    shelf.handles_up_to(newest).await;
    eventually("all of it goes", async || (shelf.length().await == 0).then_some(())).await;
    assert_eq!(
        shelf.deployment.stock[0]
            .counted("holdfast_bus_lost_entries_total")
            .await,
        0
    );
    consumer.stop().await;
}
