//! Participants that stand still: for how long callers wait, what they hear, and that others are served meanwhile.

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};
use tempfile::TempDir;
use tests::{Answer, Audit, Client, Deployment, Setup, eventually, unused_address};
use tokio::{task::JoinHandle, time::timeout};

use crate::standalone::{self, Standalone};

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

    /// What a client hears whose patience is over, and a part of the explanation. Where order cannot write, nobody
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
    /// What the machine may add.
    const MARGIN: Duration = Duration::from_secs(2);
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
        let mut orders = Vec::new();
        for _ in 0..ORDERS {
            orders.push(client.order(&user, &[(&item, 1)]).await);
        }
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
    const ORDERS: u32 = 400;
    const SIDE_BY_SIDE: usize = 32;
    let setup = Setup {
        replicas: 2,
        ..Setup::default()
    };
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let most = i64::from(2 * ORDERS);
    let (user, item) = (client.user(most).await, client.item(1, most).await);
    // Each replica in its turn: whichever is asked first.
    for stopped in [0, 1] {
        let orders: Vec<String> = stream::iter(0..ORDERS)
            .map(|_| async { client.order(&user, &[(&item, 1)]).await })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
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
    assert_eq!(Audit::at_rest(&deployment).await.paid, u64::from(2 * ORDERS));
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (0, 0));
}

/// How many checkouts may be under way.
const CHECKOUTS: usize = 4;
/// How many calls may be served at once.
const CALLS: usize = CHECKOUTS + 1;
/// How many checkouts are asked for at once.
const CALLERS: usize = 12;

/// Few checkouts and calls, and clients that wait for longer than the test takes.
const FEW: [(&str, usize); 3] = [
    ("MAX_CHECKOUTS", CHECKOUTS),
    ("MAX_CALLS", CALLS),
    ("CLIENT_PATIENCE_MS", 60_000),
];

/// A shop of one item and one user, whose orders are checked out while stock stands still.
struct Crowd {
    client: Client,
    user: String,
    item: String,
    orders: Vec<String>,
}

impl Crowd {
    async fn new(client: Client) -> Self {
        let (user, item) = (client.user(1_000).await, client.item(1, 1_000).await);
        let mut orders = Vec::new();
        for _ in 0..CALLERS {
            orders.push(client.order(&user, &[(&item, 1)]).await);
        }
        Self {
            client,
            user,
            item,
            orders,
        }
    }

    fn call(&self, path: String) -> JoinHandle<Answer> {
        let client = self.client.clone();
        tokio::spawn(async move { client.post(&path).await })
    }

    /// Lets all check out at once, and returns those whose checkouts hang, and the orders of the others.
    async fn check_out(&self) -> (Vec<JoinHandle<Answer>>, Vec<String>) {
        let calls = self
            .orders
            .iter()
            .map(|order| self.call(format!("/orders/checkout/{order}")));
        let calls: Vec<_> = calls.collect();
        eventually("those beyond the bound are answered", async || {
            let answered = calls.iter().filter(|call| call.is_finished()).count();
            (answered == CALLERS - CHECKOUTS).then_some(())
        })
        .await;
        let (mut hung, mut refused) = (Vec::new(), Vec::new());
        for (call, order) in calls.into_iter().zip(&self.orders) {
            if call.is_finished() {
                is_refused(&call.await.expect("an answer"));
                refused.push(order.clone());
            } else {
                hung.push(call);
            }
        }
        (hung, refused)
    }

    /// Checks that one more checkout is refused at once, and other calls are served.
    async fn others_are_served(&self, refused: &str) {
        let answer = self.client.checkout(refused).await;
        is_refused(&answer);
        assert!(answer.text.contains("as many checkouts are under way"), "{answer:?}");
        assert!(!self.client.is_paid(refused).await);
        let paid = self.client.post(&format!("/payment/pay/{}/1", self.user)).await;
        assert_eq!(paid.status, 200, "{paid:?}");
    }

    /// Checks that all orders can be paid in the end, at once as many as there are places.
    async fn all_are_paid(&self) {
        for orders in self.orders.chunks(CHECKOUTS) {
            let answers = join_all(orders.iter().map(|order| self.client.checkout_decided(order))).await;
            assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        }
        let sold = 1_000 - self.client.stock(&self.item).await;
        assert_eq!(usize::try_from(sold), Ok(CALLERS));
    }
}

fn is_refused(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.problem().as_str(), answer.retry_after.as_deref()),
        (429, "overloaded", Some("1")),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_that_wait_leave_other_calls_their_room_and_those_of_clients_that_hung_up_count() {
    let mut setup = Setup {
        // A driver goes on until the test is over.
        settings: [
            ("SAGA_LEASE_MS", "60000"),
            ("CALL_TIMEOUT_MS", "60000"),
            ("SAGA_DEADLINE_MS", "120000"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into(),
        ..Setup::default()
    };
    setup
        .order_settings
        .extend(FEW.map(|(name, value)| (name, value.to_string())));
    let deployment = Deployment::start(setup).await;
    let crowd = Crowd::new(deployment.client.clone()).await;
    deployment.stock[0].process.signal("STOP");
    let (hung, refused) = crowd.check_out().await;
    crowd.others_are_served(&refused[0]).await;

    for call in hung {
        call.abort();
    }
    all_calls_are_free(&crowd).await;
    eventually("checkouts are what there is enough of", async || {
        let answer = crowd.client.checkout(&refused[0]).await;
        is_refused(&answer);
        answer.text.contains("as many checkouts are under way").then_some(())
    })
    .await;
    crowd.others_are_served(&refused[0]).await;

    deployment.stock[0].process.signal("CONT");
    let audit = Audit::at_rest(&deployment).await;
    assert_eq!(audit.paid, CHECKOUTS as u64, "what was begun goes on: {audit:?}");
    crowd.all_are_paid().await;
    assert_eq!(Audit::at_rest(&deployment).await.paid, CALLERS as u64);
}

/// Waits until order serves as many calls as it may, none of which is a checkout: until it knows who has hung up.
async fn all_calls_are_free(crowd: &Crowd) {
    let order = crowd.client.order(&crowd.user, &[]).await;
    let path = format!("/orders/addItem/{order}/{}/1", crowd.item);
    let mut waiting = Vec::new();
    eventually("who has hung up holds no call", async || {
        let mut call = crowd.call(path.clone());
        match timeout(Duration::from_millis(100), &mut call).await {
            // Stock does not tell the price.
            Err(_) => waiting.push(call),
            Ok(answer) => is_refused(&answer.expect("an answer")),
        }
        (waiting.len() == CALLS).then_some(())
    })
    .await;
    for call in waiting {
        call.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_checkouts_that_wait_leave_other_calls_their_room() {
    let (address, data) = (unused_address(), TempDir::new().expect("a folder for the data"));
    let mut command = standalone::command(address, data.path());
    command.envs(FEW.map(|(name, value)| (name, value.to_string())));
    let standalone = Standalone::run(address, data, &mut command).await;
    let crowd = Crowd::new(standalone.client()).await;
    standalone.signal_store("stock", "STOP");
    let (hung, refused) = crowd.check_out().await;
    crowd.others_are_served(&refused[0]).await;
    standalone.signal_store("stock", "CONT");
    for call in hung {
        assert_eq!(call.await.expect("an answer").status, 200);
    }
    crowd.all_are_paid().await;
}
