//! The public calls: success, unknown id, malformed, out of range, overflow. Clients of the TU Delft
//! benchmark rely on the paths, the fields and the status classes.

use harness::{Answer, Client, Deployment, Setup};
use reqwest::Method;
use serde_json::json;

const MOST: i64 = i64::MAX;

async fn deployment() -> Deployment {
    Deployment::start(Setup::default()).await
}

/// Asserts a refusal's status and kind, and that its body is what RFC 9457 says.
fn assert_refused(answer: &Answer, path: &str, status: u16, kind: &str) {
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (status, kind),
        "{path}: {answer:?}"
    );
    assert_eq!(answer.content_type, "application/problem+json", "{path}");
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{path}");
    assert_eq!(problem["instance"], path, "{path}");
    for field in ["title", "detail"] {
        assert!(
            problem[field].as_str().is_some_and(|text| !text.is_empty()),
            "{path}: {problem}"
        );
    }
}

async fn refused(client: &Client, method: Method, path: &str, status: u16, kind: &str) {
    let answer = client.call(method, path).await;
    assert_refused(&answer, path, status, kind);
}

#[tokio::test(flavor = "multi_thread")]
async fn stocks_calls_answer_as_documented() {
    stocks_calls(&deployment().await.client).await;
}

/// Checks every public call of the service, on stores that nobody else has filled.
pub(crate) async fn stocks_calls(client: &Client) {
    let created = client.post("/stock/item/create/5").await;
    assert_eq!(created.status, 200);
    let item = created.json()["item_id"].as_str().expect("an id").to_owned();
    assert_eq!(
        client.get(&format!("/stock/find/{item}")).await.json(),
        json!({ "stock": 0, "price": 5 })
    );
    let added = client.post(&format!("/stock/add/{item}/50")).await;
    assert_eq!(
        (added.status, added.content_type.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    assert_eq!(client.post(&format!("/stock/subtract/{item}/15")).await.status, 200);
    assert_eq!(
        client.get(&format!("/stock/find/{item}")).await.json(),
        json!({ "stock": 35, "price": 5 })
    );
    assert_eq!(client.post(&format!("/stock/add/{item}/0")).await.status, 200);

    let post = |path: String, status, kind: &'static str| async move {
        refused(client, Method::POST, &path, status, kind).await;
    };
    post(format!("/stock/subtract/{item}/36"), 409, "out-of-stock").await;
    post(format!("/stock/add/{item}/{MOST}"), 409, "overflow").await;
    for unknown in ["/stock/add/nobody/1", "/stock/subtract/nobody/1"] {
        post(unknown.into(), 404, "unknown-item").await;
    }
    refused(client, Method::GET, "/stock/find/nobody", 404, "unknown-item").await;
    for amount in ["-1", "1.5", "x", "9223372036854775808", "%20", "+5", "%2B5", "05", "-0"] {
        post(format!("/stock/add/{item}/{amount}"), 400, "malformed").await;
        post(format!("/stock/subtract/{item}/{amount}"), 400, "malformed").await;
        post(format!("/stock/item/create/{amount}"), 400, "malformed").await;
    }
    for id in ["%7Btag%7D", "a%20b", "%C3%A9", &"x".repeat(65)] {
        refused(client, Method::GET, &format!("/stock/find/{id}"), 400, "malformed").await;
    }
    assert_eq!(client.stock(&item).await, 35, "no refusal changed anything");

    let ready = client.post("/stock/batch_init/30/7/3").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["msg"].is_string());
    for item in ["0", "29"] {
        assert_eq!(
            client.get(&format!("/stock/find/{item}")).await.json(),
            json!({ "stock": 7, "price": 3 })
        );
    }
    refused(client, Method::GET, "/stock/find/30", 404, "unknown-item").await;
    for absurd in [
        "/stock/batch_init/5000001/1/1",
        "/stock/batch_init/-1/1/1",
        "/stock/batch_init/+1/1/1",
        "/stock/batch_init/1/-1/1",
        "/stock/batch_init/x/1/1",
    ] {
        post(absurd.into(), 400, "malformed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_calls_answer_as_documented() {
    payments_calls(&deployment().await.client).await;
}

/// Checks every public call of the service, on stores that nobody else has filled.
pub(crate) async fn payments_calls(client: &Client) {
    let created = client.post("/payment/create_user").await;
    assert_eq!(created.status, 200);
    let user = created.json()["user_id"].as_str().expect("an id").to_owned();
    let found = client.get(&format!("/payment/find_user/{user}")).await;
    assert_eq!(found.json(), json!({ "user_id": user, "credit": 0 }));
    assert_eq!(client.post(&format!("/payment/add_funds/{user}/15")).await.status, 200);
    assert_eq!(client.post(&format!("/payment/pay/{user}/10")).await.status, 200);
    assert_eq!(client.credit(&user).await, 5);

    let post = |path: String, status, kind: &'static str| async move {
        refused(client, Method::POST, &path, status, kind).await;
    };
    post(format!("/payment/pay/{user}/6"), 402, "insufficient-credit").await;
    post(format!("/payment/add_funds/{user}/{MOST}"), 409, "overflow").await;
    for unknown in ["/payment/add_funds/nobody/1", "/payment/pay/nobody/1"] {
        post(unknown.into(), 404, "unknown-user").await;
    }
    refused(client, Method::GET, "/payment/find_user/nobody", 404, "unknown-user").await;
    for amount in ["-1", "1.5", "x", "9223372036854775808", "+5", "05", "-0"] {
        post(format!("/payment/add_funds/{user}/{amount}"), 400, "malformed").await;
        post(format!("/payment/pay/{user}/{amount}"), 400, "malformed").await;
    }
    assert_eq!(client.credit(&user).await, 5, "no refusal changed anything");

    assert_eq!(client.post("/payment/batch_init/30/9").await.status, 200);
    assert_eq!(client.credit("29").await, 9);
    refused(client, Method::GET, "/payment/find_user/30", 404, "unknown-user").await;
    for absurd in ["/payment/batch_init/5000001/1", "/payment/batch_init/1/-1"] {
        post(absurd.into(), 400, "malformed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_calls_answer_as_documented() {
    orders_calls(&deployment().await.client).await;
}

/// Checks every public call of the service, on stores that nobody else has filled.
pub(crate) async fn orders_calls(client: &Client) {
    let (user, item, dear) = (
        client.user(100).await,
        client.item(5, 10).await,
        client.item(MOST, 2).await,
    );
    let order = client.order(&user, &[(&item, 2), (&item, 1)]).await;
    let path = format!("/orders/find/{order}");
    let found = json!({
        "order_id": order, "paid": false, "items": [[item, 2], [item, 1]], "user_id": user, "total_cost": 15,
    });
    assert_eq!(client.get(&path).await.json(), found);
    let answer = client.checkout(&order).await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    assert!(client.is_paid(&order).await);

    let post = |path: String, status, kind: &'static str| async move {
        refused(client, Method::POST, &path, status, kind).await;
    };
    let open = client.order(&user, &[(&item, 1)]).await;
    post(format!("/orders/addItem/{order}/{item}/1"), 409, "already-paid").await;
    post(format!("/orders/addItem/nobody/{item}/1"), 404, "unknown-order").await;
    post(format!("/orders/addItem/{open}/nobody/1"), 404, "unknown-item").await;
    post(format!("/orders/addItem/{open}/{dear}/2"), 409, "overflow").await;
    for quantity in ["0", "-2", "x", "1.5", "9223372036854775808", "+5", "05"] {
        let path = format!("/orders/addItem/{open}/{item}/{quantity}");
        let answer = client.post(&path).await;
        assert_refused(&answer, &path, 400, "malformed");
        assert_eq!(
            answer.json()["detail"],
            "a line has from 1 to 9223372036854775807 pieces",
            "{path}"
        );
    }
    post("/orders/checkout/nobody".into(), 404, "unknown-order").await;
    post("/orders/create/a%20b".into(), 400, "malformed").await;
    refused(client, Method::GET, "/orders/find/nobody", 404, "unknown-order").await;

    client.post("/stock/batch_init/20/100/4").await;
    client.post("/payment/batch_init/10/100").await;
    assert_eq!(client.post("/orders/batch_init/40/20/10/4").await.status, 200);
    let found = client.get("/orders/find/39").await.json();
    assert_eq!((&found["paid"], &found["total_cost"]), (&json!(false), &json!(8)));
    assert_eq!(found["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(client.checkout("39").await.status, 200);
    // Set back, the same order is checked out anew, and its pieces are taken anew.
    let pieces = |found: serde_json::Value| found["items"][0][0].as_str().expect("an item").to_owned();
    client.post("/orders/batch_init/40/1/1/4").await;
    let item = pieces(client.get("/orders/find/39").await.json());
    let before = client.stock(&item).await;
    assert_eq!(client.checkout("39").await.status, 200);
    assert_eq!(client.stock(&item).await, before - 2);
    for absurd in [
        "/orders/batch_init/5000001/1/1/1",
        "/orders/batch_init/1/0/1/1",
        "/orders/batch_init/1/01/1/1",
        "/orders/batch_init/1/1/0/1",
    ] {
        post(absurd.into(), 400, "malformed").await;
    }
    post(format!("/orders/batch_init/1/1/1/{MOST}"), 409, "overflow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_serves_its_documents_and_health() {
    let deployment = deployment().await;
    for service in deployment
        .order
        .iter()
        .chain(&deployment.stock)
        .chain(&deployment.payment)
    {
        let client = Client::of_one_origin(&service.origin());
        for path in ["/docs", "/health/live", "/health/ready", "/metrics"] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        let document = client.get("/openapi.json").await.json();
        let paths = document["paths"].as_object().expect("paths");
        assert!(!paths.is_empty());
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().expect("operations") {
                assert!(operation["summary"].is_string(), "{method} {path}");
                for status in ["403", "414", "429", "431", "500", "503"] {
                    let content = &operation["responses"][status]["content"];
                    assert!(
                        content["application/problem+json"].is_object(),
                        "{method} {path} {status}"
                    );
                }
                // Where nothing can be wrong with a parameter, nothing is said of it.
                let takes_parameters = operation["parameters"].as_array().is_some_and(|all| !all.is_empty());
                assert_eq!(
                    operation["responses"]["400"].is_object(),
                    takes_parameters,
                    "{method} {path}"
                );
            }
        }
        let unknown = client.get("/nothing/here").await;
        assert_eq!(
            (unknown.status, unknown.content_type.as_str()),
            (404, "application/problem+json")
        );
        let not_allowed = client.call(Method::DELETE, paths.keys().next().expect("a path")).await;
        assert_eq!(
            (not_allowed.status, not_allowed.content_type.as_str()),
            (405, "application/problem+json")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correlation_id_comes_back_and_is_made_where_there_is_none() {
    let deployment = deployment().await;
    let url = format!("{}/stock/find/nobody", deployment.stock[0].origin());
    let sent = harness::tls::http()
        .build()
        .expect("an HTTP client")
        .get(&url)
        .header("X-Correlation-ID", "from-a-test")
        .send()
        .await
        .expect("an answer");
    assert_eq!(sent.headers()["x-correlation-id"], "from-a-test");
    let made = deployment.client.get("/stock/find/nobody").await.correlation_id;
    assert!(made.len() == 36, "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_records_are_made_in_bounded_memory_while_others_are_served() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let item = client.item(1, 1).await;
    let stock = &deployment.stock[0];
    let before = stock.process.resident_bytes();
    let making = tokio::spawn({
        let client = client.clone();
        async move { client.post("/stock/batch_init/1000000/1/1").await }
    });
    let mut served = 0;
    while !making.is_finished() {
        assert_eq!(client.post(&format!("/stock/add/{item}/1")).await.status, 200);
        served += 1;
    }
    assert_eq!(making.await.expect("no panic").status, 200);
    assert_eq!(client.stock(&item).await, 1 + served);
    assert!(served > 100, "only {served} other calls were served");
    assert_eq!(client.stock("999999").await, 1);
    let grown = stock.process.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more for a million records", grown >> 20);
}
