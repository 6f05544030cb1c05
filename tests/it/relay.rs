//! Every event reaches the bus exactly once and in order, and what cannot is counted.

use std::time::Duration;

use harness::{BusLog, Deployment, Service, Setup, Shop, eventually};
use tokio::time::sleep;

/// What the processes' counters of this name say together.
async fn counted<'a>(services: impl IntoIterator<Item = &'a Service>, metric: &str) -> u64 {
    let mut sum = 0;
    for service in services {
        sum += service.counted(metric).await;
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_told_on_the_bus_with_its_numbers_and_its_cause() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(5, 2).await);
    let order = client.order(&user, &[(&item, 2)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    let log = BusLog::complete(&deployment).await;
    let types = |subject: &str| -> Vec<&str> {
        let about = log.events.iter().filter(|event| event.subject == subject);
        about.map(|event| event.r#type.as_str()).collect()
    };
    assert_eq!(types(&order), ["order.created", "order.line_added", "order.paid"]);
    assert_eq!(
        types(&item),
        [
            "item.created",
            "item.stock_changed",
            "item.restocked",
            "item.stock_changed",
            "item.sold_out"
        ]
    );
    assert_eq!(types(&user), ["account.opened", "account.credited", "account.charged"]);
    let cause = |event_type: &str| {
        let found = log.events.iter().find(|event| event.r#type == event_type);
        found.and_then(|event| event.correlationid.clone()).expect("a cause")
    };
    assert_eq!(cause("order.paid"), cause("account.charged"));
    assert_eq!(cause("order.paid"), cause("item.sold_out"));
    assert_ne!(cause("order.paid"), cause("order.created"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_moved_once_and_in_order_whatever_is_killed() {
    let mut deployment = Deployment::start(Setup {
        replicas: 2,
        ..Setup::with_bus()
    })
    .await;
    let client = deployment.client.clone();
    let shop = Shop::open(&client).await;
    let ((), tally) = shop
        .buy_during(async {
            for round in 0..4 {
                sleep(Duration::from_millis(300)).await;
                deployment.bus().kill();
                sleep(Duration::from_millis(200)).await;
                deployment.bus().start_again().await;
                sleep(Duration::from_millis(300)).await;
                for services in [&mut deployment.order, &mut deployment.stock, &mut deployment.payment] {
                    let service = &mut services[round % 2];
                    service.process.kill();
                    service.start_again().await;
                }
            }
        })
        .await;
    let log = BusLog::complete(&deployment).await;
    assert_eq!(log.count("order.paid"), tally.paid);
    assert_eq!(
        counted(deployment.services(), "holdfast_relay_lost_entries_total").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_slept_past_its_lease_moves_nothing_twice() {
    let deployment = Deployment::start(Setup {
        replicas: 2,
        ..Setup::with_bus()
    })
    .await;
    let client = deployment.client.clone();
    let shop = Shop::open(&client).await;
    shop.buy_during(async {
        for replica in [0, 1, 0] {
            // Longer than the lease of a relay.
            deployment.order[replica].process.signal("STOP");
            sleep(Duration::from_secs(6)).await;
            deployment.order[replica].process.signal("CONT");
            sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
    BusLog::complete(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bus_is_away_checkouts_go_on_and_their_events_wait() {
    let mut deployment = Deployment::start(Setup::with_bus()).await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(100).await, client.item(1, 100).await);
    deployment.bus().kill();
    for _ in 0..10 {
        let order = client.order(&user, &[(&item, 1)]).await;
        assert_eq!(client.checkout(&order).await.status, 200);
    }
    eventually("the relay fails", async || {
        (deployment.order[0].counted("holdfast_relay_failures_total").await > 0).then_some(())
    })
    .await;
    assert!(deployment.order[0].logs().contains("events are not moved to the bus"));
    deployment.bus().start_again().await;
    let log = BusLog::complete(&deployment).await;
    assert_eq!(log.count("order.paid"), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_bus_lets_events_wait() {
    let mut deployment = Deployment::start(Setup {
        bus: Some(vec!["--maxmemory", "2500kb", "--maxmemory-policy", "noeviction"]),
        ..Setup::with_bus()
    })
    .await;
    let client = deployment.client.clone();
    eventually("the bus is full", async || {
        client.item(1, 1).await;
        (deployment.stock[0].counted("holdfast_relay_failures_total").await > 0).then_some(())
    })
    .await;
    deployment.bus().run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    BusLog::complete(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_outbox_cuts_before_it_is_moved_is_counted_and_named() {
    let mut setup = Setup::with_bus();
    setup.settings.push(("PARTITIONS", "1".into()));
    setup.settings.push(("OUTBOX_ENTRIES", "100".into()));
    let mut deployment = Deployment::start(setup).await;
    let client = deployment.client.clone();
    client.item(1, 1).await;
    BusLog::complete(&deployment).await;
    deployment.bus().kill();
    for _ in 0..300 {
        client.item(1, 1).await;
    }
    let waiting: u64 = deployment
        .stock_redis
        .run(&["XLEN", "events:{0}"])
        .await
        .parse()
        .unwrap_or(0);
    deployment.bus().start_again().await;
    let stock = &deployment.stock[0];
    let lost = eventually("the loss is counted", async || {
        let lost = stock.counted("holdfast_relay_lost_entries_total").await;
        (lost > 0).then_some(lost)
    })
    .await;
    assert!(lost >= 300, "{lost} of 600 entries, {waiting} of which waited");
    assert!(stock.logs().contains("entries are not on this bus"));
    // What is left and what comes is moved, in order.
    let marked = client.item(7, 1).await;
    eventually("later events are moved", async || {
        let log = BusLog::read(deployment.bus.as_ref()?).await;
        log.events.iter().any(|event| event.subject == marked).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_was_emptied_is_filled_from_then_on_and_the_loss_is_counted() {
    let mut deployment = Deployment::start(Setup::with_bus()).await;
    let client = deployment.client.clone();
    let before = client.item(1, 1).await;
    BusLog::complete(&deployment).await;
    deployment.bus().run(&["FLUSHALL"]).await;
    let after = client.item(1, 1).await;
    let log = eventually("later events are moved", async || {
        let log = BusLog::read(deployment.bus.as_ref()?).await;
        log.events.iter().any(|event| event.subject == after).then_some(log)
    })
    .await;
    assert!(log.events.iter().all(|event| event.subject != before));
    assert!(deployment.stock[0].counted("holdfast_relay_lost_entries_total").await > 0);
    assert!(deployment.stock[0].logs().contains("a bus that is no more had them"));
}
