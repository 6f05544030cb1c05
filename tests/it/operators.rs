//! What an operator sees of the bus, and does to it, by `holdfast events`.

use std::{
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bus::{
    Bus, CloudEvent, Topic,
    consumer::{Consumer, ConsumerConfig, Handler, HandlerError},
};
use engine::store::StoreConfig;
use harness::{Audit, BusLog, Deployment, Setup, binary, eventually};
use serde_json::Value;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Rejects what is paid until somebody mends it, and counts what it handles.
#[derive(Clone, Default)]
struct Accounting {
    is_mended: Arc<AtomicBool>,
    booked: Arc<AtomicUsize>,
}

impl Handler for Accounting {
    async fn handle(&self, event: &CloudEvent) -> Result<(), HandlerError> {
        if event.r#type != "order.paid" {
            return Ok(());
        }
        if !self.is_mended.load(Ordering::Relaxed) {
            return Err(HandlerError::Reject("no such account".into()));
        }
        self.booked.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

async fn events(deployment: &Deployment, words: &[&str]) -> Output {
    let bus = deployment.bus.as_ref().expect("a bus").url();
    let mut command = Command::new(binary("holdfast"));
    command.args(["events"]).args(words).args(["--bus-redis", &bus]);
    command.output().await.expect("the program runs")
}

async fn printed(deployment: &Deployment, words: &[&str]) -> String {
    let output = events(deployment, words).await;
    assert!(output.status.success(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    for line in text
        .lines()
        .filter(|_| !words.contains(&"--json") && words[0] != "tail")
    {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    text
}

async fn paid_order(deployment: &Deployment) -> String {
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_could_not_handle_is_seen_and_handled_again_once_it_is_mended() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    let order = paid_order(&deployment).await;
    let accounting = Accounting::default();
    let bus = Bus::open(&StoreConfig::at(deployment.bus.as_ref().expect("a bus").url())).expect("a bus");
    let config = ConsumerConfig::new("accounting", "one", Topic::all());
    let stop = CancellationToken::new();
    let running = tokio::spawn(Consumer::new(bus, config, accounting.clone()).run(stop.clone()));
    let letter = eventually("the event is a dead letter", async || {
        let text = printed(&deployment, &["dead", "list", "--json"]).await;
        let letters: Value = serde_json::from_str(&text).ok()?;
        letters[0]["id"].as_str().map(ToOwned::to_owned)
    })
    .await;
    let list = printed(&deployment, &["dead", "list"]).await;
    assert!(
        list.contains("order.paid") && list.contains("no such account"),
        "{list}"
    );
    let shown = printed(&deployment, &["dead", "show", &letter]).await;
    assert!(shown.contains(&order), "{shown}");
    let groups = printed(&deployment, &["groups"]).await;
    assert!(groups.contains("accounting"), "{groups}");
    accounting.is_mended.store(true, Ordering::Relaxed);
    printed(&deployment, &["dead", "replay", &letter]).await;
    eventually("it is handled", async || {
        (accounting.booked.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
    assert!(
        printed(&deployment, &["dead", "list"])
            .await
            .contains("no dead letters")
    );
    // Once more, and everything with it.
    printed(
        &deployment,
        &["replay", "--group", "accounting", "--from", "2000-01-01T00:00:00Z"],
    )
    .await;
    eventually("it is handled again", async || {
        (accounting.booked.load(Ordering::Relaxed) > 1).then_some(())
    })
    .await;
    let refused = events(
        &deployment,
        &["replay", "--group", "nobody", "--from", "2000-01-01T00:00:00Z"],
    )
    .await;
    assert!(!refused.status.success());
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), running)
        .await
        .expect("in time")
        .expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_printed_as_they_come() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    let order = paid_order(&deployment).await;
    BusLog::complete(&deployment).await;
    let from = ["--from", "2000-01-01T00:00:00Z", "--count", "1"];
    let tail = [&["tail", "--type", "order.paid"][..], &from].concat();
    let text = printed(&deployment, &tail).await;
    assert!(text.contains(&format!("order.paid {order} #3")), "{text}");
    let json = printed(&deployment, &[&tail[..], &["--json"]].concat()).await;
    let event: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (event["subject"].as_str(), event["specversion"].as_str()),
        (Some(order.as_str()), Some("1.0"))
    );
}

async fn audited(deployment: &Deployment) -> Audit {
    let bus = deployment.bus.as_ref().expect("a bus").url();
    Audit::with(deployment, &["--bus-redis", &bus]).await
}

/// The auditor's kinds of findings about events, each by damage done by hand.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_off_are_found_whatever_is_off() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    paid_order(&deployment).await;
    BusLog::complete(&deployment).await;
    let audit = audited(&deployment).await;
    assert!(
        audit.consistent && audit.events > 0 && audit.entries_waiting == 0,
        "{audit:#?}"
    );
    let bus = deployment.bus.as_ref().expect("a bus");
    let keys = bus.run(&["--scan", "--pattern", "topic:{order-*"]).await;
    let topic = keys.lines().next().expect("a topic");
    let last = bus.run(&["XREVRANGE", topic, "+", "-", "COUNT", "1"]).await;
    let lines: Vec<&str> = last.lines().collect();
    let id = lines[0];
    let of_entry: Vec<Value> = serde_json::from_str(lines[2]).expect("events");
    let events = Value::from(&of_entry[of_entry.len() - 1..]).to_string();
    // The last event again, in an entry of its own.
    bus.run(&["XADD", topic, "*", "events", &events]).await;
    let twice = audited(&deployment).await;
    assert!(twice.off.contains_key("event-twice"), "{twice:#?}");
    // An earlier number behind it.
    let earlier = events.replace("\"sequence\":3", "\"sequence\":2");
    bus.run(&["XADD", topic, "*", "events", &earlier]).await;
    assert!(audited(&deployment).await.off.contains_key("event-out-of-order"));
    let wrong = events
        .replace("order.paid", "order.rejected")
        .replace("\"sequence\":3", "\"sequence\":4");
    bus.run(&["XADD", topic, "*", "events", &wrong]).await;
    assert!(audited(&deployment).await.off.contains_key("event-twice"));
    for damage in bus
        .run(&["XRANGE", topic, "-", "+"])
        .await
        .lines()
        .filter(|line| line.contains('-') && line.len() < 20)
    {
        if damage >= id {
            bus.run(&["XDEL", topic, damage]).await;
        }
    }
    let missing = audited(&deployment).await;
    assert!(missing.off.contains_key("event-missing"), "{missing:#?}");
    bus.run(&["XADD", topic, "*", "events", "no JSON"]).await;
    assert!(audited(&deployment).await.off.contains_key("unreadable"));
    // A cursor that claims more than there was.
    let text = bus.run(&["GET", "cursor:{order}"]).await;
    let mut words: Vec<&str> = text.split(' ').collect();
    words[1] = "2";
    bus.run(&["SET", "cursor:{order}", &words.join(" ")]).await;
    let unaccounted = audited(&deployment).await;
    assert!(unaccounted.off.contains_key("events-unaccounted"), "{unaccounted:#?}");
}
