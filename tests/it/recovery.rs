//! Order processes that die or fall asleep between any two steps of a saga.

use std::time::Duration;

use harness::{Audit, Client, Deployment, Fault, FaultProxy, RedisServer, Setup, eventually};

/// Where an order process is stopped, in terms of what it has sent.
#[derive(Debug, Clone, Copy)]
struct Moment {
    party: Party,
    pattern: &'static str,
    fault: Fault,
}

#[derive(Debug, Clone, Copy)]
enum Party {
    Stock,
    Payment,
    Record,
}

/// Every gap between two steps of a checkout that is granted.
const GRANTED: [Moment; 8] = [
    moment(Party::Record, "checking_out", Fault::StallRequest),
    moment(Party::Record, "checking_out", Fault::StallReply),
    moment(Party::Stock, "/internal/reserve", Fault::StallRequest),
    moment(Party::Stock, "/internal/reserve", Fault::StallReply),
    moment(Party::Payment, "/internal/charge", Fault::StallRequest),
    moment(Party::Payment, "/internal/charge", Fault::StallReply),
    moment(Party::Record, "order.paid", Fault::StallRequest),
    moment(Party::Record, "order.paid", Fault::StallReply),
];

/// Every further gap of a checkout that is rejected at the charge.
const REJECTED: [Moment; 6] = [
    moment(Party::Payment, "/internal/charge", Fault::StallRequest),
    moment(Party::Payment, "/internal/charge", Fault::StallReply),
    moment(Party::Stock, "/internal/release", Fault::StallRequest),
    moment(Party::Stock, "/internal/release", Fault::StallReply),
    moment(Party::Record, "order.rejected", Fault::StallRequest),
    moment(Party::Record, "order.rejected", Fault::StallReply),
];

const fn moment(party: Party, pattern: &'static str, fault: Fault) -> Moment {
    Moment { party, pattern, fault }
}

/// An order process behind proxies, and one that is not: the first is stopped, the second recovers.
struct Scene {
    /// Stock, payment, and the order process that stays.
    steady: Deployment,
    /// The order process that is stopped, on the steady one's Redis.
    doomed: harness::Service,
    stock: FaultProxy,
    payment: FaultProxy,
    record: FaultProxy,
}

impl Scene {
    async fn start() -> Self {
        let setup = Setup::default();
        let settings = setup.settings.clone();
        let steady = Deployment::start(setup).await;
        let stock = FaultProxy::start(steady.stock[0].internal).await;
        let payment = FaultProxy::start(steady.payment[0].internal).await;
        let record = FaultProxy::start(steady.order_redis.address()).await;
        let doomed = harness::Service::order(
            &format!("redis://{}", record.address()),
            &format!("http://{}", stock.address()),
            &format!("http://{}", payment.address()),
            settings,
        )
        .await;
        Self {
            steady,
            doomed,
            stock,
            payment,
            record,
        }
    }

    fn arm(&self, moment: Moment) -> &FaultProxy {
        let proxy = match moment.party {
            Party::Stock => &self.stock,
            Party::Payment => &self.payment,
            Party::Record => &self.record,
        };
        proxy.arm(moment.pattern, moment.fault);
        proxy
    }

    /// A checkout that is stopped at this moment; the client hears nothing.
    async fn checkout_until(&self, moment: Moment, order: &str) {
        let proxy = self.arm(moment);
        let client = Client::of_one_origin(&self.doomed.origin());
        let path = format!("/orders/checkout/{order}");
        tokio::spawn(async move { client.try_call(reqwest::Method::POST, &path).await });
        proxy.struck().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_between_any_two_steps_of_a_granted_checkout_is_recovered() {
    for moment in GRANTED {
        let mut scene = Scene::start().await;
        let client = scene.steady.client.clone();
        let (user, item) = (client.user(10).await, client.item(4, 10).await);
        let order = client.order(&user, &[(&item, 1)]).await;
        scene.checkout_until(moment, &order).await;
        scene.doomed.process.kill();
        scene.record.cut();
        Audit::at_rest(&scene.steady).await;
        // Where the record never heard of the checkout, the order is open and can be checked out.
        let paid = client.is_paid(&order).await;
        let began = !(matches!(moment.party, Party::Record)
            && moment.pattern == "checking_out"
            && moment.fault == Fault::StallRequest);
        assert_eq!(paid, began, "{moment:?}");
        assert_eq!(client.checkout_decided(&order).await.status, 200, "{moment:?}");
        assert_eq!(
            (client.stock(&item).await, client.credit(&user).await),
            (9, 6),
            "{moment:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_between_any_two_steps_of_a_rejected_checkout_is_recovered() {
    for moment in REJECTED {
        let mut scene = Scene::start().await;
        let client = scene.steady.client.clone();
        let (user, item) = (client.user(3).await, client.item(4, 10).await);
        let order = client.order(&user, &[(&item, 1)]).await;
        scene.checkout_until(moment, &order).await;
        scene.doomed.process.kill();
        scene.record.cut();
        Audit::at_rest(&scene.steady).await;
        assert!(!client.is_paid(&order).await, "{moment:?}");
        assert_eq!(
            (client.stock(&item).await, client.credit(&user).await),
            (10, 3),
            "{moment:?}"
        );
        assert_eq!(client.checkout_decided(&order).await.status, 402, "{moment:?}");
        assert_eq!(
            (client.stock(&item).await, client.credit(&user).await),
            (10, 3),
            "{moment:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_driver_that_wakes_up_after_a_takeover_changes_nothing() {
    for moment in GRANTED.into_iter().filter(|moment| moment.fault == Fault::StallReply) {
        let scene = Scene::start().await;
        let client = scene.steady.client.clone();
        let (user, item) = (client.user(10).await, client.item(4, 10).await);
        let order = client.order(&user, &[(&item, 1)]).await;
        scene.checkout_until(moment, &order).await;
        scene.doomed.process.signal("STOP");
        eventually("the saga is taken over and paid", async || {
            client.is_paid(&order).await.then_some(())
        })
        .await;
        Audit::at_rest(&scene.steady).await;
        scene.doomed.process.signal("CONT");
        for proxy in [&scene.stock, &scene.payment, &scene.record] {
            proxy.cut();
        }
        let awake = Client::of_one_origin(&scene.doomed.origin());
        assert_eq!(awake.checkout_decided(&order).await.status, 200, "{moment:?}");
        assert_eq!(
            (client.stock(&item).await, client.credit(&user).await),
            (9, 6),
            "{moment:?}"
        );
        Audit::at_rest(&scene.steady).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_past_its_deadline_is_undone_and_a_driver_that_wakes_up_cannot_pay_it() {
    const DEADLINE: Duration = Duration::from_millis(1_100);
    let mut setup = Setup::default();
    setup.settings.retain(|(name, _)| *name != "SAGA_DEADLINE_MS");
    setup
        .settings
        .push(("SAGA_DEADLINE_MS", DEADLINE.as_millis().to_string()));
    let (stock_redis, payment_redis, order_redis) =
        tokio::join!(RedisServer::start(), RedisServer::start(), RedisServer::start());
    let deployment = Deployment::start_on(setup.clone(), stock_redis, payment_redis, order_redis).await;
    let client = deployment.client.clone();
    let payment = FaultProxy::start(deployment.payment[0].internal).await;
    let sleepy = harness::Service::order(
        &deployment.order_redis.url(),
        &format!("http://{}", deployment.stock[0].internal),
        &format!("http://{}", payment.address()),
        setup.settings,
    )
    .await;
    let (user, item) = (client.user(10).await, client.item(4, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    payment.arm("/internal/charge", Fault::HoldRequest);
    let checkout = {
        let (client, path) = (
            Client::of_one_origin(&sleepy.origin()),
            format!("/orders/checkout/{order}"),
        );
        tokio::spawn(async move { client.try_call(reqwest::Method::POST, &path).await })
    };
    payment.struck().await;
    sleepy.process.signal("STOP");
    // Between the lease and the deadline it would be driven forward, so nobody looks until the deadline has passed.
    deployment.order[0].process.signal("STOP");
    tokio::time::sleep(DEADLINE).await;
    deployment.order[0].process.signal("CONT");
    eventually("the saga is undone", async || {
        (client.stock(&item).await == 10).then_some(())
    })
    .await;
    Audit::at_rest(&deployment).await;
    // The old charge arrives at last, and then its sender wakes up.
    let late = payment.deliver().await;
    assert!(
        String::from_utf8_lossy(&late).contains("undone"),
        "a late charge was granted"
    );
    sleepy.process.signal("CONT");
    let answer = checkout.await.expect("no panic").expect("an answer");
    assert_eq!(answer.problem(), "deadline-passed", "{answer:?}");
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (10, 10));
    assert!(!client.is_paid(&order).await);
    assert_eq!(
        client.checkout_decided(&order).await.status,
        200,
        "it can be tried anew"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_is_down_leaves_the_checkout_undecided_until_it_is_back() {
    let mut setup = Setup::default();
    setup.settings.push(("CLIENT_PATIENCE_MS", "300".into()));
    setup.settings.retain(|(name, _)| *name != "CALL_TIMEOUT_MS");
    setup.settings.push(("CALL_TIMEOUT_MS", "200".into()));
    let mut deployment = Deployment::start(setup).await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(10).await, client.item(4, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    deployment.payment[0].process.kill();
    let answer = tokio::time::timeout(Duration::from_secs(30), client.checkout(&order))
        .await
        .expect("a bounded wait");
    assert_eq!((answer.status, answer.problem().as_str()), (503, "undecided"));
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    deployment.payment[0].start_again().await;
    assert_eq!(client.checkout_decided(&order).await.status, 200);
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (9, 6));
}
