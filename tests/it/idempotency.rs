//! Calls that are sent again under one key: they move once, and answer the same.

use futures::future::join_all;
use harness::{Answer, Client, Deployment, Setup, eventually};
use serde_json::json;

/// The longest that a key is kept.
const DAY_SECONDS: i64 = 24 * 60 * 60;

async fn deployment() -> Deployment {
    Deployment::start(Setup::default()).await
}

/// What a client can tell of an answer.
fn heard(answer: &Answer) -> (u16, &str) {
    (answer.status, &answer.text)
}

/// Calls twice under one key, and gives the answer that both times was the same.
async fn twice(client: &Client, path: &str, key: &str) -> Answer {
    let first = client.post_keyed(path, key).await;
    assert_eq!(first.replayed, None, "{path}: {first:?}");
    let second = client.post_keyed(path, key).await;
    assert_eq!(second.replayed.as_deref(), Some("true"), "{path}: {second:?}");
    assert_eq!(heard(&first), heard(&second), "{path}");
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_that_changes_something_may_be_repeated_under_a_key() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let id = |answer: &Answer, field: &str| answer.json()[field].as_str().expect("an id").to_owned();
    let item = id(&twice(client, "/stock/item/create/5", "1").await, "item_id");
    twice(client, &format!("/stock/add/{item}/9"), "1").await;
    twice(client, &format!("/stock/subtract/{item}/2"), "1").await;
    assert_eq!(client.stock(&item).await, 7);
    let user = id(&twice(client, "/payment/create_user", "1").await, "user_id");
    twice(client, &format!("/payment/add_funds/{user}/20"), "1").await;
    twice(client, &format!("/payment/pay/{user}/3"), "1").await;
    assert_eq!(client.credit(&user).await, 17);
    let order = id(&twice(client, &format!("/orders/create/{user}"), "1").await, "order_id");
    twice(client, &format!("/orders/addItem/{order}/{item}/2"), "1").await;
    let found = client.get(&format!("/orders/find/{order}")).await.json();
    assert_eq!(found["items"], json!([[item, 2]]));
    twice(client, &format!("/orders/checkout/{order}"), "1").await;
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (5, 7));
    // A key counts for one path: the same one names another request there.
    assert_eq!(
        client.post_keyed(&format!("/stock/add/{item}/1"), "1").await.status,
        200
    );
    assert_eq!(client.stock(&item).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_answered_again_also_if_its_reason_is_gone() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let item = client.item(1, 3).await;
    let path = format!("/stock/subtract/{item}/5");
    assert_eq!(twice(client, &path, "a").await.problem(), "out-of-stock");
    client.post(&format!("/stock/add/{item}/5")).await;
    assert_eq!(client.post_keyed(&path, "a").await.problem(), "out-of-stock");
    assert_eq!(client.post_keyed(&path, "b").await.status, 200);
    assert_eq!(client.stock(&item).await, 3);
    assert_eq!(
        twice(client, "/stock/add/nobody/1", "a").await.problem(),
        "unknown-item"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_key_is_refused_and_moves_nothing() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let item = client.item(1, 3).await;
    let path = format!("/stock/add/{item}/5");
    client.post_keyed(&path, "\"a key\"").await;
    let other = client.post_keyed(&format!("{path}?unlike=before"), "\"a key\"").await;
    assert_eq!(
        (other.status, other.problem().as_str()),
        (422, "idempotency-key-reused")
    );
    assert_eq!(client.stock(&item).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_is_refused_and_moves_nothing() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let item = client.item(1, 3).await;
    let path = format!("/stock/add/{item}/5");
    for bad in ["", "\"\"", "\"open", "two words", &"x".repeat(256), "\"\u{e4}\""] {
        let answer = client.post_keyed(&path, bad).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "malformed"), "{bad}");
        assert!(
            answer.json()["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("Idempotency-Key"))
        );
    }
    assert_eq!(client.stock(&item).await, 3);
    // The quotes are no part of a key.
    client.post_keyed(&path, "\"5\"").await;
    assert_eq!(client.post_keyed(&path, "5").await.replayed.as_deref(), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_with_one_key_at_once_move_once_whichever_replica_they_reach() {
    let deployment = Deployment::start(Setup {
        replicas: 3,
        ..Setup::default()
    })
    .await;
    let client = &deployment.client;
    let (item, user) = (client.item(1, 0).await, client.user(100).await);
    for round in 0..10 {
        let key = round.to_string();
        let added = format!("/stock/add/{item}/5");
        let answers = join_all((0..50).map(|_| client.post_keyed(&added, &key))).await;
        let first = answers.iter().filter(|answer| answer.replayed.is_none()).count();
        assert_eq!(first, 1, "{answers:?}");
        assert!(
            answers.iter().all(|answer| heard(answer) == heard(&answers[0])),
            "{answers:?}"
        );
        assert_eq!(client.stock(&item).await, 5 * (round + 1));
        let created = format!("/orders/create/{user}");
        let answers = join_all((0..50).map(|_| client.post_keyed(&created, &key))).await;
        assert!(
            answers.iter().all(|answer| heard(answer) == heard(&answers[0])),
            "{answers:?}"
        );
    }
    let order = client.order(&user, &[(&item, 1)]).await;
    let path = format!("/orders/checkout/{order}");
    let answers = join_all((0..50).map(|_| client.post_keyed(&path, "all"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!((client.stock(&item).await, client.credit(&user).await), (49, 99));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_checkout_hears_how_its_own_attempt_ended() {
    let deployment = deployment().await;
    let client = &deployment.client;
    let (item, user) = (client.item(5, 100).await, client.user(4).await);
    let order = client.order(&user, &[(&item, 1)]).await;
    let path = format!("/orders/checkout/{order}");
    let first = twice(client, &path, "first").await;
    assert_eq!((first.status, first.problem().as_str()), (402, "insufficient-credit"));
    client.post(&format!("/payment/add_funds/{user}/10")).await;
    // The order can be paid now, and this request was rejected before.
    assert_eq!(heard(&client.post_keyed(&path, "first").await), heard(&first));
    let second = twice(client, &path, "second").await;
    assert_eq!(second.status, 200);
    assert_eq!(heard(&client.post_keyed(&path, "first").await), heard(&first));
    assert_eq!(
        heard(&twice(client, &path, "third").await),
        heard(&second),
        "it is paid already"
    );
    assert_eq!((client.credit(&user).await, client.stock(&item).await), (9, 99));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_checkout_hears_the_same_after_its_order_was_set_back() {
    let deployment = deployment().await;
    let client = &deployment.client;
    for path in [
        "/stock/batch_init/1/100/5",
        "/payment/batch_init/1/10",
        "/orders/batch_init/1/1/1/5",
    ] {
        assert_eq!(client.post(path).await.status, 200, "{path}");
    }
    client.post("/payment/pay/0/1").await;
    let path = "/orders/checkout/0";
    let rejected = twice(client, path, "a").await;
    assert_eq!(rejected.problem(), "insufficient-credit");
    client.post("/orders/batch_init/1/1/1/4").await;
    assert_eq!(heard(&client.post_keyed(path, "a").await), heard(&rejected));
    let paid = twice(client, path, "b").await;
    assert_eq!(paid.status, 200);
    client.post("/orders/batch_init/1/1/1/3").await;
    assert_eq!(heard(&client.post_keyed(path, "a").await), heard(&rejected));
    assert_eq!(heard(&client.post_keyed(path, "b").await), heard(&paid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_needs_nobody_whom_the_first_request_asked() {
    let mut deployment = deployment().await;
    let (item, user) = (deployment.client.item(5, 100).await, deployment.client.user(4).await);
    let order = deployment.client.order(&user, &[]).await;
    let path = format!("/orders/addItem/{order}/{item}/2");
    let first = deployment.client.post_keyed(&path, "a").await;
    assert_eq!(first.status, 200);
    deployment.stock[0].process.kill();
    let client = &deployment.client;
    assert_eq!(heard(&client.post_keyed(&path, "a").await), heard(&first));
    assert_eq!(client.post_keyed(&path, "b").await.problem(), "unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_for_a_day_and_takes_at_most_two_hundred_bytes() {
    const KEYS: usize = 20_000;
    let deployment = deployment().await;
    let client = &deployment.client;
    let (item, user) = (client.item(1, 0).await, client.user(0).await);
    let redis = &deployment.stock_redis;
    let before = redis.used_memory().await;
    for chunk in 0..KEYS / 100 {
        let keys = (0..100).map(|number| format!("8e03978e-40d5-43dd-bc93-{chunk:06}{number:06}"));
        let path = format!("/stock/add/{item}/1");
        join_all(keys.map(async |key| client.post_keyed(&path, &key).await.status)).await;
    }
    assert_eq!(client.stock(&item).await, KEYS.cast_signed() as i64);
    // Events wait for the bus, and without one they stay: the keys alone are counted.
    redis.run(&["DEL", "events:{0}"]).await;
    let each = eventually("the keys are all that was added", async || {
        let added = redis.used_memory().await.saturating_sub(before);
        Some(added / KEYS as u64).filter(|each| *each <= 200)
    })
    .await;
    println!("{each} bytes a key");
    assert!(each > 50, "{each} bytes cannot be all");
    let key = redis.run(&["--scan", "--pattern", "idempotency:*"]).await;
    let ttl = redis.run(&["TTL", key.lines().next().expect("a key")]).await;
    let ttl: i64 = ttl.trim().parse().expect("seconds");
    assert!((DAY_SECONDS - 600..=DAY_SECONDS).contains(&ttl), "{ttl}");
    let created = client.post_keyed(&format!("/orders/create/{user}"), "a").await;
    assert_eq!(created.status, 200);
}
