use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures::{StreamExt, future::join_all, stream};
use rand::RngExt;
use reqwest::Method;

use crate::{Answer, Client, eventually};

const ITEMS: i64 = 20;
const USERS: usize = 50;
const BUYERS: usize = 16;
/// Every second item has so few pieces that it sells out.
const SCARCE: i64 = 100;
const PLENTY: i64 = 1_000_000;
const CREDIT: i64 = 400;
/// How many calls read the results at once.
const SIDE_BY_SIDE: usize = 32;

/// Items and users of its own, buyers who keep buying while things break, and the sums that must hold afterwards.
pub struct Shop {
    client: Client,
    /// With the pieces that came in.
    items: HashMap<String, i64>,
    /// With the credit that came in.
    users: HashMap<String, i64>,
}

/// What a buyer was told about an order, in the end.
struct Purchase {
    order: String,
    told: Answer,
}

/// What became of a run.
#[derive(Debug, Default)]
pub struct Tally {
    /// Checkouts that were answered 200.
    pub paid: usize,
    /// Checkouts that were refused.
    pub refused: usize,
}

impl Shop {
    /// Creates items that cost 1 to 4 and users.
    pub async fn open(client: &Client) -> Self {
        let mut items = HashMap::new();
        for number in 0..ITEMS {
            let pieces = if number % 2 == 0 { PLENTY } else { SCARCE };
            let price = 1 + number % 4;
            items.insert(client.item(price, pieces).await, pieces);
        }
        let mut users = HashMap::new();
        for _ in 0..USERS {
            users.insert(client.user(CREDIT).await, CREDIT);
        }
        Self {
            client: client.clone(),
            items,
            users,
        }
    }

    /// Lets many buy while `during` runs, waits until every checkout is decided, and checks every sum.
    ///
    /// # Panics
    /// If an answer, an order, an item or a user is off.
    pub async fn buy_during<T>(&self, during: impl Future<Output = T>) -> (T, Tally) {
        let closed = AtomicBool::new(false);
        let buyers = join_all((0..BUYERS).map(|_| self.buy_until(&closed)));
        let during = async {
            let happened = during.await;
            closed.store(true, Ordering::Relaxed);
            happened
        };
        let (happened, bought) = tokio::join!(during, buyers);
        let purchases: Vec<Purchase> = bought.into_iter().flatten().collect();
        (happened, self.check(&purchases).await)
    }

    async fn buy_until(&self, closed: &AtomicBool) -> Vec<Purchase> {
        let mut purchases = Vec::new();
        while !closed.load(Ordering::Relaxed) {
            let user = any_of(&self.users);
            // An order that was not created or filled, for all that this buyer heard, is left alone.
            let Some(created) = self.post(&format!("/orders/create/{user}")).await else {
                continue;
            };
            let order = created.json()["order_id"].as_str().expect("an id").to_owned();
            for _ in 0..rand::rng().random_range(1..=2) {
                let item = any_of(&self.items);
                self.post(&format!("/orders/addItem/{order}/{item}/1")).await;
            }
            let told = self.client.checkout_decided(&order).await;
            purchases.push(Purchase { order, told });
        }
        purchases
    }

    async fn post(&self, path: &str) -> Option<Answer> {
        let answer = self.client.try_call(Method::POST, path).await.ok()?;
        (answer.status == 200).then_some(answer)
    }

    /// Holds the answers and the records against each other. The orders' own lines are taken as they are: an
    /// addItem whose answer was lost may or may not be in one.
    async fn check(&self, purchases: &[Purchase]) -> Tally {
        let mut tally = Tally::default();
        let mut sold: HashMap<String, i64> = HashMap::new();
        let mut spent: HashMap<String, i64> = HashMap::new();
        let orders: Vec<_> = stream::iter(purchases)
            .map(|purchase| async move { (purchase, self.found(&format!("/orders/find/{}", purchase.order)).await) })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        for (purchase, order) in orders {
            let told_paid = purchase.told.status == 200;
            assert_eq!(order["paid"], told_paid, "{}: {:?}", purchase.order, purchase.told);
            if told_paid {
                tally.paid += 1;
                let user = order["user_id"].as_str().expect("a user").to_owned();
                *spent.entry(user).or_default() += order["total_cost"].as_i64().expect("a number");
                for line in order["items"].as_array().expect("lines") {
                    let item = line[0].as_str().expect("an item").to_owned();
                    *sold.entry(item).or_default() += line[1].as_i64().expect("a number");
                }
            } else {
                assert!((400..500).contains(&purchase.told.status), "{:?}", purchase.told);
                tally.refused += 1;
            }
        }
        for (item, supplied) in &self.items {
            let stock = self.found(&format!("/stock/find/{item}")).await["stock"].clone();
            let due = supplied - sold.get(item).unwrap_or(&0);
            assert!(due >= 0, "{item} was sold {} times too often", -due);
            assert_eq!(stock, due, "the stock of {item}");
        }
        for (user, funded) in &self.users {
            let credit = self.found(&format!("/payment/find_user/{user}")).await["credit"].clone();
            assert_eq!(credit, funded - spent.get(user).unwrap_or(&0), "the credit of {user}");
        }
        tally
    }

    async fn found(&self, path: &str) -> serde_json::Value {
        eventually(path, async || {
            let answer = self.client.try_call(Method::GET, path).await.ok()?;
            (answer.status == 200).then(|| answer.json())
        })
        .await
    }
}

fn any_of(records: &HashMap<String, i64>) -> &str {
    let number = rand::rng().random_range(0..records.len());
    records.keys().nth(number).expect("a record")
}
