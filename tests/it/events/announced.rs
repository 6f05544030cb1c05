//! What the services announce, held against what their documents say of it.

use std::collections::{BTreeMap, BTreeSet};

use bus::{CloudEvent, Topic};
use domain::{ServiceName, Timestamp};
use harness::{Client, Deployment, Fault, FaultProxy, RedisServer, Service, Setup, Validator, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::documents;

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_as_its_schema_says_and_none_of_a_subject_is_missing_or_double() {
    let deployment = Deployment::start(Setup::default()).await;
    let validator = Validator::new(&documents(&deployment).await);
    trade(&deployment.client).await;
    refund(&deployment).await;
    run_low(&deployment).await;
    lose_a_driver(&deployment).await;
    let mut events = Vec::new();
    for (service, store) in [
        (ServiceName::Order, &deployment.order_redis),
        (ServiceName::Stock, &deployment.stock_redis),
        (ServiceName::Payment, &deployment.payment_redis),
    ] {
        events.extend(outbox(Topic::of(service), store).await);
    }
    for event in &events {
        let event = serde_json::to_value(event).expect("JSON");
        assert_eq!(validator.check(&event), Ok(()), "{event}");
    }
    assert_gapless(&events);
    let seen: BTreeSet<&str> = events.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(seen, validator.types().collect());
}

/// Makes everything happen that clients can make happen, and after each something else to the same record: a number that
/// was not kept would come again.
async fn trade(client: &Client) {
    let (item, user) = (client.item(5, 10).await, client.user(100).await);
    let order = client.order(&user, &[(&item, 2), (&item, 1)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    let nobody = client.order("nobody", &[(&item, 1)]).await;
    assert_eq!(client.checkout(&nobody).await.status, 404);
    let poor = client.order(&client.user(1).await, &[(&item, 1)]).await;
    assert_eq!(client.checkout(&poor).await.status, 402);
    let greedy = client.order(&user, &[(&item, 8)]).await;
    assert_eq!(client.checkout(&greedy).await.status, 409);
    for path in [
        format!("/stock/subtract/{item}/7"),
        format!("/stock/add/{item}/5"),
        format!("/stock/add/{item}/5"),
        format!("/payment/pay/{user}/10"),
        format!("/payment/add_funds/{user}/10"),
        format!("/orders/addItem/{poor}/{item}/1"),
        "/stock/batch_init/20/10/5".into(),
        "/stock/batch_init/20/0/6".into(),
        "/stock/batch_init/20/10/6".into(),
        "/payment/batch_init/20/100".into(),
        "/payment/batch_init/20/90".into(),
        "/orders/batch_init/20/20/20/6".into(),
    ] {
        assert_eq!(client.post(&path).await.status, 200, "{path}");
    }
    for number in 0..20 {
        assert_eq!(client.checkout(&number.to_string()).await.status, 200, "{number}");
    }
    assert_eq!(client.post("/orders/batch_init/20/20/20/6").await.status, 200);
}

/// Takes a charge back, as a driver does that has come to know too late that it must not go on.
async fn refund(deployment: &Deployment) {
    let user = deployment.client.user(10).await;
    let mut saga = json!({
        "saga_id": "some-order.1",
        "driven_since": Timestamp::now(),
        "fingerprint": 1,
        "user_id": user,
        "amount": 3,
    });
    let payment = &deployment.payment[0];
    let charged = payment.internal_call("/internal/charge", saga.clone()).await;
    assert_eq!(charged, json!({ "done": "charged" }));
    saga.as_object_mut().expect("an object").remove("amount");
    payment.internal_call("/internal/refund", saga).await;
    assert_eq!(deployment.client.credit(&user).await, 10);
    let added = deployment.client.post(&format!("/payment/add_funds/{user}/1")).await;
    assert_eq!(added.status, 200);
}

/// Takes pieces of an item whose record names a level. No call sets one yet.
async fn run_low(deployment: &Deployment) {
    let (client, store) = (&deployment.client, &deployment.stock_redis);
    let item = client.item(5, 10).await;
    let key = store.run(&["--scan", "--pattern", &format!("item:*:{item}")]).await;
    let mut record: Value = serde_json::from_str(&store.run(&["GET", &key]).await).expect("a record");
    record["low_level"] = json!(3);
    store.run(&["SET", &key, &record.to_string()]).await;
    for amount in [7, 1] {
        let taken = client.post(&format!("/stock/subtract/{item}/{amount}")).await;
        assert_eq!(taken.status, 200);
    }
}

/// Kills an order process in the middle of a checkout; another one goes on with it.
async fn lose_a_driver(deployment: &Deployment) {
    let client = &deployment.client;
    let (item, user) = (client.item(5, 10).await, client.user(100).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    let stock = FaultProxy::start(deployment.stock[0].internal).await;
    let mut doomed = Service::order(
        &deployment.order_redis.url(),
        &format!("http://{}", stock.address()),
        &format!("http://{}", deployment.payment[0].internal),
        Setup::default().settings,
    )
    .await;
    stock.arm("/internal/reserve", Fault::StallRequest);
    let (caller, path) = (
        Client::of_one_origin(&doomed.origin()),
        format!("/orders/checkout/{order}"),
    );
    let unheard = tokio::spawn(async move { caller.try_call(Method::POST, &path).await });
    stock.struck().await;
    doomed.process.kill();
    assert!(unheard.await.expect("no panic").is_err());
    eventually("the order is paid", async || client.is_paid(&order).await.then_some(())).await;
}

/// All that a service's store holds for its readers, in order within each subject.
async fn outbox(topic: Topic, store: &RedisServer) -> Vec<CloudEvent> {
    let keys = store.run(&["--scan", "--pattern", "events:*"]).await;
    let mut events = Vec::new();
    for key in keys.lines() {
        let printed = store.run(&["XRANGE", key, "-", "+"]).await;
        // An entry's lines are its id, and for each partition its number and its events.
        for value in printed.lines().filter(|line| line.starts_with('[')) {
            let emitted = engine::parse_events(value.as_bytes()).expect("events");
            events.extend(emitted.into_iter().map(|event| CloudEvent::new(topic, event)));
        }
    }
    events
}

/// The events of each subject have the numbers from 1 on, in the order in which they are read.
fn assert_gapless(events: &[CloudEvent]) {
    let mut numbers: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for event in events {
        let subject = (event.source.as_str(), event.subject.as_str());
        numbers.entry(subject).or_default().push(event.number());
    }
    for (subject, numbers) in &numbers {
        let expected: Vec<u64> = (1..).take(numbers.len()).collect();
        assert_eq!(*numbers, expected, "{subject:?}");
    }
}
