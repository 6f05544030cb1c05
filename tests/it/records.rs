//! What the records say in the long run: names that come twice, refusals that are repeated, sales of orders that are
//! set back, and what it costs to audit them.

use domain::{Credits, Timestamp, UserId};
use harness::{Audit, Deployment, RedisServer, Service, Setup, eventually, let_an_hour_pass};
use ledger::Fingerprint;
use saga::Line;
use serde_json::{Value, json};

async fn key(redis: &RedisServer, pattern: &str) -> String {
    let found = redis.run(&["KEYS", pattern]).await;
    assert!(!found.is_empty() && !found.contains('\n'), "{pattern}: {found:?}");
    found
}

/// Order's store as it was before a checkout, to be put back: as if Redis had lost what it answered since.
struct Before {
    key: String,
    record: String,
}

impl Before {
    async fn of(order: &str, orders: &RedisServer) -> Self {
        let key = key(orders, &format!("order:*:{order}")).await;
        let record = orders.run(&["GET", &key]).await;
        Self { key, record }
    }

    async fn put_back(&self, orders: &RedisServer) {
        let tag = &self.key[self.key.find('{').expect("a tag")..=self.key.find('}').expect("a tag")];
        orders.run(&["DEL", &format!("inflight:{tag}")]).await;
        orders.run(&["SET", &self.key, &self.record]).await;
    }
}

async fn mismatches(service: &Service) -> u64 {
    service.counted("holdfast_saga_mismatch_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sagas_name_that_comes_twice_for_something_else_is_refused_and_moves_nothing() {
    let deployment = Deployment::start(Setup::default()).await;
    let (client, orders) = (&deployment.client, &deployment.order_redis);
    let (user, first, second) = (
        client.user(100).await,
        client.item(2, 10).await,
        client.item(2, 10).await,
    );
    let left = async || {
        (
            client.stock(&first).await,
            client.stock(&second).await,
            client.credit(&user).await,
        )
    };
    let order = client.order(&user, &[(&first, 3)]).await;
    let before = Before::of(&order, orders).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    assert_eq!(left().await, (7, 10, 94));

    // For the same thing, the repeat finds what is held: the loss is healed.
    before.put_back(orders).await;
    assert_eq!(client.checkout(&order).await.status, 200);
    assert_eq!(left().await, (7, 10, 94));

    // More pieces of the item: stock holds others.
    before.put_back(orders).await;
    client.post(&format!("/orders/addItem/{order}/{first}/1")).await;
    let refused = client.checkout(&order).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "saga-mismatch"));
    assert_eq!(left().await, (7, 10, 94));

    // Another item for the same money: payment has been paid for something else.
    let other = client.order(&user, &[(&second, 3)]).await;
    let mut record: Value = serde_json::from_str(&before.record).expect("JSON");
    let wanted: Value = serde_json::from_str(&Before::of(&other, orders).await.record).expect("JSON");
    record["lines"] = wanted["lines"].clone();
    let swapped = Before {
        key: before.key.clone(),
        record: record.to_string(),
    };
    swapped.put_back(orders).await;
    let refused = client.checkout(&order).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "saga-mismatch"));
    assert_eq!(left().await, (7, 10, 94));
    assert_eq!(
        (
            mismatches(&deployment.stock[0]).await,
            mismatches(&deployment.payment[0]).await
        ),
        (1, 1)
    );
    for service in [&deployment.stock[0], &deployment.payment[0]] {
        assert!(service.logs().contains("a saga's name "), "{}", service.logs());
    }

    // The next attempt has a name of its own.
    assert_eq!(client.checkout(&order).await.status, 200);
    assert_eq!(left().await, (7, 7, 88));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_reserve_over_several_partitions_is_refused_alike_every_time() {
    let deployment = Deployment::start(Setup::default()).await;
    let client = &deployment.client;
    let mut items = Vec::new();
    for _ in 0..6 {
        items.push(client.item(1, 100).await);
    }
    let none_left = client.item(1, 0).await;
    for number in 0..20 {
        let lines: Vec<Value> = items
            .iter()
            .chain([&none_left])
            .map(|item| json!({ "item_id": item, "quantity": 1 }))
            .collect();
        let reserve = json!({
            "saga_id": format!("some-order-{number}.1"),
            "driven_since": Timestamp::now(),
            "fingerprint": 1,
            "lines": lines,
        });
        for _ in 0..3 {
            let reply = deployment.stock[0]
                .internal_call("/internal/reserve", reserve.clone())
                .await;
            let refused = json!({ "done": { "out_of_stock": { "item_id": none_left, "left": 0 } } });
            assert_eq!(reply, refused, "saga {number}");
        }
    }
    for item in &items {
        assert_eq!(client.stock(item).await, 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_sold_before_it_was_set_back_stays_in_the_books_and_not_in_its_record() {
    let deployment = Deployment::start(Setup::default()).await;
    let (client, orders) = (&deployment.client, &deployment.order_redis);
    client.post("/stock/batch_init/1/1000/2").await;
    client.post("/payment/batch_init/1/1000").await;
    let (mut sizes, rounds) = (Vec::new(), 12);
    for _ in 0..rounds {
        assert_eq!(client.post("/orders/batch_init/1/1/1/2").await.status, 200);
        let answer = client.checkout("0").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let key = key(orders, "order:*:0").await;
        sizes.push(orders.run(&["GET", &key]).await.len());
    }
    // Only the counts of attempts and of events have become longer.
    assert!(sizes.last() <= sizes.first().map(|size| size + 2).as_ref(), "{sizes:?}");
    let audit = Audit::of(&deployment).await;
    assert!(audit.consistent, "{audit:?}");
    assert_eq!((audit.paid, audit.in_flight), (rounds, rounds));

    // Sales are settled, whoever tells them.
    let_an_hour_pass(orders).await;
    eventually("every saga is settled", async || {
        (Audit::of(&deployment).await.in_flight == 0).then_some(())
    })
    .await;
    let audit = Audit::of(&deployment).await;
    assert!(audit.consistent, "{audit:?}");
    assert_eq!((audit.paid, audit.stock_holds, audit.payment_holds), (rounds, 0, 0));

    // And one that is lost is missed in the books.
    let sale = key(orders, "sale:*:0.5").await;
    let record = orders.run(&["GET", &sale]).await;
    orders.run(&["DEL", &sale]).await;
    let kinds = async || Audit::of(&deployment).await.off.into_keys().collect::<Vec<_>>();
    assert_eq!(kinds().await, ["unbalanced"]);
    orders.run(&["SET", &sale, &record, "EX", "1000"]).await;
    assert_eq!(kinds().await, ["would-expire"]);
    orders.run(&["SET", &sale, "{"]).await;
    assert_eq!(kinds().await, ["unbalanced", "unreadable"]);
    orders.run(&["SET", &sale, &record]).await;
    assert!(Audit::of(&deployment).await.consistent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_settled_sagas_asks_once_for_each_of_them() {
    let deployment = Deployment::start(Setup::default()).await;
    let (client, orders) = (&deployment.client, &deployment.order_redis);
    let user = client.user(10_000).await;
    let mut items = Vec::new();
    for _ in 0..10 {
        items.push(client.item(1, 1_000).await);
    }
    let lines: Vec<(&str, i64)> = items.iter().map(|item| (item.as_str(), 1)).collect();
    let sagas = 40;
    for _ in 0..sagas {
        let order = client.order(&user, &lines).await;
        assert_eq!(client.checkout(&order).await.status, 200);
    }
    let_an_hour_pass(orders).await;
    eventually("every saga is settled", async || {
        (Audit::of(&deployment).await.in_flight == 0).then_some(())
    })
    .await;
    orders.run(&["CONFIG", "RESETSTAT"]).await;
    assert!(Audit::of(&deployment).await.consistent);
    let stats = orders.run(&["INFO", "commandstats"]).await;
    let asked: Option<u64> = stats.lines().find_map(|line| {
        let calls = line.strip_prefix("cmdstat_zscore:calls=")?;
        calls.split(',').next()?.parse().ok()
    });
    assert_eq!(asked, Some(sagas), "{stats}");
}

/// The one that order sends for a saga of these contents.
pub(crate) fn fingerprint(user: &str, lines: &[(&str, u32)], total: u32) -> Fingerprint {
    let lines: Vec<Line> = lines
        .iter()
        .map(|(item, quantity)| Line {
            item_id: item.parse().expect("an item's id"),
            quantity: (*quantity).into(),
        })
        .collect();
    let user: UserId = user.parse().expect("a user's id");
    Fingerprint::new(&user, Line::pieces(&lines), Credits::from(total))
}
