//! More checkouts at once than stock has room for.

use futures::{StreamExt, future::join_all, stream};
use harness::{Answer, Audit, Client, Deployment, Setup};

const ORDERS: usize = 1_900;
/// How many lines an order has, each for another item.
const LINES: usize = 16;
const ITEMS: usize = 100;
/// How many calls prepare the orders at once.
const SIDE_BY_SIDE: usize = 128;

/// Orders of many lines, each of a user of its own.
async fn orders(client: &Client) -> Vec<String> {
    for path in [
        format!("/stock/batch_init/{ITEMS}/{}/1", ORDERS * LINES),
        format!("/payment/batch_init/{ORDERS}/{LINES}"),
    ] {
        let answer = client.post(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let items: Vec<String> = (0..ITEMS).map(|item| item.to_string()).collect();
    let orders = stream::iter(0..ORDERS).map(async |number| {
        let lines: Vec<(&str, i64)> = (0..LINES)
            .map(|line| (items[(number + line) % ITEMS].as_str(), 1))
            .collect();
        client.order(&number.to_string(), &lines).await
    });
    orders.buffer_unordered(SIDE_BY_SIDE).collect().await
}

/// Checks all out at once, and those that are refused again, until all are paid. Each is paid or refused before it
/// begins; none is left to recovery.
async fn none_gets_stuck(settings: &[(&'static str, &str)]) {
    let setup = Setup {
        // The defaults, but for these.
        settings: settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        ..Setup::default()
    };
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let mut orders = orders(client).await;
    let mut paid = 0;
    while !orders.is_empty() {
        let answers = join_all(orders.iter().map(|order| client.checkout(order))).await;
        let refused = |answer: &Answer| (answer.status, answer.problem().as_str()) == (429, "overloaded");
        let others: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status != 200 && !refused(answer))
            .collect();
        assert!(others.is_empty(), "{}, as {:?}", others.len(), others.first());
        let asked = orders.len();
        orders = orders
            .into_iter()
            .zip(&answers)
            .filter_map(|(order, answer)| refused(answer).then_some(order))
            .collect();
        assert!(orders.len() < asked, "none of {asked} was paid");
        paid += asked - orders.len();
        // Nothing is under way once all have their answers.
        let audit = Audit::of(&deployment).await;
        assert!(audit.consistent, "{audit:?}");
        assert_eq!((audit.under_way, audit.paid), (0, paid as u64));
    }
    assert_eq!(paid, ORDERS);
    assert_eq!(deployment.order[0].counted("holdfast_sagas_taken_over_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_1900_checkouts_of_16_lines_at_once_none_waits_for_recovery() {
    none_gets_stuck(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_1900_checkouts_that_meet_full_queues_none_waits_for_recovery() {
    none_gets_stuck(&[("LANE_QUEUE", "256")]).await;
}
