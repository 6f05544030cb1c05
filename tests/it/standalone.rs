//! The embedded default: one process, one origin, redis-servers of its own.

use std::process::Command;

use futures::future::join_all;
use harness::{Standalone, eventually, unused_address};
use reqwest::Method;
use tempfile::TempDir;

/// Starts a standalone that must not start, and returns what it says.
fn refusal(mut command: Command) -> String {
    let output = command.output().expect("standalone runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_services_are_under_one_origin_with_one_document() {
    let standalone = Standalone::start().await;
    let client = standalone.client();
    let landing = client.get("/").await;
    assert!(landing.status == 200 && landing.text.contains("/docs"), "{landing:?}");
    assert_eq!(client.get("/docs").await.status, 200);
    let document = client.get("/openapi.json").await.json();
    for root in ["/orders/", "/stock/", "/payment/"] {
        let paths = document["paths"].as_object().expect("paths");
        assert!(paths.keys().any(|path| path.starts_with(root)), "{root}");
    }
    let (user, item) = (client.user(10).await, client.item(4, 10).await);
    let order = client.order(&user, &[(&item, 2)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (8, 2));
    assert_eq!(client.post("/internal/reserve").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_it_is_and_where() {
    let standalone = Standalone::start().await;
    let client = standalone.client();
    let (user, item) = (client.user(10).await, client.item(1, 1).await);
    let order = client.order(&user, &[(&item, 2)]).await;
    let checkout = format!("/orders/checkout/{order}");
    for (method, path, status, problem) in [
        (Method::POST, checkout.as_str(), 409, "out-of-stock"),
        (Method::GET, "/stock/find/nothing", 404, "unknown-item"),
        (Method::POST, "/stock/item/create/-1", 400, "malformed"),
        (Method::GET, "/nowhere", 404, "about:blank"),
    ] {
        let answer = client.call(method, path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{answer:?}"
        );
        assert_eq!(answer.content_type, "application/problem+json");
        assert_eq!(answer.json()["instance"], path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_it_starts_again_on_its_data_and_finishes_what_was_in_flight() {
    let mut standalone = Standalone::start().await;
    let client = standalone.client();
    let item = client.item(1, 10_000).await;
    let user = client.user(10_000).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        let fresh = join_all((0..100).map(async |_| client.order(&user, &[(&item, 1)]).await)).await;
        let checkouts: Vec<_> = fresh
            .iter()
            .map(|order| {
                let (client, path) = (client.clone(), format!("/orders/checkout/{order}"));
                tokio::spawn(async move {
                    client
                        .try_call(Method::POST, &path)
                        .await
                        .is_ok_and(|answer| answer.status == 200)
                })
            })
            .collect();
        // Some have been answered, and the others are at any step.
        eventually("some are answered", async || {
            (checkouts.iter().filter(|checkout| checkout.is_finished()).count() > 10).then_some(())
        })
        .await;
        standalone.process.kill();
        for (order, checkout) in fresh.into_iter().zip(checkouts) {
            orders.push((order, checkout.await.expect("no panic")));
        }
        standalone.start_again().await;
        // What is in flight is finished without anybody asking: credit, stock and orders agree again.
        eventually("nothing is in flight", async || {
            let mut paid = 0;
            for (order, told_paid) in &orders {
                let is_paid = client.is_paid(order).await;
                assert!(is_paid || !told_paid, "order {order} was told paid");
                paid += i64::from(is_paid);
            }
            (client.stock(&item).await == 10_000 - paid && client.credit(&user).await == 10_000 - paid).then_some(())
        })
        .await;
    }
    let answers = join_all(orders.iter().map(|(order, _)| client.checkout_decided(order))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (9_500, 9_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_cleanly_with_its_redis_servers_and_keeps_its_data() {
    let mut standalone = Standalone::start().await;
    let client = standalone.client();
    let item = client.item(1, 7).await;
    assert_eq!(standalone.redis_servers().len(), 5);
    standalone.process.signal("TERM");
    assert!(
        tokio::task::block_in_place(|| standalone.process.wait().success()),
        "{}",
        standalone.process.log()
    );
    assert!(standalone.redis_servers().is_empty());
    standalone.start_again().await;
    assert_eq!(client.stock(&item).await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_server_that_dies_is_started_again_and_nothing_is_lost() {
    let standalone = Standalone::start().await;
    let client = standalone.client();
    let item = client.item(1, 7).await;
    for server in standalone.redis_servers() {
        assert!(
            Command::new("kill")
                .args(["-9", &server])
                .status()
                .expect("kill runs")
                .success()
        );
    }
    eventually("it is ready again", async || {
        let answer = client
            .try_call(Method::POST, &format!("/stock/add/{item}/1"))
            .await
            .ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(client.stock(&item).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_is_wrong_and_what_to_do_where_it_cannot_start() {
    let standalone = Standalone::start().await;
    let said = refusal(Standalone::command(unused_address(), standalone.data.path()));
    assert!(said.contains("another standalone runs on"), "{said}");
    let said = refusal(Standalone::command(standalone.address, standalone.data.path()));
    assert!(said.contains("cannot listen on"), "{said}");
    let elsewhere = TempDir::new().expect("a folder");
    let said = refusal(Standalone::command(
        "0.0.0.0:8000".parse().expect("an address"),
        elsewhere.path(),
    ));
    assert!(said.contains("--allow-remote"), "{said}");
    let mut without_redis = Standalone::command(unused_address(), elsewhere.path());
    without_redis.args(["--redis-server", "no-such-redis-server"]);
    let said = refusal(without_redis);
    assert!(said.contains("apt-get install redis-server"), "{said}");
}
