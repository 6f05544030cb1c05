//! Who talks to whom: every replica serves, and nobody is reached by who has no business there.

use futures::{StreamExt, stream};
use harness::{Client, Compose, counted, eventually};

use super::leaves_rotation;

/// As many as the issue of one replica that stands still was seen with.
const CHECKOUTS: usize = 400;
const AT_ONCE: usize = 16;
const PARTICIPANTS: [&str; 2] = ["stock", "payment"];
const METRICS: &str = "GET /metrics HTTP/1.1\\r\\nHost: metrics\\r\\nConnection: close\\r\\n\\r\\n";

/// Checks the wiring of a system that nobody else uses.
pub(super) async fn check(compose: &Compose) {
    nobody_reaches_the_internal_port_from_the_gateway(compose);
    every_replica_serves(compose).await;
    one_replica_that_stands_still_costs_no_checkout(compose).await;
    more_replicas_serve_more(compose).await;
}

/// The public port is reached from there, so this would see the internal one.
fn nobody_reaches_the_internal_port_from_the_gateway(compose: &Compose) {
    for service in PARTICIPANTS {
        for container in compose.containers(service) {
            let address = compose.address(&container, "front");
            let public = compose.heard_by_the_gateway(&address, 8000, METRICS);
            assert!(
                public.is_some_and(|heard| heard.starts_with("HTTP/1.1 200")),
                "{service}"
            );
            let internal = compose.heard_by_the_gateway(&address, 9000, METRICS);
            assert_eq!(internal, None, "{service}'s internal port is reached from the gateway");
        }
        let named = compose.heard_by_the_gateway(&format!("{service}-internal"), 9000, METRICS);
        assert_eq!(named, None, "{service}-internal is known to the gateway");
    }
    println!("wiring: the internal port is not reached from the gateway's network");
}

async fn every_replica_serves(compose: &Compose) {
    let client = compose.client();
    let orders = client.payable_orders(CHECKOUTS).await;
    let before = PARTICIPANTS.map(|service| served(compose, service));
    assert_all_paid(&checkouts(&client, &orders).await);
    for (service, before) in PARTICIPANTS.into_iter().zip(before) {
        let shares: Vec<u64> = served(compose, service)
            .iter()
            .zip(before)
            .map(|(now, then)| now - then)
            .collect();
        let all: u64 = shares.iter().sum();
        assert!(
            shares.len() == 2 && shares.iter().all(|share| share * 5 > all),
            "{service}: {shares:?}"
        );
        println!("wiring: of {all} internal calls the replicas of {service} served {shares:?}");
    }
}

async fn one_replica_that_stands_still_costs_no_checkout(compose: &Compose) {
    let client = compose.client();
    for service in PARTICIPANTS {
        let orders = client.payable_orders(CHECKOUTS).await;
        let containers = compose.containers(service);
        let still = containers.first().expect("a container");
        compose.pause(still, true);
        let statuses = checkouts(&client, &orders).await;
        compose.pause(still, false);
        assert_all_paid(&statuses);
        println!(
            "wiring: with one replica of {service} standing still, {CHECKOUTS} of {CHECKOUTS} checkouts were paid"
        );
    }
    compose.answers().await;
}

async fn more_replicas_serve_more(compose: &Compose) {
    const REPLICAS: usize = 4;
    let client = compose.client();
    compose.scale("stock", REPLICAS);
    eventually("every one of four replicas serves internal calls", async || {
        let orders = client.payable_orders(50).await;
        assert_all_paid(&checkouts(&client, &orders).await);
        let served = served(compose, "stock");
        (served.len() == REPLICAS && served.iter().all(|calls| *calls > 0)).then_some(())
    })
    .await;
    println!(
        "wiring: with --scale stock={REPLICAS} all of them serve: {:?}",
        served(compose, "stock")
    );
    compose.scale("stock", 2);
    leaves_rotation(compose).await;
}

/// While order and stock cannot talk, no checkout is paid, and everybody is told so.
pub(super) async fn nothing_is_paid(client: &Client, orders: &[String]) {
    let statuses = checkouts(client, orders).await;
    assert!(
        statuses.iter().all(|status| *status == 503),
        "the cut is not felt: {statuses:?}"
    );
    println!("  of {} checkouts none was paid during the cut", orders.len());
}

async fn checkouts(client: &Client, orders: &[String]) -> Vec<u16> {
    stream::iter(orders)
        .map(|order| async { client.checkout(order).await.status })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

fn assert_all_paid(statuses: &[u16]) {
    let others: Vec<u16> = statuses.iter().copied().filter(|status| *status != 200).collect();
    assert!(
        others.is_empty(),
        "of {} checkouts these were not paid: {others:?}",
        statuses.len()
    );
}

/// How many internal calls each of a service's containers has served.
fn served(compose: &Compose, service: &str) -> Vec<u64> {
    let of_container = |container: &String| {
        let address = compose.address(container, "front");
        let metrics = compose
            .heard_by_the_gateway(&address, 8000, METRICS)
            .unwrap_or_default();
        counted(&metrics, "holdfast_internal_calls_total")
    };
    compose.containers(service).iter().map(of_container).collect()
}
