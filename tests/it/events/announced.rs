//! What the services announce, held against what their documents say of it.

use std::collections::{BTreeMap, BTreeSet};

use bus::{CloudEvent, Topic};
use domain::{ServiceName, Timestamp};
use harness::{Client, Deployment, RedisServer, Setup, Validator};
use serde_json::json;

use super::documents;

/// Nothing that a client can ask for has these: no item names a level yet, and no driver is lost here.
const NOT_PROVOKED: [&str; 2] = ["item.low", "order.taken_over"];

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_as_its_schema_says_and_none_of_a_subject_is_missing_or_double() {
    let deployment = Deployment::start(Setup::default()).await;
    let validator = Validator::new(&documents(&deployment).await);
    trade(&deployment.client).await;
    refund(&deployment).await;
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
    let expected: BTreeSet<&str> = validator.types().filter(|name| !NOT_PROVOKED.contains(name)).collect();
    assert_eq!(seen, expected);
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

/// All that a service's store holds for its readers, in order within each subject.
async fn outbox(topic: Topic, store: &RedisServer) -> Vec<CloudEvent> {
    let keys = store.run(&["--scan", "--pattern", "events:*"]).await;
    let mut events = Vec::new();
    for key in keys.lines() {
        let printed = store.run(&["XRANGE", key, "-", "+"]).await;
        let lines: Vec<&str> = printed.lines().collect();
        // An entry is three lines: its id, the field's name, and what the field holds.
        for entry in lines.chunks(3) {
            let [_, field, value] = entry else {
                unreachable!("{entry:?}");
            };
            assert_eq!(*field, engine::EVENTS_FIELD);
            let emitted = engine::parse_entry(value.as_bytes()).expect("events");
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
