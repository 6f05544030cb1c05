//! Participants that stand still: for how long callers wait, what they hear, and that one of two costs no checkout.

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};
use harness::{Answer, Audit, Deployment, Setup};

/// Who stands still.
#[derive(Debug, Clone, Copy)]
enum Still {
    StocksRedis,
    Stock,
    OrdersRedis,
}

impl Still {
    fn signal(self, deployment: &Deployment, signal: &str) {
        match self {
            Self::StocksRedis => deployment.stock_redis.signal(signal),
            Self::Stock => deployment.stock[0].process.signal(signal),
            Self::OrdersRedis => deployment.order_redis.signal(signal),
        }
    }

    /// What a client hears whose patience is over, and a part of the explanation. If order cannot write, nobody
    /// knows whether anything goes on.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::StocksRedis | Self::Stock => ("undecided", "goes on by itself"),
            Self::OrdersRedis => ("outcome-unknown", "ask again; an order is charged once"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_patience_is_kept_whatever_stands_still_and_it_hears_whether_its_checkout_goes_on() {
    const PATIENCE: Duration = Duration::from_millis(500);
    /// What the machine may add: less than the next deadline takes.
    const MARGIN: Duration = Duration::from_millis(1_500);
    const ORDERS: usize = 8;
    let setup = Setup {
        settings: Vec::new(),
        order_settings: vec![("CLIENT_PATIENCE_MS", PATIENCE.as_millis().to_string())],
        ..Setup::default()
    };
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let (user, item) = (client.user(1_000).await, client.item(1, 1_000).await);
    let mut sold = 0;
    for still in [Still::StocksRedis, Still::Stock, Still::OrdersRedis] {
        let orders = client.orders(&user, &item, ORDERS).await;
        let open = client.order(&user, &[]).await;
        still.signal(&deployment, "STOP");
        let asked = Instant::now();
        let added = client.post(&format!("/orders/addItem/{open}/{item}/1")).await;
        assert_eq!(added.status, 503, "{still:?}: {added:?}");
        assert!(asked.elapsed() < PATIENCE + MARGIN, "{still:?}: {:?}", asked.elapsed());
        // Whoever asks a second time waits for the same saga.
        for _ in 0..2 {
            let answers = join_all(orders.iter().map(async |order| {
                let asked = Instant::now();
                (client.checkout(order).await, asked.elapsed())
            }));
            for (answer, took) in answers.await {
                let (problem, promise) = still.told();
                assert_eq!(
                    (answer.status, answer.problem().as_str(), answer.retry_after.as_deref()),
                    (503, problem, Some("1")),
                    "{still:?}: {answer:?}"
                );
                assert!(answer.text.contains(promise), "{still:?}: {answer:?}");
                assert!(took < PATIENCE + MARGIN, "{still:?}: {took:?}");
            }
        }
        still.signal(&deployment, "CONT");
        if !matches!(still, Still::OrdersRedis) {
            // It was told so: nobody asks.
            let audit = Audit::at_rest(&deployment).await;
            assert_eq!(audit.paid, sold + ORDERS as u64, "{still:?}: {audit:?}");
        }
        for order in &orders {
            assert_eq!(client.checkout_decided(order).await.status, 200, "{still:?}");
        }
        sold += ORDERS as u64;
    }
    assert_eq!(Audit::at_rest(&deployment).await.paid, sold);
    let left = 1_000 - sold.cast_signed();
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (left, left));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_two_replicas_of_each_participant_stopped_every_checkout_is_paid() {
    const ORDERS: usize = 400;
    const SIDE_BY_SIDE: usize = 32;
    let setup = Setup {
        replicas: 2,
        ..Setup::default()
    };
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let (user, item) = (client.user(800).await, client.item(1, 800).await);
    // Each replica in its turn: whichever is asked first.
    for stopped in [0, 1] {
        let orders = client.orders(&user, &item, ORDERS).await;
        let hung = [&deployment.stock[stopped], &deployment.payment[1 - stopped]];
        let signal = |signal| {
            for service in hung {
                service.process.signal(signal);
            }
        };
        signal("STOP");
        let answers: Vec<Answer> = stream::iter(&orders)
            .map(|order| client.checkout(order))
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        signal("CONT");
        let others: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
        assert!(
            others.is_empty(),
            "{} of {ORDERS}, as {:?}",
            others.len(),
            others.first()
        );
    }
    assert_eq!(Audit::at_rest(&deployment).await.paid, 2 * ORDERS as u64);
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (0, 0));
}
