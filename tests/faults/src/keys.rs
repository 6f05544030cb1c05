//! Calls under an `Idempotency-Key`: clients who repeat them until they are answered, and what must be true of them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use harness::{Answer, eventually};
use rand::{RngExt, rngs::ChaCha8Rng, seq::IndexedRandom};

use crate::{
    history::{Call, Named, Operation, Reply},
    load::{Buyer, Market},
};

/// How much a client brings at once.
const BROUGHT: i64 = 3;

/// Makes every key of a run unlike the others.
static KEYS: AtomicUsize = AtomicUsize::new(0);

impl Buyer {
    /// Brings pieces and credit, fills an order and checks it out, each by one request that is repeated until it is
    /// answered.
    pub(crate) async fn buy_under_keys(
        &self,
        random: &mut ChaCha8Rng,
        market: &Market,
        closed: &AtomicBool,
    ) -> Option<()> {
        let (item, _) = market.items.choose(random)?;
        let (user, _) = market.users.choose(random)?;
        let brought = format!("/stock/add/{item}/{BROUGHT}");
        self.insist(&brought, Call::AddStock(item.clone(), BROUGHT), random, closed)
            .await?;
        let brought = format!("/payment/add_funds/{user}/{BROUGHT}");
        self.insist(&brought, Call::AddFunds(user.clone(), BROUGHT), random, closed)
            .await?;
        let created = format!("/orders/create/{user}");
        let created = self.insist(&created, Call::CreateOrder, random, closed).await?;
        let order = created.json()["order_id"].as_str()?.to_owned();
        for _ in 0..random.random_range(1..=2) {
            let line = format!("/orders/addItem/{order}/{item}/1");
            self.insist(&line, Call::AddItem(order.clone()), random, closed).await?;
        }
        let checkout = format!("/orders/checkout/{order}");
        self.insist(&checkout, Call::Checkout(order), random, closed).await?;
        Some(())
    }

    /// Repeats a request until it is answered, and sometimes once more; `None` if the market closes before.
    async fn insist(&self, path: &str, call: Call, random: &mut ChaCha8Rng, closed: &AtomicBool) -> Option<Answer> {
        let named = Named {
            key: KEYS.fetch_add(1, Ordering::Relaxed).to_string(),
            path: path.to_owned(),
        };
        let ask = || self.ask_named(&named, call.clone());
        while !closed.load(Ordering::Relaxed) {
            if let Some(answer) = ask().await.filter(|answer| is_final(answer.status)) {
                if random.random_range(0..4) == 0 {
                    ask().await;
                }
                return Some(answer);
            }
        }
        None
    }
}

/// Whether the answer says how the request ended.
fn is_final(status: u16) -> bool {
    !matches!(status, 429 | 503)
}

/// The answer of an operation that says how it ended.
fn final_answer(operation: &Operation) -> Option<&Reply> {
    match &operation.told {
        told @ Reply::Answer { status, .. } if is_final(*status) => Some(told),
        _ => None,
    }
}

/// The operations under each key.
fn by_key(operations: &[Operation]) -> BTreeMap<&str, Vec<&Operation>> {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if let Some(named) = &operation.named {
            by_key.entry(named.key.as_str()).or_default().push(operation);
        }
    }
    by_key
}

/// The requests that nobody has heard an answer of.
fn unanswered(operations: &[Operation]) -> Vec<(Named, Call)> {
    let keys = by_key(operations).into_values();
    let open = keys.filter(|repeats| !repeats.iter().any(|one| final_answer(one).is_some()));
    open.filter_map(|repeats| Some((repeats[0].named.clone()?, repeats[0].call.clone())))
        .collect()
}

/// Every operation, of those under one key the first that was answered alone: what the others did not move.
#[must_use]
pub(crate) fn once(operations: &[Operation]) -> Vec<Operation> {
    let first = by_key(operations)
        .into_values()
        .filter_map(|repeats| repeats.into_iter().find(|one| final_answer(one).is_some()));
    let unkeyed = operations.iter().filter(|one| one.named.is_none());
    let mut once: Vec<Operation> = unkeyed.chain(first).cloned().collect();
    once.sort_by_key(|operation| operation.begun);
    once
}

/// Keys whose requests were answered differently, or never.
#[must_use]
pub(crate) fn violations(operations: &[Operation]) -> Vec<String> {
    let keys = by_key(operations).into_iter();
    let broken = keys.filter_map(|(key, repeats)| {
        let mut answers = repeats.iter().filter_map(|one| final_answer(one));
        match answers.next() {
            None => Some(format!("key {key} was never answered: {repeats:#?}")),
            Some(first) if answers.any(|answer| answer != first) => {
                Some(format!("key {key} was answered differently: {repeats:#?}"))
            }
            Some(_) => None,
        }
    });
    broken.collect()
}

/// Repeats what is still unanswered, now that nothing is broken any more.
pub(crate) async fn settle(buyer: &Buyer) {
    for (named, call) in unanswered(&buyer.history.operations()) {
        let is_answered = async || {
            let answer = buyer.ask_named(&named, call.clone()).await?;
            is_final(answer.status).then_some(())
        };
        eventually("a repeat is answered", is_answered).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::history::Content;

    fn add(key: &str, begun: u64, told: Reply) -> Operation {
        Operation {
            client: 0,
            replica: 0,
            begun: Duration::from_millis(begun),
            ended: Duration::from_millis(begun + 1),
            patience: Duration::from_secs(6),
            call: Call::AddStock("i".into(), 1),
            named: Some(Named {
                key: key.into(),
                path: "/stock/add/i/1".into(),
            }),
            told,
        }
    }

    fn answer(status: u16, text: &str) -> Reply {
        Reply::Answer {
            status,
            says: Content::Text(text.into()),
        }
    }

    #[test]
    fn a_key_that_is_answered_differently_or_never_is_a_violation() {
        let same = [
            add("a", 0, Reply::Nothing),
            add("a", 2, answer(200, "5")),
            add("a", 4, answer(200, "5")),
        ];
        assert!(violations(&same).is_empty());
        assert_eq!(once(&same), [same[1].clone()]);
        let differs = [add("a", 0, answer(200, "5")), add("a", 2, answer(200, "6"))];
        assert_eq!(violations(&differs).len(), 1);
        let refused = [add("a", 0, answer(409, "")), add("a", 2, answer(200, "6"))];
        assert_eq!(violations(&refused).len(), 1);
        let open = [add("a", 0, answer(503, "")), add("a", 2, answer(429, ""))];
        assert_eq!(violations(&open).len(), 1);
        assert_eq!(unanswered(&open).len(), 1);
    }
}
