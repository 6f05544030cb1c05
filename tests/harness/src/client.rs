use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;

/// A client of the public API.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    origins: Arc<Origins>,
}

/// Base URLs of each service's replicas, taken in turn as a gateway would.
struct Origins {
    order: Vec<String>,
    stock: Vec<String>,
    payment: Vec<String>,
    next: AtomicUsize,
}

/// What a call answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// Retry-After, if it was sent.
    pub retry_after: Option<String>,
    /// Idempotent-Replayed, if it was sent.
    pub replayed: Option<String>,
    /// The correlation id that came back.
    pub correlation_id: String,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The last part of a problem's type.
    #[must_use]
    pub fn problem(&self) -> String {
        let problem = self.json();
        let kind = problem["type"].as_str().unwrap_or_default();
        kind.trim_start_matches("urn:holdfast:problem:").to_owned()
    }
}

impl Client {
    /// A client of services at these base URLs.
    ///
    /// # Panics
    /// If the HTTP client cannot be set up.
    #[must_use]
    pub fn new(order: Vec<String>, stock: Vec<String>, payment: Vec<String>) -> Self {
        let origins = Origins {
            order,
            stock,
            payment,
            next: AtomicUsize::new(0),
        };
        let http = crate::tls::http().timeout(crate::PATIENCE).build();
        Self {
            http: http.expect("an HTTP client"),
            origins: Arc::new(origins),
        }
    }

    /// A client of all services under one origin.
    #[must_use]
    pub fn of_one_origin(origin: &str) -> Self {
        let origins = || vec![origin.to_owned()];
        Self::new(origins(), origins(), origins())
    }

    /// Calls POST.
    pub async fn post(&self, path: &str) -> Answer {
        self.call(Method::POST, path).await
    }

    /// Calls GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// Makes a call of any method.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn call(&self, method: Method, path: &str) -> Answer {
        self.try_call(method, path)
            .await
            .unwrap_or_else(|error| unreachable!("{path}: {error}"))
    }

    /// Makes a call that may get no answer, because somebody is killed.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn try_call(&self, method: Method, path: &str) -> Result<Answer, reqwest::Error> {
        self.try_keyed(method, path, None).await
    }

    /// Calls POST under an `Idempotency-Key`, which is sent as it is.
    ///
    /// # Panics
    /// If no answer comes.
    pub async fn post_keyed(&self, path: &str, key: &str) -> Answer {
        let answer = self.try_keyed(Method::POST, path, Some(key)).await;
        answer.unwrap_or_else(|error| unreachable!("{path}: {error}"))
    }

    /// Makes a call that may get no answer, perhaps under an `Idempotency-Key`, which is sent as it is.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn try_keyed(&self, method: Method, path: &str, key: Option<&str>) -> Result<Answer, reqwest::Error> {
        let request = self.http.request(method, format!("{}{path}", self.origin(path)));
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        let response = request.send().await?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(ToOwned::to_owned)
        };
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: header("content-type").unwrap_or_default(),
            retry_after: header("retry-after"),
            replayed: header("idempotent-replayed"),
            correlation_id: header("x-correlation-id").unwrap_or_default(),
            text: response.text().await?,
        })
    }

    fn origin(&self, path: &str) -> &str {
        let replicas = match path.split('/').nth(1) {
            Some("stock") => &self.origins.stock,
            Some("payment") => &self.origins.payment,
            _ => &self.origins.order,
        };
        &replicas[self.origins.next.fetch_add(1, Ordering::Relaxed) % replicas.len()]
    }

    /// Creates an item with some pieces.
    pub async fn item(&self, price: i64, stock: i64) -> String {
        let item = self.created(&format!("/stock/item/create/{price}"), "item_id").await;
        self.ok(&format!("/stock/add/{item}/{stock}")).await;
        item
    }

    /// Creates a user with some credit.
    pub async fn user(&self, credit: i64) -> String {
        let user = self.created("/payment/create_user", "user_id").await;
        self.ok(&format!("/payment/add_funds/{user}/{credit}")).await;
        user
    }

    /// Creates an order of these items and numbers of pieces.
    pub async fn order(&self, user: &str, lines: &[(&str, i64)]) -> String {
        let order = self.created(&format!("/orders/create/{user}"), "order_id").await;
        for (item, quantity) in lines {
            self.ok(&format!("/orders/addItem/{order}/{item}/{quantity}")).await;
        }
        order
    }

    /// Fresh orders of one piece of an item each, made side by side.
    pub async fn orders(&self, user: &str, item: &str, count: usize) -> Vec<String> {
        const SIDE_BY_SIDE: usize = 16;
        stream::iter(0..count)
            .map(|_| async { self.order(user, &[(item, 1)]).await })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await
    }

    /// Fresh orders of one piece each, which can all be paid: of an item and a user of their own.
    ///
    /// # Panics
    /// If they are too many to count.
    pub async fn payable_orders(&self, count: usize) -> Vec<String> {
        let many = i64::try_from(count).expect("a small number");
        let (item, user) = (self.item(1, many).await, self.user(many).await);
        self.orders(&user, &item, count).await
    }

    /// Checks an order out.
    pub async fn checkout(&self, order: &str) -> Answer {
        self.post(&format!("/orders/checkout/{order}")).await
    }

    /// Checks an order out, and asks again for as long as it is not decided.
    pub async fn checkout_decided(&self, order: &str) -> Answer {
        crate::eventually("a decided checkout", async || {
            let answer = self
                .try_call(Method::POST, &format!("/orders/checkout/{order}"))
                .await
                .ok()?;
            (answer.status != 503 && answer.status != 429).then_some(answer)
        })
        .await
    }

    /// How many pieces an item has.
    pub async fn stock(&self, item: &str) -> i64 {
        self.number(&format!("/stock/find/{item}"), "stock").await
    }

    /// How much credit a user has.
    pub async fn credit(&self, user: &str) -> i64 {
        self.number(&format!("/payment/find_user/{user}"), "credit").await
    }

    /// Whether an order is paid.
    pub async fn is_paid(&self, order: &str) -> bool {
        self.get(&format!("/orders/find/{order}")).await.json()["paid"] == true
    }

    async fn ok(&self, path: &str) -> Answer {
        let answer = self.post(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }

    async fn created(&self, path: &str, field: &str) -> String {
        let created = self.ok(path).await.json();
        created[field]
            .as_str()
            .unwrap_or_else(|| unreachable!("{path}: {created}"))
            .to_owned()
    }

    async fn number(&self, path: &str, field: &str) -> i64 {
        let answer = self.get(path).await;
        answer.json()[field]
            .as_i64()
            .unwrap_or_else(|| unreachable!("{path}: {answer:?}"))
    }
}
