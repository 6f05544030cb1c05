//! Clients that mean no good, or are broken: whatever they send, the next one is served.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use harness::{Client, Deployment, PATIENCE, Setup, eventually};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Sends bytes and returns what comes back until the server closes the connection, or says nothing for a while.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> String {
    send_and_wait(address, bytes, Duration::from_millis(500)).await
}

/// As [`send`], if the server may say nothing for so long.
pub(crate) async fn send_and_wait(address: SocketAddr, bytes: &[u8], silence: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    // The server may close the connection before it has read all of it.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(Ok(length @ 1..)) = timeout(silence, stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_well(client: &Client) {
    let item = client.item(1, 1).await;
    assert_eq!(client.stock(&item).await, 1);
}

/// An answer that refuses, or a closed connection; never a fault, never a success.
fn is_refused(answer: &str, what: &str) {
    let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
    assert!(refused, "{what}: {answer:.300}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_is_refused_or_answered_and_the_next_one_is_served() {
    let deployment = Deployment::start(Setup::default()).await;
    let client = &deployment.client;
    for (public, internal) in [
        (deployment.stock[0].public, deployment.stock[0].internal),
        (deployment.payment[0].public, deployment.payment[0].internal),
        (deployment.order[0].public, deployment.stock[0].internal),
    ] {
        let long = "a".repeat(1_000_000);
        for (what, request) in [
            ("no HTTP", "\u{1}\u{2}\u{3} what?\r\n\r\n".to_owned()),
            (
                "a path of a megabyte",
                format!("GET /stock/find/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            ),
            (
                "a header of a megabyte",
                format!("GET /stock/find/a HTTP/1.1\r\nX: {long}\r\n\r\n"),
            ),
            (
                "a thousand headers",
                format!("GET /stock/find/a HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1_000)),
            ),
            ("no host, HTTP/1.0", "GET /nowhere HTTP/1.0\r\n\r\n".into()),
            (
                "a body of a length below zero",
                "POST /stock/item/create/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".into(),
            ),
            (
                "two lengths",
                "POST /stock/item/create/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
                    .into(),
            ),
            (
                "a chunk that is none",
                "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into(),
            ),
        ] {
            for address in [public, internal] {
                let answer = send(address, request.as_bytes()).await;
                is_refused(&answer, what);
            }
        }
        is_refused(
            &send(public, b"GET /stock/find/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n").await,
            "bytes that are no text",
        );
    }
    is_well(client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_calls_that_are_no_calls_are_refused() {
    let deployment = Deployment::start(Setup::default()).await;
    let http = harness::tls::http().build().expect("an HTTP client");
    let reserve = format!("http://{}/internal/reserve", deployment.stock[0].internal);
    let post = async |body: Vec<u8>| http.post(&reserve).body(body).send().await.expect("an answer").status();
    let deep = "[".repeat(100_000).into_bytes();
    let bodies = [
        &b""[..],
        b"{",
        b"null",
        b"[1]",
        b"[{}]",
        b"\xff\xfe",
        br#"[{"request":{"saga_id":"x","driven_since":0,"fingerprint":0,"lines":[]}}]"#,
    ];
    for body in bodies.map(<[u8]>::to_vec).into_iter().chain([deep]) {
        let status = post(body.clone()).await;
        assert_eq!(
            status,
            400,
            "{:?}",
            String::from_utf8_lossy(&body[..body.len().min(100)])
        );
    }
    let call =
        r#"{"request":{"saga_id":"o.1","driven_since":0,"fingerprint":0,"lines":[{"item_id":"i","quantity":1}]}}"#;
    let many = format!("[{}]", vec![call; 1_025].join(","));
    assert_eq!(post(many.into_bytes()).await, 413);
    // A driver of 1970 is not honoured, and says so for its call alone.
    let answer = http
        .post(&reserve)
        .body(format!("[{call}]"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let replies = answer.text().await.expect("a body");
    assert!(
        replies.contains("failed") && replies.contains("this may be decided from"),
        "{replies}"
    );
    is_well(&deployment.client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_piece_are_answered_in_order() {
    const REQUESTS: usize = 500;
    let deployment = Deployment::start(Setup::default()).await;
    let item = deployment.client.item(1, 0).await;
    let add = format!("POST /stock/add/{item}/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let find = format!("GET /stock/find/{item} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answers = send(deployment.stock[0].public, (add.repeat(REQUESTS) + &find).as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), REQUESTS + 1);
    assert!(answers.contains(&format!("has {REQUESTS} pieces")), "{answers:.300}");
    assert_eq!(deployment.client.stock(&item).await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_waiting() {
    const SLOW: usize = 500;
    let deployment = Deployment::start(Setup::default()).await;
    let address = deployment.stock[0].public;
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut stream = TcpStream::connect(address).await.expect("the service listens");
        stream
            .write_all(b"POST /stock/item/create/1 HTTP/1.1\r\nHost:")
            .await
            .expect("a beginning");
        slow.push(stream);
    }
    is_well(&deployment.client).await;
    // One that goes on in the end is served, too.
    let patient = slow.last_mut().expect("a client");
    patient
        .write_all(b" localhost\r\nConnection: close\r\n\r\n")
        .await
        .expect("the rest");
    let mut answer = String::new();
    patient.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// More callers than may be served at once, and a stock that stands still.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_are_refused_at_once_and_the_accepted_ones_keep_their_promise() {
    const CALLS: usize = 8;
    const CALLERS: usize = 80;
    let mut setup = Setup::default();
    setup.settings.push(("MAX_CALLS", CALLS.to_string()));
    setup.settings.push(("MAX_CHECKOUTS", "1".into()));
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let item = client.item(1, 1).await;
    let mut orders = Vec::new();
    for _ in 0..CALLERS {
        orders.push(client.order("somebody", &[]).await);
    }
    deployment.stock[0].process.signal("STOP");
    let answers: Vec<_> = orders
        .iter()
        .map(|order| {
            let (client, path) = (client.clone(), format!("/orders/addItem/{order}/{item}/1"));
            tokio::spawn(async move { client.call(Method::POST, &path).await })
        })
        .collect();
    // All but those that are being served are refused while nothing moves.
    eventually("the others are refused", async || {
        (answers.iter().filter(|answer| answer.is_finished()).count() == CALLERS - CALLS).then_some(())
    })
    .await;
    // It is busy, and not ill.
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    deployment.stock[0].process.signal("CONT");
    let answers = timeout(PATIENCE, join_all(answers)).await.expect("answers in time");
    let (mut added, mut refused) = (0, 0);
    for (answer, order) in answers.into_iter().zip(&orders) {
        let answer = answer.expect("a caller");
        let found = client.get(&format!("/orders/find/{order}")).await.json();
        if answer.status == 429 {
            assert_eq!(
                (answer.problem().as_str(), answer.retry_after.as_deref()),
                ("overloaded", Some("1"))
            );
            assert_eq!(found["total_cost"], 0, "{found}");
            refused += 1;
        } else {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(found["total_cost"], 1, "{found}");
            added += 1;
        }
    }
    assert_eq!((added, refused), (CALLS, CALLERS - CALLS));
}
