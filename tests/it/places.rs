//! Checkouts that wait: how many there may be, and that other calls are served meanwhile.

use std::time::Duration;

use futures::future::join_all;
use harness::{Answer, Audit, Client, Deployment, Setup, Standalone, eventually, unused_address};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};

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
        // One after the other: few calls are served at once.
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
        for _ in 0..100 {
            assert!(!self.client.is_paid(refused).await);
        }
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
    let mut command = Standalone::command(address, data.path());
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
