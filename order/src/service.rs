//! What order does, for its HTTP side and for a process that embeds it.

use std::time::Duration;

use metrics::{Counter, counter};
use shared::{
    amounts::Quantity,
    backoff::Backoff,
    bulk::{self, RecordCount},
    engine::{Engine, EngineConfig, EngineError, Lanes},
    http::CorrelationId,
    http::Vitals,
    ids::{ItemId, OrderId, SagaId, UserId},
    protocol::{Line, Quote, QuoteAnswer},
    service::{Foundation, StartError},
    store::{Store, StoreConfig},
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    config::SagaConfig,
    decide::{AddItem, AddItemOutcome, Begin, BeginOutcome, Course, Create, Init, Saga, Verdict},
    keys::Keys,
    participants::{Participants, ask},
    random_orders::RandomOrders,
    record::{Order, Rejection, Status},
    saga::{Driven, Stuck},
};

/// The orders of a deployment, behind their engine, and the drivers of their sagas.
#[derive(Clone)]
pub struct Orders {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) participants: Participants,
    pub(crate) saga: SagaConfig,
    pub(crate) metrics: OrderMetrics,
}

/// How a checkout ended for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout {
    /// The order is paid: now, or it was before.
    Paid,
    /// The attempt was rejected; nothing is held.
    Rejected(Rejection),
    /// The order has no lines.
    Empty,
    /// There is no such order.
    UnknownOrder,
    /// The saga is not decided yet. Asking again is safe and waits for the same saga.
    Undecided,
}

/// How adding a line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// What the order's record says.
    Decided(AddItemOutcome),
    /// Stock knows no such item.
    UnknownItem,
    /// Stock did not tell the price.
    NoPrice,
}

#[derive(Clone)]
pub(crate) struct OrderMetrics {
    pub(crate) paid: Counter,
    pub(crate) rejected: Counter,
    pub(crate) undecided: Counter,
    pub(crate) taken_over: Counter,
}

/// How a client that waits for somebody else's saga looks for its end.
const FOLLOW: Backoff = Backoff {
    first: Duration::from_millis(2),
    most: Duration::from_millis(50),
};

impl Orders {
    /// Claims the store and starts the lanes.
    pub async fn start(
        store: &StoreConfig,
        engine: &EngineConfig,
        saga: SagaConfig,
        participants: Participants,
    ) -> Result<(Self, Lanes), StartError> {
        let foundation = Foundation::start("order", store, engine).await?;
        let orders = Self {
            engine: foundation.engine,
            store: foundation.store,
            keys: Keys::new(foundation.partitions),
            participants,
            saga,
            metrics: OrderMetrics {
                paid: counter!("holdfast_checkouts_total", "outcome" => "paid"),
                rejected: counter!("holdfast_checkouts_total", "outcome" => "rejected"),
                undecided: counter!("holdfast_checkouts_total", "outcome" => "undecided"),
                taken_over: counter!("holdfast_sagas_taken_over_total"),
            },
        };
        Ok((orders, foundation.lanes))
    }

    /// What the service needs in order to do its work.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        Vitals {
            service: "order",
            store: self.store.clone(),
            lanes: self.engine.health(),
        }
    }

    /// The store, for the health check.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Creates an order without lines and returns its new id.
    pub async fn create(&self, user_id: UserId) -> Result<OrderId, EngineError> {
        let order_id = OrderId::generate();
        let order = self.keys.order(&order_id);
        self.engine.submit(Create { order, user_id }).await?;
        Ok(order_id)
    }

    /// The order, where there is one.
    pub async fn find(&self, order_id: &OrderId) -> Result<Option<Order>, EngineError> {
        self.store.read(&self.keys.order(order_id)).await
    }

    /// Adds a line at the present price.
    pub async fn add_item(
        &self,
        order_id: &OrderId,
        item_id: ItemId,
        quantity: Quantity,
    ) -> Result<Added, EngineError> {
        let until = Instant::now() + self.saga.client_patience();
        let quote = || {
            self.participants.stock.quote(Quote {
                item_id: item_id.clone(),
            })
        };
        let price = match ask(until, quote).await.map(|asked| asked.answer) {
            Ok(QuoteAnswer::Price(price)) => price,
            Ok(QuoteAnswer::UnknownItem) => return Ok(Added::UnknownItem),
            Err(error) => {
                tracing::warn!(%error, "stock did not tell a price");
                return Ok(Added::NoPrice);
            }
        };
        let order = self.keys.order(order_id);
        let line = Line { item_id, quantity };
        self.engine
            .submit(AddItem { order, line, price })
            .await
            .map(Added::Decided)
    }

    /// Creates random orders "0" to "count - 1", and returns how many stayed as they were because they are
    /// being checked out.
    pub async fn init(&self, count: RecordCount, orders: RandomOrders) -> Result<usize, EngineError> {
        let outcomes = bulk::in_chunks(&self.engine, self.keys.partitions(), count, |partition, numbers| Init {
            partition,
            orders: numbers
                .into_iter()
                .map(|number| orders.order(&self.keys, number))
                .collect(),
        })
        .await?;
        Ok(outcomes.into_iter().map(|outcome| outcome.busy).sum())
    }

    /// Checks an order out, or waits for the checkout that is under way.
    pub async fn checkout(&self, order_id: &OrderId) -> Result<Checkout, EngineError> {
        let until = Instant::now() + self.saga.client_patience();
        let begin = Begin {
            keys: self.keys.saga(order_id),
        };
        let checkout = match self.engine.submit(begin).await? {
            BeginOutcome::Begun(saga) => self.drive_for_client(saga, until).await,
            BeginOutcome::UnderWay(saga_id) => self.follow(&saga_id, until).await,
            BeginOutcome::AlreadyPaid => Checkout::Paid,
            BeginOutcome::Empty => Checkout::Empty,
            BeginOutcome::UnknownOrder => Checkout::UnknownOrder,
        };
        self.metrics.count(&checkout);
        Ok(checkout)
    }

    /// Drives a saga in a task of its own, which goes on when the client hangs up.
    async fn drive_for_client(&self, saga: Saga, until: Instant) -> Checkout {
        let saga_id = saga.id.clone();
        let orders = self.clone();
        let drive = async move { orders.drive(&saga, Course::Forward).await };
        let drive = CorrelationId::carried(drive).instrument(tracing::Span::current());
        let driven = tokio::spawn(drive).await;
        match driven {
            Ok(Ok(Driven::Finished(Verdict::Paid))) => return Checkout::Paid,
            Ok(Ok(Driven::Finished(Verdict::Rejected(rejection)))) => return Checkout::Rejected(rejection),
            Ok(Ok(Driven::Overtaken)) => tracing::info!(saga = %saga_id, "overtaken"),
            Ok(Err(error)) => warn_stuck(&saga_id, &error),
            Err(error) => tracing::error!(saga = %saga_id, %error, "a driver broke"),
        }
        self.follow(&saga_id, until).await
    }

    /// Waits until the order's record shows how a saga ended.
    async fn follow(&self, saga_id: &SagaId, until: Instant) -> Checkout {
        let mut looks = 0;
        loop {
            match self.find(&saga_id.order).await {
                Ok(Some(order)) => {
                    if let Some(ended) = ended(&order, saga_id) {
                        return ended;
                    }
                }
                Ok(None) => return Checkout::UnknownOrder,
                Err(error) => tracing::warn!(saga = %saga_id, %error, "the order could not be read"),
            }
            if Instant::now() >= until {
                return Checkout::Undecided;
            }
            FOLLOW.sleep(looks).await;
            looks += 1;
        }
    }
}

fn warn_stuck(saga_id: &SagaId, error: &Stuck) {
    tracing::warn!(saga = %saga_id, %error, "a saga is not decided yet; it will be taken over");
}

/// How the saga ended, or a later one of the same order; `None` while one is under way.
fn ended(order: &Order, saga_id: &SagaId) -> Option<Checkout> {
    match &order.status {
        Status::Paid => Some(Checkout::Paid),
        Status::Open {
            last_failure: Some(rejection),
        } if order.attempt >= saga_id.attempt => Some(Checkout::Rejected(rejection.clone())),
        // Somebody has set the order back; what became of the saga is not recorded.
        Status::Open { .. } => Some(Checkout::Undecided),
        Status::CheckingOut { .. } | Status::Cancelling { .. } => None,
    }
}

impl OrderMetrics {
    fn count(&self, checkout: &Checkout) {
        match checkout {
            Checkout::Paid => self.paid.increment(1),
            Checkout::Undecided => self.undecided.increment(1),
            Checkout::Rejected(_) | Checkout::Empty | Checkout::UnknownOrder => self.rejected.increment(1),
        }
    }
}
