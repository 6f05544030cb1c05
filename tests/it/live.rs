//! The feed of all events, and one order's events as they come.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use bus::feed::LiveFeed;
use futures::StreamExt;
use harness::{Deployment, Setup, eventually};
use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::consumers::bench::{Bench, orders};

/// An event stream that somebody reads.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(deployment: &Deployment, order: &str, last: Option<u64>) -> Self {
        let url = format!("{}/v1/orders/{order}/events", deployment.order[0].origin());
        let mut request = harness::tls::http().build().expect("an HTTP client").get(url);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Self { response, text }
    }

    /// The next event, with its id; none if the stream ends.
    async fn next(&mut self) -> Option<(u64, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                    lines
                        .map(|value| value.trim_start_matches(':').trim())
                        .collect::<String>()
                };
                let (id, data) = (field("id"), field("data"));
                self.text = rest.to_string();
                if !data.is_empty() {
                    let id = id.parse().expect("a number");
                    return Some((id, serde_json::from_str(&data).expect("JSON")));
                }
                continue;
            }
            let chunk = timeout(Duration::from_secs(20), self.response.chunk())
                .await
                .expect("in time");
            self.text += std::str::from_utf8(&chunk.ok()??).expect("text");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_followed_from_its_beginning_to_its_end() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(5, 2).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    let mut stream = Stream::open(&deployment, &order, None).await;
    for (number, event_type) in [(1, "order.created"), (2, "order.line_added")] {
        let (id, event) = stream.next().await.expect("an event");
        assert_eq!((id, event["type"].as_str()), (number, Some(event_type)));
        assert_eq!(event["subject"], order);
    }
    assert_eq!(client.checkout(&order).await.status, 200);
    let (id, event) = stream.next().await.expect("an event");
    assert_eq!((id, &event["type"]), (3, &Value::from("order.paid")));
    assert_eq!(event["data"]["total"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_before_the_reader_begins_reaches_who_had_read_the_topic_already() {
    let bench = Bench::start(1).await;
    let feed = LiveFeed::new(bench.bus.clone(), orders(), 1);
    let mut events = pin!(feed.follow("a".into(), 0).expect("a place"));
    bench.append(orders(), 0, &[&[("a", 1)]]).await;
    assert_eq!(events.next().await.map(|event| event.number()), Some(1));
    bench.append(orders(), 0, &[&[("a", 2)]]).await;
    let stop = CancellationToken::new();
    let reader = tokio::spawn(feed.clone().run(stop.clone()));
    let second = timeout(Duration::from_secs(20), events.next()).await.expect("it comes");
    assert_eq!(second.map(|event| event.number()), Some(2));
    stop.cancel();
    reader.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_cut_off_fifty_times_sees_every_event_once() {
    const EVENTS: u64 = 120;
    let deployment = Deployment::start(Setup::with_bus()).await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(10).await, client.item(1, 1_000).await);
    let order = client.order(&user, &[]).await;
    let adding = async {
        for _ in 1..EVENTS {
            let path = format!("/orders/addItem/{order}/{item}/1");
            assert_eq!(client.post(&path).await.status, 200);
        }
    };
    let reading = async {
        let (mut seen, mut cuts) = (Vec::new(), 0);
        while seen.last() != Some(&EVENTS) {
            let mut stream = Stream::open(&deployment, &order, seen.last().copied()).await;
            // A few events over each connection, and then it is cut.
            for _ in 0..2 {
                let (id, _) = stream.next().await.expect("an event");
                seen.push(id);
                if id == EVENTS {
                    break;
                }
            }
            cuts += 1;
        }
        (seen, cuts)
    };
    let ((), (seen, cuts)) = tokio::join!(adding, reading);
    assert!(cuts >= 50, "{cuts}");
    assert_eq!(seen, (1..=EVENTS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_when_the_bus_comes_back_and_ends_with_the_service() {
    let mut deployment = Deployment::start(Setup::with_bus()).await;
    let client = deployment.client.clone();
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    let mut stream = Stream::open(&deployment, &order, Some(1)).await;
    assert_eq!(stream.next().await.expect("an event").0, 2);
    deployment.bus().kill();
    assert_eq!(client.checkout(&order).await.status, 200);
    deployment.bus().start_again().await;
    assert_eq!(stream.next().await.expect("an event").0, 3);
    deployment.order[0].process.signal("TERM");
    assert_eq!(stream.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_cannot_be_had_are_refused_with_the_reason() {
    let mut setup = Setup::with_bus();
    setup.order_settings.push(("MAX_EVENT_STREAMS", "1".into()));
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let order = client.order(&client.user(1).await, &[]).await;
    let path = format!("/v1/orders/{order}/events");
    let unknown = client.get("/v1/orders/nobody/events").await;
    assert_eq!((unknown.status, unknown.problem()), (404, "unknown-order".into()));
    let first = Stream::open(&deployment, &order, None).await;
    let second = client.get(&path).await;
    assert_eq!((second.status, second.problem()), (503, "too-many-streams".into()));
    drop(first);
    eventually("the place is free again", async || {
        let url = format!("{}{path}", deployment.order[0].origin());
        let answer = harness::tls::http()
            .build()
            .expect("an HTTP client")
            .get(url)
            .send()
            .await
            .expect("an answer");
        (answer.status() == 200).then_some(())
    })
    .await;
    let without = Deployment::start(Setup::default()).await;
    let order = without.client.order(&without.client.user(1).await, &[]).await;
    for path in [format!("/v1/orders/{order}/events"), "/v1/events".to_owned()] {
        let refused = without.client.get(&path).await;
        assert_eq!((refused.status, refused.problem()), (503, "no-bus".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_read_in_parts_by_type_subject_and_time() {
    let deployment = Deployment::start(Setup::with_bus()).await;
    let client = &deployment.client;
    let (user, item) = (client.user(10).await, client.item(1, 10).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    let list = async |query: &str| client.get(&format!("/v1/events?{query}")).await.json();
    eventually("the order is on the bus", async || {
        let paid = list("type=order.paid").await;
        (paid["data"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let about = list(&format!("subject={order}&type=order.*")).await;
    let types: Vec<&str> = about["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(types, ["order.created", "order.line_added", "order.paid"]);
    // In parts of two, each event once.
    let (mut ids, mut after) = (BTreeSet::new(), String::new());
    loop {
        let part = list(&format!("limit=2&{after}")).await;
        let events = part["data"].as_array().expect("a list");
        for event in events {
            let id = format!("{}{}", event["source"], event["id"]);
            assert!(ids.insert(id), "{event} comes twice");
        }
        if events.is_empty() {
            break;
        }
        after = format!("after={}", part["next_cursor"].as_str().expect("a cursor"));
    }
    assert!(ids.len() >= 9, "{ids:?}");
    assert_eq!(
        list("after=2000-01-01T00:00:00Z&limit=1").await["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    for bad in ["type=*.paid", "after=yesterday", "limit=0", "limit=101"] {
        let refused = client.get(&format!("/v1/events?{bad}")).await;
        assert_eq!((refused.status, refused.problem()), (400, "malformed".into()), "{bad}");
    }
}
