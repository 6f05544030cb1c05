//! What recovery makes of indexes that hold more than it can do at once, or what is no saga.

use std::collections::HashSet;

use engine::keys::Partitions;
use futures::future::join_all;
use harness::{Audit, Client, Deployment, Setup, eventually, let_an_hour_pass};

/// More than one look at an index reads.
const NO_SAGAS: usize = 1_024;

async fn check_out_all(client: &Client, orders: &[String], status: u16) {
    for answer in join_all(orders.iter().map(|order| client.checkout(order))).await {
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_recovered_behind_entries_that_are_none_and_beside_an_index_that_is_none() {
    let mut setup = Setup::default();
    setup.order_settings.push(("CLIENT_PATIENCE_MS", "500".into()));
    let mut deployment = Deployment::start(setup).await;
    let client = deployment.client.clone();
    let orders = client.payable_orders(8).await;
    deployment.stock[0].process.signal("STOP");
    check_out_all(&client, &orders, 503).await;
    deployment.order[0].process.kill();

    let redis = &deployment.order_redis;
    let partitions = Partitions::new(16).expect("the default count");
    let indexes: HashSet<String> = partitions
        .all()
        .map(|partition| format!("inflight:{{{}}}", partitions.tag(partition)))
        .collect();
    let in_use: HashSet<String> = redis
        .run(&["KEYS", "inflight:*"])
        .await
        .lines()
        .map(str::to_owned)
        .collect();
    let unused = indexes.difference(&in_use).next().expect("more partitions than sagas");
    redis.run(&["SET", unused, "no index"]).await;
    // Older than every saga, so that they are found first.
    let entries: Vec<String> = (0..NO_SAGAS)
        .flat_map(|number| ["1".to_owned(), format!("no saga {number}")])
        .collect();
    for index in &in_use {
        let command = ["ZADD", index].into_iter().chain(entries.iter().map(String::as_str));
        redis.run(&command.collect::<Vec<_>>()).await;
    }
    deployment.stock[0].process.signal("CONT");
    deployment.order[0].start_again().await;
    eventually("every saga is recovered", async || {
        for order in &orders {
            client.is_paid(order).await.then_some(())?;
        }
        Some(())
    })
    .await;
}

/// Which of the orders stock still holds pieces for.
async fn held<'a>(deployment: &Deployment, orders: &'a [String]) -> Vec<&'a str> {
    let holds = deployment.stock_redis.run(&["KEYS", "hold:*"]).await;
    let is_held = |order: &&String| holds.contains(order.as_str());
    orders.iter().filter(is_held).map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_first_is_settled_first() {
    const HALF: usize = 300;
    let mut setup = Setup::default();
    setup.settings.push(("PARTITIONS", "1".into()));
    let mut deployment = Deployment::start(setup).await;
    let client = deployment.client.clone();
    let (first, second) = (client.payable_orders(HALF).await, client.payable_orders(HALF).await);
    check_out_all(&client, &first, 200).await;
    check_out_all(&client, &second, 200).await;
    deployment.order[0].process.kill();
    let_an_hour_pass(&deployment.order_redis).await;
    // stock settles, and order cannot forget it: it waits for payment, and has only so many in hand.
    deployment.payment[0].process.signal("STOP");
    deployment.order[0].start_again().await;
    let left = eventually("stock settles some", async || {
        let left = held(&deployment, &first).await;
        (left.len() < HALF).then_some(left)
    })
    .await;
    assert!(!left.is_empty(), "all at once");
    assert_eq!(held(&deployment, &second).await.len(), HALF, "not the first ones first");
    deployment.payment[0].process.signal("CONT");
    eventually("all are settled", async || {
        (Audit::of(&deployment).await.in_flight == 0).then_some(())
    })
    .await;
}
