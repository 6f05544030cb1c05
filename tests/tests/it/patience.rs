//! What clients and operators wait for while participants stand still: no longer than they were told.

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};
use reqwest::Method;
use tests::{Answer, Client, Deployment, Setup, eventually};
use tokio::task::JoinHandle;

use crate::stopping::{STOP_WITHIN, ended};

/// Orders of one piece each, which can all be paid.
async fn orders(client: &Client, count: usize) -> Vec<String> {
    let many = i64::try_from(count).expect("a small number");
    let (item, user) = (client.item(1, many).await, client.user(many).await);
    stream::iter(0..count)
        .map(|_| async { client.order(&user, &[(&item, 1)]).await })
        .buffer_unordered(16)
        .collect()
        .await
}

fn check_out(client: &Client, orders: &[String]) -> Vec<JoinHandle<(Answer, Duration)>> {
    let each = |order: &String| {
        let (client, path) = (client.clone(), format!("/orders/checkout/{order}"));
        tokio::spawn(async move {
            let asked = Instant::now();
            (client.call(Method::POST, &path).await, asked.elapsed())
        })
    };
    orders.iter().map(each).collect()
}

async fn answers(checkouts: Vec<JoinHandle<(Answer, Duration)>>) -> Vec<(Answer, Duration)> {
    let answers = join_all(checkouts).await.into_iter();
    answers.map(|answer| answer.expect("a caller")).collect()
}

async fn all_are_paid(client: &Client, orders: &[String]) {
    for order in orders {
        let decided = client.checkout_decided(order).await;
        assert_eq!(decided.status, 200, "{decided:?}");
    }
}

/// What stands still: the process, or what it keeps its records in.
#[derive(Debug, Clone, Copy)]
enum Still {
    Stock,
    StocksRedis,
}

impl Still {
    fn signal(self, deployment: &Deployment, signal: &str) {
        match self {
            Self::Stock => deployment.stock[0].process.signal(signal),
            Self::StocksRedis => deployment.stock_redis.signal(signal),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hears_within_its_patience_whatever_stands_still() {
    /// Far below the two seconds that the next deadline takes, and far above what a busy machine adds.
    const MARGIN: Duration = Duration::from_millis(1_500);
    const PATIENCE: Duration = Duration::from_millis(500);
    let mut setup = Setup::default();
    setup.order_settings.push(("CLIENT_PATIENCE_MS", "500".into()));
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    for still in [Still::Stock, Still::StocksRedis] {
        let orders = orders(client, 20).await;
        still.signal(&deployment, "STOP");
        for (answer, took) in answers(check_out(client, &orders)).await {
            assert_eq!(answer.status, 503, "{still:?}: {answer:?}");
            assert!(took < PATIENCE + MARGIN, "{still:?}: {took:?}, {answer:?}");
        }
        still.signal(&deployment, "CONT");
        all_are_paid(client, &orders).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_that_wait_keep_nobody_else_from_being_served() {
    const PLACES: usize = 4;
    const BUYERS: usize = 40;
    let mut setup = Setup::default();
    setup.order_settings.push(("MAX_CHECKOUTS", PLACES.to_string()));
    setup.order_settings.push(("MAX_CALLS", "64".into()));
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let orders = orders(client, BUYERS + 1).await;
    let (last, orders) = orders.split_last().expect("orders");
    deployment.stock[0].process.signal("STOP");
    let checkouts = check_out(client, orders);
    eventually("who finds no place is refused", async || {
        let refused = checkouts.iter().filter(|checkout| checkout.is_finished()).count();
        (refused >= BUYERS - PLACES).then_some(())
    })
    .await;
    for _ in 0..100 {
        assert_eq!(client.get(&format!("/orders/find/{last}")).await.status, 200);
    }
    deployment.stock[0].process.signal("CONT");
    let (mut paid, mut refused) = (0, 0);
    for ((answer, _), order) in answers(checkouts).await.into_iter().zip(orders) {
        if answer.status == 429 {
            assert_eq!(answer.retry_after.as_deref(), Some("1"), "{answer:?}");
            assert!(!client.is_paid(order).await, "a refused checkout was begun");
            refused += 1;
        } else {
            assert_eq!(client.checkout_decided(order).await.status, 200);
            paid += 1;
        }
    }
    assert_eq!((paid, refused), (PLACES, BUYERS - PLACES));
    all_are_paid(client, std::slice::from_ref(last)).await;
}

/// The clients have gone, and their sagas go on: a stop leaves them to the next process.
#[tokio::test(flavor = "multi_thread")]
async fn order_ends_in_time_with_hundreds_of_sagas_that_cannot_end() {
    for sagas in [310, 650] {
        let mut setup = Setup::default();
        setup.order_settings.push(("CLIENT_PATIENCE_MS", "500".into()));
        let mut deployment = Deployment::start(setup).await;
        let client = deployment.client.clone();
        let orders = orders(&client, sagas).await;
        deployment.stock_redis.signal("STOP");
        for (answer, _) in answers(check_out(&client, &orders)).await {
            assert_eq!(answer.status, 503, "{answer:?}");
        }
        let order = &mut deployment.order[0];
        order.process.signal("TERM");
        assert_eq!(ended(&mut order.process, STOP_WITHIN).await, Some(0), "{sagas} sagas");
        deployment.stock_redis.signal("CONT");
        deployment.order[0].start_again().await;
        all_are_paid(&client, &orders).await;
    }
}
