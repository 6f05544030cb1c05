//! What clients are told by the HTTP surface: the document, who may call from where, methods, and limits.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use harness::{Client, Deployment, Process, Service, Setup, eventually};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::hostile::send;

fn services(deployment: &Deployment) -> [&Service; 3] {
    [&deployment.order[0], &deployment.stock[0], &deployment.payment[0]]
}

/// The head of an answer, and its body.
async fn raw(address: SocketAddr, request: &str) -> (String, String) {
    let answer = send(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_ascii_lowercase(), body.to_owned())
}

fn each_object(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| each_object(value, look));
        }
        Value::Array(values) => values.iter().for_each(|value| each_object(value, look)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_reader_finds_a_server_plain_media_types_and_every_parameter_described() {
    let deployment = Deployment::start(Setup::default()).await;
    for service in services(&deployment) {
        let client = Client::of_one_origin(&service.origin());
        let document = client.get("/openapi.json").await.json();
        assert_eq!(document["servers"], json!([{ "url": "/" }]));
        let description = document["info"]["description"].as_str().expect("a description");
        assert!(description.contains("`Idempotent-Replayed: true`"), "{description}");
        each_object(&document, &mut |object| {
            if let Some(Value::Object(content)) = object.get("content") {
                assert!(
                    content.keys().all(|media_type| !media_type.contains(';')),
                    "{content:?}"
                );
            }
            if object.contains_key("in") {
                assert!(
                    object["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{object:?}"
                );
            }
            if object.get("format") == Some(&json!("int64")) {
                let said = object["description"].as_str().unwrap_or_default();
                assert!(said.contains("9007199254740991"), "{object:?}");
            }
        });
        assert_eq!(
            document["components"]["schemas"]["Problem"]["required"],
            json!(["type", "title", "status"])
        );
        let page = client.get("/docs").await.text;
        assert!(page.contains(&document.to_string()), "the page shows the same document");
    }
}

/// The kinds of problems that an operation's document names, besides those that every operation may answer.
fn own_problems(operation: &Value) -> BTreeSet<String> {
    const COMMON: [&str; 7] = [
        "foreign-origin",
        "body-too-large",
        "uri-too-long",
        "overloaded",
        "head-too-large",
        "internal",
        "unavailable",
    ];
    let responses = operation["responses"].as_object().expect("responses");
    let descriptions = responses
        .values()
        .filter_map(|response| response["description"].as_str());
    let kinds: BTreeSet<String> = descriptions
        .flat_map(|text| text.split("\n\n"))
        .filter_map(|line| line.strip_prefix('`')?.split_once('`'))
        .map(|(kind, _)| kind.to_owned())
        .collect();
    for common in COMMON {
        assert!(kinds.contains(common), "{common} is not in {kinds:?}");
    }
    kinds
        .into_iter()
        .filter(|kind| !COMMON.contains(&kind.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_documents_its_own_problems_and_no_others() {
    let deployment = Deployment::start(Setup::default()).await;
    let [order, stock, payment] = services(&deployment);
    for (service, path, method, own) in [
        (stock, "/stock/find/{item_id}", "get", "malformed unknown-item"),
        (
            stock,
            "/stock/add/{item_id}/{amount}",
            "post",
            "idempotency-key-reused malformed outcome-unknown overflow store-full unknown-item",
        ),
        (
            payment,
            "/payment/create_user",
            "post",
            "idempotency-key-reused malformed outcome-unknown store-full",
        ),
        (
            payment,
            "/payment/pay/{user_id}/{amount}",
            "post",
            "idempotency-key-reused insufficient-credit malformed outcome-unknown store-full unknown-user",
        ),
        (order, "/orders/find/{order_id}", "get", "malformed unknown-order"),
        (
            order,
            "/orders/create/{user_id}",
            "post",
            "idempotency-key-reused malformed outcome-unknown store-full",
        ),
    ] {
        let client = Client::of_one_origin(&service.origin());
        let document = client.get("/openapi.json").await.json();
        let found = own_problems(&document["paths"][path][method]);
        let wanted: BTreeSet<String> = own.split(' ').map(ToOwned::to_owned).collect();
        assert_eq!(found, wanted, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_moves_no_stock() {
    let mut setup = Setup::default();
    setup.settings.push((
        "ALLOWED_ORIGINS",
        "https://shop.example,http://tool.example:3000".into(),
    ));
    let deployment = Deployment::start(setup).await;
    let client = &deployment.client;
    let item = client.item(1, 1).await;
    let (address, internal) = (deployment.stock[0].public, deployment.stock[0].internal);
    let add = |headers: &str| format!("POST /stock/add/{item}/1 HTTP/1.1\r\n{headers}\r\n\r\n");
    for foreign in [
        format!("Host: {address}\r\nOrigin: http://evil.example"),
        format!("Host: {address}\r\nOrigin: null"),
        "Host: evil.example".into(),
        "Host: evil.example\r\nOrigin: http://evil.example".into(),
    ] {
        let (head, body) = raw(address, &add(&foreign)).await;
        assert!(head.starts_with("http/1.1 403"), "{foreign}: {head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert!(body.contains("urn:holdfast:problem:foreign-origin"), "{body}");
        assert!(!head.contains("access-control-allow-origin"), "{head}");
    }
    // The other services' port is one that a page can find, too.
    let call = format!("POST /internal/quote HTTP/1.1\r\nHost: {internal}\r\nOrigin: http://evil.example\r\n\r\n");
    assert!(raw(internal, &call).await.0.starts_with("http/1.1 403"));
    assert_eq!(client.stock(&item).await, 1, "nothing was moved");

    let own = format!("Host: {address}\r\nOrigin: http://{address}");
    assert!(
        raw(address, &add(&own)).await.0.starts_with("http/1.1 200"),
        "the page /docs"
    );
    let page = format!("Host: {address}\r\nOrigin: https://shop.example");
    let (head, _) = raw(address, &add(&page)).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("access-control-allow-origin: https://shop.example"),
        "{head}"
    );
    let preflight = format!(
        "OPTIONS /stock/add/{item}/1 HTTP/1.1\r\n{page}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: x-correlation-id\r\n\r\n"
    );
    let (head, _) = raw(address, &preflight).await;
    assert!(head.starts_with("http/1.1 204"), "{head}");
    for allowed in [
        "access-control-allow-origin: https://shop.example",
        "access-control-allow-methods: get, head, post",
        "x-correlation-id",
    ] {
        assert!(head.contains(allowed), "{head}");
    }
    assert_eq!(client.stock(&item).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_got_can_be_asked_for_its_head_and_says_so() {
    let deployment = Deployment::start(Setup::default()).await;
    let item = deployment.client.item(1, 1).await;
    let address = deployment.stock[0].public;
    for path in [
        &*format!("/stock/find/{item}"),
        "/health/ready",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/asyncapi.json",
        "/asyncapi/stock.json",
        "/events",
    ] {
        let got = raw(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let asked = raw(address, &format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert!(
            got.0.starts_with("http/1.1 200") && !got.1.is_empty(),
            "{path}: {}",
            got.0
        );
        assert!(
            asked.0.starts_with("http/1.1 200") && asked.1.is_empty(),
            "{path}: {asked:?}"
        );
        let refused = raw(address, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert!(refused.0.starts_with("http/1.1 405"), "{path}: {}", refused.0);
        assert!(refused.0.contains("allow: get, head"), "{path}: {}", refused.0);
        assert!(refused.1.contains("about:blank"), "{path}: {}", refused.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_or_a_header_that_is_too_large_is_refused_in_words() {
    let deployment = Deployment::start(Setup::default()).await;
    let address = deployment.stock[0].public;
    let long = "a".repeat(9_000);
    let path = format!("GET /stock/find/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = raw(address, &path).await;
    assert!(head.starts_with("http/1.1 414"), "{head}");
    assert!(body.contains("urn:holdfast:problem:uri-too-long"), "{body}");
    let header = format!("GET /stock/find/a HTTP/1.1\r\nHost: localhost\r\nX-A: {long}\r\nX-B: {long}\r\n\r\n");
    let (head, body) = raw(address, &header).await;
    assert!(head.starts_with("http/1.1 431"), "{head}");
    assert!(body.contains("urn:holdfast:problem:head-too-large"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_begun_and_does_not_go_on_is_not_waited_for() {
    const SOON: Duration = Duration::from_secs(20);
    let deployment = Deployment::start(Setup::default()).await;
    let (public, internal) = (deployment.stock[0].public, deployment.stock[0].internal);
    let begun = [
        (public, "GET /stock/find/a HTTP/1.1\r\nHost: loc"),
        (public, "PO"),
        (
            public,
            "POST /stock/item/create/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab",
        ),
        (
            internal,
            "POST /internal/quote HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[{",
        ),
    ];
    let closed = begun.map(|(address, beginning)| async move {
        let mut stream = TcpStream::connect(address).await.expect("the service listens");
        stream.write_all(beginning.as_bytes()).await.expect("a beginning");
        let mut answer = Vec::new();
        let closed = timeout(SOON, stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "{beginning:?} is still open");
    });
    futures::future::join_all(closed).await;
}

/// How long the process has used a processor, in hundredths of a second.
fn processor_time(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).expect("a running process");
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    let times = fields.split(' ').skip(11).take(2);
    times.map(|field| field.parse::<u64>().expect("a number")).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_open_files_the_service_waits_and_says_so_once() {
    const WATCHED: Duration = Duration::from_secs(2);
    let deployment = Deployment::start(Setup::default()).await;
    let service = &deployment.stock[0];
    let process = &service.process;
    let files = std::fs::read_dir(format!("/proc/{}/fd", process.pid()))
        .expect("its files")
        .count();
    let limited = std::process::Command::new("prlimit")
        .arg(format!("--pid={}", process.pid()))
        .arg(format!("--nofile={}", files + 5))
        .status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit of util-linux");
    let mut kept = Vec::new();
    for _ in 0..40 {
        kept.push(TcpStream::connect(service.public).await.expect("the system takes it"));
    }
    eventually("the limit is felt", async || {
        process.log().contains("no connection can be accepted").then_some(())
    })
    .await;
    let (before, since) = (processor_time(process), Instant::now());
    tokio::time::sleep(WATCHED).await;
    let used = processor_time(process) - before;
    let most = u64::try_from(since.elapsed().as_millis()).expect("a short time") / 10 / 4;
    assert!(used < most, "{used} hundredths of a second in {:?}", since.elapsed());
    let said = process.log().matches("no connection can be accepted").count();
    assert!((1..=2).contains(&said), "once a listener, not {said} times");
    drop(kept);
    let client = Client::of_one_origin(&service.origin());
    eventually("it serves again", async || {
        let answer = client.try_call(reqwest::Method::GET, "/health/live").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_a_file_has_no_colours() {
    let deployment = Deployment::start(Setup::default()).await;
    for service in services(&deployment) {
        let log = service.process.log();
        assert!(log.contains("serving") && !log.contains('\u{1b}'), "{log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_in_words_and_one_that_nobody_needs_is_dropped() {
    let deployment = Deployment::start(Setup::default()).await;
    let address = deployment.stock[0].public;
    let create = "POST /stock/item/create/1 HTTP/1.1\r\nHost: localhost\r\n";
    let whole = |bytes: usize| format!("{create}Content-Length: {bytes}\r\n\r\n{}", "a".repeat(bytes));
    let chunked = |bytes: usize| {
        let body = "a".repeat(bytes);
        format!("{create}Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n")
    };
    let find = "GET /stock/find/nobody HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for taken in [whole(16_384), chunked(16_384)] {
        let (head, rest) = raw(address, &(taken + find)).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(rest.contains("HTTP/1.1 404"), "the next request is served: {rest}");
    }
    for refused in [whole(16_385), chunked(16_385)] {
        let (head, body) = raw(address, &(refused + find)).await;
        assert!(head.starts_with("http/1.1 413"), "{head}");
        assert!(body.contains("urn:holdfast:problem:body-too-large"), "{body}");
    }
}
