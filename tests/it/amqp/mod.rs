//! Events reach RabbitMQ, whatever happens to it.

mod queues;

use std::collections::{HashMap, HashSet};

use bus::CloudEvent;
use harness::{BusLog, Deployment, RabbitMq, Setup, binary, eventually};

use self::queues::Queues;

/// A system whose services tell a broker.
fn telling(broker: &RabbitMq) -> Setup {
    let mut setup = Setup::with_bus();
    setup.settings.push(("AMQP_URL", broker.url()));
    setup
}

/// How many messages each event is told in.
fn told_in(event: &CloudEvent) -> usize {
    amqp::routes(&event.r#type).count()
}

async fn dead_letters(deployment: &mut Deployment) -> String {
    deployment.bus().run(&["KEYS", "dead:*"]).await
}

/// The message ids of a subject's events, by the first time that each came to its exchange.
fn first_times(queues: &Queues) -> HashMap<(String, String), Vec<u64>> {
    let mut seen = HashSet::new();
    let mut first: HashMap<(String, String), Vec<u64>> = HashMap::new();
    for message in queues.taken() {
        if message.exchange != "notification.exchange" && seen.insert(message.id.clone()) {
            let subject = (message.header("source"), message.header("subject"));
            let number = message.header("sequence").parse().expect("a number");
            first.entry(subject).or_default().push(number);
        }
    }
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_told_at_each_exchange_and_what_nobody_takes_is_counted() {
    let mut broker = RabbitMq::start().await;
    let mut queues = Queues::bind(&broker).await;
    let mut deployment = Deployment::start(telling(&broker)).await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(10).await, client.item(5, 2).await);
    let order = client.order(&user, &[(&item, 2)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    let log = BusLog::complete(&deployment).await;
    let due: usize = log.events.iter().map(told_in).sum();
    queues
        .take_until("every event is told", |taken| taken.len() >= due)
        .await;
    assert_eq!(queues.of("notification.exchange"), ["item.sold_out", "order.paid"]);
    assert_eq!(
        queues.of("payment.exchange"),
        ["account.charged", "account.credited", "account.opened"]
    );
    let paid = queues
        .taken()
        .iter()
        .find(|message| message.key == "order.paid")
        .expect("it is told");
    let event = log
        .events
        .iter()
        .find(|event| event.r#type == "order.paid")
        .expect("it is there");
    assert_eq!(paid.id, amqp::message_id(event));
    assert_eq!(paid.content_type, "application/json");
    assert_eq!(paid.body, event.data.get());
    assert_eq!(paid.header("subject"), order);
    assert_eq!(paid.header("time"), event.time);
    assert!(paid.is_persistent);
    let unroutable = "holdfast_amqp_unroutable_total";
    assert_eq!(deployment.payment[0].counted(unroutable).await, 0);
    queues.unbind("payment.exchange").await;
    client.user(10).await;
    eventually("what no queue takes is counted", async || {
        (deployment.payment[0].counted(unroutable).await >= 1).then_some(())
    })
    .await;
    assert_eq!(dead_letters(&mut deployment).await, "");
    broker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_in_order_though_the_broker_is_killed() {
    let mut broker = RabbitMq::start().await;
    let mut queues = Queues::bind(&broker).await;
    let mut deployment = Deployment::start(telling(&broker)).await;
    let client = deployment.client.clone();
    let orders = client.payable_orders(40).await;
    let (before, after) = orders.split_at(10);
    for order in before {
        assert_eq!(client.checkout(order).await.status, 200);
    }
    let some = |taken: &[queues::Message]| taken.iter().any(|message| message.key == "order.paid");
    queues.take_until("purchases are told", some).await;
    broker.kill();
    for order in after {
        assert_eq!(client.checkout(order).await.status, 200);
    }
    let failures = "holdfast_amqp_failures_total";
    eventually("the broker is missed", async || {
        (deployment.order[0].counted(failures).await > 0).then_some(())
    })
    .await;
    broker.start_again().await;
    queues.connect_again(&broker).await;
    let log = BusLog::complete(&deployment).await;
    let due: HashSet<String> = log.events.iter().map(amqp::message_id).collect();
    queues
        .take_until("every event is told", |taken| {
            let told: HashSet<&String> = taken.iter().map(|message| &message.id).collect();
            told.len() >= due.len()
        })
        .await;
    let numbers = log.numbers();
    let first = first_times(&queues);
    assert_eq!(first.len(), numbers.len());
    for (subject, told) in first {
        let due: Vec<u64> = (1..=numbers[&subject]).collect();
        assert_eq!(told, due, "{subject:?}");
    }
    assert_eq!(dead_letters(&mut deployment).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_ready_and_sell_while_the_broker_has_never_been_there() {
    let mut setup = Setup::with_bus();
    setup
        .settings
        .push(("AMQP_URL", format!("amqp://{}", harness::unused_address())));
    let mut deployment = Deployment::start(setup).await;
    let client = deployment.client.clone();
    let order = client.payable_orders(1).await.remove(0);
    assert_eq!(client.checkout(&order).await.status, 200);
    eventually("the broker is missed", async || {
        (deployment.order[0].counted("holdfast_amqp_failures_total").await > 0).then_some(())
    })
    .await;
    assert_eq!(dead_letters(&mut deployment).await, "");
}

#[test]
fn a_broker_without_a_bus_is_refused_at_the_start() {
    let refused = std::process::Command::new(binary("order"))
        .env("AMQP_URL", "amqp://127.0.0.1")
        .env_remove("BUS_URL")
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("AMQP_URL needs BUS_URL"), "{told}");
}
