//! Clients who buy while everything breaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use harness::{Answer, Client};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::IndexedRandom};
use reqwest::Method;

use super::{
    history::{Call, Content, History, Named, Operation, Reply},
    times::LONGER_THAN_ANY_CALL,
};

/// How often a client asks for the same checkout at most.
const ASKS: usize = 5;
/// Every which client repeats each request under a key until it is answered.
const USES_KEYS: usize = 3;

/// What there is to buy, and who can.
pub(crate) struct Market {
    /// Items and how many pieces came in.
    pub(crate) items: Vec<(String, i64)>,
    /// Users and how much credit came in.
    pub(crate) users: Vec<(String, i64)>,
}

impl Market {
    /// Some items that sell out and some that don't, and users who run out of credit.
    pub(crate) async fn open(client: &Client) -> Self {
        const ITEMS: i64 = 8;
        const USERS: i64 = 24;
        const POOR: i64 = 150;
        const RICH: i64 = 1_000_000;
        let (mut items, mut users) = (Vec::new(), Vec::new());
        for number in 0..ITEMS {
            let pieces = if number % 4 == 0 { 150 } else { 1_000_000 };
            items.push((client.item(1 + number % 4, pieces).await, pieces));
        }
        for number in 0..USERS {
            let credit = if number % 4 == 0 { POOR } else { RICH };
            users.push((client.user(credit).await, credit));
        }
        Self { items, users }
    }
}

/// One client.
pub(crate) struct Buyer {
    /// Its number.
    pub(crate) number: usize,
    /// Where it calls: a client for each replica, which it takes in turn.
    pub(crate) replicas: Vec<Client>,
    /// Whose turn it is.
    pub(crate) turn: AtomicUsize,
    /// Where its calls are written down.
    pub(crate) history: Arc<History>,
}

impl Buyer {
    /// Buys until the market closes. The choices are the seed's, as far as the answers allow.
    pub(crate) async fn buy(self, seed: u64, market: Arc<Market>, closed: Arc<AtomicBool>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ (self.number as u64 + 1).rotate_left(32));
        while !closed.load(Ordering::Relaxed) {
            if self.number.is_multiple_of(USES_KEYS) {
                // What is left open when the market closes is repeated later.
                self.buy_under_keys(&mut random, &market, &closed).await;
                continue;
            }
            let Some((user, _)) = market.users.choose(&mut random) else {
                return;
            };
            let Some(order) = self.create(user).await else { continue };
            for _ in 0..random.random_range(1..=3) {
                let Some((item, _)) = market.items.choose(&mut random) else {
                    return;
                };
                let path = format!("/orders/addItem/{order}/{item}/{}", random.random_range(1..=2));
                self.ask(Method::POST, &path, Call::AddItem(order.clone()), LONGER_THAN_ANY_CALL)
                    .await;
            }
            self.check_out(&order, &mut random, &closed).await;
            self.look(&order, user, &market, &mut random).await;
        }
    }

    async fn create(&self, user: &str) -> Option<String> {
        let path = format!("/orders/create/{user}");
        let answer = self
            .ask(Method::POST, &path, Call::CreateOrder, LONGER_THAN_ANY_CALL)
            .await?;
        Some(answer.json()["order_id"].as_str()?.to_owned()).filter(|_| answer.status == 200)
    }

    /// Checks out in one of the ways in which people do.
    async fn check_out(&self, order: &str, random: &mut ChaCha8Rng, closed: &AtomicBool) {
        match random.random_range(0..10) {
            // One hangs up soon, and asks again later.
            0..2 => {
                let soon = Duration::from_millis(random.random_range(1..300));
                self.checkout(order, soon).await;
            }
            // One clicks twice.
            2..4 => {
                tokio::join!(
                    self.checkout(order, LONGER_THAN_ANY_CALL),
                    self.checkout(order, LONGER_THAN_ANY_CALL)
                );
            }
            _ => {}
        }
        for _ in 0..ASKS {
            match self.checkout(order, LONGER_THAN_ANY_CALL).await {
                Some(answer) if !matches!(answer.status, 429 | 503) => break,
                _ if closed.load(Ordering::Relaxed) => return,
                _ => {}
            }
        }
        // One asks again although it knows.
        if random.random_range(0..4) == 0 {
            self.checkout(order, LONGER_THAN_ANY_CALL).await;
        }
    }

    async fn look(&self, order: &str, user: &str, market: &Market, random: &mut ChaCha8Rng) {
        let find = format!("/orders/find/{order}");
        self.ask(
            Method::GET,
            &find,
            Call::FindOrder(order.to_owned()),
            LONGER_THAN_ANY_CALL,
        )
        .await;
        if let Some((item, _)) = market.items.choose(random) {
            let find = format!("/stock/find/{item}");
            self.ask(Method::GET, &find, Call::FindItem(item.clone()), LONGER_THAN_ANY_CALL)
                .await;
        }
        let find = format!("/payment/find_user/{user}");
        self.ask(
            Method::GET,
            &find,
            Call::FindUser(user.to_owned()),
            LONGER_THAN_ANY_CALL,
        )
        .await;
    }

    async fn checkout(&self, order: &str, patience: Duration) -> Option<Answer> {
        let path = format!("/orders/checkout/{order}");
        self.ask(Method::POST, &path, Call::Checkout(order.to_owned()), patience)
            .await
    }

    /// Makes a call and writes down what came of it.
    async fn ask(&self, method: Method, path: &str, call: Call, patience: Duration) -> Option<Answer> {
        self.ask_as(method, path, call, patience, None).await
    }

    /// Makes a call under a key, likewise.
    pub(crate) async fn ask_named(&self, named: &Named, call: Call) -> Option<Answer> {
        self.ask_as(Method::POST, &named.path, call, LONGER_THAN_ANY_CALL, Some(named))
            .await
    }

    async fn ask_as(
        &self,
        method: Method,
        path: &str,
        call: Call,
        patience: Duration,
        named: Option<&Named>,
    ) -> Option<Answer> {
        let replica = self.turn.fetch_add(1, Ordering::Relaxed) % self.replicas.len();
        let begun = self.history.now();
        let key = named.map(|named| named.key.as_str());
        let answer = tokio::time::timeout(patience, self.replicas[replica].try_keyed(method, path, key)).await;
        let answer = answer.ok().and_then(Result::ok);
        let told = answer.as_ref().map_or(Reply::Nothing, |answer| Reply::Answer {
            status: answer.status,
            says: says(&call, answer),
        });
        self.history.add(Operation {
            client: self.number,
            replica,
            begun,
            ended: self.history.now(),
            patience,
            call,
            named: named.cloned(),
            told,
        });
        answer
    }
}

fn says(call: &Call, answer: &Answer) -> Content {
    let field = match call {
        Call::FindOrder(_) => "paid",
        Call::FindItem(_) => "stock",
        Call::FindUser(_) => "credit",
        Call::CreateOrder | Call::AddItem(_) | Call::Checkout(_) | Call::AddStock(..) | Call::AddFunds(..) => {
            return Content::Text(answer.text.clone());
        }
    };
    let body: serde_json::Value = serde_json::from_str(&answer.text).unwrap_or_default();
    match (body[field].as_bool(), body[field].as_i64()) {
        (Some(paid), _) => Content::Paid(paid),
        (_, Some(left)) => Content::Left(left),
        _ => Content::Text(answer.text.clone()),
    }
}
