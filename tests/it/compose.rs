//! The system of docker-compose.yml, through its gateway, while its containers die and its networks are cut.
//! `cargo xtask compose-test` runs this where a Docker engine is there.

mod gateway;
mod wiring;

use std::time::Duration;

use harness::{Compose, Shop, Tally, eventually};
use tokio::{join, time::sleep};

use crate::{clients, consistency, contract};

const CONSISTENCY_ROUNDS: usize = 3;
/// How long buyers buy before something breaks, and while it is broken.
const WHOLE: Duration = Duration::from_secs(2);
const BROKEN: Duration = Duration::from_secs(3);
const CUT: Duration = Duration::from_secs(10);
/// How many buyers feel a cut.
const AT_ONCE: usize = 16;
/// Where the gateway has each service's document.
const DOCUMENTS: [&str; 3] = ["/openapi/order.json", "/openapi/stock.json", "/openapi/payment.json"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker engine and the images: cargo xtask compose-test"]
async fn every_promise_is_kept_while_containers_die_and_networks_are_cut() {
    let compose = Compose::start().await;
    let client = compose.client();
    contract::stocks_calls(&client).await;
    contract::payments_calls(&client).await;
    contract::orders_calls(&client).await;
    println!("contract: every call answers as documented");
    clients::each_makes_a_purchase(&compose.origin(), &DOCUMENTS);
    for round in 0..CONSISTENCY_ROUNDS {
        consistency::round(&client, round).await;
    }
    println!("consistency: {CONSISTENCY_ROUNDS} rounds, 100 of 1,000 checkouts paid in each, inconsistencies: 0");

    gateway::every_refusal_fits_the_documents(&compose).await;
    gateway::each_service_tells_of_its_events(&compose).await;
    gateway::nobody_is_told_to_repeat_what_may_have_happened(&compose).await;
    wiring::check(&compose).await;

    let mut total = Tally::default();
    let mut faults = 0;
    for service in [
        "order",
        "stock",
        "payment",
        "order-redis",
        "stock-redis",
        "payment-redis",
        "bus-redis",
    ] {
        let what = format!("one container of {service} killed and started again");
        add(&mut total, &what, &under_load(&compose, kill(&compose, service)).await);
        faults += 1;
    }
    for (network, service) in [("order-stock", "stock"), ("stock-store", "stock-redis")] {
        let what = format!("{service} cut off from {network} for {} s", CUT.as_secs());
        add(
            &mut total,
            &what,
            &under_load(&compose, cut(&compose, network, service)).await,
        );
        faults += 1;
    }
    println!("{}", compose.audit());
    println!(
        "checkouts: {} paid, {} refused; faults: {faults}; inconsistencies: 0",
        total.paid, total.refused
    );
    assert!(total.paid > 0 && total.refused > 0, "the load must be both: {total:?}");
}

/// Lets buyers buy while `fault` happens and for a while after it, and checks every sum.
async fn under_load(compose: &Compose, fault: impl Future<Output = ()>) -> Tally {
    let shop = Shop::open(&compose.client()).await;
    let during = async {
        sleep(WHOLE).await;
        fault.await;
        sleep(WHOLE).await;
    };
    shop.buy_during(during).await.1
}

async fn kill(compose: &Compose, service: &str) {
    let containers = compose.containers(service);
    let container = containers.first().expect("a container");
    compose.kill(container);
    if containers.len() > 1 {
        // The others serve everything, as soon as the gateway has left the dead one out.
        leaves_rotation(compose).await;
    }
    sleep(BROKEN).await;
    compose.start_again(container).await;
}

/// Waits until a hundred calls of each service in a row are answered by the replicas that are left.
async fn leaves_rotation(compose: &Compose) {
    let client = compose.client();
    let gone = tokio::time::Instant::now();
    eventually("a hundred calls in a row", async || {
        for _ in 0..100 {
            for path in ["/stock/find/nobody", "/payment/find_user/nobody", "/orders/find/nobody"] {
                let answer = client.try_call(reqwest::Method::GET, path).await.ok()?;
                (answer.status == 404).then_some(())?;
            }
        }
        Some(())
    })
    .await;
    println!("  what is gone was out of rotation within {:?}", gone.elapsed());
}

/// Between order and stock nothing is paid meanwhile; between stock and its store nothing is found.
async fn cut(compose: &Compose, network: &str, service: &str) {
    let client = compose.client();
    let orders = client.payable_orders(AT_ONCE).await;
    compose.cut(network, service);
    let felt = async {
        if network == "order-stock" {
            wiring::nothing_is_paid(&client, &orders).await;
        } else {
            let answer = client.get("/stock/find/nobody").await;
            assert_eq!(answer.status, 503, "the cut is not felt: {answer:?}");
        }
    };
    join!(felt, sleep(CUT));
    compose.mend(network, service);
    eventually("what the cut held up is decided", async || {
        for order in &orders {
            (client.checkout(order).await.status == 200).then_some(())?;
        }
        Some(())
    })
    .await;
}

fn add(total: &mut Tally, what: &str, tally: &Tally) {
    println!(
        "{what}: {} paid, {} refused, inconsistencies: 0",
        tally.paid, tally.refused
    );
    total.paid += tally.paid;
    total.refused += tally.refused;
}
