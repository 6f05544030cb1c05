//! Stores in which every stage of a saga can be found, and no process that would change them.

use std::collections::BTreeSet;

use harness::{Answer, Audit, Deployment, RedisServer, Setup, eventually, let_an_hour_pass};
use serde_json::Value;

/// The keys of everything in the stores, and the deployment that keeps them.
pub(super) struct Fixture {
    pub(super) deployment: Deployment,
    pub(super) item: String,
    pub(super) account: String,
    /// Paid and settled.
    pub(super) settled: OrderKeys,
    /// Paid and not settled yet.
    pub(super) paid: OrderKeys,
    /// Reserved, and nobody drives it.
    pub(super) under_way: OrderKeys,
    /// Refused by stock.
    pub(super) rejected: OrderKeys,
    /// Never checked out.
    pub(super) open: OrderKeys,
}

/// The keys of what belongs to one order. If there is no such record, the key is empty.
pub(super) struct OrderKeys {
    pub(super) order: String,
    pub(super) saga: String,
    pub(super) index: String,
    pub(super) held: String,
    pub(super) charged: String,
}

impl OrderKeys {
    async fn of(order: &str, deployment: &Deployment) -> Self {
        let key = key(&deployment.order_redis, &format!("order:*:{order}")).await;
        let tag = &key[key.find('{').expect("a tag")..=key.find('}').expect("a tag")];
        let saga = format!("{order}.1");
        let hold = format!("hold:*:{saga}:*");
        Self {
            index: format!("inflight:{tag}"),
            held: keys(&deployment.stock_redis, &hold).await,
            charged: keys(&deployment.payment_redis, &hold).await,
            order: key,
            saga,
        }
    }

    /// The saga's entry, as the auditor names it.
    pub(super) fn entry(&self) -> String {
        format!("{} {}", self.index, self.saga)
    }
}

impl Fixture {
    pub(super) async fn build() -> Self {
        let mut deployment = Deployment::start(Setup {
            settings: vec![("RECOVERY_INTERVAL_MS", "50".into())],
            ..Setup::default()
        })
        .await;
        let client = deployment.client.clone();
        let (item, user) = (client.item(3, 100).await, client.user(1_000).await);
        let order = async |pieces| client.order(&user, &[(&item, pieces)]).await;
        let (settled, paid, under_way) = (order(2).await, order(5).await, order(4).await);
        let (rejected, open) = (order(500).await, order(1).await);
        assert_eq!(client.checkout(&settled).await.status, 200);
        assert_eq!(client.checkout(&rejected).await.status, 409);
        let_an_hour_pass(&deployment.order_redis).await;
        eventually("the first saga is settled", async || {
            (Audit::of(&deployment).await.in_flight == 0).then_some(())
        })
        .await;
        assert_eq!(client.checkout(&paid).await.status, 200);
        deployment.payment[0].process.signal("STOP");
        let checkout = tokio::spawn({
            let (client, order) = (client.clone(), under_way.clone());
            async move {
                client
                    .try_call(reqwest::Method::POST, &format!("/orders/checkout/{order}"))
                    .await
            }
        });
        eventually("the pieces are held", async || {
            (client.stock(&item).await == 89).then_some(())
        })
        .await;
        deployment.order[0].process.kill();
        deployment.payment[0].process.kill();
        let unheard: Result<Answer, _> = checkout.await.expect("the client's task");
        assert!(unheard.is_err(), "{unheard:?}");
        Self {
            item: key(&deployment.stock_redis, &format!("item:*:{item}")).await,
            account: key(&deployment.payment_redis, &format!("account:*:{user}")).await,
            settled: OrderKeys::of(&settled, &deployment).await,
            paid: OrderKeys::of(&paid, &deployment).await,
            under_way: OrderKeys::of(&under_way, &deployment).await,
            rejected: OrderKeys::of(&rejected, &deployment).await,
            open: OrderKeys::of(&open, &deployment).await,
            deployment,
        }
    }

    pub(super) fn orders(&self) -> &RedisServer {
        &self.deployment.order_redis
    }

    pub(super) fn stock(&self) -> &RedisServer {
        &self.deployment.stock_redis
    }

    pub(super) fn payment(&self) -> &RedisServer {
        &self.deployment.payment_redis
    }

    /// Damages what is under one key, expects these findings and no others, and mends it.
    pub(super) async fn damaged(
        &self,
        what: &str,
        redis: &RedisServer,
        key: &str,
        damage: &[&str],
        expected: &[(&str, &str)],
    ) {
        let existed = redis.run(&["COPY", key, key, "DB", "1", "REPLACE"]).await == "1";
        redis.run(damage).await;
        let audit = Audit::of(&self.deployment).await;
        redis.run(&["DEL", key]).await;
        if existed {
            redis.run(&["-n", "1", "COPY", key, key, "DB", "0", "REPLACE"]).await;
            redis.run(&["-n", "1", "DEL", key]).await;
        }
        finds(&audit, expected, what);
    }

    /// Changes a record, expects these findings and no others, and mends it.
    pub(super) async fn edited(
        &self,
        what: &str,
        redis: &RedisServer,
        key: &str,
        edit: impl Fn(&mut Value),
        expected: &[(&str, &str)],
    ) {
        let mut record: Value = serde_json::from_str(&redis.run(&["GET", key]).await).expect("JSON");
        edit(&mut record);
        let set = ["SET", key, &record.to_string(), "KEEPTTL"];
        self.damaged(what, redis, key, &set, expected).await;
    }

    /// Expects that nothing is off.
    pub(super) async fn is_whole(&self) {
        finds(&Audit::of(&self.deployment).await, &[], "everything is mended");
    }
}

/// Expects these findings, each a kind and a record, and no others.
pub(super) fn finds(audit: &Audit, expected: &[(&str, &str)], what: &str) {
    let found: BTreeSet<(&str, &str)> = audit
        .findings
        .iter()
        .map(|finding| (finding.kind.as_str(), finding.record.as_str()))
        .collect();
    assert_eq!(found, expected.iter().copied().collect(), "{what}");
}

/// The only key of this form: its tag is the service's business.
async fn key(redis: &RedisServer, pattern: &str) -> String {
    let found = keys(redis, pattern).await;
    assert!(!found.is_empty() && !found.contains('\n'), "{pattern}: {found:?}");
    found
}

async fn keys(redis: &RedisServer, pattern: &str) -> String {
    redis.run(&["KEYS", pattern]).await
}
