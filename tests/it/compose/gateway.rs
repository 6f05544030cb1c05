//! What the gateway says itself: each a problem that fits the services' own documents.

use harness::{Client, Compose, PATIENCE};
use serde_json::Value;
use tokio::join;

use crate::{events::schema_of, hostile::send_and_wait};

/// A request, what is said of it, and which methods are allowed instead.
struct Case {
    request: String,
    status: u16,
    allow: Option<&'static str>,
    retry_after: Option<&'static str>,
    /// The problem's kind, if it is more than the status says.
    kind: Option<&'static str>,
}

impl Case {
    fn new(request: impl Into<String>, status: u16) -> Self {
        Self {
            request: request.into(),
            status,
            allow: None,
            retry_after: None,
            kind: None,
        }
    }
}

const REST: &str = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";

/// Nothing of this gets as far as a service.
fn refused() -> Vec<Case> {
    let long = "a".repeat(9_000);
    let get = |path: &str| format!("GET {path} {REST}\r\n");
    let mut cases: Vec<Case> = [
        "/stock/find/%00",
        "/stock/find/%zz",
        "/orders/find/..%2f..",
        "/orders/find/a%2Fb",
        "/orders/find/%2e%2E/",
        "/orders/../",
        "/orders/find/.",
        "/./docs",
    ]
    .map(|path| Case::new(get(path), 400))
    .into();
    let allowed = |line: &str, allow| Case {
        allow: Some(allow),
        ..Case::new(format!("{line} {REST}\r\n"), 405)
    };
    cases.extend([
        allowed("TRACE /stock/find/a", "GET, HEAD"),
        allowed("TRACE /orders/checkout/a", "POST"),
        allowed("POST /docs", "GET, HEAD"),
        Case::new("GET /stock/find/a HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        Case::new("\u{16}\u{3}garbage\r\n\r\n", 400),
        Case::new("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        Case::new(get("/nothing"), 404),
        Case::new(get("/problems/503"), 404),
        Case::new(get(&format!("/stock/find/{long}")), 414),
        Case::new(format!("GET /stock/find/a {REST}X-A: {long}\r\n\r\n"), 431),
        Case::new(
            format!(
                "POST /stock/item/create/1 {REST}Content-Length: 20000\r\n\r\n{}",
                "a".repeat(20_000)
            ),
            413,
        ),
        Case::new(
            format!(
                "POST /stock/item/create/1 {REST}Transfer-Encoding: chunked\r\n\r\n4e20\r\n{}\r\n0\r\n\r\n",
                "a".repeat(20_000)
            ),
            413,
        ),
        Case::new(
            format!("POST /stock/item/create/1 {REST}Transfer-Encoding: gzip\r\n\r\n"),
            501,
        ),
        Case::new("GET /docs HTTP/9.1\r\nHost: localhost\r\n\r\n", 505),
    ]);
    cases
}

/// Each service has its own document, and the gateway answers for all of them.
pub(super) async fn every_refusal_fits_the_documents(compose: &Compose) {
    let documents = documents(&compose.client()).await;
    let cases = refused();
    for case in &cases {
        check(compose, case, &documents).await;
    }
    println!("gateway: {} refusals of its own fit the documents", cases.len());
}

/// Each service's events stand beside its calls: a page for people, which links the document for tools.
pub(super) async fn each_service_tells_of_its_events(compose: &Compose) {
    let client = compose.client();
    for service in ["order", "stock", "payment"] {
        let path = format!("/asyncapi/{service}.json");
        let document = client.get(&path).await.json();
        assert_eq!(document["asyncapi"], "3.0.0", "{path}");
        let page = client.get(&format!("/events/{service}")).await;
        assert!(page.status == 200 && page.text.contains(&path), "{page:?}");
    }
    let feed = client.get("/v1/events?type=order.paid&limit=1").await;
    let paid = &feed.json()["data"][0];
    assert!(feed.status == 200 && paid["type"] == "order.paid", "{feed:?}");
    assert!(schema_of(paid, &client).await["properties"].is_object(), "{paid}");
    println!("gateway: each service's events are described, and read");
}

/// While no payment is there, nothing was changed; while it stands still, only what may be repeated is said to be.
pub(super) async fn nobody_is_told_to_repeat_what_may_have_happened(compose: &Compose) {
    let documents = documents(&compose.client()).await;
    let unanswered = |line: &str, kind, retry_after| Case {
        kind: Some(kind),
        retry_after,
        ..Case::new(format!("{line} {REST}\r\n"), 503)
    };
    let add = "POST /payment/add_funds/a/1";
    let find = "GET /payment/find_user/a";

    let containers = compose.containers("payment");
    for container in &containers {
        compose.pause(container, true);
    }
    let add_sent = unanswered(add, "outcome-unknown", None);
    let find_sent = unanswered(find, "unavailable", Some("1"));
    join!(
        check(compose, &add_sent, &documents),
        check(compose, &find_sent, &documents)
    );
    for container in &containers {
        compose.pause(container, false);
    }

    compose.kill_all("payment");
    for line in [add, find] {
        check(compose, &unanswered(line, "unavailable", Some("1")), &documents).await;
    }
    compose.start_all("payment").await;
    println!("gateway: without a service, only what may be repeated has Retry-After");
}

async fn documents(client: &Client) -> Vec<Value> {
    let mut documents = Vec::new();
    for service in ["order", "stock", "payment"] {
        documents.push(client.get(&format!("/openapi/{service}.json")).await.json());
    }
    documents
}

async fn check(compose: &Compose, case: &Case, documents: &[Value]) {
    let answer = send_and_wait(compose.listens(), case.request.as_bytes(), PATIENCE).await;
    let what = format!("{:.60}: {answer}", case.request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let head = head.to_ascii_lowercase();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    assert!(head.starts_with(&format!("http/1.1 {}", case.status)), "{what}");
    assert_eq!(header("content-type"), Some("application/problem+json"), "{what}");
    assert!(header("x-correlation-id").is_some(), "{what}");
    assert_eq!(
        header("allow"),
        case.allow.map(str::to_ascii_lowercase).as_deref(),
        "{what}"
    );
    assert_eq!(header("retry-after"), case.retry_after, "{what}");
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|error| unreachable!("{error}: {what}"));
    assert_eq!(problem["status"], case.status, "{what}");
    if let Some(kind) = case.kind {
        assert_eq!(problem["type"], format!("urn:holdfast:problem:{kind}"), "{what}");
    }
    for document in documents {
        fits(&problem, &document["components"]["schemas"]["Problem"]);
    }
}

/// Whether an object has what its schema requires, and nothing of another type.
fn fits(object: &Value, schema: &Value) {
    let fields = object.as_object().expect("an object");
    for required in schema["required"].as_array().expect("required fields") {
        assert!(
            required.as_str().is_some_and(|name| fields.contains_key(name)),
            "{required}: {object}"
        );
    }
    for (name, value) in fields {
        let kind = schema["properties"][name]["type"].as_str();
        let is_fit = match kind {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            _ => false,
        };
        assert!(is_fit, "{name} is not {kind:?}: {object}");
    }
}
