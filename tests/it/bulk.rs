//! `batch_init`: each record on its own, and what is told of those that are not there in the end.

use harness::{Deployment, Setup, eventually};

const MOST: i64 = i64::MAX;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_set_keeps_no_other_from_it_and_is_named() {
    let deployment = Deployment::start(Setup::default()).await;
    let client = &deployment.client;
    client.post("/stock/batch_init/8/10/1").await;
    client.post("/payment/batch_init/8/10").await;
    let order = client.order("7", &[("7", 1)]).await;
    assert_eq!(client.checkout(&order).await.status, 200);

    // What was sold of item 7, or spent by user 7, and the most that can be counted, are too many to count together.
    let items = client.post(&format!("/stock/batch_init/200/{MOST}/1")).await;
    let users = client.post(&format!("/payment/batch_init/200/{MOST}")).await;
    for (answer, what) in [(items, "items 7 cannot"), (users, "users 7 cannot")] {
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (409, "overflow"),
            "{answer:?}"
        );
        let detail = answer.json()["detail"].to_string();
        assert!(
            detail.contains(what) && detail.contains("the others are ready"),
            "{detail}"
        );
    }
    for number in 0..200 {
        let (left, credit) = if number == 7 { (9, 9) } else { (MOST, MOST) };
        assert_eq!(client.stock(&number.to_string()).await, left, "item {number}");
        assert_eq!(client.credit(&number.to_string()).await, credit, "user {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_keeps_no_other_from_being_set_and_is_named() {
    let deployment = Deployment::start(Setup::default()).await;
    let client = &deployment.client;
    client.post("/stock/batch_init/100/1/1").await;
    for number in [42, 43] {
        let key = deployment.stock_redis.run(&["KEYS", &format!("item:*:{number}")]).await;
        deployment.stock_redis.run(&["SET", &key, "no item"]).await;
    }
    let answer = client.post("/stock/batch_init/100/5/1").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (500, "partly-broken"),
        "{answer:?}"
    );
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("items 42, 43 are missing"), "{detail}");
    for number in (0..100).filter(|number| ![42, 43].contains(number)) {
        assert_eq!(client.stock(&number.to_string()).await, 5, "item {number}");
    }
}

/// Makes Redis refuse whatever is written, as long as it has no replica.
async fn refuse_writes(deployment: &Deployment, refuse: bool) {
    let replicas = if refuse { "1" } else { "0" };
    deployment
        .stock_redis
        .run(&["CONFIG", "SET", "min-replicas-to-write", replicas])
        .await;
}

const MANY: u32 = 300_000;

/// Lets a `batch_init` begin, and Redis refuse to write once some records are there.
async fn interrupted(deployment: &Deployment) -> tokio::task::JoinHandle<harness::Answer> {
    let client = deployment.client.clone();
    let answer = tokio::spawn(async move { client.post(&format!("/stock/batch_init/{MANY}/5/1")).await });
    eventually("some records are there", async || {
        let some = deployment.stock_redis.run(&["DBSIZE"]).await;
        (some.parse::<u32>().ok()? > 1_000).then_some(())
    })
    .await;
    refuse_writes(deployment, true).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_a_while_is_made_all_the_same() {
    let deployment = Deployment::start(Setup::default()).await;
    let answer = interrupted(&deployment).await;
    let refused = deployment.client.post("/stock/item/create/1").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(!answer.is_finished(), "it gave up at the first refusal");
    refuse_writes(&deployment, false).await;
    let answer = answer.await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    for number in [0, 1, MANY / 2, MANY - 1] {
        assert_eq!(deployment.client.stock(&number.to_string()).await, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_away_is_told_in_bounded_time_with_how_much_is_missing() {
    let deployment = Deployment::start(Setup::default()).await;
    let answer = interrupted(&deployment).await;
    let answer = tokio::time::timeout(harness::PATIENCE, answer)
        .await
        .expect("a bounded wait")
        .expect("an answer");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "partly-done"),
        "{answer:?}"
    );
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    let (told, _) = detail.split_once(" more are missing").expect("how many more");
    let more: usize = told
        .rsplit(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number");
    let there = deployment
        .stock_redis
        .run(&["EVAL", "return #redis.call('KEYS', 'item:*')", "0"])
        .await;
    let there: usize = there.parse().expect("a number");
    assert_eq!(there + more + 10, MANY as usize, "{detail}");
}
